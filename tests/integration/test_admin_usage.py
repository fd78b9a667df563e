"""wxtp-admin without WeChat: help, errors, exit codes, files and modes, key rules, everything that asks no one."""
import json
import os
import re
import signal
import stat
import subprocess
import sys
import unittest

HERE = os.path.dirname(os.path.abspath(__file__))
sys.path.insert(0, os.path.join(HERE, "..", "support"))

from scene import ADMIN, Scene, openid  # noqa: E402
from simulator import AES_KEY, COMPONENT, SECRET, TOKEN  # noqa: E402

COMMANDS = """platform set|platform show|explain|why|callback|push list|authorize-url|tenant add|tenant add-own
tenant add-cloud|tenant list|tenant show|tenant sync|tenant set|tenant reconnect|tenant remove|token refresh|token show|unblacklist|blacklist list|blacklist add
job list|job show|job resume|job cancel|audit|doctor|db check|db backup|db restore|db migrate|db rekey|db prune
serve""".replace("\n", "|").split("|")
GROUPS = ["platform", "tenant", "token", "push", "blacklist", "job", "db"]
OWN = "wxown0000000000001"


class Case(unittest.TestCase):
    def setUp(self):
        self.scene = Scene(simulator=False)
        self.scene.__enter__()
        self.addCleanup(self.scene.__exit__)

    def admin(self, *arguments, **options):
        return self.scene.admin(*arguments, **options)

    def fails(self, code, kind, *arguments, **options):
        """Both forms of an error: two lines, or one JSON line."""
        ran = self.admin(*arguments, **options)
        self.assertEqual(ran.code, code, ran)
        lines = ran.err.splitlines()
        self.assertGreaterEqual(len(lines), 2, ran)
        self.assertTrue(lines[-2].startswith("error: "), ran)
        self.assertTrue(lines[-1].startswith("hint: "), ran)
        ran = self.admin("--json", *arguments, **options)
        self.assertEqual(ran.code, code, ran)
        self.assertEqual(ran.error["kind"], kind, ran)
        self.assertTrue(ran.error["message"] and ran.error["hint"], ran)
        self.assertEqual(len([line for line in ran.err.splitlines() if line.startswith("{")]), 1, ran)
        return ran

    def own(self, appid=OWN, *more):
        return self.scene.must("tenant", "add-own", "--appid", appid, "--appsecret-file", "-", "--json", *more,
                               data=SECRET + "\n").json

    def platform(self, appid=COMPONENT):
        return self.scene.must("platform", "set", "--component-appid", appid, "--json",
                               env={"WXTP_COMPONENT_APPSECRET": SECRET, "WXTP_TOKEN": TOKEN,
                                    "WXTP_ENCODING_AES_KEY": AES_KEY}).json


class Help(Case):
    def test_every_level(self):
        for arguments in [[]] + [[group] for group in GROUPS] + [command.split() for command in COMMANDS]:
            for order in (arguments + ["--help"], ["--help"] + arguments, arguments + ["-h"]):
                ran = self.admin(*order)
                self.assertEqual((ran.code, ran.err), (0, ""), (order, ran))
                self.assertIn("Usage: wxtp-admin", ran.out)
                self.assertIn("--master-key-file", ran.out)
            ran = self.admin(*arguments, "--version")
            self.assertEqual((ran.code, ran.err), (0, ""), ran)
            self.assertRegex(ran.out, r"^wxtp-admin \d+\.\d+\.\d+\n$")
        self.assertFalse(os.path.exists(self.scene.db))

    def test_all_commands_are_listed(self):
        out = self.admin("--help").out
        for command in COMMANDS:
            self.assertRegex(out, r"(?m)^  %s " % re.escape(command))

    def test_version_names_sqlite(self):
        ran = self.admin("--version", "-v")
        self.assertRegex(ran.out, r"SQLite 3\.\d+\.\d+.*(with|without) the fix of the WAL-reset bug")
        self.assertIn("sqlite", json.loads(self.admin("--version", "--json").out))

    def test_completion(self):
        def words(*line):
            return self.admin("__complete", *line).out.split()
        self.assertEqual(words("ten"), ["tenant"])
        self.assertIn("add-own", words("tenant", ""))
        self.assertEqual(words("unblacklist", "--rej"), ["--rejects"])
        self.assertEqual(words("tenant", "set", "wx", "--certified", ""), ["yes", "no", "auto"])
        self.assertEqual(words("job", "list", "--state", "pa"), ["paused", "partial"])
        self.assertEqual(words("expl"), ["explain"])
        self.assertEqual(words("explain", "wx", "--for-merchant", ""), ["zh", "en"])
        self.assertEqual(words("tenant", "rec"), ["reconnect"])
        self.assertEqual(words("push", ""), ["list"])
        self.assertEqual(words("audit", "--fo"), ["--follow"])
        self.assertEqual(words("callback", "--exp"), ["--explain"])


