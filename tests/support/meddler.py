"""A server on loopback that stands between wxtp-admin and wxtp-simulator, or in WeChat's place, and says what it likes."""
import socket
import ssl
import threading
import urllib.parse


def read_message(connection):
    """One HTTP message with a Content-Length; b"" where the other end hung up before it was whole."""
    message = b""
    while b"\r\n\r\n" not in message:
        part = connection.recv(65536)
        if not part:
            return b""
        message += part
    head, _, body = message.partition(b"\r\n\r\n")
    length = 0
    for line in head.split(b"\r\n")[1:]:
        name, _, value = line.partition(b":")
        if name.lower() == b"content-length":
            length = int(value)
    while len(body) < length:
        part = connection.recv(65536)
        if not part:
            return b""
        body += part
    return head + b"\r\n\r\n" + body


class Meddler:
    """`say(path, whole)` gives the bytes to say to a request, in parts: `whole()` asks the simulator, once, for the
    true answer. Without it every answer is the true one. Each connection ends with its answer. `hasty`: the first bytes
    that come are answered, whatever they are."""

    def __init__(self, target=None, say=None, tls=None, hasty=False):
        self.target, self.say, self.tls, self.hasty = target, say, tls, hasty
        self.requests = []  # paths of the requests that were read whole
        self.connections = 0
        self.lock = threading.Lock()
        self.stopping = False
        self.listener = socket.create_server(("127.0.0.1", 0), backlog=64)
        self.port = self.listener.getsockname()[1]
        self.base = "%s://%s:%d" % ("https" if tls else "http", "localhost" if tls else "127.0.0.1", self.port)
        self.threads = [threading.Thread(target=self.accept)]
        self.threads[0].start()

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.stopping = True
        self.listener.shutdown(socket.SHUT_RDWR)
        self.threads[0].join()
        self.listener.close()
        for thread in self.threads[1:]:
            thread.join(timeout=20)

    def accept(self):
        while not self.stopping:
            try:
                connection, _ = self.listener.accept()
            except OSError:
                return
            self.connections += 1
            thread = threading.Thread(target=self.serve, args=(connection,), daemon=True)
            self.threads.append(thread)
            thread.start()

    def serve(self, connection):
        with connection:
            connection.settimeout(30)
            try:
                with (self.tls.wrap_socket(connection, server_side=True) if self.tls else connection) as spoken:
                    self.converse(spoken)
            except (OSError, ssl.SSLError):
                pass  # the other end is free to hang up

    def converse(self, connection):
        if self.hasty:
            connection.recv(65536)
            for part in self.say("", None):
                connection.sendall(part)
            return
        request = read_message(connection)
        if not request:
            return
        path = urllib.parse.urlsplit(request.split(b" ", 2)[1].decode()).path
        with self.lock:
            self.requests.append(path)
        parts = self.say(path, lambda: self.ask(request)) if self.say else [self.ask(request)]
        for part in parts:
            connection.sendall(part)

    def ask(self, request):
        """The simulator's answer to the request, whole."""
        head, _, body = request.partition(b"\r\n\r\n")
        address = urllib.parse.urlsplit(self.target)
        with socket.create_connection((address.hostname, address.port), timeout=30) as there:
            there.sendall(head + b"\r\nConnection: close\r\n\r\n" + body)
            return read_message(there)


def answer(body, *headers, status="200 OK"):
    """A well-formed answer."""
    body = body if isinstance(body, bytes) else body.encode()
    lines = ["HTTP/1.1 " + status, "Content-Length: %d" % len(body), *headers]
    return "\r\n".join(lines).encode() + b"\r\n\r\n" + body
