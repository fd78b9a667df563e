"""The quick-start takes users off a blacklist, end to end against the simulator, and says what it did."""

import os
import subprocess
import unittest

from scene import BUILD, Scene, openid

QUICKSTART = os.path.join(BUILD, "examples", "quickstart", "wxtp-quickstart")
MERCHANT = "wxa100000000000001"


class Quickstart(unittest.TestCase):
    def run_it(self, scene, *arguments):
        return subprocess.run(
            [QUICKSTART, *arguments], env=scene.environment, capture_output=True, text=True, timeout=60, check=False
        )

    def test_takes_the_named_users_off_and_no_others(self):
        with Scene() as scene:
            scene.ready()
            everybody = [openid(number) for number in range(45)]
            scene.onboard(MERCHANT, kind="service", verify_type=0, blacklist=everybody)
            done = self.run_it(scene, scene.db, MERCHANT, *everybody[:25])
            self.assertEqual((done.returncode, done.stdout, done.stderr), (0, "25 of 25 are off the blacklist\n", ""))
            self.assertEqual(scene.sim.merchant(MERCHANT)["blacklist"], everybody[25:])
            self.assertEqual(len(scene.business_calls()), 2)

    def test_names_the_job_that_knows_the_refused_openids(self):
        with Scene() as scene:
            scene.ready()
            scene.onboard(MERCHANT, kind="service", verify_type=0, blacklist=[openid(1)])
            done = self.run_it(scene, scene.db, MERCHANT, openid(1), "not an openid")
            self.assertEqual((done.returncode, done.stdout), (0, "1 of 2 are off the blacklist\n"))
            job = done.stderr.split()[-1]
            self.assertEqual(scene.must("job", "show", job, "--json").json["invalid"], ["not an openid"])

    def test_says_why_the_gate_refuses_and_what_to_do(self):
        with Scene() as scene:
            scene.ready()
            scene.onboard(MERCHANT, kind="service", verify_type=-1)
            done = self.run_it(scene, scene.db, MERCHANT, openid(1))
            self.assertEqual(done.returncode, 1)
            self.assertRegex(done.stderr, r"^error: .+\nhint: .+certif.+\n$")
            self.assertEqual(scene.business_calls(), [])

    def test_a_database_that_is_not_there_is_an_error_and_is_not_made(self):
        with Scene() as scene:
            done = self.run_it(scene, scene.db, MERCHANT, openid(1))
            self.assertEqual(done.returncode, 1)
            self.assertRegex(done.stderr, r"^error: .*wxtp\.db.*\nhint: .*platform set")
            self.assertFalse(os.path.exists(scene.db))


if __name__ == "__main__":
    if not os.path.exists(QUICKSTART):
        print("wxtp-quickstart is not built (WXTP_TOOLS=OFF)")
    else:
        unittest.main()