class Usage(Case):
    def test_nearest_match(self):
        for arguments, match in [(["tennant", "list"], "tenant"), (["unblaklist"], "unblacklist"),
                                 (["tenant", "shwo"], "tenant show"), (["resume"], "job resume"),
                                 (["tenant", "list", "--stauts", "x"], "--status"), (["--jsonn"], "--json"),
                                 (["--databse", "x", "doctor"], "--"), (["frobnicate"], "nearest")]:
            ran = self.fails(2, "usage", *arguments)
            self.assertIn(match, ran.error["message"])
        self.assertFalse(os.path.exists(self.scene.db))

    def test_an_unknown_option_is_told_as_it_was_written(self):
        for arguments, told in [(["-x", "doctor"], "option -x "), (["doctor", "-vx"], "option -x "),
                                (["doctor", "-json"], "option -json: did you mean --json?"),
                                (["doctor", "--x"], "option --x ")]:
            self.assertIn(told, self.fails(2, "usage", *arguments).error["message"])

    def test_an_argument_that_is_empty(self):
        for command in ("tenant show", "tenant sync", "tenant remove", "token refresh", "token show", "unblacklist",
                        "blacklist list", "blacklist add", "explain", "job show", "db backup"):
            self.assertIn("empty", self.fails(2, "usage", *command.split(), "").error["message"])
        for arguments in (["unblacklist", "", openid(1)], ["tenant", "set", "", "--certified", "yes"],
                          ["tenant", "sync", "wx1", ""]):
            self.assertIn("empty", self.fails(2, "usage", *arguments).error["message"])
        self.assertFalse(os.path.exists(self.scene.db))

    def test_json_anywhere_on_the_line(self):
        for arguments in (["--json", "nope"], ["nope", "--json"], ["tenant", "list", "--nope", "--json"],
                          ["tenant", "list", "--json=lines", "--nope"], ["tenant", "show", "--json"],
                          ["doctor", "--json=pretty"], ["doctor", "--json=lines"],
                          ["job", "show", "x", "--json=lines"]):
            ran = self.admin(*arguments)
            self.assertEqual((ran.code, ran.out), (2, ""), ran)
            self.assertEqual(ran.error["kind"], "usage")
        self.assertTrue(self.admin("nope", "--", "--json").err.startswith("error: "))

    def test_wrong_lines(self):
        for arguments in (
                [], ["tenant"], ["tenant", "show"], ["tenant", "show", "a", "b"], ["callback"], ["authorize-url"],
                ["tenant", "add"], ["tenant", "add-own"], ["tenant", "set", "wxa"], ["job", "show"], ["job", "resume"],
                ["job", "resume", "x", "--all"], ["token", "refresh"], ["token", "refresh", "wxa", "--all"],
                ["tenant", "sync"], ["unblacklist"], ["unblacklist", "wxa"], ["blacklist", "add", "wxa"],
                ["unblacklist", "wxa", "--batch", "f"], ["tenant", "list", "--status", "nice"],
                ["tenant", "list", "--limit", "0"], ["tenant", "list", "--limit", "x"], ["tenant", "list", "--limit="],
                ["tenant", "list", "--limit"], ["tenant", "list", "--certified", "auto"], ["doctor", "--quiet=yes"],
                ["--concurrency", "0", "doctor"],
                ["--timeout", "-1", "doctor"], ["--max-wait", "1e9", "doctor"], ["--rate", "0", "doctor"],
                ["--db", "", "doctor"], ["--db", "postgres://x/y", "doctor"], ["--db", "sqlite:", "doctor"],
                ["audit", "--since", "yesterday"], ["tenant", "add-cloud", "--appid", "wxa", "--of-platform"],
                ["authorize-url", "--redirect-uri", "https://a.example/", "--auth-type", "1", "--biz-appid", "wxa"],
                ["platform", "set", "--component-appid", "wxa", "--token-file", "-", "--aes-key-file", "-"],
                ["tenant", "remove", "wxa"], ["db", "rekey"], ["job", "list", "--file", "x"], ["doctor", "-x"]):
            self.fails(2, "usage", *arguments)
        self.assertFalse(os.path.exists(self.scene.db))

    def test_both_forms_of_a_value_and_any_place(self):
        self.own()
        for arguments in (["--json", "tenant", "list", "--limit=1"], ["tenant", "--json", "list", "--limit", "1"],
                          ["tenant", "list", "--limit", "1", "--json"]):
            self.assertEqual(len(self.scene.must(*arguments).json["tenants"]), 1)

    def test_double_dash(self):
        self.own(OWN, "--account", "service")
        ran = self.admin("unblacklist", "--json", "--dry-run", OWN, "--", "--json", "-o", openid(1))
        self.assertEqual((ran.code, ran.json["requested"], ran.json["pending"]), (0, 3, 3), ran)

    def test_serve(self):
        self.assertIn("not in this version", self.fails(2, "usage", "serve", "--callback-listen", "[::1]:0").err)

    def test_api_base(self):
        self.own()
        for good in ("https://api.example/x", "http://127.0.0.1:1", "http://127.9.9.9", "http://localhost:80/",
                     "http://[::1]:8080"):
            self.assertEqual(self.admin("--api-base", good, "tenant", "list").code, 0, good)
        for bad in ("http://api.weixin.qq.com", "http://127.0.0.1.example", "http://localhost.example", "ftp://x",
                    "http://128.0.0.1", "http://10.0.0.1", "http://127.0.0.1@example.com", "https://", "x",
                    "https://h:0", "https://h:99999", "https://h/?q", "http://[::2]"):
            self.fails(2, "usage", "--api-base", bad, "tenant", "list")
            self.fails(2, "usage", "tenant", "list", env={"WXTP_API_BASE": bad})
        self.assertEqual(self.admin("--cloud-base", "http://api.weixin.qq.com", "tenant", "list").code, 0)
        self.fails(2, "usage", "--cloud-base", "http://example.com", "tenant", "list")


