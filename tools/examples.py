#!/usr/bin/env python3
"""Runs an example or a guide's commands and compares what they print with what is written down.

examples.py run EXPECTED PROGRAM
    an example; EXPECTED may hold <N> for any number and <TEXT> for the rest of a line
examples.py extract GUIDE FOLDER
    writes the guide's C program (its one ```c block that begins with "/* NAME.c") to FOLDER/NAME.c
examples.py guide GUIDE BUILD FOLDER
    runs every line "$ COMMAND" of the guide's ```console blocks, with `ebb` of BUILD and the
    programs of FOLDER, and compares the lines after it. There 0 stands for 0 and every other number
    for any number with any unit of time or memory; a line "..." stands for any lines
examples.py table FILE
    checks a text with tables: functions, commands, tests and examples that it names exist; C lines
    that a row quotes are in its program

Exit code 0: equal. 1: a difference (shown), or a command that failed.
"""
import difflib
import os
import re
import subprocess
import sys
import tempfile

ROOT = os.path.dirname(os.path.dirname(os.path.abspath(__file__)))
NUMBER = r"-?[0-9][0-9,.]*(?:e[-+]?[0-9]+)?"
UNIT = r"(?: ?(?:ns|us|ms|s|bytes|KiB|MiB|GiB)\b)?"


def pattern_of_example(line):
    """An expected line as a regular expression."""
    line = re.escape(line)
    return line.replace("<N>", NUMBER).replace("<TEXT>", ".*")


def pattern_of_guide(line):
    """A line of a guide as a regular expression; columns may be wider or narrower."""
    parts = []
    for piece in re.split(rf"({NUMBER}{UNIT}| +)", line.strip()):
        if piece and piece.isspace():
            parts.append(r"\s+")
        elif re.fullmatch(NUMBER + UNIT, piece) and not re.fullmatch(r"0(?!\.)\D*", piece):
            parts.append(NUMBER + UNIT)
        else:
            parts.append(re.escape(piece))
    return r"\s*" + "".join(parts) + r"\s*"


def compare(expected, found, pattern, what):
    """True if every line fits; shows the difference otherwise."""
    rows, at = [], 0
    for number, line in enumerate(expected):
        if line.strip() == "...":
            rest = expected[number + 1:]
            if not rest:
                at = len(found)
                break
            while at < len(found) and not re.fullmatch(pattern(rest[0]), found[at]):
                at += 1
            continue
        if at == len(found) or not re.fullmatch(pattern(line), found[at]):
            rows = ["differs"]
            break
        at += 1
    if not rows and at == len(found):
        return True
    print(f"{what}: not what is written down")
    print("\n".join(difflib.unified_diff(expected, found, "expected", "found", lineterm="")))
    return False


def run_example(expected_path, program):
    with open(expected_path, encoding="utf-8") as file:
        expected = file.read().splitlines()
    done = subprocess.run([program], capture_output=True, text=True, check=False)
    sys.stderr.write(done.stderr)
    same = compare(expected, done.stdout.splitlines(), pattern_of_example, program)
    if done.returncode != 0:
        print(f"{program}: exit code {done.returncode}")
    return same and done.returncode == 0


def blocks_of(path, language):
    with open(path, encoding="utf-8") as file:
        return re.findall(rf"^```{language}\n(.*?)^```$", file.read(), re.DOTALL | re.MULTILINE)


def extract(path, folder):
    """Writes the program if it is not there in these words."""
    for block in blocks_of(path, "c"):
        name = re.match(r"/\* (\w+\.c)\b", block)
        if name is None:
            continue
        target = os.path.join(folder, name.group(1))
        os.makedirs(folder, exist_ok=True)
        with open(target, "w", encoding="utf-8") as file:
            file.write(block)
        return True
    print(f"{path}: no ```c block that begins with /* NAME.c")
    return False


