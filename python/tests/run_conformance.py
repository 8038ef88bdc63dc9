"""Runs the conformance cases of the folder EBB_SHARED through ``ebb.keras``.

Usage: run_conformance.py [--table] [--verbose] [--area A] [--class C] [--every N] [--against FILE]

The same cases, areas, comparisons and lines as ``make conformance`` has from C; with ``--against``
the table of that run the two must be equal, line for line. Every case loads, runs and drops its
model with the garbage collector off; the ledger must end where it began.
"""

from __future__ import annotations

import argparse
import collections
import gc
import json
import math
import os
import pathlib
import re
import sys
import tempfile
from typing import Any, Callable

import numpy as np

import ebb
from ebb import keras

Meta = dict[str, Any]
ARCHITECTURE_AREAS = ("layers", "models", "zoo", "saved")
TRAINING_AREAS = ("training", "resume", "history")
REFUSED = pathlib.Path(__file__).parents[2] / "tests" / "conformance" / "refused.txt"


class Wrong(Exception):
    """A number, a name or a byte is not what Keras has."""


def need(condition: bool, text: str) -> None:
    """Raises Wrong unless the condition holds."""
    if not condition:
        raise Wrong(text)


def numbered(arrays: Any, prefix: str) -> list[np.ndarray[Any, Any]]:
    """The arrays ``prefix/0``, ``prefix/1`` ... of an archive."""
    found = []
    while f"{prefix}/{len(found)}" in arrays:
        found.append(arrays[f"{prefix}/{len(found)}"])
    return found


def compare(what: str, got: Any, want: Any, rtol: float, atol: float) -> None:
    """The rule of the data: ``|got-want| <= atol*max(1, max|want|) + rtol*|want|``."""
    got, want = np.asarray(got), np.asarray(want)
    need(got.shape == want.shape, f"{what}: shape {got.shape}, expected {want.shape}")
    if want.dtype.kind in "iub":
        need(bool((got == want).all()), f"{what}: integers differ")
        return
    a, b = got.astype(np.float64), want.astype(np.float64)
    finite = np.isfinite(b)
    need(bool(((a == b) | (np.isnan(a) & np.isnan(b)) | finite).all()), f"{what}: not finite")
    scale = max(1.0, float(np.abs(b[finite]).max())) if finite.any() else 1.0
    over = np.abs(a - b)[finite] - (atol * scale + rtol * np.abs(b[finite]))
    worst = float(over.max()) if over.size else 0.0
    need(worst <= 0, f"{what} is off by {worst:g} more than allowed")


def near(what: str, got: float, want: Any, tolerance: list[float]) -> None:
    """The same for one number; those that are not finite are texts."""
    compare(what, np.float64(got), np.float64(float(want)), *tolerance)


def as_list(value: Any) -> list[Any]:
    """The outputs of a model in its order: a dict's sorted by key, as the data have them."""
    if isinstance(value, dict):
        return [leaf for key in sorted(value) for leaf in as_list(value[key])]
    if isinstance(value, (list, tuple)):
        return [leaf for item in value for leaf in as_list(item)]
    return [value]


def as_inputs(model: Any, arrays: list[Any]) -> Any:
    """Arrays in the order of the data as the structure that the model takes."""
    return model._input_structure(arrays) if hasattr(model, "_input_structure") else arrays


# -- outputs -----------------------------------------------------------------------------------


def predict_case(path: str, meta: Meta, arrays: Any) -> None:
    """Loads one file and compares the outputs of every batch that the case has."""
    rtol, atol = meta["tol"]["out"]
    if not meta.get("deterministic", True):
        rtol = math.inf
    model = keras.models.load_model(path, compile=False)
    for given, wanted in (("in", "out"), ("in@1", "out@1")):
        inputs, outputs = numbered(arrays, given), numbered(arrays, wanted)
        if not outputs:
            continue
        result = as_list(model.predict_on_batch(as_inputs(model, inputs)))
        need(len(result) == len(outputs), f"{len(result)} outputs, expected {len(outputs)}")
        for number, (got, want) in enumerate(zip(result, outputs)):
            if math.isinf(rtol):
                need(np.shape(got) == want.shape, f"output {number}: shape {np.shape(got)}")
            else:
                compare(f"output {number}", got, want, rtol, atol)