class Database(Case):
    def mode(self, path):
        return stat.S_IMODE(os.stat(path).st_mode)

    def test_default_places(self):
        data, home = self.scene.path("data"), self.scene.path("home")
        base = {name: value for name, value in self.scene.environment.items() if name not in ("WXTP_DB", "HOME")}

        def run(**more):
            return subprocess.run([ADMIN, "tenant", "list", "--json"], env=dict(base, **more), capture_output=True,
                                  stdin=subprocess.DEVNULL, timeout=60)
        self.assertEqual(run(XDG_DATA_HOME=data, HOME=home).returncode, 0)
        self.assertEqual(run(HOME=home).returncode, 0)
        for path in (os.path.join(data, "wxtp"), os.path.join(home, ".local", "share", "wxtp")):
            self.assertEqual(self.mode(path), 0o700)
            for name in os.listdir(path):
                self.assertEqual(self.mode(os.path.join(path, name)), 0o600, name)
            self.assertIn("wxtp.db.key", os.listdir(path))
        self.assertEqual(self.mode(home), 0o700)
        ran = run()
        self.assertEqual(ran.returncode, 2)
        self.assertEqual(json.loads(ran.stderr)["error"]["kind"], "usage")

    def test_option_before_variable(self):
        other = self.scene.path("deep/er/other.db")
        self.scene.must("tenant", "list", "--db", "sqlite:" + other)
        self.assertTrue(os.path.exists(other))
        self.assertFalse(os.path.exists(self.scene.db))
        self.assertEqual(self.mode(os.path.dirname(other)), 0o700)

    def test_what_makes_no_database(self):
        for arguments in (["db", "check"], ["db", "backup", self.scene.path("b")], ["db", "prune"],
                          ["db", "rekey", "--new-key-file", self.scene.path("k")],
                          ["db", "restore", self.scene.path("none")]):
            self.fails(2, "not_found", *arguments)
        self.assertEqual(self.admin("doctor").code, 1)
        self.assertEqual(os.listdir(self.scene.folder), [])

    def test_key_rules(self):
        self.own()
        key = self.scene.db + ".key"
        kept = self.scene.path("kept.key")

        def untouched():
            facts = os.stat(self.scene.db)
            return facts.st_mtime_ns, facts.st_size
        before = untouched()
        os.chmod(key, 0o640)
        self.fails(1, "key", "tenant", "list")
        os.chmod(key, 0o600)
        os.rename(key, kept)
        self.fails(1, "key", "tenant", "list")
        self.assertFalse(os.path.exists(key))
        os.symlink(kept, key)
        self.fails(1, "key", "tenant", "list")
        os.unlink(key)
        self.assertEqual(untouched(), before)
        self.scene.must("tenant", "list", "--master-key-file", kept)
        self.scene.must("tenant", "list", env={"WXTP_MASTER_KEY_FILE": kept})

    def test_a_bad_key_makes_no_database(self):
        self.scene.path("wxtp.db.key", "x")
        os.chmod(self.scene.db + ".key", 0o644)
        self.fails(1, "key", "tenant", "list")
        self.assertFalse(os.path.exists(self.scene.db))

    def test_not_a_database(self):
        self.scene.path("wxtp.db", "this is no database, whatever its name says\n" * 100)
        self.fails(1, "store", "tenant", "list")
        ran = self.admin("db", "check", "--json")
        self.assertEqual((ran.code, ran.json["ok"]), (1, False), ran)

    def test_check_backup_restore_rekey(self):
        self.platform()
        self.own()
        self.assertEqual(self.scene.must("db", "check", "--json").json, {"ok": True, "problems": []})
        backup, new = self.scene.path("backup.db"), self.scene.path("new/wxtp.db")
        ran = self.scene.must("db", "backup", backup)
        self.assertIn(".key", ran.err)
        self.assertEqual(self.mode(backup), 0o600)
        self.fails(2, "usage", "db", "backup", backup)
        self.fails(2, "usage", "db", "restore", backup)
        self.scene.must("db", "restore", backup, "--db", new)
        self.fails(1, "key", "tenant", "list", "--db", new)
        key = ["--master-key-file", self.scene.db + ".key"]
        rows = self.scene.must("tenant", "list", "--json", "--db", new, *key).json["tenants"]
        self.assertEqual([row["authorizer_appid"] for row in rows], [OWN])
        self.assertEqual(self.scene.must("platform", "show", "--json", "--db", new, *key).json["ticket"]["state"],
                         "none")
        fresh = self.scene.path("fresh.key")
        self.scene.must("db", "rekey", "--new-key-file", fresh)
        self.assertEqual(self.mode(fresh), 0o600)
        self.fails(1, "key", "tenant", "list")
        self.scene.must("tenant", "list", "--master-key-file", fresh)
        self.assertIn("deleted", self.scene.must("db", "prune", "--json", "--master-key-file", fresh).json)
        self.scene.must("db", "migrate", "--master-key-file", fresh)