def run_guide(path, build, folder):
    lines = "".join(blocks_of(path, "console")).splitlines()
    commands = []
    for line in lines:
        if line.startswith("$ "):
            commands.append((line[2:], []))
        elif commands[-1][0].endswith("\\"):
            commands[-1] = (commands[-1][0][:-1] + line.strip(), [])
        else:
            commands[-1][1].append(line)
    same = len(commands) > 0
    with tempfile.TemporaryDirectory(prefix="ebb-guide-") as place:
        os.symlink(os.path.join(ROOT, "examples"), os.path.join(place, "examples"))
        for name in os.listdir(folder):
            if os.access(os.path.join(folder, name), os.X_OK) and "." not in name:
                os.symlink(os.path.join(folder, name), os.path.join(place, name))
        path_list = os.path.abspath(build) + os.pathsep + os.environ["PATH"]
        for command, expected in commands:
            done = subprocess.run(command, shell=True, cwd=place, text=True, check=False,
                                  env=dict(os.environ, PATH=path_list),
                                  stdout=subprocess.PIPE, stderr=subprocess.STDOUT)
            while expected and expected[-1] == "":
                expected.pop()
            same &= compare(expected, done.stdout.rstrip().splitlines(), pattern_of_guide,
                            f"{path}: {command}")
            if done.returncode != 0:
                print(f"{path}: {command}: exit code {done.returncode}\n{done.stdout}")
                same = False
    return same


def check_names(path, text):
    """Functions, commands, tests, examples and guides that a text names and that do not exist."""
    include = os.path.join(ROOT, "include/ebb")
    headers = "".join(read(os.path.join(include, name)) for name in sorted(os.listdir(include)))
    commands = re.findall(r"^COMMAND\((\w+)\)", read(os.path.join(ROOT, "cli/list.inc")), re.M)
    tests = {os.path.splitext(name)[0] for name in os.listdir(os.path.join(ROOT, "tests/unit"))}
    programs = {name[:6] for name in os.listdir(os.path.join(ROOT, "examples/c"))}
    scripts = os.listdir(os.path.join(ROOT, "python/tests"))
    for number, line in enumerate(text.splitlines(), 1):
        for name in re.findall(r"`ebb (\w+)", line):
            if name not in commands:
                yield f"{path}:{number}: no such command: {name}"
        for name in re.findall(r"\b(ebb_\w+)\(", line):
            if not re.search(rf"\b{name}\(|X\({name[4:]}, ", headers):
                yield f"{path}:{number}: in no header: {name}"
        for name in re.findall(r"\b([a-z]\w*_test)\b", line):
            if name not in tests | {"conformance_test"}:
                yield f"{path}:{number}: no such test: {name}"
        for name in re.findall(r"\b(test_\w+)\b", line):
            if f"{name}.py" not in scripts:
                yield f"{path}:{number}: no such test in Python: {name}"
        for name in re.findall(r"\b(s\d\d\d_\d)", line):
            if name not in programs:
                yield f"{path}:{number}: no such example: {name}"


def check_table(path):
    """What a text names exists; what a row quotes is in the program of the row."""
    text, folder = read(path), os.path.dirname(path)
    faults, seen = list(check_names(path, text)), set()
    for number, line in enumerate(text.splitlines(), 1):
        link = re.match(r"\| \[s\d+_\d+\]\((c/\w+\.c)\)", line)
        if link is None or not os.path.exists(os.path.join(folder, link.group(1))):
            continue
        seen.add(os.path.basename(link.group(1)))
        source = re.sub(r"\s+", " ", read(os.path.join(folder, link.group(1))))
        cells = line.strip("|").split(" | ")
        faults += [f"{path}:{number}: not in {link.group(1)}: {quote}"
                   for quote in re.findall(r"`([^`]+)`", cells[2])
                   if re.sub(r"\s+", " ", quote) not in source]
    if seen:
        programs = {name for name in os.listdir(os.path.join(folder, "c")) if name.endswith(".c")}
        faults += [f"{path}: no row for {name}" for name in sorted(programs - seen)]
    print("\n".join(faults), end="\n" if faults else "")
    return not faults


def read(path):
    with open(path, encoding="utf-8") as file:
        return file.read()


def main():
    what, words = (sys.argv[1], sys.argv[2:]) if len(sys.argv) > 1 else ("", [])
    table = {"run": (run_example, 2), "extract": (extract, 2), "guide": (run_guide, 3),
             "table": (check_table, 1)}
    if what not in table or len(words) != table[what][1]:
        print(__doc__)
        return 2
    return 0 if table[what][0](*words) else 1


if __name__ == "__main__":
    sys.exit(main())
