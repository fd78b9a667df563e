"""wxtp-admin that can be killed or stopped at each of its named points (tests/points)."""
import os
import re

from scene import BUILD

PROGRAM = os.path.join(BUILD, "tests", "points", "wxtp-admin-points")


def all_points():
    """The names of the points in the source."""
    names = set()
    for top in ("lib", "storage"):
        for folder, _, files in os.walk(os.path.join(os.environ["WXTP_SOURCE"], top)):
            for name in files:
                if name.endswith(".c"):
                    with open(os.path.join(folder, name), encoding="utf-8") as file:
                        names |= set(re.findall(r'_POINT\("([^"]+)"\)', file.read()))
    return names


class Run:
    """A run that ends or stops at a point; `passed`: the points that it has come to."""

    def __init__(self, scene, point, *arguments, **options):
        Run.number = getattr(Run, "number", 0) + 1
        self.log = scene.path("points-%d" % Run.number)
        self.scene = scene
        environment = dict(options.pop("env", {}), WXTP_POINT=point, WXTP_POINT_LOG=self.log)
        self.child = scene.start(*arguments, program=PROGRAM, env=environment, **options)

    @property
    def passed(self):
        try:
            with open(self.log, encoding="ascii") as file:
                return file.read().split()
        except FileNotFoundError:
            return []

    def has(self, *names):
        """Whether it came to these points, in this order."""
        rest = iter(self.passed)
        return all(name in rest for name in names)

    def end(self, data=None):
        """What it left; `killed` when it died at its point."""
        ran = self.scene.finish(self.child, data)
        ran.killed = ran.code == -9
        return ran