class Proxy(Case):
    def test_a_scheme_that_no_proxy_has(self):
        for proxy in ("nonsense://x", "ftp://127.0.0.1:9", "://x", "http://", "http://a b", "socks5://", "http://x:99999"):
            self.fails(2, "usage", "tenant", "list", "--proxy", proxy)
        self.fails(2, "usage", "tenant", "list", "--api-base", "https://api.example", env={"https_proxy": "nonsense://x"})
        self.assertFalse(os.path.exists(self.scene.db), "nothing is done before")

    def test_those_that_there_are(self):
        for proxy in ("http://127.0.0.1:9", "https://proxy", "socks4://h:1", "socks4a://h", "socks5://u:p@h:1080",
                      "SOCKS5h://h", "127.0.0.1:3128", "proxy", "http://[::1]:3128/"):
            self.scene.must("tenant", "list", "--proxy", proxy)


class Platform(Case):
    def test_none_is_set_up(self):
        for arguments in (["platform", "show"], ["authorize-url", "--redirect-uri", "https://a.example/"],
                          ["tenant", "add", "--auth-code", "c"], ["tenant", "sync", "--all"],
                          ["callback", "--query", "a=b"]):
            ran = self.fails(5, "configuration", *arguments)
            self.assertEqual(ran.out, "")
            self.assertIn("platform set", ran.error["hint"])

    def test_set_and_show(self):
        shown = self.platform()
        self.assertEqual(list(shown), ["component_appid", "ticket", "component_token", "tenants"])
        self.assertEqual(shown["ticket"], {"state": "none", "received_at": None})
        self.assertEqual(shown["component_token"], {"state": "none", "version": 0, "expires_at": None})
        self.assertEqual(shown["tenants"], {"authorizing": 0, "authorized": 0, "unauthorized": 0,
                                            "reauthorization_required": 0})
        self.scene.must("platform", "set", "--component-appid", COMPONENT, "--token-file", "-", data="another0Token\n")
        self.fails(2, "usage", "platform", "set", "--component-appid", "wxnew",
                   "--appsecret-file", self.scene.path("s", SECRET))
        self.fails(2, "not_found", "platform", "set", "--component-appid", COMPONENT, "--token-file", "/nonexistent")
        self.fails(2, "usage", "platform", "set", "--component-appid", COMPONENT, "--aes-key-file",
                   self.scene.path("short", "tooshort"))

    def test_several(self):
        self.platform()
        self.platform("wxfedcba9876543210")
        self.fails(2, "usage", "platform", "show")
        for options in ({"env": {"WXTP_COMPONENT": COMPONENT}}, {}):
            more = [] if options else ["--component", COMPONENT]
            shown = self.scene.must("platform", "show", "--json", *more, **options).json
            self.assertEqual(shown["component_appid"], COMPONENT)
        self.fails(2, "not_found", "platform", "show", "--component", "wxnobody")

    def test_secrets_are_shown_nowhere(self):
        self.platform()
        for arguments in (["platform", "show", "-vv"], ["platform", "show", "--json", "-vv"]):
            ran = self.admin(*arguments)
            for secret in (SECRET, TOKEN, AES_KEY):
                self.assertNotIn(secret, ran.out + ran.err)
        for name in os.listdir(self.scene.folder):
            with open(self.scene.path(name), "rb") as file:
                content = file.read()
            for secret in (SECRET, TOKEN, AES_KEY):
                self.assertNotIn(secret.encode(), content, name)

    def test_secret_variables_are_overwritten(self):
        self.own()
        child = self.scene.start("unblacklist", OWN, "--file", "-", stdin=subprocess.PIPE,
                                 env={"WXTP_COMPONENT_APPSECRET": "hunter2hunter2", "WXTP_TOKEN": "hunter3hunter3",
                                      "WXTP_ENCODING_AES_KEY": "hunter4hunter4"})
        while os.readlink("/proc/%d/exe" % child.pid) != os.path.realpath(ADMIN):
            pass
        for _ in range(2000):
            with open("/proc/%d/syscall" % child.pid) as file:
                if file.read().startswith("0 0x0 "):  # it reads standard input
                    break
        with open("/proc/%d/environ" % child.pid, "rb") as file:
            self.assertNotIn(b"hunter", file.read())
        child.send_signal(signal.SIGINT)
        ran = self.scene.finish(child)
        self.assertEqual(ran.code, 130, ran)

    def test_a_push_that_is_none(self):
        self.platform()
        for query, body in (("", ""), ("a=b", "<xml/>"), ("signature=1&timestamp=2&nonce=3&msg_signature=4", "<xml>"),
                            ("a=b", b"x" * (1 << 20) + b"yy")):
            ran = self.fails(5, "signature", "callback", "--query", query, data=body)
            self.assertEqual(ran.out, "")
        self.fails(2, "not_found", "callback", "--query", "a=b", "--body", "/nonexistent")


