"""What users of other SDKs have met, under the names that they gave it; docs/FAQ.md names the tests of the others."""
import os
import re
import sys

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "support"))

import database  # noqa: E402
from jobs import REFRESH, UNBLACKLIST, JobCase, main  # noqa: E402
from scene import openid  # noqa: E402

HEADERS = os.path.join(os.environ["WXTP_SOURCE"], "include", "wxtp")


class Symptoms(JobCase):
    own_scene = True

    def serves(self, **members):
        return self.ended(self.unblacklist(openid(1)), 0, "done", unblacklisted=1, **members)

    def renewed(self):
        """How often WeChat gave a new token."""
        return sum(call["errcode"] == 0 for call in self.sim.journal(path=REFRESH, appid=self.appid))

    def doctor(self, name):
        checks = self.scene.admin("doctor", "--json").json["checks"]
        return next(check for check in checks if check["name"] == name)

    def test_the_host_is_told_to_keep_the_refresh_token(self):
        self.sim.settings(rotate_refresh_tokens=True, refresh_grace_s=0)
        for times in range(1, 4):  # a process each, which nobody tells anything
            self.sim.time(8000)
            self.scene.ticket()
            self.serves()
            self.assertEqual(self.renewed(), times)
        for name in sorted(os.listdir(HEADERS)):
            if name not in ("store.h", "status.h"):  # a backend gets it sealed
                with open(os.path.join(HEADERS, name)) as header:
                    code = re.sub(r"/\*.*?\*/", "", header.read(), flags=re.S)
                self.assertNotRegex(code, r"refresh_token\b", name)

    def test_42001_for_a_merchant_long_idle(self):
        self.serves()
        self.sim.time(40 * 86400)
        self.scene.ticket()
        self.serves(token_refreshes=1)
        self.assertEqual(self.renewed(), 1)

    def test_two_environments_refresh_each_others_token_away(self):
        self.assertEqual(self.doctor("tenants")["status"], "ok")
        self.sim.fault(UNBLACKLIST, appid=self.appid, errcode=40001, count=4)
        for _ in range(2):  # each is refused twice, though nobody here has renewed the token
            self.scene.admin("unblacklist", self.appid, openid(1), "--json", "--max-wait", "0")
        self.sim.clear_faults()
        told = self.doctor("tenants")
        self.assertEqual(told["status"], "warn", told)
        self.assertIn("another program refreshes", told["detail"])
        self.assertIn(self.appid, told["detail"])
        refreshes = len(self.sim.journal(path=REFRESH, appid=self.appid))
        ran = self.scene.admin("unblacklist", self.appid, openid(1), "--json", "--max-wait", "0")
        self.assertEqual((ran.code, ran.error["kind"]), (5, "credentials"), ran)
        self.assertIn("another program", ran.error["message"])
        self.assertEqual(len(self.sim.journal(path=REFRESH, appid=self.appid)), refreshes)

    def test_48001_is_taken_for_an_expired_token(self):
        self.serves()
        refreshes, calls = len(self.sim.journal(path=REFRESH)), len(self.calls())
        self.sim.fault(UNBLACKLIST, appid=self.appid, errcode=48001)
        ran = self.unblacklist(openid(2))
        self.assertEqual((ran.code, ran.error["kind"], ran.error["errcode"]), (4, "refused_by_wechat", 48001), ran)
        self.assertEqual((len(self.sim.journal(path=REFRESH)), len(self.calls())), (refreshes, calls + 1))

    def test_a_ticket_arrives_but_the_worker_process_cannot_see_it(self):
        database.write(self.scene.db, "DELETE FROM tickets")
        database.write(self.scene.db, "DELETE FROM tokens")
        ran = self.scene.admin("token", "refresh", self.appid, "--json")
        self.assertEqual((ran.code, ran.error["kind"]), (5, "ticket"), ran)
        self.assertEqual(self.doctor("ticket")["status"], "fail")
        self.scene.ticket()  # to one process
        self.serves()  # in another
        told = self.doctor("ticket")
        self.assertEqual(told["status"], "ok")
        self.assertRegex(told["detail"], r"came \d+ min ago")


if __name__ == "__main__":
    main()