def run_outputs(folder: pathlib.Path, is_saved: bool) -> None:
    """Every file of a case that holds the model."""
    meta = json.loads((folder / "case.json").read_text())
    with np.load(folder / "io.npz") as archive:
        arrays = dict(archive.items())
    for name in meta["files"]:
        if name in (("saved_model",) if is_saved else ("model.keras", "model.h5")):
            predict_case(str(folder / name), meta, arrays)


# -- training ----------------------------------------------------------------------------------


class Steps(keras.callbacks.Callback):
    """The loss of every step, told from the means that fit reports."""

    def __init__(self, rows: int, batch: int) -> None:
        super().__init__()
        self.rows, self.batch, self.sum, self.losses = rows, batch, 0.0, list[float]()

    def on_epoch_begin(self, epoch: int, logs: Any = None) -> None:
        """A new mean begins."""
        self.sum = 0.0

    def on_train_batch_end(self, batch: int, logs: Any = None) -> None:
        """The exact loss from the means before and after the step."""
        seen = min(self.rows, (batch + 1) * self.batch)
        whole = logs["loss"] * seen
        self.losses.append((whole - self.sum) / (seen - batch * self.batch))
        self.sum = whole


def callbacks_of(meta: Meta) -> list[Any]:
    """The callbacks that the case names."""
    made = []
    for entry in meta.get("callbacks") or []:
        config = dict(entry.get("config") or {})
        if "values" in config:
            values = config.pop("values")
            made.append(keras.callbacks.LearningRateScheduler(lambda epoch, v=values: v[epoch]))
        else:
            made.append(getattr(keras.callbacks, entry["class_name"])(**config))
    return made


def targets_of(model: Any, meta: Meta, arrays: list[Any]) -> Any:
    """Targets in the model's order."""
    names = meta.get("outputs")
    if names and len(arrays) > 1:
        arrays = [arrays[names.index(name)] for name in model.output_names]
    return arrays[0] if len(arrays) == 1 else arrays


def train_by_fit(model: Any, meta: Meta, arrays: Any) -> None:
    """Fit, with its losses, History and evaluation."""
    fit = dict(meta["fit"])
    x, y = numbered(arrays, "x"), numbered(arrays, "y")
    fit.setdefault("batch_size", 32)
    if fit.get("class_weight"):
        fit["class_weight"] = {int(key): value for key, value in fit["class_weight"].items()}
    steps = Steps(len(x[0]), fit["batch_size"])
    values = numbered(arrays, "val_x")
    if values:
        fit["validation_data"] = (
            as_inputs(model, values),
            targets_of(model, meta, numbered(arrays, "val_y")),
        )
    inputs, targets = as_inputs(model, x), targets_of(model, meta, y)
    history = model.fit(
        inputs,
        targets,
        sample_weight=arrays.get("sample_weight"),
        verbose=0,
        callbacks=[*callbacks_of(meta), steps],
        **fit,
    )
    if "loss" in arrays:
        compare(
            "losses of the steps",
            np.array(steps.losses),
            arrays["loss"].astype(np.float64),
            *meta["tol"]["loss"],
        )
    if meta.get("history"):
        check_history(history, meta)
    wanted = meta.get("evaluate_after")
    check_state(model, meta, arrays)
    if wanted:
        got = model.evaluate(
            inputs, targets, batch_size=fit["batch_size"], verbose=0, return_dict=True
        )
        need(set(got) == set(wanted), f"evaluate: {sorted(got)}, expected {sorted(wanted)}")
        for name, value in wanted.items():
            near(f"evaluate: {name}", got[name], value, meta["tol"]["history"])


def check_history(history: Any, meta: Meta) -> None:
    """Names, epochs and values of the History."""
    need(history.epoch == meta["epochs_run"], f"epochs {history.epoch}")
    need(set(history.history) == set(meta["history"]), f"History has {sorted(history.history)}")
    for name, values in meta["history"].items():
        got = history.history[name]
        need(len(got) == len(values), f"History: {name} has {len(got)} values")
        for epoch, (a, b) in enumerate(zip(got, values)):
            near(f"History: {name} of epoch {epoch}", a, b, meta["tol"]["history"])


def check_state(model: Any, meta: Meta, arrays: Any) -> None:
    """Weights and variables of the optimizer after training."""
    tolerance = meta["tol"]["weights"]
    final = numbered(arrays, "final")
    weights = model.get_weights()
    need(len(weights) == len(final), f"{len(weights)} weights, Keras has {len(final)}")
    for weight, got, want in zip(model.weights, weights, final):
        compare(weight.path, got, want, *tolerance)
    wanted = numbered(arrays, "opt")
    if wanted:
        variables = model.optimizer.variables
        need(len(variables) == len(wanted), f"{len(variables)} variables, Keras {len(wanted)}")
        for got, want in zip(variables, wanted):
            compare(f"optimizer's {got.path}", got.numpy(), want, *tolerance)