class Tenants(Case):
    def test_own(self):
        shown = self.own(OWN, "--account", "service", "--certified", "yes")
        self.assertEqual(list(shown), ["authorizer_appid", "nick_name", "principal_name", "user_name", "account",
                                       "service_type", "verify_type", "certified", "basis", "permission_sets",
                                       "status", "credential", "token", "calls"])
        self.assertEqual((shown["account"], shown["service_type"], shown["verify_type"], shown["certified"],
                          shown["basis"], shown["credential"]),
                         ("service_account", None, None, True, "declared", "own"))
        self.assertEqual(shown["token"], {"state": "none", "version": 0, "expires_at": None})
        self.assertEqual(set(shown["calls"]), {"batchUnblacklist", "batchBlacklist", "getBlacklist"})
        self.assertEqual(shown["calls"]["batchUnblacklist"], {"allowed": True})
        self.assertEqual(self.scene.must("tenant", "show", OWN, "--json").json, shown)
        shown = self.scene.must("tenant", "set", OWN, "--certified", "no", "--json").json
        self.assertEqual((shown["certified"], shown["basis"]), (False, "operator"))
        self.assertEqual(shown["calls"]["batchUnblacklist"]["reason"], "not_certified")
        self.assertTrue(shown["calls"]["batchUnblacklist"]["hint"])
        ran = self.fails(4, "not_certified", "unblacklist", OWN, openid(1))
        self.assertEqual((ran.out, ran.error["tenant"]), ("", OWN))
        shown = self.scene.must("tenant", "set", OWN, "--certified", "auto", "--json").json
        self.assertEqual((shown["certified"], shown["basis"]), (True, "declared"))

    def test_cloud(self):
        shown = self.scene.must("tenant", "add-cloud", "--appid", "wxcloud", "--account", "subscription",
                                "--json").json
        self.assertEqual((shown["account"], shown["credential"], shown["certified"]),
                         ("subscription_account", "cloud", None))
        self.assertEqual(shown["calls"]["batchBlacklist"]["reason"], "not_supported")
        self.assertEqual(shown["calls"]["batchUnblacklist"], {"allowed": True})

    def test_unknown(self):
        for arguments in (["tenant", "show", "wxnobody"], ["unblacklist", "wxnobody", openid(1)],
                          ["tenant", "set", "wxnobody", "--certified", "yes"], ["token", "show", "wxnobody"],
                          ["tenant", "remove", "wxnobody", "--yes"], ["token", "refresh", "wxnobody"],
                          ["blacklist", "list", "wxnobody"]):
            ran = self.fails(4, "unknown_tenant", *arguments)
            self.assertEqual(ran.out, "")

    def test_list(self):
        appids = ["wxown%013d" % number for number in range(7)]
        for number, appid in enumerate(appids):
            self.own(appid, "--certified", "no" if number % 2 else "yes")
        rows = self.scene.must("tenant", "list", "--json").json
        self.assertEqual([row["authorizer_appid"] for row in rows["tenants"]], appids)
        self.assertIsNone(rows["next"])
        page = self.scene.must("tenant", "list", "--json", "--limit", 3).json
        self.assertEqual((len(page["tenants"]), page["next"]), (3, appids[2]))
        page = self.scene.must("tenant", "list", "--json", "--limit", 4, "--after", page["next"]).json
        self.assertEqual(([row["authorizer_appid"] for row in page["tenants"]], page["next"]), (appids[3:], None))
        self.assertEqual(len(self.scene.must("tenant", "list", "--json=lines").lines), 7)
        self.assertEqual(len(self.scene.must("tenant", "list", "--json=lines", "--certified", "no").lines), 3)
        self.assertEqual(self.scene.must("tenant", "list", "--json", "--status", "unauthorized").json,
                         {"tenants": [], "next": None})
        self.assertIn(appids[0], self.scene.must("tenant", "list").out)

    def test_remove(self):
        self.own()
        self.assertEqual(self.scene.must("tenant", "remove", OWN, "--yes", "--json").json,
                         {"tenant": OWN, "removed": True})
        self.fails(4, "unknown_tenant", "tenant", "show", OWN)

    def test_token_show(self):
        self.own()
        self.assertEqual(self.scene.must("token", "show", OWN, "--json", "--reveal").json,
                         {"tenant": OWN, "state": "none", "version": 0, "expires_at": None})

    def test_bad_secret_files(self):
        add = ["tenant", "add-own", "--appid", OWN, "--appsecret-file"]
        self.fails(2, "not_found", *add, "/nonexistent")
        self.fails(2, "usage", *add, self.scene.path("empty", ""))
        self.fails(2, "usage", *add, self.scene.folder)
        self.fails(2, "usage", *add, self.scene.path("huge", "x" * 10000))


