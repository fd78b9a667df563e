"""Jobs, run as an operator runs them: what goes in, what comes out, and that every openid is accounted for."""
import os
import sys
import unittest

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "support"))

from jobs import BLACKLIST, UNBLACKLIST, JobCase, lines, main, openids, sent_openids  # noqa: E402
from scene import openid  # noqa: E402


class Outcomes(JobCase):
    def test_I7_forty_five_users_of_whom_two_are_bad(self):
        good, bad = openids(1, 43), openids(901, 902)
        self.sim.merchant(self.appid, bad_openids=bad, blacklist=openids(1, 60))
        ran = self.unblacklist("--file", self.list_file(good, bad))
        job = self.ended(ran, 3, "done", requested=45, duplicates=0, unblacklisted=43, failed=[], pending=0,
                         token_refreshes=0, tenant=self.appid, call="batchUnblacklist")
        self.assertEqual(sorted(job["invalid"]), bad)
        self.assertEqual(ran.error["kind"], "partial")
        self.assertEqual(ran.error["tenant"], self.appid)
        self.assertEqual(job["calls"], len(self.calls()))
        self.assertEqual(self.sim.merchant(self.appid)["blacklist"], openids(44, 60))

    def test_I7_each_bad_one_was_refused_alone(self):
        bad = [openid(3), openid(17)]
        self.sim.merchant(self.appid, bad_openids=bad)
        self.ended(self.unblacklist("--file", self.list_file(openids(1, 20))), 3, "done")
        alone = [one["body"]["openid_list"][0] for one in self.calls()
                 if one["errcode"] == 40003 and len(one["body"]["openid_list"]) == 1]
        self.assertEqual(sorted(alone), bad)

    def test_I7_one_bad_in_twenty_takes_at_most_8_calls(self):
        for place in (1, 7, 10, 11, 20):
            with self.subTest(place=place):
                self.appid = self.merchant(any_openid_valid=True, bad_openids=[openid(place)])
                job = self.ended(self.unblacklist("--file", self.list_file(openids(1, 20))), 3, "done",
                                 unblacklisted=19, invalid=[openid(place)])
                self.assertLessEqual(job["calls"], 8)
                self.assertEqual(job["calls"], len(self.calls()))

    def test_I7_two_bad_in_twenty_take_at_most_15_calls(self):
        for places in ((1, 20), (10, 11), (5, 6), (1, 11)):
            with self.subTest(places=places):
                bad = [openid(place) for place in places]
                self.appid = self.merchant(any_openid_valid=True, bad_openids=bad)
                job = self.ended(self.unblacklist("--file", self.list_file(openids(1, 20))), 3, "done",
                                 unblacklisted=18)
                self.assertEqual(sorted(job["invalid"]), bad)
                self.assertLessEqual(job["calls"], 15)

    def test_I7_all_bad_take_at_most_31_calls(self):
        self.sim.merchant(self.appid, bad_openids=openids(1, 20))
        job = self.ended(self.unblacklist("--file", self.list_file(openids(1, 20))), 3, "done", unblacklisted=0)
        self.assertEqual(sorted(job["invalid"]), openids(1, 20))
        self.assertLessEqual(job["calls"], 31)

    def test_49003_counts_as_40003(self):
        self.sim.merchant(self.appid, openid_errcodes={openid(4): 49003})
        self.ended(self.unblacklist("--file", self.list_file(openids(1, 20))), 3, "done", unblacklisted=19,
                   invalid=[openid(4)], failed=[])

    def test_41030_fails_the_one_openid_that_it_is_about(self):
        self.sim.merchant(self.appid, openid_errcodes={openid(4): 41030})
        ran = self.unblacklist("--file", self.list_file(openids(1, 20)))
        job = self.ended(ran, 3, "partial", unblacklisted=19, invalid=[], pending=0)
        self.assertEqual([list(one) for one in job["failed"]], [["openid", "errcode", "errmsg"]])
        self.assertEqual((job["failed"][0]["openid"], job["failed"][0]["errcode"]), (openid(4), 41030))
        self.assertLessEqual(job["calls"], 8)

    def test_40032_is_halved(self):
        self.sim.fault(UNBLACKLIST, appid=self.appid, errcode=40032, count=1)
        ran = self.unblacklist("--file", self.list_file(openids(1, 20)))
        self.ended(ran, 0, "done", warned=True, unblacklisted=20)
        self.assertIn("too many openids", ran.err)
        self.assertLess(max(len(sent) for sent in sent_openids(self.calls()[1:])), 20)

    def test_an_unknown_errcode_fails_its_batch_alone(self):
        self.sim.fault(UNBLACKLIST, appid=self.appid, errcode=99999, errmsg="what nobody knows", count=1)
        ran = self.unblacklist("--file", self.list_file(openids(1, 60)), "--concurrency", "1")
        job = self.ended(ran, 3, "partial", unblacklisted=40, invalid=[], pending=0, calls=3)
        self.assertEqual([one["errcode"] for one in job["failed"]], [99999] * 20)
        self.assertIn("what nobody knows", job["failed"][0]["errmsg"])
        again = self.scene.admin("job", "resume", "--failed", job["job"], "--json")
        self.ended(again, 0, "done", job=job["job"], unblacklisted=60, failed=[], calls=4)

    def test_no_batch_has_more_than_twenty_and_none_is_sent_twice(self):
        job = self.ended(self.unblacklist("--file", self.list_file(openids(1, 205))), 0, "done", unblacklisted=205,
                         calls=11)
        sent = sent_openids(self.calls())
        self.assertEqual(max(map(len, sent)), 20)
        self.assertEqual(sorted(one for batch in sent for one in batch), openids(1, 205))
        self.assertGreater(len(job["job"]), 4)

    def test_openids_on_the_command_line(self):
        self.ended(self.unblacklist(openid(1), openid(2)), 0, "done", requested=2, unblacklisted=2, calls=1)

    def test_blacklist_add_is_a_job_like_the_main_one(self):
        self.sim.merchant(self.appid, bad_openids=[openid(5)])
        ran = self.scene.admin("blacklist", "add", self.appid, "--file", self.list_file(openids(1, 45)), "--json")
        job = self.ended(ran, 3, "done", done="blacklisted", call="batchBlacklist", blacklisted=44,
                         invalid=[openid(5)])
        self.assertEqual(job["calls"], len(self.calls(path=BLACKLIST)))
        self.assertEqual(sorted(self.sim.merchant(self.appid)["blacklist"]),
                         [one for one in openids(1, 45) if one != openid(5)])
        shown = self.scene.must("job", "show", job["job"], "--json").json
        self.accounted(shown, "blacklisted")

    def test_blacklist_list_prints_bare_openids(self):
        self.sim.merchant(self.appid, blacklist=openids(1, 25))
        for end in ("count0", "no_data", "next_empty"):
            self.sim.settings(getblacklist_page=10, getblacklist_end=end)
            self.addCleanup(self.sim.settings, getblacklist_page=1000, getblacklist_end="count0")
            self.assertEqual(self.scene.must("blacklist", "list", self.appid).out, lines(openids(1, 25)))
            found = self.scene.must("blacklist", "list", self.appid, "--json").json
            self.assertEqual(list(found), ["tenant", "total", "openids"])
            self.assertEqual(found, {"tenant": self.appid, "total": 25, "openids": openids(1, 25)})
        empty = self.merchant()
        self.assertEqual(self.scene.must("blacklist", "list", empty).out, "")
        self.assertEqual(self.scene.must("blacklist", "list", empty, "--json").json,
                         {"tenant": empty, "total": 0, "openids": []})

    def test_human_output(self):
        self.sim.merchant(self.appid, openid_errcodes={openid(1): 40003, openid(2): 41030})
        ran = self.scene.admin("unblacklist", self.appid, "--file", self.list_file(openids(1, 20)))
        self.assertEqual(ran.code, 3, ran)
        fields = dict(line.split(":", 1) for line in ran.out.splitlines() if ":" in line)
        for name, value in (("tenant", self.appid), ("state", "partial"), ("requested", "20"),
                            ("unblacklisted", "18"), ("invalid", "1"), ("failed", "1"), ("pending", "0")):
            self.assertEqual(fields[name].strip(), value, ran)
        self.assertIn(openid(1), ran.out)
        self.assertIn("41030", ran.out)
        last = ran.err.splitlines()[-2:]
        self.assertTrue(last[0].startswith("error: ") and "(tenant %s" % self.appid in last[0], ran)
        self.assertTrue(last[1].startswith("hint: "), ran)

    def test_an_own_account_is_called_with_its_own_token(self):
        self.sim.merchant("wxown0000000001", appsecret="s" * 32, any_openid_valid=True, bad_openids=[openid(7)])
        self.scene.must("tenant", "add-own", "--appid", "wxown0000000001", "--appsecret-file",
                        self.scene.path("own-secret", "s" * 32), "--account", "service", "--certified", "yes")
        ran = self.scene.admin("unblacklist", "wxown0000000001", "--file", self.list_file(openids(1, 45)), "--json")
        self.ended(ran, 3, "done", unblacklisted=44, invalid=[openid(7)], tenant="wxown0000000001")
        self.sim.fault(UNBLACKLIST, appid="wxown0000000001", errcode=45009, count=-1)
        ran = self.scene.admin("unblacklist", "wxown0000000001", openid(1), "--json")
        job = self.paused(ran, 6, "quota", "quota")
        self.sim.clear_faults()
        self.ended(self.scene.admin("job", "resume", job["job"], "--json"), 0, "done", unblacklisted=1)

    def test_a_cloud_account_is_called_without_a_token_or_with_the_mounted_one(self):
        self.sim.merchant("wxcloud000000001", any_openid_valid=True)
        self.sim.cloud("wxcloud000000001", token_less=True)
        self.scene.must("tenant", "add-cloud", "--appid", "wxcloud000000001")
        ran = self.scene.admin("unblacklist", "wxcloud000000001", "--file", self.list_file(openids(1, 45)), "--json")
        self.ended(ran, 0, "done", unblacklisted=45, calls=3, token_refreshes=0)
        self.assertFalse(any("access_token" in one["query"] for one in self.calls("wxcloud000000001")))
        self.sim.merchant("wxcloud000000002", any_openid_valid=True)
        token = self.sim.cloud("wxcloud000000002")["token"]
        self.scene.must("tenant", "add-cloud", "--appid", "wxcloud000000002", "--token-file",
                        self.scene.path("cloud-token", token))
        ran = self.scene.admin("unblacklist", "wxcloud000000002", openid(1), "--json")
        self.ended(ran, 0, "done", unblacklisted=1)
        refused = self.scene.admin("blacklist", "add", "wxcloud000000002", openid(1), "--json")
        self.refused(refused, 4, "not_supported")


