"""No ambient state, no banned call, no secret in a log line (lib/ and storage/)."""

import re
import subprocess

import lint

BANNED = {
    "strcpy": "does not know the size of its target",
    "strcat": "does not know the size of its target",
    "sprintf": "does not know the size of its target",
    "vsprintf": "does not know the size of its target",
    "gets": "does not know the size of its target",
    "atoi": "cannot tell an error",
    "atol": "cannot tell an error",
    "atoll": "cannot tell an error",
    "strtok": "keeps state of its own",
    "localtime": "keeps state of its own",
    "gmtime": "keeps state of its own",
    "rand": "is no source of randomness",
    "srand": "is no source of randomness",
    "system": "runs a shell",
    "popen": "runs a shell",
    "abort": "ends the host's program",
    "exit": "ends the host's program",
    "signal": "changes the host's signal handling",
    "sigaction": "changes the host's signal handling",
    "printf": "writes to the host's standard output",
    "puts": "writes to the host's standard output",
    "putchar": "writes to the host's standard output",
    "perror": "writes to the host's standard error",
    "getenv": "reads the environment",
    "secure_getenv": "reads the environment",
    "setenv": "changes the environment",
    "alloca": "has no bound",
}
CALL = re.compile(r"(?<![\w.>])(" + "|".join(BANNED) + r")\s*\(")
THREAD_LOCAL = re.compile(r"\b(_Thread_local|thread_local|__thread)\b")
LOG = re.compile(r"\bwx_log\s*\(")
SECRET = re.compile(r"(?<!\w)\w*(secret|token|ticket|code|aes_key|master_key|password)\w*(?!\w)", re.I)
# Names that are about a secret and hold none.
HARMLESS = re.compile(
    r"errcode|_state\b|_status|status_name|generation|_count|wx_token_\w+|wx_code_\w+|wx_ticket_\w+|wx_errcode_\w+|token_refreshes"
    r"|err_?code|http_code|exit_code|WXTP_\w+|WX_\w+|_class\b",
)


def arguments(code, start):
    """The text between the parenthesis at `start` and the one that closes it."""
    depth = 0
    for at in range(start, len(code)):
        if code[at] == "(":
            depth += 1
        elif code[at] == ")":
            depth -= 1
            if depth == 0:
                return code[start + 1 : at]
    return code[start + 1 :]


for path in lint.files("lib/**/*.[ch]", "storage/**/*.[ch]"):
    code = lint.code_of(path.read_text())
    for match in CALL.finditer(code):
        lint.found(path, lint.line_of(code, match.start()), f"{match.group(1)}: {BANNED[match.group(1)]}")
    for match in re.finditer(r"\bf(?:printf|puts|putc)\s*\([^;]*\b(stdout|stderr)\b", code):
        lint.found(path, lint.line_of(code, match.start()), f"writes to the host's {match.group(1)}")
    for match in THREAD_LOCAL.finditer(code):
        lint.found(path, lint.line_of(code, match.start()), f"{match.group(1)}: state of a thread")
    for match in LOG.finditer(code):
        for secret in SECRET.finditer(arguments(code, match.end() - 1)):
            if not HARMLESS.search(secret.group(0)):
                lint.found(
                    path, lint.line_of(code, match.start()), f"logs {secret.group(0)}, which reads like a secret"
                )

# What the compiler has put into writable sections is state that all platforms of a process would share.
# Set once, to what is the same for every platform: the kernel's boot id, and that libcurl is initialized.
ONCE = {
    "lib/port/clock.c": {"boot_id_lock", "boot_id_text"},
    "lib/port/http_curl.c": {"curl_lock", "curl_ready"},
}
WRITABLE = re.compile(r"^\.(data|bss|tdata|tbss)(?!\.rel\.ro)")
objdump = lint.tool("objdump")
objects = sorted(lint.BUILD.glob("lib/CMakeFiles/wxtp_objects.dir/**/*.o"))
objects += sorted(lint.BUILD.glob("storage/**/*.o"))
assert objects, "no objects; build first"
for path in objects:
    rows = subprocess.run([objdump, "-t", path], capture_output=True, text=True, check=True).stdout
    for row in rows.splitlines():
        match = re.match(r"^[0-9a-f]+ (.{7}) (\S+)\s+([0-9a-f]+) (?:\.hidden )?(\S+)$", row)
        if match and "O" in match.group(1) and WRITABLE.match(match.group(2)) and int(match.group(3), 16) > 0:
            symbol = match.group(4).split(".")[0]
            folder = "lib" if "wxtp_objects.dir" in str(path) else "storage/" + path.relative_to(lint.BUILD / "storage").parts[0]
            relative = str(path).split(".dir/")[1].removesuffix(".o")
            source = lint.SOURCE / folder / relative
            if symbol in ONCE.get(lint.name(source), ()):
                continue
            text = source.read_text() if source.is_file() else ""
            where = re.search(rf"\b{re.escape(symbol)}\b\s*(\[|=|;)", text)
            line = lint.line_of(text, where.start()) if where else 1
            lint.found(source, line, f"{symbol} is writable and outlives a call ({match.group(2)})")

lint.finish()
