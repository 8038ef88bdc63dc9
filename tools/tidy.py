#!/usr/bin/env python3
"""The style that a machine can check: floors, sizes, allocation, file names, the source
tour. No output but faults.

Usage: tools/tidy.py            exit 0 = tidy, 1 = faults (one line each: file:line: what)
"""
import os
import re
import subprocess
import sys

ROOT = os.path.dirname(os.path.dirname(os.path.abspath(__file__)))
FUNCTION_LINES_MAX = 70
FILE_LINES_MAX = 800
COLUMNS_MAX = 100

# A floor includes only what lies below it; rooms of one floor never include each other.
FLOORS = [
    {"base"},
    {"mem"},
    {"json", "profile", "tensor"},
    {"format", "graph"},
    {"device", "compress", "layer", "tensorflow"},
    {"exec"},
    {"train"},
    {"runtime"},
]
# Above a floor: the layer room reads descriptions and emits ops; the executor asks the CPU room
# for its threads.
FLOOR_OF = {room: number for number, rooms in enumerate(FLOORS) for room in rooms}

ALLOCATION = re.compile(
    r"\b(malloc|calloc|realloc|free|mmap|munmap|strdup|posix_memalign|aligned_alloc)\s*\(")
FORBIDDEN = re.compile(
    r"\b(abort|exit|_exit|printf|puts|putchar|perror|alloca|gets|strcpy|strcat|sprintf|vsprintf)"
    r"\s*\(")
MARKS = re.compile(r"\b(TODO|FIXME|XXX|HACK)\b")
INCLUDE = re.compile(r'^\s*#\s*include\s+"([^"]+)"')


def tracked():
    out = subprocess.run(["git", "ls-files", "--cached", "--others", "--exclude-standard"],
                         cwd=ROOT,
                         capture_output=True, text=True, check=True).stdout
    return [name for name in out.splitlines() if os.path.isfile(os.path.join(ROOT, name))]


def code_only(text):
    """The text with comments and string contents blanked, line structure kept."""
    def blank(match):
        s = match.group(0)
        if s.startswith("/"):
            return re.sub(r"[^\n]", " ", s)
        return s[0] + " " * (len(s) - 2) + s[-1]
    return re.sub(r'/\*.*?\*/|//[^\n]*|"(?:\\.|[^"\\\n])*"|\'(?:\\.|[^\'\\\n])*\'', blank, text,
                  flags=re.DOTALL)


def function_lengths(code):
    """(first line, lines) of every block that begins with '{' in column 0 after a ')' line."""
    start = None
    lines = code.splitlines()
    for number, line in enumerate(lines, 1):
        if line.startswith("{") and number > 1 and re.search(r"\)\s*$", lines[number - 2].rstrip()):
            start = number
        elif line.startswith("}") and start is not None:
            yield start, number - start - 1
            start = None


def check_c(name, text, faults):
    lines = text.splitlines()
    code = code_only(text)
    if len(lines) > FILE_LINES_MAX:
        faults.append(f"{name}:1: {len(lines)} lines, at most {FILE_LINES_MAX}")
    for first, length in function_lengths(code):
        if length > FUNCTION_LINES_MAX:
            faults.append(
                f"{name}:{first}: function of {length} lines, at most {FUNCTION_LINES_MAX}")
    if not text.lstrip().startswith("/*"):
        faults.append(f"{name}:1: the file does not begin with a comment that says what it is")
    library = name.startswith("src/")
    for number, line in enumerate(code.splitlines(), 1):
        if library and not name.startswith("src/mem/") and ALLOCATION.search(line):
            faults.append(f"{name}:{number}: allocation outside src/mem: {line.strip()}")
        if library and FORBIDDEN.search(line):
            faults.append(f"{name}:{number}: not allowed in the library: {line.strip()}")
    check_includes(name, text, faults)


def check_includes(name, text, faults):
    parts = name.split("/")
    for number, line in enumerate(text.splitlines(), 1):
        match = INCLUDE.match(line)
        if not match:
            continue
        target = match.group(1)
        room = target.split("/")[0]
        if parts[0] in ("cli", "server", "examples") and room != "ebb" and "/" in target:
            faults.append(f"{name}:{number}: {parts[0]} includes only the public API, not {target}")
        if parts[0] != "src" or room not in FLOOR_OF:
            continue
        own = parts[1]
        if room != own and FLOOR_OF[room] >= FLOOR_OF[own]:
            faults.append(f"{name}:{number}: {own} (floor {FLOOR_OF[own]}) includes {target} "
                          f"(floor {FLOOR_OF[room]})")


def check_text(name, text, faults):
    for number, line in enumerate(text.splitlines(), 1):
        if line != line.rstrip():
            faults.append(f"{name}:{number}: trailing white space")
        if "\t" in line and name.endswith((".c", ".h", ".inc", ".py")):
            faults.append(f"{name}:{number}: tab")
        if len(line) > COLUMNS_MAX and name.endswith((".c", ".h", ".inc", ".py")):
            faults.append(f"{name}:{number}: {len(line)} columns, at most {COLUMNS_MAX}")
        if MARKS.search(line) and name != "tools/tidy.py":
            faults.append(f"{name}:{number}: mark left in the text")


def check_names(names, faults):
    seen = {}
    for name in names:
        if name.startswith(("src/", "include/", "cli/")) and name.endswith((".c", ".h")):
            base = os.path.basename(name)
            if base in seen and not {name, seen[base]} & {"include/ebb/" + base}:
                faults.append(f"{name}:1: same file name as {seen[base]}")
            seen[base] = name


def check_tour(names, faults):
    """docs/architecture.md names every source folder and no file that is gone."""
    path = os.path.join(ROOT, "docs/architecture.md")
    if not os.path.exists(path):
        faults.append("docs/architecture.md:1: missing")
        return
    tour = open(path, encoding="utf-8").read()
    for folder in sorted({os.path.dirname(n) for n in names if n.startswith("src/")}):
        if folder + "/" not in tour:
            faults.append(f"docs/architecture.md:1: does not mention {folder}/")
    roots = "src|include|cli|tests|tools|docs|bench|examples"
    for mentioned in set(re.findall(rf"`((?:{roots})/[\w./-]+\.\w+)`", tour)):
        if mentioned not in names:
            faults.append(f"docs/architecture.md:1: names {mentioned}, which does not exist")


def main():
    faults, names = [], tracked()
    for name in names:
        if not name.endswith((".c", ".h", ".inc", ".py", ".sh", ".md", ".txt", ".cmake",
                              "Makefile")):
            continue
        with open(os.path.join(ROOT, name), encoding="utf-8") as file:
            text = file.read()
        check_text(name, text, faults)
        if name.endswith((".c", ".h")):
            check_c(name, text, faults)
    check_names(names, faults)
    check_tour(names, faults)
    print("\n".join(faults) if faults else f"tidy: {len(names)} files, no faults")
    return 1 if faults else 0


if __name__ == "__main__":
    sys.exit(main())
