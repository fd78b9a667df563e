"""I11: the memory of a job does not grow with its list."""
import json
import os
import subprocess
import sys
import unittest

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "support"))

from scene import ADMIN, Scene, openid  # noqa: E402

MOST_KIB = 64 * 1024
A = "wxmemory0000000001"
SANITIZED = any(name in subprocess.run(["ldd", ADMIN], capture_output=True, text=True, check=True).stdout
                for name in ("libasan", "libtsan"))


@unittest.skipIf(SANITIZED, "a sanitizer's own memory would be measured")
class Memory(unittest.TestCase):
    def setUp(self):
        self.scene = Scene().__enter__()
        self.addCleanup(self.scene.__exit__)
        self.scene.ready()
        self.scene.onboard(A, any_openid_valid=True)

    def users(self, count):
        return self.scene.path("users", "".join(openid(number) + "\n" for number in range(count)))

    def run_and_weigh(self, *arguments, code=0):
        """Runs wxtp-admin; answers what it left and its largest resident memory in KiB."""
        with open(self.scene.path("out"), "w+") as out:
            # Not by wait4: that counts this program's own memory, of before the exec, too.
            child = subprocess.Popen([ADMIN, *arguments], env=self.scene.environment, stdout=out)
            self.scene.children.append(child)
            most = 0
            while child.poll() is None:
                with open("/proc/%d/status" % child.pid) as status:
                    for line in status:
                        if line.startswith("VmHWM:"):
                            most = max(most, int(line.split()[1]))
            self.assertEqual(child.returncode, code)
            out.seek(0)
            return out.read(), most

    def test_I11_counting_a_million(self):
        out, kib = self.run_and_weigh("unblacklist", A, "--file", self.users(1000000), "--dry-run", "--json", "--quiet")
        self.assertIn('"requested":1000000', out.replace(" ", ""))
        print("1,000,000 openids counted in %d KiB" % kib, flush=True)
        self.assertLess(kib, MOST_KIB)

    def test_I11_a_job_of_two_hundred_thousand(self):
        self.scene.sim.settings(journal_bodies=False)
        out, kib = self.run_and_weigh("unblacklist", A, "--file", self.users(200000), "--json", "--quiet")
        self.assertIn('"unblacklisted":200000', out.replace(" ", ""))
        print("200,000 openids done in %d KiB" % kib, flush=True)
        self.assertLess(kib, MOST_KIB)

    def test_I11_a_snapshot_of_two_hundred_thousand(self):
        count = 200000
        users = self.users(count)
        self.scene.sim.settings(journal_bodies=False, getblacklist_page=10000)
        self.scene.sim.merchant(A, blacklist=[openid(number) for number in range(count // 2, count + count // 2)])
        self.scene.sim.fault("/cgi-bin/tags/members/batchunblacklist", errcode=45009)
        out, kib = self.run_and_weigh("unblacklist", A, "--file", users, "--snapshot", "--json", "--quiet", code=6)
        job = json.loads(out)
        self.assertEqual((job["state"], job["pending"]), ("paused", count))
        print("a snapshot of %d openids taken in %d KiB" % (count, kib), flush=True)
        self.assertLess(kib, MOST_KIB)
        self.scene.must("job", "cancel", job["job"], "--json")
        out, kib = self.run_and_weigh("job", "diff", job["job"], "--json", "--quiet")
        diff = json.loads(out)
        self.assertEqual((diff["before"], diff["now"], diff["removed"]), (count // 2, count // 2, 0))
        self.assertEqual([one["openid"] for one in diff["openids"]], [openid(number) for number in range(count // 2, count)])
        print("%d openids compared in %d KiB" % (count, kib), flush=True)
        self.assertLess(kib, MOST_KIB)
        out, kib = self.run_and_weigh("job", "undo", job["job"], "--dry-run", "--json", "--quiet")
        self.assertEqual(json.loads(out)["pending"], count // 2)
        self.assertLess(kib, MOST_KIB)


if __name__ == "__main__":
    unittest.main()
