"""The documents say what the code says: tables, the quick-start, links, names of files and functions, command lines.

    WXTP_SOURCE=. WXTP_BUILD=build/gcc PYTHONPATH=tests/support python3 tests/lint/test_docs.py --write

writes the tables and the quick-start anew instead of comparing them (docs/generate does that).
"""

import pathlib
import re
import shlex
import subprocess
import sys
import textwrap

import lint

WRITE = sys.argv[1:] == ["--write"]
TABLES = lint.BUILD / "tests" / "tables"
ADMIN = lint.BUILD / "examples" / "admin" / "wxtp-admin"
BLOCK = re.compile(r"(<!-- (?P<kind>generated|quickstart): (?P<name>\w+) -->\n)(?P<body>.*?)(<!-- (?P=kind): end -->)", re.S)
FENCE = re.compile(r"^( *)```(\w*)\n(.*?)^ *```$", re.M | re.S)
TOPS = "lib|include|storage|tests|examples|docs"

documents = lint.files("*.md", "docs/*.md", "examples/**/*.md")
texts = {path: path.read_text() for path in documents}
sources = "\n".join(path.read_text() for path in lint.files("lib/**/*.[ch]", "include/**/*.h", "storage/**/*.[ch]", "examples/**/*.[ch]"))
cmake = "\n".join(path.read_text() for path in lint.files("CMakeLists.txt", "tests/CMakeLists.txt"))


# ---- What is made from the code ----


def quickstart():
    text = (lint.SOURCE / "examples/quickstart/quickstart.c").read_text()
    part = re.search(r"/\* quickstart: begin \*/\n(.*?)\n *?/\* quickstart: end \*/", text, re.S).group(1)
    return f"```c\n{textwrap.dedent(part)}\n```\n"


def table(name):
    done = subprocess.run([TABLES, name], capture_output=True, text=True, check=False)
    return done.stdout if done.returncode == 0 else None


def exits():
    """Exit code by status, as examples/admin/failure.c maps them."""
    header = (lint.SOURCE / "examples/admin/failure.h").read_text()
    codes = {name: int(value) for name, value in re.findall(r"(AD_EXIT_\w+) = (\d+)", header)}
    body = (lint.SOURCE / "examples/admin/failure.c").read_text()
    body = body[body.index("int ad_exit_of(wxtp_status") :]
    body = body[: body.index("\n}\n")]
    result, waiting = {}, []
    for case, value in re.findall(r"case (WXTP_\w+):|return ([^;]+);", body):
        if case:
            waiting.append(case)
            continue
        shown = {"ad_exit_of_reason(kind)": "4; by reason 5, 6", "ad_signal_exit_code()": "130, 143"}.get(value)
        for name in waiting:
            result[name] = shown or str(codes[value])
        waiting = []
    return result


def statuses():
    """Name, number and meaning from status.h; kind and usual remedy from the library; exit code from wxtp-admin."""
    header = (lint.SOURCE / "include/wxtp/status.h").read_text()
    meaning = dict(re.findall(r"(WXTP_ERR_\w+) =\s+-\d+,\s+/\*\*<\s*(.*?)\s*\*/", header, re.S))
    exit_of = exits()
    rows = ["| status | value | meaning | usual `kind` | usual remedy | exit code |\n|---|---|---|---|---|---|\n"]
    for line in table("statuses").splitlines():
        name, value, kind, hint = (cell.strip() for cell in line.strip("|").split(" |")[:4])
        said = "Success." if value == "0" else re.sub(r"\s+\*?\s*", " ", meaning.get(name, "")).replace("::", "")
        if not said:
            lint.say(f"include/wxtp/status.h:1: {name} has no comment that says what it means")
        rows.append(f"| `{name}` | {value} | {said} | {kind and f'`{kind}`'} | {hint} | {exit_of[name]} |\n")
    return "".join(rows)


def made(kind, name):
    if kind == "quickstart":
        return quickstart()
    return statuses() if name == "statuses" else table(name)


if not TABLES.exists():
    sys.exit("the program `tables` is not built")
