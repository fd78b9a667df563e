"""TLS whose other end cannot be trusted: nothing is sent, the error says why, exit 7."""
import os
import ssl
import subprocess
import tempfile
import unittest
import warnings

from meddler import Meddler, answer
from scene import Scene

COMMAND = ("token", "refresh", "wxa0000000000000a1", "--json", "--max-wait", "0", "--timeout", "5")

AUTHORITY = """
[ca]
default_ca = this
[this]
database = {folder}/index
serial = {folder}/serial
new_certs_dir = {folder}
default_md = sha256
policy = any
unique_subject = no
[any]
commonName = supplied
[req]
distinguished_name = name
[name]
[authority]
basicConstraints = critical,CA:TRUE
keyUsage = critical,keyCertSign
[server]
basicConstraints = critical,CA:FALSE
subjectAltName = {names}
[client_only]
basicConstraints = critical,CA:FALSE
extendedKeyUsage = clientAuth
subjectAltName = {names}
"""

LAX = """
openssl_conf = all
[all]
ssl_conf = ssl
[ssl]
system_default = lax
[lax]
MinProtocol = TLSv1
CipherString = ALL:@SECLEVEL=0
"""


class Certificates:
    """A certificate authority in a folder of its own, by the openssl program."""

    def __init__(self, folder):
        self.folder = folder
        self.write("index", "")
        self.write("serial", "1000\n")
        self.settings("DNS:localhost")

    def write(self, name, text):
        path = os.path.join(self.folder, name)
        with open(path, "w") as file:
            file.write(text)
        return path

    def path(self, name):
        return os.path.join(self.folder, name)

    def settings(self, names):
        self.config = self.write("openssl.cnf", AUTHORITY.format(folder=self.folder, names=names))

    def openssl(self, *arguments):
        subprocess.run(["openssl", *arguments], check=True, capture_output=True, timeout=60)

    def self_signed(self, name, section="authority"):
        """A certificate that signed itself: an authority, or a server's."""
        self.openssl("req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes", "-days",
                     "30", "-subj", "/CN=localhost", "-config", self.config, "-extensions", section, "-keyout",
                     self.path(name + ".key"), "-out", self.path(name + ".pem"))
        return self.path(name + ".pem")

    def signed(self, name, by="ca", section="server", names="DNS:localhost", begins="20200101000000Z",
               ends="20991231000000Z", key=("ec", "-pkeyopt", "ec_paramgen_curve:prime256v1"), digest="sha256"):
        """A server's certificate; the file holds the chain up to `by`."""
        self.settings(names)
        self.openssl("req", "-new", "-newkey", *key, "-nodes", "-subj", "/CN=localhost", "-config", self.config,
                     "-keyout", self.path(name + ".key"), "-out", self.path(name + ".csr"))
        self.openssl("ca", "-batch", "-notext", "-config", self.config, "-extensions", section, "-cert",
                     self.path(by + ".pem"), "-keyfile", self.path(by + ".key"), "-startdate", begins, "-enddate", ends,
                     "-md", digest, "-in", self.path(name + ".csr"), "-out", self.path(name + ".pem"))
        with open(self.path(name + ".pem"), "a") as to, open(self.path(by + ".pem")) as issuer:
            to.write(issuer.read())

    def server(self, name, **limits):
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        for limit, value in limits.items():
            if limit == "ciphers":
                context.set_ciphers(value)
            else:
                setattr(context, limit, value)
        context.load_cert_chain(self.path(name + ".pem"), self.path(name + ".key"))
        return context