class Lists(JobCase):
    def test_duplicates_are_counted_and_sent_once(self):
        ran = self.unblacklist(openid(1), openid(2), openid(1), "--file", self.list_file(openids(1, 5), openids(3, 3)))
        self.ended(ran, 0, "done", requested=5, duplicates=4, unblacklisted=5, calls=1)
        self.assertEqual(sorted(sent_openids(self.calls())[0]), openids(1, 5))

    def test_what_cannot_be_an_openid_costs_no_call(self):
        wrong = ["has blank", "o" * 65, "ünïcode", "semi;colon", 'quote"']
        ran = self.unblacklist("--file", self.list_file(openids(1, 3), wrong, wrong[:2]))
        job = self.ended(ran, 3, "done", requested=8, duplicates=2, unblacklisted=3, failed=[], calls=1)
        self.assertEqual(sorted(job["invalid"]), sorted(wrong))
        self.assertEqual(sorted(sent_openids(self.calls())[0]), openids(1, 3))

    def test_all_of_them_invalid_at_first_sight(self):
        self.ended(self.unblacklist("no openid", "neither/"), 3, "done", requested=2, unblacklisted=0, calls=0)
        self.assertEqual(self.calls(), [])

    def test_an_openid_of_64_characters_is_sent(self):
        self.ended(self.unblacklist("o" * 64), 0, "done", unblacklisted=1)

    def test_a_file_with_bom_crlf_comments_blanks_and_no_last_newline(self):
        content = "\ufeff%s\r\n\r\n# a comment\r\n  \t%s \t\r\n   # another\n\n%s" % tuple(openids(1, 3))
        ran = self.unblacklist("--file", self.scene.path("strange", content))
        self.ended(ran, 0, "done", requested=3, invalid=[], unblacklisted=3)
        self.assertEqual(sorted(sent_openids(self.calls())[0]), openids(1, 3))

    def test_a_list_on_standard_input(self):
        self.ended(self.unblacklist("--file", "-", data=lines(openids(1, 30))), 0, "done", unblacklisted=30)

    def test_openids_that_begin_with_a_dash(self):
        dashed = ["-" + openid(1)[1:], "--" + openid(2)[2:]]
        ran = self.scene.admin("unblacklist", "--json", self.appid, "--", *dashed)
        self.ended(ran, 0, "done", requested=2, unblacklisted=2)
        self.assertEqual(sorted(sent_openids(self.calls())[0]), sorted(dashed))
        self.ended(self.unblacklist("--file", self.list_file(dashed)), 0, "done", unblacklisted=2)

    def test_an_empty_file_is_nothing_to_do(self):
        for content in ("", "\ufeff", "# nothing\n\n \r\n"):
            ran = self.unblacklist("--file", self.scene.path("empty", content))
            self.assertEqual((ran.code, ran.err), (0, ""), ran)
            self.assertEqual(ran.json["requested"], 0)
            self.assertNotIn("job", ran.json)
        self.assertEqual(self.scene.must("job", "list", "--tenant", self.appid, "--json").json,
                         {"jobs": [], "next": None})
        self.assertEqual(self.scene.must("unblacklist", self.appid, "--file", self.scene.path("empty")).err, "")

    def test_wrong_use_is_exit_2(self):
        missing = self.scene.path("is-not-there")
        for arguments, kind in (([], "usage"), (["--file", missing], "not_found"),
                                (["--file", self.scene.folder], "usage"), (["--fil", missing], "usage"),
                                (["--concurrency", "0", openid(1)], "usage"),
                                (["--batch", missing, openid(1)], "usage")):
            with self.subTest(arguments=arguments):
                self.refused(self.unblacklist(*arguments), 2, kind)
        self.refused(self.scene.admin("unblacklist", "--json"), 2, "usage")
        for arguments in (["show", "jnone"], ["resume", "jnone"], ["cancel", "jnone"],
                          ["resume", "--failed", "jnone"]):
            with self.subTest(arguments=arguments):
                self.refused(self.scene.admin("job", *arguments, "--json"), 2, "not_found")
        self.refused(self.scene.admin("job", "resume", "--json"), 2, "usage")
        self.assertEqual(self.calls(), [])

    def test_rejects_are_written_by_line(self):
        self.sim.merchant(self.appid, openid_errcodes={openid(1): 40003, openid(2): 41030})
        path = self.scene.path("rejects", "what was there before\n" * 100)
        self.unblacklist("--file", self.list_file(openids(1, 20), "not one"), "--rejects", path)
        with open(path) as file:
            rows = sorted(file.read().splitlines())
        self.assertEqual(rows, sorted([openid(1) + "\tinvalid\t40003", openid(2) + "\tfailed\t41030",
                                       "not one\tinvalid\t0"]))
        self.assertEqual(self.unblacklist(openid(9), "--rejects", path).code, 0)
        self.assertEqual(os.path.getsize(path), 0)

    def test_rejects_are_one_line_each_whatever_the_openid(self):
        odd = ["a\nb", "c\td", "e\\f", "g\r\x1bh", "i\u2028\u202ej", "取消", ""]
        wanted = ["a\\nb", "c\\td", "e\\\\f", "g\\x0D\\x1Bh", "i\\xE2\\x80\\xA8\\xE2\\x80\\xAEj", "取消", ""]
        path = self.scene.path("rejects")
        for more in ([], ["--dry-run"]):
            ran = self.unblacklist(*odd, "--rejects", path, *more)
            self.assertEqual((ran.code, sorted(ran.json["invalid"])), (3, sorted(odd)), ran)
            with open(path, newline="") as file:
                self.assertEqual(sorted(file.read().split("\n")[:-1]),
                                 sorted(text + "\tinvalid\t0" for text in wanted))

    def test_rejects_into_the_list_itself(self):
        content = lines(openids(1, 20), "not one")
        path = self.list_file(openids(1, 20), "not one")
        link, other = self.scene.path("link"), self.scene.path("other")
        for name in (link, other):
            if os.path.lexists(name):
                os.remove(name)
        os.symlink(path, link)
        os.link(path, other)
        batch = self.scene.path("batch", "%s\t%s\n" % (self.appid, openid(1)))
        for file, rejects in ((path, path), (path, link), (link, path), (other, path), ("-", path)):
            with open(path, "rb") as stdin:
                ran = self.unblacklist("--file", file, "--rejects", rejects, stdin=stdin)
            self.refused(ran, 2, "usage")
        self.refused(self.unblacklist("--dry-run", "--file", path, "--rejects", path), 2, "usage")
        self.refused(self.scene.admin("unblacklist", "--batch", batch, "--rejects", batch, "--json"), 2, "usage")
        with open(path) as file:
            self.assertEqual(file.read(), content)
        self.assertEqual(self.calls(), [])

    def test_rejects_that_cannot_be_written_stop_before_any_call(self):
        ran = self.unblacklist(openid(1), "--rejects", os.path.join(self.scene.folder, "no", "folder"))
        self.assertEqual(ran.code, 2, ran)
        self.assertEqual(self.calls(), [])