class Lists(Case):
    def setUp(self):
        super().setUp()
        self.own(OWN, "--account", "service", "--certified", "yes")

    def dry(self, *arguments, **options):
        return self.admin("unblacklist", OWN, "--dry-run", "--json", *arguments, **options)

    def test_counts(self):
        text = "\ufeff# a comment\r\n%s\r\n\r\n   \n\t%s \t\n%s\n#%s\n%s" % (
            openid(1), openid(2), openid(1), openid(9), openid(3))
        for options in ({"data": text}, {}):
            ran = self.dry("--file", "-" if options else self.scene.path("list", text), openid(4), **options)
            self.assertEqual(ran.code, 0, ran)
            self.assertEqual(ran.json, {
                "tenant": OWN, "call": "batchUnblacklist", "dry_run": True, "allowed": True, "requested": 4,
                "duplicates": 1, "unblacklisted": 0, "invalid": [], "failed": [], "pending": 4, "calls": 1,
                "token_refreshes": 0})
        self.assertEqual(self.scene.must("job", "list", "--json").json, {"jobs": [], "next": None})

    def test_invalid_ones(self):
        rejects = self.scene.path("rejects")
        ran = self.dry("--rejects", rejects, openid(1), "no openid", "", "x" * 65, "ünï", "no openid")
        self.assertEqual(ran.code, 3, ran)
        self.assertEqual((ran.json["requested"], ran.json["pending"], ran.json["duplicates"]), (5, 1, 1))
        self.assertEqual(sorted(ran.json["invalid"]), sorted(["no openid", "", "x" * 65, "ünï"]))
        self.assertEqual(ran.error["kind"], "partial")
        with open(rejects, encoding="utf-8") as file:
            self.assertEqual(sorted(file.read().splitlines()),
                             sorted("%s\tinvalid\t0" % text for text in ran.json["invalid"]))

    def test_calls_needed(self):
        for count, calls in ((1, 1), (20, 1), (21, 2), (46, 3)):
            self.assertEqual(self.dry(*[openid(number) for number in range(count)]).json["calls"], calls)

    def test_long_list(self):
        text = "".join("%s\n" % openid(number % 60000) for number in range(100000))
        ran = self.dry("--file", "-", data=text)
        self.assertEqual((ran.code, ran.json["requested"], ran.json["duplicates"], ran.json["calls"]),
                         (0, 60000, 40000, 3000), ran)

    def test_empty_file(self):
        for text in ("", "\n", "# nothing\n", "\ufeff"):
            ran = self.admin("unblacklist", OWN, "--file", "-", "--json", data=text)
            self.assertEqual((ran.code, ran.json["requested"], ran.err), (0, 0, ""), ran)
            self.assertNotIn("job", ran.json)
        self.assertEqual(self.scene.must("job", "list", "--json").json["jobs"], [])

    def test_missing_file(self):
        self.fails(2, "not_found", "unblacklist", OWN, "--file", "/nonexistent")
        self.fails(2, "not_found", "unblacklist", "--batch", "/nonexistent")
        self.fails(2, "usage", "unblacklist", OWN, "--file", self.scene.folder)
        self.fails(2, "not_found", "unblacklist", OWN, openid(1), "--rejects", "/nonexistent/file")

    def test_refused(self):
        self.scene.must("tenant", "set", OWN, "--certified", "no")
        ran = self.dry(openid(1), "no openid")
        self.assertEqual((ran.code, ran.json["allowed"], ran.json["reason"], ran.json["requested"]),
                         (4, False, "not_certified", 2), ran)
        self.assertEqual(ran.error["kind"], "not_certified")
        ran = self.admin("unblacklist", "wxnobody", openid(1), "--dry-run", "--json")
        self.assertEqual((ran.code, ran.json["reason"]), (4, "unknown_tenant"), ran)
        rejects = self.scene.path("rejects")
        self.assertEqual(self.admin("unblacklist", OWN, openid(1), "--rejects", rejects).code, 4)
        self.assertFalse(os.path.exists(rejects))

    def test_batch_malformed(self):
        good = "%s\t%s\n" % (OWN, openid(1))
        for bad in ("%s %s\n" % (OWN, openid(2)), OWN + "\n", OWN + "\t\n", "\t%s\n" % openid(2),
                    "%s\t%s\tmore\n" % (OWN, openid(2)), "wx/a\t%s\n" % openid(2), OWN + "\t" + "x" * 9000 + "\n"):
            path = self.scene.path("batch", good + "# fine\n" + bad + good)
            for options in (["--batch", path], ["--batch", path, "--dry-run"]):
                ran = self.fails(2, "usage", "unblacklist", *options)
                self.assertEqual(ran.out, "")
                self.assertIn("line 3", ran.error["message"])
                self.assertIn(path, ran.error["message"])
        self.fails(2, "usage", "unblacklist", "--batch", "-", data=good + "x\n")
        self.assertEqual(self.scene.must("job", "list", "--json").json["jobs"], [])

    def test_batch_dry_run(self):
        self.own("wxown2", "--certified", "no")
        lines = ["%s\t%s" % (("wxown2", OWN, "wxnobody")[number % 3], openid(number)) for number in range(300)]
        ran = self.admin("unblacklist", "--batch", "-", "--dry-run", "--json", data="\r\n".join(lines + lines[:3]))
        self.assertEqual(ran.code, 4, ran)
        jobs = {job["tenant"]: job for job in ran.json["jobs"]}
        self.assertEqual({appid: (job["requested"], job["duplicates"], job["allowed"], job.get("reason"))
                          for appid, job in jobs.items()},
                         {OWN: (100, 1, True, None), "wxown2": (100, 1, False, "not_certified"),
                          "wxnobody": (100, 1, False, "unknown_tenant")})

    def test_batch_refused(self):
        ran = self.admin("unblacklist", "--batch", "-", "--json",
                         data="wxnobody\t%s\nwxnobody\t%s\nwxnobody\t%s\n" % (openid(1), openid(2), openid(1)))
        self.assertEqual(ran.code, 4, ran)
        job, = ran.json["jobs"]
        self.assertEqual((job["tenant"], job["state"], job["requested"], job["pending"], job["error"]["kind"]),
                         ("wxnobody", "refused", 2, 2, "unknown_tenant"))
        self.assertNotIn("job", job)

    def test_batch_empty(self):
        ran = self.scene.must("unblacklist", "--batch", "-", "--json", data="# nothing\n")
        self.assertEqual(ran.json, {"jobs": []})


