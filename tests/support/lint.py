"""What the lint tests share: the files, and how a finding is shown."""

import os
import pathlib
import re
import shutil
import sys

SOURCE = pathlib.Path(os.environ["WXTP_SOURCE"])
BUILD = pathlib.Path(os.environ["WXTP_BUILD"])

_findings = []


def files(*globs):
    """The files that match, sorted; a glob is relative to the source tree."""
    return sorted({path for glob in globs for path in SOURCE.glob(glob) if path.is_file()})


def name(path):
    """A path as people write it: from the top of the source tree."""
    return str(pathlib.Path(path).relative_to(SOURCE))


def found(path, line, message):
    _findings.append(f"{name(path)}:{line}: {message}")


def say(text):
    """Something that a tool has found, in its own words."""
    _findings.append(text)


def tool(*names):
    """The first of these programs that is installed."""
    for candidate in names:
        path = shutil.which(candidate)
        if path:
            return path
    sys.exit(f"{names[0]} is not installed (tests/support/install-packages lint)")


def code_of(text):
    """C source with comments and the insides of strings blanked, so that lines and columns stay as they are."""

    def blank(match):
        part = match.group(0)
        if part[0] in "\"'":
            return part[0] + " " * (len(part) - 2) + part[-1]
        return re.sub(r"[^\n]", " ", part)

    return re.sub(r'/\*.*?\*/|//[^\n]*|"(?:\\.|[^"\\\n])*"|\'(?:\\.|[^\'\\\n])*\'', blank, text, flags=re.S)


def line_of(text, offset):
    return text.count("\n", 0, offset) + 1


def finish():
    for finding in _findings:
        print(finding)
    if _findings:
        sys.exit(f"{len(_findings)} finding(s)")