class DryRun(JobCase):
    KEYS = ["tenant", "call", "dry_run", "allowed", "requested", "duplicates", "unblacklisted", "invalid", "failed",
            "pending", "calls"]

    def dry(self, *arguments, appid=None):
        return self.scene.admin("unblacklist", appid or self.appid, *arguments, "--dry-run", "--json")

    def forecast(self, ran, code, **members):
        self.assertEqual(ran.code, code, ran)
        document = ran.json
        for key in self.KEYS:
            self.assertIn(key, document)
        self.assertNotIn("job", document)
        self.assertNotIn("state", document)
        self.assertIs(document["dry_run"], True)
        for key, value in members.items():
            self.assertEqual(document[key], value, (key, ran))
        self.assertEqual(document["requested"], document["unblacklisted"] + len(document["invalid"]) +
                         len(document["failed"]) + document["pending"])
        return document

    def test_allowed(self):
        since = len(self.sim.journal())
        document = self.forecast(self.dry("--file", self.list_file(openids(1, 45), openids(1, 2))), 0, allowed=True,
                                 requested=45, duplicates=2, pending=45, calls=3, invalid=[], failed=[])
        self.assertNotIn("reason", document)
        self.assertEqual(len(self.sim.journal()), since, "a dry run asks WeChat nothing")
        self.assertEqual(self.scene.must("job", "list", "--tenant", self.appid, "--json").json["jobs"], [])

    def test_locally_invalid_ones_are_exit_3(self):
        path = self.scene.path("rejects")
        ran = self.dry("--file", self.list_file(openids(1, 20), "not one"), "--rejects", path)
        self.forecast(ran, 3, allowed=True, requested=21, pending=20, calls=1, invalid=["not one"])
        self.assertEqual(ran.error["kind"], "partial")
        with open(path) as file:
            self.assertEqual(file.read(), "not one\tinvalid\t0\n")

    def test_each_reason_of_the_gate(self):
        for reason, fields in (("not_certified", {"verify_type": -1}), ("wrong_account_type", {"kind": "mini_program"}),
                               ("permission_set_missing", {"permission_sets": [1, 15]}),
                               ("account_not_active", {"account_status": 16})):
            with self.subTest(reason=reason):
                appid = self.merchant(**fields)
                ran = self.dry(openid(1), "no openid", appid=appid)
                self.forecast(ran, 4, allowed=False, reason=reason, requested=2, pending=1)
                self.assertEqual((ran.error["kind"], ran.error["tenant"]), (reason, appid))
                real = self.scene.admin("unblacklist", appid, openid(1), "--json")
                self.refused(real, 4, reason)
                self.assertEqual(self.calls(appid), [], "I6: no blind call")
        ran = self.dry(openid(1), appid="wxnobodyknows001")
        self.forecast(ran, 4, allowed=False, reason="unknown_tenant")
        self.refused(self.scene.admin("unblacklist", "wxnobodyknows001", openid(1), "--json"), 4, "unknown_tenant")

    def test_unauthorized(self):
        self.assertEqual(self.scene.push(self.sim.unauthorize(self.appid, deliver=False)["push"]).code, 0)
        self.forecast(self.dry(openid(1)), 4, allowed=False, reason="unauthorized")
        self.refused(self.unblacklist(openid(1)), 4, "unauthorized")

    def test_a_quota_that_is_remembered_is_exit_6(self):
        self.sim.fault(UNBLACKLIST, appid=self.appid, errcode=45009, count=-1)
        self.assertEqual(self.unblacklist(openid(1)).code, 6)
        self.forecast(self.dry(openid(1)), 6, allowed=False, reason="quota_exhausted")

    def test_refused_by_wechat_is_remembered(self):
        self.sim.fault(UNBLACKLIST, appid=self.appid, errcode=48001, count=-1)
        ran = self.unblacklist(openid(1))
        self.paused(ran, 4, "gate", "refused_by_wechat")
        self.forecast(self.dry(openid(1)), 4, allowed=False, reason="refused_by_wechat")

    def test_an_empty_list(self):
        self.forecast(self.dry("--file", self.scene.path("empty", "")), 0, requested=0, calls=0)

    def test_human_output(self):
        ran = self.scene.must("unblacklist", self.appid, openid(1), "--dry-run")
        self.assertRegex(ran.out, r"allowed: +yes\n")
        self.assertRegex(ran.out, r"calls needed: +1\n")


if __name__ == "__main__":
    main()
