"""Starts wxtp-simulator for a test and speaks its control API."""
import json
import os
import subprocess
import urllib.error
import urllib.parse
import urllib.request

COMPONENT = "wx0123456789abcdef"
SECRET = "0123456789abcdef0123456789abcdef"
TOKEN = "wxtpToken2026"
AES_KEY = "wxtpwxtpwxtpwxtpwxtpwxtpwxtpwxtpwxtpwxtpwx1"

# A proxy of the surroundings must never see a loopback request.
_OPENER = urllib.request.build_opener(urllib.request.ProxyHandler({}))


class ControlError(Exception):
    """The simulator refused an order."""


class Simulator:
    """`with Simulator() as sim:` runs one on a free port; build_dir defaults to $WXTP_BUILD."""

    def __init__(self, build_dir=None, wrapper=()):
        build_dir = build_dir or os.environ["WXTP_BUILD"]
        self.program = os.path.join(build_dir, "examples", "simulator", "wxtp-simulator")
        self.wrapper = list(wrapper)
        self.process = None
        self.base = None

    def __enter__(self):
        self.process = subprocess.Popen(self.wrapper + [self.program, "--port", "0"],
                                        stdout=subprocess.PIPE, text=True)
        line = self.process.stdout.readline()
        if not line.startswith("listening on http://"):
            self.stop()
            raise RuntimeError("wxtp-simulator did not start: %r" % line)
        self.base = line.split()[2]
        return self

    def __exit__(self, *_):
        self.stop()

    def stop(self):
        """Ends it by its own process id; answers its exit code."""
        if self.process.poll() is None:
            self.process.terminate()
        try:
            code = self.process.wait(timeout=20)
        except subprocess.TimeoutExpired:
            self.process.kill()
            code = self.process.wait(timeout=20)
        self.process.stdout.close()
        return code

    def request(self, method, path, body=None, timeout=30):
        """(status, headers, bytes) of any request; body is bytes, or an object sent as UTF-8 JSON."""
        if body is not None and not isinstance(body, bytes):
            body = json.dumps(body, ensure_ascii=False).encode()
        request = urllib.request.Request(self.base + path, data=body, method=method)
        try:
            with _OPENER.open(request, timeout=timeout) as answer:
                return answer.status, answer.headers, answer.read()
        except urllib.error.HTTPError as error:
            with error:
                return error.code, error.headers, error.read()

    def order(self, path, body=None, method="POST", timeout=70):
        """One control order; a refusal raises ControlError."""
        status, _, answer = self.request(method, "/sim/" + path, {} if body is None and method == "POST" else body,
                                         timeout=timeout)
        answer = json.loads(answer)
        if status != 200:
            raise ControlError("%s: %s" % (path, answer.get("error")))
        return answer

    def call(self, path, body=None, method="POST", timeout=30, **query):
        """One WeChat call; answers its JSON."""
        if query:
            path += "?" + urllib.parse.urlencode(query)
        return json.loads(self.request(method, path, body, timeout)[2])

    def reset(self):
        return self.order("reset")

    def component(self, component_appid=COMPONENT, **fields):
        order = {"component_appid": component_appid, "appsecret": SECRET, "token": TOKEN, "encoding_aes_key": AES_KEY}
        order.update(fields)
        return self.order("component", order)

    def merchant(self, appid, **fields):
        """Makes or changes an account; without a field only looks at it."""
        if fields:
            self.order("merchant", dict(fields, appid=appid))
        return self.order("merchant?" + urllib.parse.urlencode({"appid": appid}), method="GET")

    def merchants(self, merchants):
        return self.order("merchant", {"merchants": merchants})

    def authorize(self, appid, **fields):
        return self.order("authorize", dict(fields, appid=appid))

    def unauthorize(self, appid, **fields):
        return self.order("unauthorize", dict(fields, appid=appid))

    def ticket(self, **fields):
        return self.order("ticket", fields)

    def push(self, xml, **fields):
        return self.order("push", dict(fields, xml=xml))

    def cloud(self, appid, **fields):
        return self.order("cloud", dict(fields, appid=appid))

    def fault(self, path=None, **fields):
        if path:
            fields["path"] = path
        return self.order("faults", fields)["id"]

    def faults(self):
        return self.order("faults", method="GET")["faults"]

    def clear_faults(self):
        return self.order("faults", method="DELETE")

    def journal(self, path=None, appid=None, since=0):
        query = {"since": since}
        if path:
            query["path"] = path
        if appid:
            query["appid"] = appid
        return self.order("journal?" + urllib.parse.urlencode(query), method="GET")["calls"]

    def wait(self, path=None, count=0, held=0, timeout_ms=20000, **fields):
        """Until so many calls were made (and answers are held); a time-out raises ControlError."""
        order = dict(fields, count=count, held=held, timeout_ms=timeout_ms)
        if path:
            order["path"] = path
        return self.order("wait", order, timeout=timeout_ms / 1000 + 20)

    def state(self):
        return self.order("state", method="GET")

    def open_connections(self):
        """How many it has not closed yet, those included whose other end is gone: in each a request may wait."""
        port = "%04X" % urllib.parse.urlsplit(self.base).port
        count = 0
        for name in ("/proc/net/tcp", "/proc/net/tcp6"):
            try:
                with open(name) as table:
                    sockets = [line.split() for line in table][1:]
            except FileNotFoundError:
                continue
            # ESTABLISHED, SYN_RECV, CLOSE_WAIT
            count += sum(row[1].endswith(":" + port) and row[3] in ("01", "03", "08") for row in sockets)
        return count

    def settings(self, **changes):
        return self.order("settings", changes) if changes else self.order("settings", method="GET")

    def held(self):
        return self.order("held", method="GET")["held"]

    def release(self, held_id=None):
        return self.order("release", {"all": True} if held_id is None else {"id": held_id})

    def time(self, advance_s):
        return self.order("time", {"advance_s": advance_s})

    # What a platform would do, for tests that need the state and not the way there.

    def component_token(self, component_appid=COMPONENT):
        ticket = self.ticket(component_appid=component_appid, deliver=False)["ticket"]
        return self.call("/cgi-bin/component/api_component_token",
                         {"component_appid": component_appid, "component_appsecret": SECRET,
                          "component_verify_ticket": ticket})["component_access_token"]

    def exchange(self, code, component_token, component_appid=COMPONENT):
        return self.call("/cgi-bin/component/api_query_auth",
                         {"component_appid": component_appid, "authorization_code": code},
                         component_access_token=component_token)["authorization_info"]