found_blocks = set()
for path, text in texts.items():

    def fresh(match, path=path, text=text):
        kind, name = match.group("kind", "name")
        found_blocks.add((lint.name(path), kind, name))
        content = made(kind, name)
        if content is None:
            lint.found(path, lint.line_of(text, match.start()), f"there is no table {name}")
            return match.group(0)
        if content != match.group("body") and not WRITE:
            lint.found(path, lint.line_of(text, match.start()), f"{kind} {name} is not current: run docs/generate")
        return match.group(1) + content + match.group(5)

    new = BLOCK.sub(fresh, text)
    if WRITE and new != text:
        path.write_text(new)
        texts[path] = new
for wanted in [("README.md", "quickstart", "begin"), ("README.zh-CN.md", "quickstart", "begin"),
               ("docs/ERRORS.md", "generated", "errcodes"), ("docs/ERRORS.md", "generated", "statuses"),
               ("docs/ERRORS.md", "generated", "reasons"), ("docs/CONFIGURATION.md", "generated", "settings")]:
    if wanted not in found_blocks:
        lint.say(f"{wanted[0]}:1: the block {wanted[1]}: {wanted[2]} is missing")


# ---- Names ----


def without_fences(text):
    return FENCE.sub(lambda match: "\n" * match.group(0).count("\n"), text)


def anchors(text):
    """The anchors that the headings make, as GitHub makes them."""
    made_of = set()
    for heading in re.findall(r"^#+ (.+)$", without_fences(text), re.M):
        made_of.add(re.sub(r"[^\w\- ]", "", heading.lower()).replace(" ", "-"))
    return made_of


for path, text in texts.items():
    plain = without_fences(text)
    for match in re.finditer(r"\]\(([^)\s]+)\)", plain):
        target, _, anchor = match.group(1).partition("#")
        if re.match(r"\w+:", target):
            continue
        there = (path.parent / target) if target else path
        line = lint.line_of(plain, match.start())
        if not there.exists():
            lint.found(path, line, f"{target} does not exist")
        elif anchor and there.suffix == ".md" and anchor not in anchors(there.read_text()):
            lint.found(path, line, f"{target} has no heading #{anchor}")
    for match in re.finditer(rf"(?<![\w/.$])((?:{TOPS})/[\w./*-]*[\w*])", text):
        where = match.group(1)
        if "build/" in text[max(0, match.start() - 20) : match.start()]:
            continue
        if not list(lint.SOURCE.glob(where)):
            lint.found(path, lint.line_of(text, match.start()), f"{where} does not exist")
    if path.parent.name == "simulator":
        continue
    for match in re.finditer(r"\b((?:wx|wxtp|sq|WXTP|WX)_\w*\w)\b(?!\*)", text):
        word = match.group(1)
        if not re.search(rf"\b{word}\b", sources + cmake):
            lint.found(path, lint.line_of(text, match.start()), f"{word} is not in the sources")

architecture = texts.get(lint.SOURCE / "docs/ARCHITECTURE.md", "")
for match in re.finditer(r"`([a-z]+(?:_[a-z]+)+)`", architecture):
    if not re.search(rf"\b{match.group(1)}\b", sources):
        lint.found(lint.SOURCE / "docs/ARCHITECTURE.md", lint.line_of(architecture, match.start()), f"{match.group(1)} is not in the sources")
for path in lint.files("lib/**/*.c", "storage/**/*.c"):
    if not re.search(rf"\b{re.escape(path.stem)}(\.c|,|`)", architecture):
        lint.found(path, 1, "is not named in docs/ARCHITECTURE.md")


# ---- The tests that docs/FAQ.md names ----


def test_is_there(path, name):
    """With the symptom's name on it, unless its own name is that."""
    text = (lint.SOURCE / path).read_text() if (lint.SOURCE / path).exists() else ""
    if path.endswith(".c"):
        marked = re.search(rf"^/\* Symptom: .*\*/\nstatic void {name}\(void \*\*state\)$", text, re.M)
        return marked and re.search(rf"^ +\w+\({name}\b.*\),$", text, re.M)
    mark = "" if path.endswith("test_symptoms.py") else ' +"""Symptom: '
    return re.search(rf"^    def {name}\(self\):\n{mark}", text, re.M)