def train_by_batches(model: Any, meta: Meta, arrays: Any) -> None:
    """The same steps, one call each."""
    batch = meta["fit"].get("batch_size", 32)
    x, y = numbered(arrays, "x"), numbered(arrays, "y")
    losses = []
    for _ in range(meta["fit"].get("epochs", 1)):
        for first in range(0, len(x[0]), batch):
            part = slice(first, first + batch)
            result = model.train_on_batch(
                as_inputs(model, [a[part] for a in x]),
                targets_of(model, meta, [a[part] for a in y]),
                return_dict=True,
            )
            losses.append(result["loss"])
    # train_on_batch tells means since the metrics were reset; each step's loss comes from them.
    need(len(losses) == len(arrays["loss"]), f"{len(losses)} steps")
    if not (meta.get("optimizer") or {}).get("use_ema"):
        check_state(model, meta, arrays)


def check_files(meta: Meta) -> None:
    """Callbacks wrote what Keras's write, and nothing else."""
    wanted = set(meta["files_written"]) | set(meta.get("text_files") or {})
    found = {str(path) for path in pathlib.Path().rglob("*") if path.is_file()}
    top = {pathlib.Path(name).parts[0] for name in found}
    expected = {pathlib.Path(name).parts[0] for name in wanted}
    need(top == expected, f"wrote {sorted(found)}, expected {sorted(wanted)}")
    for name, text in (meta.get("text_files") or {}).items():
        got = pathlib.Path(name).read_text().replace("\r", "")
        words, expected_words = re.split(r"([,\n])", got), re.split(r"([,\n])", text)
        need(len(words) == len(expected_words), f"{name}: {got!r}")
        for a, b in zip(words, expected_words):
            try:
                near(name, float(a), float(b), meta["tol"]["history"])
            except ValueError:
                need(a == b, f"{name}: {a!r}, expected {b!r}")


def run_training(folder: pathlib.Path) -> None:
    """Every file of a training case, in every way, each in a folder of its own."""
    meta = json.loads((folder / "case.json").read_text())
    with np.load(folder / "io.npz") as archive:
        arrays = dict(archive.items())
    ways: list[Callable[[Any, Meta, Any], None]] = [train_by_fit]
    if "loss" in arrays:
        ways.append(train_by_batches)
    for name in meta["files"]:
        for way in ways:
            last = os.getcwd()
            with tempfile.TemporaryDirectory() as place:
                os.chdir(place)
                try:
                    model = keras.models.load_model(str(folder / name))
                    way(model, meta, arrays)
                    if way is train_by_fit and meta.get("files_written") is not None:
                        check_files(meta)
                finally:
                    os.chdir(last)


# -- real models -------------------------------------------------------------------------------


def run_real(shared: pathlib.Path, entry: Meta) -> None:
    """One file from the wild, beside what the Keras of its time gave."""
    root = shared / "real-models"
    path = str(root / entry["file"])
    expect = entry["expect"]
    options = {"architecture": str(root / entry["arch"])} if entry.get("arch") else {}
    try:
        model = ebb.load(path, **options)
    except ebb.UnsupportedError as error:
        words = entry.get("reason_words") or []
        if expect in ("refuse", "either") and any(word in str(error) for word in words):
            return
        raise
    need(expect != "refuse", "ran, but must be refused")
    folder = root / entry["id"]
    with np.load(folder / "in.npz") as given, np.load(folder / "out.npz") as wanted:
        result = as_list(model.predict([given[name] for name in entry["names_in"]]))
        for number, name in enumerate(entry["names_out"]):
            compare(name, result[number], wanted[name], entry["rtol"], entry["tol"][number])


# -- the run -----------------------------------------------------------------------------------


