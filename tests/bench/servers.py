"""The servers that answer the benches, all on 127.0.0.1: nginx, plain and over TLS, and one that answers late."""

import json
import os
import pathlib
import shutil
import socket
import subprocess
import time
import urllib.request

TOKEN = "7".rjust(136, "0")

NGINX = """
daemon off; worker_processes 1; pid nginx.pid; error_log stderr error; worker_rlimit_nofile 8192;
events {{ worker_connections 4096; }}
http {{
    access_log off; default_type application/json; keepalive_timeout 600s; keepalive_requests 100000000;
    client_body_temp_path tmp; proxy_temp_path tmp; fastcgi_temp_path tmp; scgi_temp_path tmp; uwsgi_temp_path tmp;
    ssl_certificate server.pem; ssl_certificate_key server.key; ssl_protocols TLSv1.2 TLSv1.3;
    server {{
        listen 127.0.0.1:{plain};
        listen 127.0.0.1:{tls} ssl http2;
        location = /cgi-bin/stable_token {{ return 200 '{{"access_token":"{token}","expires_in":7200}}'; }}
        location / {{ return 200 '{{"errcode":0,"errmsg":"ok"}}'; }}
    }}
}}
"""


def free_port():
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


def await_port(port, process, seconds=10):
    end = time.monotonic() + seconds
    while time.monotonic() < end and process.poll() is None:
        with socket.socket() as probe:
            if probe.connect_ex(("127.0.0.1", port)) == 0:
                return
        time.sleep(0.02)
    raise RuntimeError("nginx did not start")


def make_certificates(folder):
    """A CA that nobody else trusts, and the certificate of 127.0.0.1 that it signs."""

    def openssl(*words):
        subprocess.run(["openssl", *words], cwd=folder, check=True, capture_output=True)

    key = ["-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes"]
    openssl("req", "-x509", *key, "-keyout", "ca.key", "-out", "ca.pem", "-days", "2", "-subj", "/CN=bench CA")
    openssl("req", *key, "-keyout", "server.key", "-out", "server.csr", "-subj", "/CN=127.0.0.1")
    (folder / "extensions").write_text("subjectAltName=IP:127.0.0.1\nextendedKeyUsage=serverAuth\n")
    openssl("x509", "-req", "-in", "server.csr", "-CA", "ca.pem", "-CAkey", "ca.key", "-CAcreateserial",
            "-days", "2", "-extfile", "extensions", "-out", "server.pem")


class Nginx:
    """Answers every call with the same few bytes."""

    def __init__(self, folder):
        folder = pathlib.Path(folder)
        folder.mkdir()
        # Its worker may run as another user.
        folder.chmod(0o755)
        make_certificates(folder)
        self.ca_file = str(folder / "ca.pem")
        plain, tls = free_port(), free_port()
        (folder / "nginx.conf").write_text(NGINX.format(plain=plain, tls=tls, token=TOKEN))
        program = shutil.which("nginx") or "/usr/sbin/nginx"
        self.process = subprocess.Popen([program, "-p", f"{folder}/", "-e", "stderr", "-c", "nginx.conf"])
        self.plain, self.tls = f"http://127.0.0.1:{plain}", f"https://127.0.0.1:{tls}"
        try:
            await_port(plain, self.process)
        except RuntimeError:
            self.close()
            raise

    def close(self):
        self.process.terminate()
        self.process.wait(timeout=20)


class Delay:
    """Answers after a while, and counts (delay.c). Ends with its standard input, so also with us."""

    def __init__(self, program, *options):
        self.process = subprocess.Popen([program, *map(str, options)], stdin=subprocess.PIPE, stdout=subprocess.PIPE)
        port = self.process.stdout.readline().strip()
        if not port:
            raise RuntimeError("the delaying server did not start")
        self.url = f"http://127.0.0.1:{int(port)}"

    def get(self, path):
        opener = urllib.request.build_opener(urllib.request.ProxyHandler({}))
        with opener.open(self.url + path, timeout=20) as answer:
            return json.load(answer)

    def reset(self, expires_s=7200):
        self.get(f"/expires/{expires_s}")

    def close(self):
        self.process.stdin.close()
        self.process.wait(timeout=20)
        self.process.stdout.close()


def raise_file_limit(wanted=8192):
    import resource

    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    if soft < wanted:
        resource.setrlimit(resource.RLIMIT_NOFILE, (min(wanted, hard) if hard > 0 else wanted, hard))


def call_url(base, token=TOKEN):
    """Where the library sends the calls of a job."""
    return f"{base}/cgi-bin/tags/members/batchunblacklist?access_token={token}"


def wrk(url, script, connections, seconds):
    """Calls per second that a client can make that does nothing else."""
    done = subprocess.run(["wrk", "-t1", f"-c{connections}", f"-d{seconds}s", "-s", script, url],
                          capture_output=True, text=True, check=True, env={**os.environ, "LC_ALL": "C"})
    for line in done.stdout.splitlines():
        if line.startswith("Requests/sec:"):
            return float(line.split()[1])
    raise RuntimeError(f"wrk says no rate: {done.stdout}")