class Tls(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.folder = cls.enterClassContext(tempfile.TemporaryDirectory(prefix="wxtp-tls-"))
        cls.made = Certificates(cls.folder)
        for name in ("ca", "another"):
            cls.made.self_signed(name)
        cls.made.signed("good")
        cls.made.signed("foreign", by="another")
        cls.made.signed("expired", ends="20200102000000Z")
        cls.made.signed("early", begins="20981231000000Z")
        cls.made.signed("misnamed", names="DNS:localhost.example,DNS:api.weixin.qq.com")
        cls.made.signed("client", section="client_only")
        cls.made.signed("leafs", by="good")
        cls.made.signed("weak", key=("rsa:1024",))
        cls.made.signed("sha1", digest="sha1")
        cls.made.self_signed("alone", section="server")

    def setUp(self):
        self.scene = self.enterContext(Scene())
        self.scene.ready()
        self.scene.onboard("wxa0000000000000a1")

    def peer(self, tls):
        return self.enterContext(Meddler(self.scene.sim.base, tls=tls))

    def run_against(self, peer, ca="ca", base=None, **options):
        more = ("--ca-file", self.made.path(ca + ".pem")) if ca else ()
        return self.scene.admin(*COMMAND, "--api-base", base or peer.base, *more, **options)

    def refused(self, peer, *words, **options):
        ran = self.run_against(peer, **options)
        self.assertEqual((ran.code, ran.error["kind"]), (7, "unavailable"), ran)
        self.assertTrue(any(word in ran.error["message"] for word in words), ran)
        self.assertTrue(ran.error["hint"], ran)
        self.assertEqual(peer.requests, [])
        return ran.error["message"]

    def test_a_good_one_is_taken(self):
        peer = self.peer(self.made.server("good"))
        ran = self.run_against(peer)
        self.assertEqual((ran.code, ran.json["tokens"][0]["refreshed"]), (0, True), ran)
        self.assertTrue(peer.requests)

    def test_certificates_that_prove_nothing(self):
        cases = {
            "foreign": ("unable to get local issuer", "self-signed certificate in certificate chain"),
            "expired": ("certificate has expired",),
            "early": ("not yet valid",),
            "misnamed": ("no alternative certificate subject name matches",),
            "alone": ("self-signed certificate",),
            "client": ("unsuitable certificate purpose", "unsupported certificate purpose"),
            "leafs": ("invalid CA certificate", "unable to get"),
            "weak": ("EE certificate key too weak",),
            "sha1": ("CA signature digest algorithm too weak", "digest algorithm too weak"),
        }
        for name, words in cases.items():
            with self.subTest(name):
                limits = {"ciphers": "DEFAULT@SECLEVEL=0"} if name in ("weak", "sha1") else {}
                message = self.refused(self.peer(self.made.server(name, **limits)), *words)
                self.assertIn("certificate cannot be trusted", message)

    def test_the_name_is_compared_with_the_host_that_was_asked_for(self):
        peer = self.peer(self.made.server("good"))
        self.refused(peer, "no alternative certificate subject name", base="https://127.0.0.1:%d" % peer.port)

    def test_the_systems_authorities_do_not_know_ours(self):
        peer = self.peer(self.made.server("good"))
        ran = self.run_against(peer, ca=None)
        self.assertEqual((ran.code, ran.error["kind"]), (7, "unavailable"), ran)
        self.assertEqual(peer.requests, [])

    def test_versions_before_1_2_are_not_spoken(self):
        """Also where the system's own settings would let them pass."""
        lax = {"OPENSSL_CONF": self.made.write("lax.cnf", LAX)}
        for version in (ssl.TLSVersion.TLSv1, ssl.TLSVersion.TLSv1_1):
            with self.subTest(version.name):
                with warnings.catch_warnings(action="ignore"):
                    tls = self.made.server("good", ciphers="ALL:@SECLEVEL=0", minimum_version=ssl.TLSVersion.TLSv1,
                                           maximum_version=version)
                self.refused(self.peer(tls), "SSL connect error", env=lax)

    def test_versions_from_1_2_on_are(self):
        for version in (ssl.TLSVersion.TLSv1_2, ssl.TLSVersion.TLSv1_3):
            tls = self.made.server("good", minimum_version=version, maximum_version=version)
            self.assertEqual(self.run_against(self.peer(tls)).code, 0)

    def test_ciphers_without_secrecy_are_not_spoken(self):
        for ciphers in ("eNULL:@SECLEVEL=0", "aNULL:@SECLEVEL=0"):
            tls = self.made.server("good", ciphers=ciphers, maximum_version=ssl.TLSVersion.TLSv1_2)
            self.refused(self.peer(tls), "SSL connect error")

    def test_no_tls_at_all(self):
        peer = self.enterContext(Meddler(say=lambda path, whole: [answer("{}")], hasty=True))
        self.refused(peer, "SSL connect error", base="https://localhost:%d" % peer.port)

    def test_the_doctor_names_it(self):
        peer = self.peer(self.made.server("expired"))
        ran = self.scene.admin("doctor", "--json", "--timeout", "5", "--max-wait", "0", "--api-base", peer.base,
                               "--ca-file", self.made.path("ca.pem"))
        self.assertEqual(ran.code, 1, ran)
        failing = [check for check in ran.json["checks"] if check["status"] == "fail"]
        self.assertTrue(any("certificate has expired" in check["detail"] for check in failing), ran)
        self.assertEqual(peer.requests, [])

    def test_plain_http_to_tls(self):
        peer = self.peer(self.made.server("good"))
        ran = self.run_against(peer, base="http://localhost:%d" % peer.port)
        self.assertEqual((ran.code, ran.error["kind"]), (7, "unavailable"), ran)
        self.assertEqual(peer.requests, [])

    def test_http_to_another_host_is_refused_at_once(self):
        for base in ("http://example.com", "http://localhost.example", "http://127.0.0.1.example", "http://0.0.0.0"):
            ran = self.run_against(None, ca=None, base=base)
            self.assertEqual((ran.code, ran.error["kind"]), (2, "usage"), ran)


if __name__ == "__main__":
    unittest.main()