class Table:
    """Counts by area and class, as the C runner prints them."""

    def __init__(self, is_verbose: bool) -> None:
        self.rows: dict[tuple[str, str], collections.Counter[str]] = {}
        self.is_verbose, self.unlisted = is_verbose, 0
        self.listed = REFUSED.read_text().splitlines()

    def may_refuse(self, area: str, name: str, reason: str) -> bool:
        """Does the list of what may be refused name it?"""
        key = f"{area} {name}"
        return any(
            line == key or (line.startswith(key + " ") and line[len(key) + 1 :] in reason)
            for line in self.listed
        )

    def run(self, area: str, name: str, where: str, case: Callable[[], None]) -> None:
        """One case: passed, refused or failed, and every byte back."""
        before = ebb.memory()
        verdict, text, reason = "passed", "", ""
        try:
            case()
        except (ebb.UnsupportedError, NotImplementedError) as error:
            verdict, text, reason = "refused", str(error), getattr(error, "text", str(error))
        except Exception as error:
            verdict, text = "failed", f"{type(error).__name__}: {error}"
        after = ebb.memory()
        if verdict != "failed" and after.live != before.live:
            verdict, text = "failed", f"{after.live - before.live} bytes not returned"
        self.rows.setdefault((area, name), collections.Counter())[verdict] += 1
        if verdict == "refused" and not self.may_refuse(area, name, reason):
            self.unlisted += 1
            print(f"refused without being listed: {area} {name}: {text}", flush=True)
        if verdict == "failed" or (verdict == "refused" and self.is_verbose):
            print(f"{verdict.upper()} {where}: {text}", flush=True)

    def lines(self) -> list[str]:
        """The table."""
        return [
            f"{area:<8} {name:<40} {row['passed']:5} passed {row['refused']:5} refused "
            f"{row['failed']:5} failed"
            for (area, name), row in self.rows.items()
        ]

    def total(self, verdict: str) -> int:
        """Cases of one verdict."""
        return sum(row[verdict] for row in self.rows.values())


def cases(shared: pathlib.Path) -> list[tuple[str, str, str, Callable[[], None]]]:
    """Area, class, place and check of every case, in the order of the C runner."""
    found: list[tuple[str, str, str, Callable[[], None]]] = []
    for entry in json.loads((shared / "conformance" / "index.json").read_text()):
        area, name = entry["path"].split("/")[:2]
        folder = shared / "conformance" / entry["path"]
        if area in ("layers", "models", "zoo"):
            found.append((area, name, entry["path"], lambda f=folder: run_outputs(f, False)))
        elif area in TRAINING_AREAS:
            found.append((area, name, entry["path"], lambda f=folder: run_training(f)))
        if area in (*ARCHITECTURE_AREAS, *TRAINING_AREAS) and (folder / "saved_model").exists():
            found.append(("saved", name, entry["path"], lambda f=folder: run_outputs(f, True)))
    for entry in json.loads((shared / "real-models" / "index.json").read_text()):
        found.append(("real", entry["id"], entry["id"], lambda e=entry: run_real(shared, e)))
    return found


def differences(path: str, lines: list[str]) -> list[str]:
    """Lines that only one of the two runs has; areas that the C run has elsewhere do not count."""
    areas = {line.split()[0] for line in lines}
    theirs = [
        line.rstrip()
        for line in pathlib.Path(path).read_text().splitlines()
        if line.split()[:1] and line.split()[0] in areas
    ]
    return [f"- {line}" for line in theirs if line not in lines] + [
        f"+ {line}" for line in lines if line not in theirs
    ]


def main() -> int:
    """Reads the command line, runs, reports."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--table", action="store_true")
    parser.add_argument("--verbose", action="store_true")
    parser.add_argument("--area")
    parser.add_argument("--class", dest="name")
    parser.add_argument("--every", type=int, default=1)
    parser.add_argument("--against", help="the table of `make conformance`")
    words = parser.parse_args()
    shared = os.environ.get("EBB_SHARED")
    if not shared or not os.path.isdir(shared):
        print("conformance: EBB_SHARED names no folder of cases; nothing to compare with")
        return 0
    gc.disable()
    table = Table(words.verbose)
    wanted = [
        case
        for case in cases(pathlib.Path(shared).resolve())
        if words.area in (None, case[0]) and words.name in (None, case[1])
    ]
    for area, name, where, check in wanted[:: words.every]:
        table.run(area, name, where, check)
    if words.table:
        print("\n".join(table.lines()))
    unequal = differences(words.against, table.lines()) if words.against else []
    for line in unequal:
        print(line)
    if words.against:
        print(f"{len(unequal)} lines differ from {words.against}")
    print(
        f"conformance: {table.total('passed')} passed, {table.total('refused')} refused, "
        f"{table.total('failed')} failed"
    )
    return int(table.total("failed") + table.unlisted + len(unequal) > 0)


if __name__ == "__main__":
    sys.exit(main())