class Rest(Case):
    def test_jobs(self):
        for arguments in (["job", "show", "jnone"], ["job", "resume", "jnone"], ["job", "cancel", "jnone"],
                          ["job", "resume", "--failed", "jnone"]):
            self.assertEqual(self.fails(2, "not_found", *arguments).out, "")
        self.assertEqual(self.scene.must("job", "resume", "--all", "--json").json, {"jobs": [], "next": None})
        self.assertEqual(self.scene.must("job", "list", "--json=lines").out, "")

    def test_a_certificate_file_that_is_not_there(self):
        self.fails(2, "not_found", "tenant", "list", "--ca-file", self.scene.path("nothing"))

    def test_audit(self):
        self.own()
        self.scene.must("tenant", "set", OWN, "--certified", "yes")
        rows = self.scene.must("audit", "--json").json
        self.assertIsNone(rows["next"])
        self.assertEqual(list(rows["audit"][-1]), ["id", "time", "tenant", "call", "job", "openids", "errcode",
                                                   "errmsg", "rid", "duration_ms", "token_version"])
        self.assertRegex(rows["audit"][-1]["time"], r"^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\dZ$")
        for since, count in (("1h", len(rows["audit"])), ("2000-01-01T00:00:00Z", len(rows["audit"])),
                             ("2999-01-01T00:00:00+08:00", 0), ("2999-01-01", 0)):
            self.assertEqual(len(self.scene.must("audit", "--json", "--since", since).json["audit"]), count, since)
        self.assertEqual(self.scene.must("audit", "--json", "--tenant", "wxother").json["audit"], [])

    def test_doctor(self):
        ran = self.admin("doctor", "--json")
        self.assertEqual((ran.code, ran.json["ok"]), (1, False), ran)
        self.own()
        ran = self.admin("doctor", "--json", "--api-base", "http://127.0.0.1:9", "--timeout", 1)
        self.assertEqual((ran.code, ran.error["kind"]), (1, "unavailable"), ran)
        checks = {check["name"]: check for check in ran.json["checks"]}
        for check in checks.values():
            self.assertEqual(list(check), ["name", "status", "detail", "hint"])
            self.assertIn(check["status"], ("ok", "warn", "fail"))
        self.assertEqual(checks["database"]["status"], "ok")
        self.assertRegex(json.dumps(ran.json), r"SQLite 3\.\d+")
        os.chmod(self.scene.db + ".key", 0o644)
        ran = self.admin("doctor")
        self.assertEqual(ran.code, 1, ran)
        self.assertRegex(ran.out, r"(?m)^fail key: .*chmod 600")
        self.assertNotIn("\033", ran.out)

    def test_standard_output(self):
        self.own()
        environment = self.scene.environment
        with open("/dev/full", "w") as full:
            ran = subprocess.run([ADMIN, "tenant", "list", "--json"], env=environment, stdout=full,
                                 stderr=subprocess.PIPE, timeout=60)
        self.assertEqual(ran.returncode, 1)
        self.assertEqual(json.loads(ran.stderr)["error"]["kind"], "internal")
        reader, writer = os.pipe()
        os.close(reader)
        ran = subprocess.run([ADMIN, "tenant", "list", "--json"], env=environment, stdout=writer,
                             stderr=subprocess.PIPE, timeout=60)
        os.close(writer)
        self.assertEqual((ran.returncode, ran.stderr), (0, b""))
        ran = subprocess.run("%s tenant list --json <&- >&- 2>&-" % ADMIN, shell=True, env=environment, timeout=60)
        self.assertEqual(ran.returncode, 0)


if __name__ == "__main__":
    unittest.main()
