#!/bin/sh
# The Python package as a user installs it: `pip install .` into an empty virtual environment, used from another folder.
set -eu
root=$(cd "$(dirname "$0")/.." && pwd)
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
python3 -m venv "$work/venv"
python=$work/venv/bin/python
CMAKE_BUILD_PARALLEL_LEVEL=${JOBS:-$(nproc)} "$python" -m pip install --quiet --disable-pip-version-check "$root" \
    >"$work/log" 2>&1 || { tail -60 "$work/log"; echo 'pip install . failed'; exit 1; }
cd "$work"
"$python" - "$root/examples/models" <<'EOF'
import importlib.metadata
import pathlib
import subprocess
import sys

import numpy as np

import ebb
from ebb import keras

package = pathlib.Path(ebb.__file__).parent
assert package.is_relative_to(pathlib.Path(sys.prefix)), package
assert (package / "py.typed").exists(), "no type hints"
assert importlib.metadata.version("ebb-runtime") == ebb.__version__
assert not {"matplotlib", "tensorflow", "keras", "sklearn"} & set(sys.modules), "imported unasked"

before = ebb.memory().live
for path in sorted(pathlib.Path(sys.argv[1]).glob("digits_*.keras")):
    with ebb.loaded(path) as model:
        model.predict(np.zeros((2, *model.inputs[0].shape[1:]), "float32"))
model = keras.Sequential([keras.Input((10,)), keras.layers.Dense(4, activation="relu"),
                          keras.layers.Dense(1)])
model.compile("adam", "mse")
model.fit(np.ones((8, 10), "float32"), np.ones((8, 1), "float32"), verbose=0)
del model
assert ebb.memory().live == before, "bytes were left"
EOF
echo 'python install: passed'
