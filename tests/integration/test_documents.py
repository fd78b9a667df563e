"""What the documents show as output is what the programs print: times, durations and ids aside.

    python3 tests/integration/test_documents.py --write     (with the environment of ctest) writes it anew.
"""
import os
import pathlib
import re
import sys
import unittest

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "support"))

from scene import Scene, openid  # noqa: E402

SOURCE = pathlib.Path(os.environ["WXTP_SOURCE"])
DOCUMENTS = ["README.md", "README.zh-CN.md", "docs/OPERATIONS.md"]
BLOCK = re.compile(r"(?m)^<!-- output: (?!end)(\w+) -->\n```\n(.*?)^```\n<!-- output: end -->$", re.S)
A = "wxa100000000000001"


def plain(text):
    text = re.sub(r"\d{4}-\d\d-\d\d \d\d:\d\d:\d\d", "2026-01-01 12:00:00", text)
    text = re.sub(r"(elapsed ms: +)\d+", r"\g<1>12", text)
    return re.sub(r"\bj[0-9a-v]{18}\b", "JOB", text)


class Stage:
    """A world for each block; `job` stands for JOB in its commands."""

    def __init__(self, scene):
        self.scene, self.job = scene, None

    def plan(self):
        self.scene.path("openids.txt", "".join(openid(number) + "\n" for number in range(1, 46)))
        self.scene.onboard(A, any_openid_valid=True)

    def undo(self):
        self.scene.onboard(A, any_openid_valid=True, blacklist=[openid(number) for number in (1, 2, 3, 9)])
        self.job = self.scene.must("unblacklist", A, openid(1), openid(2), openid(3), openid(4), "--snapshot",
                                   "--json").json["job"]

    def shown(self, block):
        out = ""
        for line in block.splitlines():
            if line.startswith("$ "):
                words = [self.job if word == "JOB" else word for word in line.split()[2:]]
                ran = self.scene.admin(*words, "--quiet", cwd=self.scene.folder)
                out += line + "\n" + plain(ran.out + ran.err)
        return out


def shown(name, block):
    with Scene() as scene:
        stage = Stage(scene)
        scene.ready()
        getattr(stage, name)()
        return stage.shown(block)


class Documents(unittest.TestCase):
    maxDiff = None

    def test_output_is_current(self):
        found = []
        for document in DOCUMENTS:
            for name, block in BLOCK.findall((SOURCE / document).read_text()):
                found.append(name)
                with self.subTest(document=document, block=name):
                    self.assertEqual(block, shown(name, block))
        self.assertEqual(sorted(found), ["plan", "plan", "undo"])


def write():
    for document in DOCUMENTS:
        text = (SOURCE / document).read_text()
        (SOURCE / document).write_text(BLOCK.sub(
            lambda match: "<!-- output: %s -->\n```\n%s```\n<!-- output: end -->" % (match[1], shown(match[1], match[2])), text))


if __name__ == "__main__":
    write() if sys.argv[1:] == ["--write"] else unittest.main(verbosity=2)