faq = lint.SOURCE / "docs/FAQ.md"
text = texts.get(faq, "")
for part in re.split(r"^(?=### )", text, flags=re.M)[1:]:
    where = lint.line_of(text, text.index(part))
    shown = re.findall(r"\[`(\w+)`\]\(\.\./(tests/[\w/.]+)\)", part)
    if not shown:
        lint.found(faq, where, "no test is named that shows it")
    for name, path in shown:
        if not test_is_there(path, name):
            lint.found(faq, where, f"{path} has no test {name} that bears its symptom")
if text.count("\n### ") < 25:
    lint.found(faq, 1, "symptoms are missing")


# ---- Command lines ----


def simple_commands(block):
    """Each wxtp-admin command of a block, as words."""
    for line in re.sub(r"\\\n\s*", " ", textwrap.dedent(block)).splitlines():
        line = re.sub(r"^\s*\$ ", "", line)
        try:
            words = list(shlex.shlex(line, posix=True, punctuation_chars=True)) if "wxtp-admin" in line else []
            lexer = shlex.shlex(line, posix=True, punctuation_chars="|&;<>()")
            lexer.whitespace_split = True
            words = list(lexer) if words else []
        except ValueError:
            words = line.split()
        command = []
        for word in [*words, ";"]:
            if re.fullmatch(r"[|&;<>()]+", word):
                if "wxtp-admin" in command:
                    yield command[command.index("wxtp-admin") + 1 :]
                command = []
            else:
                command.append(word)


_help = {}


def help_of(words):
    """What --help says of a command; None where there is no such command."""
    if words not in _help:
        done = subprocess.run([ADMIN, *words, "--help"], capture_output=True, text=True, check=False)
        _help[words] = done.stdout if done.returncode == 0 else None
    return _help[words]


def check_command(path, line, words):
    globals_ = help_of(())
    options = [word for word in words if re.match(r"--?[a-z]", word)]
    # Words of the command are the lower-case ones in front, options and what they take aside.
    names, skip = [], False
    for word in words:
        if skip:
            skip = False
        elif word.startswith("-"):
            row = re.search(rf"^  (?:-\w, |    ){re.escape(word.split('=')[0])}(\[\S+\])? (?=\S)([A-Z|a-z:]+)", globals_, re.M)
            skip = bool(row and re.match(r"[A-Z]", row.group(2))) and "=" not in word
        elif re.fullmatch(r"[a-z][a-z-]+", word) and len(names) < 2:
            names.append(word)
        else:
            break
    text = None
    for count in (2, 1, 0):
        text = help_of(tuple(names[:count])) if len(names) >= count else None
        if text and (count == 0 or f"{' '.join(names[:count])} " in text):
            break
    group = bool(text) and len(names) == 2 and f"Usage: wxtp-admin [GLOBAL OPTIONS] {names[0]} COMMAND" in text
    if not text or group or (names and "Usage: wxtp-admin [GLOBAL OPTIONS] COMMAND" in text):
        lint.found(path, line, f"wxtp-admin {' '.join(words)}: there is no such command")
        return
    for option in options:
        option = option.split("=")[0]
        if option not in ("-v", "-vv") and not re.search(rf"(?<![\w-]){re.escape(option)}\b(?!-)", text):
            lint.found(path, line, f"wxtp-admin {' '.join(words)}: there is no option {option}")


def commands_of(text):
    for match in FENCE.finditer(text):
        for words in simple_commands(match.group(3)):
            yield lint.line_of(text, match.start()), words
    for match in re.finditer(r"`(wxtp-admin [^`]+)`", without_fences(text)):
        for words in simple_commands(match.group(1).replace("\n", " ").replace("…", "").replace("|", " ")):
            yield lint.line_of(text, match.start()), words


if ADMIN.exists():
    for path, text in texts.items():
        for line, words in commands_of(text):
            if words and words[0] != "COMMAND":
                check_command(path, line, words)
else:
    print("wxtp-admin is not built: command lines are not checked")


def fenced(name):
    text = texts.get(lint.SOURCE / name, "")
    return [re.sub(r"\s+#.*", "", textwrap.dedent(match.group(3))) for match in FENCE.finditer(text)]


if fenced("README.md") != fenced("README.zh-CN.md"):
    lint.say("README.zh-CN.md:1: its blocks of code differ from those of README.md")

lint.finish()
