"""Writes the C source of ``ebb._native``: the public headers of libebb as cffi declarations.

Usage: native.py COMPILER INCLUDE_FOLDER OUTPUT.c

The headers are the one source: nothing of them is repeated here but the callbacks, which Python
answers, and the few C functions that keep a hot path short.
"""

import pathlib
import re
import subprocess
import sys

import cffi

HERE = pathlib.Path(__file__).resolve().parent


def declarations(compiler: str, include: str) -> str:
    """The headers without comments, preprocessor and attributes, as ``FFI.cdef`` takes them."""
    text = "#define __attribute__(x)\n"
    for header in sorted(pathlib.Path(include, "ebb").glob("*.h")):
        text += f'#include "ebb/{header.name}"\n'
    # The system's headers declare what cffi knows already: empty ones stand in for them.
    command = [
        compiler,
        "-E",
        "-P",
        "-x",
        "c",
        "-nostdinc",
        f"-I{include}",
        f"-I{HERE / 'empty'}",
        "-",
    ]
    done = subprocess.run(command, input=text, capture_output=True, text=True, check=False)
    if done.returncode != 0:
        raise SystemExit(f"{compiler} cannot read the headers in {include}:\n{done.stderr}")
    return re.sub(r"\bsizeof\b[^;{}]*", "", done.stdout)


def main() -> None:
    """Reads the command line and writes the file."""
    if len(sys.argv) != 4:
        raise SystemExit(__doc__)
    compiler, include, output = sys.argv[1:]
    ffi = cffi.FFI()
    ffi.cdef(declarations(compiler, include))
    ffi.cdef((HERE / "callbacks.h").read_text())
    shortcuts = (HERE / "shortcuts.h").read_text()
    ffi.cdef(shortcuts)
    code = (HERE / "shortcuts.c").read_text()
    ffi.set_source("ebb._native", f'#include "ebb/ebb.h"\n{shortcuts}{code}')
    ffi.emit_c_code(output)


if __name__ == "__main__":
    main()
