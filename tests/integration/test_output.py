"""What people see: progress, colours, pipes that close, lists for scripts, completion."""
import json
import os
import pty
import re
import subprocess
import sys
import unittest

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "support"))

from scene import ADMIN, Scene, openid  # noqa: E402

A = "wxoutput0000000001"
UNBLACKLIST = "/cgi-bin/tags/members/batchunblacklist"
COMPLETION = os.path.join(os.environ["WXTP_SOURCE"], "examples", "admin", "completion", "wxtp-admin.bash")


class Output(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.scene = Scene().__enter__()
        cls.addClassCleanup(cls.scene.__exit__)
        cls.scene.ready()
        cls.scene.onboard(A, any_openid_valid=True, nick_name="一号店")
        cls.users = cls.scene.path("users", "".join(openid(number) + "\n" for number in range(2000)))

    def on_terminal(self, *arguments, both=False, **environment):
        """Runs with stderr (and stdout) on a terminal of its own; answers the code and all that it showed there."""
        leader, follower = pty.openpty()
        variables = {name: value for name, value in self.scene.environment.items() if name != "NO_COLOR"}
        child = subprocess.Popen([ADMIN, *arguments], env=dict(variables, TERM="xterm", **environment),
                                 stdin=subprocess.DEVNULL, stdout=follower if both else subprocess.DEVNULL,
                                 stderr=follower)
        self.scene.children.append(child)
        os.close(follower)
        shown = b""
        while True:
            try:
                piece = os.read(leader, 65536)
            except OSError:  # the terminal is gone with its last writer
                break
            if not piece:
                break
            shown += piece
        os.close(leader)
        child.wait(timeout=60)
        return child.returncode, shown.decode()

    def slow_job(self, *more, run=None, **options):
        self.scene.sim.settings(latency_ms=60)
        try:
            return (run or self.on_terminal)("unblacklist", A, "--file", self.users, "--concurrency", "4", *more, **options)
        finally:
            self.scene.sim.settings(latency_ms=0)

    def test_a_bar_with_rate_and_time_left_on_a_terminal(self):
        code, shown = self.slow_job()
        self.assertEqual(code, 0, shown)
        self.assertIn("\r", shown)
        self.assertRegex(shown, r"\d+/2000")
        self.assertRegex(shown, r"\d+(\.\d+)?/s")
        self.assertRegex(shown, r"left|ETA|\d+:\d\d|\d+ ?s")

    def test_quiet_silences_it_anywhere(self):
        code, shown = self.slow_job("--quiet")
        self.assertEqual((code, shown), (0, ""))
        ran = self.slow_job("--quiet", run=self.scene.admin)
        self.assertEqual((ran.code, ran.err), (0, ""))

    def test_colours_only_where_they_are_welcome(self):
        self.assertIn("\x1b[", self.on_terminal("doctor", both=True)[1])
        self.assertNotIn("\x1b[", self.on_terminal("doctor", both=True, NO_COLOR="1")[1])
        self.assertNotIn("\x1b[", self.on_terminal("doctor", "--no-color", both=True)[1])
        ran = self.scene.admin("doctor")
        self.assertNotIn("\x1b[", ran.out + ran.err)

    def test_a_pipe_that_closes_ends_it_quietly(self):
        self.scene.must("unblacklist", A, "--file", self.users, "--quiet", "--json")
        for command in (("audit", "--limit", "1000"), ("tenant", "list"), ("--help",)):
            reader, writer = os.pipe()
            os.close(reader)
            child = subprocess.run([ADMIN, *command], env=self.scene.environment, stdin=subprocess.DEVNULL,
                                   stdout=writer, stderr=subprocess.PIPE, timeout=60, check=False)
            os.close(writer)
            self.assertEqual(child.stderr, b"", command)
            self.assertGreaterEqual(child.returncode, 0, "no signal ends it")

    def test_lists_as_lines_and_elsewhere_not(self):
        self.scene.must("unblacklist", A, openid(1), "--quiet")
        for command, key in ((("tenant", "list"), "authorizer_appid"), (("job", "list"), "job"), (("audit",), "id")):
            ran = self.scene.must(*command, "--json=lines")
            self.assertGreater(len(ran.lines), 0)
            self.assertTrue(all(key in line for line in ran.lines), ran.out[:300])
            whole = self.scene.must(*command, "--json").json
            self.assertEqual(next(iter(whole.values())), ran.lines)
            self.assertIn("next", whole)
        for command in (("tenant", "show", A), ("platform", "show"), ("doctor",)):
            ran = self.scene.admin(*command, "--json=lines")
            self.assertEqual((ran.code, ran.out), (2, ""), command)

    def test_chinese_names_stand_in_line(self):
        self.scene.onboard("wxoutput0000000002", nick_name="Plain shop")
        rows = self.scene.must("tenant", "list").out.splitlines()
        wide = re.compile("[\u4e00-\u9fff]")
        columns = {len(row[:row.index("service_account")]) + len(wide.findall(row[:row.index("service_account")]))
                   for row in rows if "service_account" in row}
        self.assertEqual(len(columns), 1, "\n".join(rows))

    def test_what_moves_the_cursor_or_turns_text_round_stays_off_the_terminal(self):
        bad = ("\x1b[31m", "\x07", "\x7f", "\u009b", "\u0085", "\u200e", "\u200f", "\u202a", "\u202e", "\u2066",
               "\u2069", "\u061c")
        name = "店" + "x".join(bad) + "铺🏪"
        self.scene.onboard("wxoutput0000000003", nick_name=name)
        self.assertEqual(self.scene.must("tenant", "show", "wxoutput0000000003", "--json").json["nick_name"], name)
        for ran in (self.scene.must("tenant", "list"), self.scene.must("tenant", "show", "wxoutput0000000003"),
                    self.scene.must("explain", "wxoutput0000000003", "--for-merchant", "zh")):
            self.assertIn("店", ran.out)
            self.assertIn("铺🏪", ran.out)
            for one in bad:
                self.assertNotIn(one[0], ran.out, repr(one))

    def test_the_rid_has_a_column_of_its_own(self):
        self.scene.onboard("wxoutput0000000004", any_openid_valid=True, bad_openids=[openid(1)])
        self.scene.admin("unblacklist", "wxoutput0000000004", openid(1), "--quiet")
        row = [row for row in self.scene.must("audit", "--json").json["audit"] if row["errcode"] == 40003][-1]
        self.assertIn(row["rid"], row["errmsg"])
        table = [line for line in self.scene.must("audit").out.splitlines() if row["rid"] in line]
        self.assertEqual([line.count("rid") + line.count(row["rid"]) for line in table], [1], table)
        self.assertIn(row["errmsg"].split(" rid")[0], table[0])

    def complete(self, *words):
        script = ('source "$1"; shift; COMP_WORDS=("$@"); COMP_CWORD=$(($# - 1)); COMP_LINE="$*"; COMP_POINT=${#COMP_LINE}; '
                  '$(complete -p wxtp-admin | sed "s/.*-F \\([^ ]*\\) .*/\\1/"); printf "%s\\n" "${COMPREPLY[@]}"')
        path = os.path.dirname(ADMIN) + os.pathsep + os.environ["PATH"]
        done = subprocess.run(["bash", "-c", script, "bash", COMPLETION, "wxtp-admin", *words], capture_output=True,
                              text=True, timeout=60, check=True, env=dict(self.scene.environment, PATH=path))
        return {word.strip() for word in done.stdout.splitlines()}

    def test_completion_in_bash(self):
        self.assertLessEqual({"tenant", "token", "unblacklist", "doctor"}, self.complete(""))
        self.assertEqual(self.complete("unbl"), {"unblacklist"})
        self.assertLessEqual({"list", "show", "sync", "set", "remove"}, self.complete("tenant", ""))
        self.assertIn("--dry-run", self.complete("unblacklist", "--"))

    def test_json_is_one_document(self):
        for command in (("tenant", "show", A), ("platform", "show"), ("token", "show", A), ("doctor",), ("db", "check")):
            ran = self.scene.admin(*command, "--json")
            self.assertEqual(ran.out.count("\n"), 1, command)
            json.loads(ran.out)


if __name__ == "__main__":
    unittest.main()
