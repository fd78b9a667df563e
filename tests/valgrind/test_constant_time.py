"""I8: how long a wrong signature takes to be refused tells nothing of where it is wrong. Instructions are counted, which
is the same in every run, where a clock would waver."""
import os
import re
import subprocess
import unittest

PROGRAM = os.path.join(os.environ["WXTP_BUILD"], "tests", "valgrind", "signature")
RIGHT, PLACES = "40", ("00", "20", "39")


def instructions(what, where):
    """What the program said, and how many instructions it took to judge."""
    done = subprocess.run(
        ["valgrind", "--tool=callgrind", "--callgrind-out-file=/dev/null", "--toggle-collect=judged", PROGRAM, what,
         where], capture_output=True, text=True, timeout=120, env={"PATH": os.environ["PATH"]}, check=True)
    return done.stdout.strip(), int(re.search(r"Collected : (\d+)", done.stderr).group(1))


class ConstantTime(unittest.TestCase):
    def test_I8_signatures_are_compared_in_constant_time(self):
        said, right = instructions("ours", RIGHT)
        self.assertEqual(said, "right")
        self.assertGreater(right, 1000)
        for place in PLACES:
            self.assertEqual(instructions("ours", place), ("wrong", right), place)

    def test_the_count_would_tell(self):
        self.assertGreater(instructions("naive", "39")[1], instructions("naive", "00")[1])


if __name__ == "__main__":
    unittest.main()
