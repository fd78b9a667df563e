"""The library in a host with a loop of its own, end to end against the simulator."""

import os
import subprocess
import unittest

from scene import BUILD, Scene, openid

EMBED = os.path.join(BUILD, "examples", "embed", "wxtp-embed")
MERCHANTS = [f"wxa1000000000000{number:02}" for number in range(20)]


class Embed(unittest.TestCase):
    def run_it(self, scene, lines, **how):
        return subprocess.run([EMBED, scene.db], env=scene.environment, capture_output=True, text=True, timeout=60,
                              check=False, **({"input": lines} | how))

    def test_many_merchants_from_one_loop(self):
        with Scene() as scene:
            scene.ready()
            everybody = [openid(number) for number in range(45)]
            for appid in MERCHANTS:
                scene.onboard(appid, kind="service", verify_type=0, blacklist=everybody)
            done = self.run_it(scene, "\n".join(" ".join([appid, *everybody[:25]]) for appid in MERCHANTS))
            self.assertEqual((done.returncode, done.stderr), (0, ""))
            self.assertEqual(sorted(done.stdout.splitlines()),
                             [f"{appid}: 25 of 25 are off the blacklist" for appid in MERCHANTS])
            for appid in MERCHANTS:
                self.assertEqual(scene.sim.merchant(appid)["blacklist"], everybody[25:])

    def test_from_a_file_and_with_one_that_is_refused(self):
        with Scene() as scene:
            scene.ready()
            scene.onboard(MERCHANTS[0], kind="service", verify_type=0, blacklist=[openid(1)])
            scene.onboard(MERCHANTS[1], kind="service", verify_type=-1)
            path = os.path.join(os.path.dirname(scene.db), "lines")
            with open(path, "w", encoding="ascii") as file:
                file.write(f"{MERCHANTS[0]} {openid(1)}\n\n{MERCHANTS[1]} {openid(2)}\n")
            with open(path, encoding="ascii") as file:
                done = self.run_it(scene, None, input=None, stdin=file)
            self.assertEqual((done.returncode, done.stdout), (1, f"{MERCHANTS[0]}: 1 of 1 are off the blacklist\n"))
            self.assertRegex(done.stderr, rf"^error: {MERCHANTS[1]}: .+\nhint: .+certif.+\n$")


if __name__ == "__main__":
    if not os.path.exists(EMBED):
        print("wxtp-embed is not built (WXTP_TOOLS=OFF)")
    else:
        unittest.main()
