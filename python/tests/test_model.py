"""Model: predictions, weights, files, copies, and the end of its life."""

from __future__ import annotations

import contextlib
import copy
import gc
import json
import os
import pathlib
import pickle
import shutil
import timeit
import weakref
from typing import Any

import numpy as np
import pytest
from conftest import dense_json

import ebb
from ebb._native import ffi, lib

TWO_INPUTS = json.dumps(
    {
        "module": "keras",
        "class_name": "Functional",
        "registered_name": "Functional",
        "config": {
            "name": "two",
            "layers": [
                {
                    "module": "keras.layers",
                    "class_name": "InputLayer",
                    "config": {"batch_shape": [None, 3], "dtype": "float32", "name": name},
                    "name": name,
                    "inbound_nodes": [],
                }
                for name in ("left", "right")
            ]
            + [
                {
                    "module": "keras.layers",
                    "class_name": layer,
                    "config": {"name": layer.lower()},
                    "name": layer.lower(),
                    "inbound_nodes": [
                        {
                            "args": [
                                [
                                    {
                                        "class_name": "__keras_tensor__",
                                        "config": {
                                            "shape": [None, 3],
                                            "dtype": "float32",
                                            "keras_history": [name, 0, 0],
                                        },
                                    }
                                    for name in ("left", "right")
                                ]
                            ],
                            "kwargs": {},
                        }
                    ],
                }
                for layer in ("Add", "Subtract")
            ],
            "input_layers": [["left", 0, 0], ["right", 0, 0]],
            "output_layers": [["add", 0, 0], ["subtract", 0, 0]],
        },
    }
)


@pytest.fixture
def digits(examples: pathlib.Path) -> tuple[Any, Any]:
    """Inputs, and what Keras answers."""
    return np.load(examples / "digits_x.npy"), np.load(examples / "digits_mlp_y.npy")


# -- predictions


@pytest.mark.parametrize("name", ["digits_mlp.keras", "digits_cnn.h5"])
def test_numbers_are_those_of_keras(examples: pathlib.Path, name: str) -> None:
    x = np.load(examples / "digits_x.npy")
    y = np.load(examples / f"{name.split('.', maxsplit=1)[0]}_y.npy")
    with ebb.loaded(examples / name) as model:
        for _ in range(2):  # the long way and the short one
            np.testing.assert_allclose(model.predict(x), y, atol=1e-5)
            np.testing.assert_allclose(model(x[:1]), y[:1], atol=1e-5)


def test_any_number_of_rows_gives_the_same_bits(mlp: ebb.Model, digits: Any) -> None:
    x = np.tile(digits[0], (60, 1, 1, 1))
    whole = mlp.predict(x)
    mlp._piece = 32
    in_pieces = mlp.predict(x)
    assert np.array_equal(whole, in_pieces)
    assert mlp._piece > 32  # it has learned how many rows fit a moment
    assert mlp._piece % 32 == 0
    assert np.array_equal(whole[32:64], mlp.predict(np.ascontiguousarray(x[32:64])))


def test_batch_size_and_verbose_are_taken(mlp: ebb.Model, digits: Any) -> None:
    x, y = digits
    np.testing.assert_allclose(mlp.predict(x, batch_size=3, verbose=1), y, atol=1e-5)
    np.testing.assert_allclose(mlp.predict(x, verbose="auto"), y, atol=1e-5)
    for wrong in (0, -1, 2.5, "3"):
        with pytest.raises(ebb.ArgumentError, match="batch_size"):
            mlp.predict(x, batch_size=wrong)  # type: ignore[arg-type]


def test_results_are_the_callers(mlp: ebb.Model, digits: Any) -> None:
    first = mlp.predict(digits[0])
    kept = first.copy()
    assert first.flags.owndata
    assert first.flags.writeable
    mlp.predict(digits[0] * 0)
    assert np.array_equal(first, kept)
    mlp.close()
    assert np.array_equal(first, kept)
    assert np.array_equal(np.from_dlpack(first), kept)


def test_out(mlp: ebb.Model, digits: Any, tmp_path: pathlib.Path) -> None:
    x, y = digits
    out = np.empty((16, 10), "float32")
    assert mlp.predict(x, out=out) is out
    np.testing.assert_allclose(out, y, atol=1e-5)
    mapped = np.lib.format.open_memmap(
        tmp_path / "y.npy", mode="w+", dtype=np.float32, shape=(32, 10)
    )
    mlp.predict(x, out=mapped[16:])
    np.testing.assert_allclose(mapped[16:], y, atol=1e-5)
    assert not mapped[:16].any()


@pytest.mark.parametrize(
    ("make", "error", "words"),
    [
        (
            lambda: np.empty((16, 9), "f4"),
            ebb.ShapeError,
            r"expected shape \[16, 10\], got \[16, 9\]",
        ),
        (lambda: np.empty((16, 10), "f8"), ebb.DTypeError, "expected float32, got float64"),
        (lambda: np.empty((10, 16), "f4").T, ebb.ArgumentError, "not contiguous"),
        (lambda: np.frombuffer(bytes(640), "f4").reshape(16, 10), ebb.ArgumentError, "read-only"),
        (lambda: [[0.0] * 10] * 16, ebb.ArgumentError, "expected an array, got list"),
        (lambda: np.empty((16, 10), object), ebb.DTypeError, "got object"),
        (
            lambda: {"digits": np.empty((16, 10), "f4")},
            ebb.ArgumentError,
            "no digit.*got digits",
        ),
    ],
)
def test_out_that_does_not_fit(
    mlp: ebb.Model, digits: Any, make: Any, error: Any, words: str
) -> None:
    with pytest.raises(error, match=words):
        mlp.predict(digits[0], out=make())


def test_out_may_not_be_the_input() -> None:
    with ebb.from_json(dense_json((10, 10))) as model:
        x = np.zeros((4, 10), "float32")
        with pytest.raises(ebb.ArgumentError, match="overlaps"):
            model.predict(x, out=x)


def test_several_inputs_and_outputs() -> None:
    a, b = np.ones((4, 3), "float32"), np.full((4, 3), 5, "float32")
    with ebb.from_json(TWO_INPUTS) as model:
        assert [info.name for info in model.inputs] == ["left", "right"]
        for x in ([a, b], (a, b), {"right": b, "left": a}, [a.tolist(), b]):
            total, difference = model.predict(x)
            assert np.array_equal(total, a + b)
            assert np.array_equal(difference, a - b)
        out = [np.empty((4, 3), "f4"), np.empty((4, 3), "f4")]
        assert model.predict([a, b], out=out) is out
        assert np.array_equal(out[1], a - b)
        names = {info.name: array for info, array in zip(model.outputs, out)}
        out[0][:] = 0
        model.predict([a, b], out=names)
        assert np.array_equal(out[0], a + b)
        with pytest.raises(ebb.ArgumentError, match=r"expected 2 inputs \(left, right\), got 3"):
            model.predict([a, b, b])
        with pytest.raises(ebb.ArgumentError, match="got one"):
            model.predict(a)
        with pytest.raises(ebb.ArgumentError, match="there is no right; got wrong"):
            model.predict({"left": a, "wrong": b})
        with pytest.raises(ebb.ShapeError, match="rows"):
            model.predict([a, b[:2]])


def test_a_list_with_one_array_is_that_array(mlp: ebb.Model, digits: Any) -> None:
    x, y = digits
    for given in ([x], (x,), {"image": x}, x.tolist()):
        np.testing.assert_allclose(mlp.predict(given), y, atol=1e-5)


def test_the_short_way_costs_little() -> None:
    """Under 5 microseconds above the call in C, for the 10-32-2 model."""
    with ebb.from_json(dense_json((10, 32, 2))) as model:
        x, result = np.ones((1, 10), "float32"), np.empty((1, 2), "float32")
        model.predict(x)
        source, target = ffi.from_buffer(x), ffi.from_buffer(result)
        predictor, call = model._fast[0], lib.ebb_python_predict_one

        def native() -> None:
            call(predictor, source, 1, target, ffi.NULL)

        def seconds(function: Any) -> float:
            return min(timeit.repeat(function, number=2000, repeat=10)) / 2000

        # A machine that is busy with other things gets some more tries.
        above = min(seconds(lambda: model.predict(x)) - seconds(native) for _ in range(3))
        for _ in range(20):
            if above < 5e-6:
                break
            above = min(above, seconds(lambda: model.predict(x)) - seconds(native))
        assert above < 5e-6


def test_a_million_predictions_allocate_nothing() -> None:
    def resident() -> int:
        with open("/proc/self/statm") as statm:
            return int(statm.read().split()[1]) * os.sysconf("SC_PAGE_SIZE")

    with ebb.from_json(dense_json((10, 32, 2))) as model:
        x = np.ones((1, 10), "float32")
        for _ in range(20_000):
            model.predict(x)
        live, size = ebb.memory(), resident()
        for _ in range(1_000_000):
            model.predict(x)
        after = ebb.memory()
        assert (after.live, after.peak) == (live.live, live.peak)
        assert resident() - size < 1 << 20


# -- what it is


def test_info(mlp: ebb.Model, examples: pathlib.Path) -> None:
    info = mlp.info
    assert info.name == mlp.name == "digits_mlp"
    assert info.path == str(examples / "digits_mlp.keras")
    assert info.format == "keras"
    assert (info.inputs, info.outputs, info.weights) == (1, 1, 4)
    assert info.parameters == info.parameters_trainable == 3610
    assert info.device == mlp.device == "CPU:0"
    assert info.is_row_wise
    assert mlp.inputs == [ebb.TensorInfo("image", (None, 8, 8, 1), "float32")]
    assert mlp.outputs == [ebb.TensorInfo("digit", (None, 10), "float32")]
    assert "digits_mlp" in repr(mlp)
    assert "3,610" in mlp.summary()


def test_config_builds_the_same_model(mlp: ebb.Model, digits: Any) -> None:
    config = mlp.config()
    assert config["config"]["name"] == "digits_mlp"
    with ebb.from_json(config) as model:
        model.set_weights(mlp.get_weights())
        assert np.array_equal(model.predict(digits[0]), mlp.predict(digits[0]))
        assert model.compile_config() is None


def test_display(mlp: ebb.Model) -> None:
    page = mlp._repr_html_()
    assert page.startswith("<table>")
    assert "3,610" in page
    text = dense_json().replace("dense_model", "a<b>&c")
    with ebb.from_json(text) as model:
        assert "a&lt;b&gt;&amp;c" in model._repr_html_()
    mlp.close()
    assert "closed" in mlp._repr_html_()
    assert repr(mlp) == "<ebb.Model closed>"


# -- weights


def test_weights_by_name_and_number(mlp: ebb.Model, digits: Any) -> None:
    weights = mlp.weights
    names = ["dense/kernel", "dense/bias", "digit/kernel", "digit/bias"]
    assert list(weights) == names
    assert len(weights) == 4
    assert weights["dense/kernel"].shape == (64, 48)
    assert np.array_equal(weights[-1], weights["digit/bias"])
    assert "dense/kernel" in weights
    assert weights.info("dense/bias") == ebb.WeightInfo(
        "dense/bias", (48,), "float32", True, "float32", 192, False
    )
    before = mlp.predict(digits[0])
    weights["digit/bias"] = np.arange(10)  # converted
    assert np.array_equal(weights[3], np.arange(10, dtype="float32"))
    assert not np.array_equal(mlp.predict(digits[0]), before)
    with pytest.raises(KeyError, match="dense/kernel"):
        weights["dense/kernels"]
    with pytest.raises(IndexError):
        weights[4]
    with pytest.raises(ebb.ShapeError, match=r"weight 3 has shape \(10,\)"):
        weights["digit/bias"] = np.zeros(11)
    assert "dense/kernel: float32 [64, 48]" in repr(weights)


def test_get_and_set_weights(mlp: ebb.Model, digits: Any) -> None:
    kept, answer = mlp.get_weights(), mlp.predict(digits[0])
    mlp.set_weights([weight * 0 for weight in kept])
    assert np.allclose(mlp.predict(digits[0]), 0.1)
    mlp.set_weights(kept)
    assert np.array_equal(mlp.predict(digits[0]), answer)
    with pytest.raises(ebb.ArgumentError, match="expected 4 weights, got 3"):
        mlp.set_weights(kept[:3])
    with pytest.raises(ebb.ShapeError, match="digit/bias"):
        mlp.set_weights([*[weight * 0 for weight in kept[:3]], np.zeros(3)])
    assert np.array_equal(mlp.predict(digits[0]), answer)  # all or nothing


def test_weights_between_models_and_files(
    mlp: ebb.Model, digits: Any, tmp_path: pathlib.Path
) -> None:
    with mlp.clone(new_weights=True, seed=3) as other:
        assert not np.array_equal(other.predict(digits[0]), mlp.predict(digits[0]))
        assert other.copy_weights(mlp) == (4, 0)
        assert np.array_equal(other.predict(digits[0]), mlp.predict(digits[0]))
    mlp.save(tmp_path / "digits.weights.h5")
    with mlp.clone(new_weights=True, seed=3) as other:
        assert other.load_weights(tmp_path / "digits.weights.h5") == (4, 0)
        assert np.array_equal(other.predict(digits[0]), mlp.predict(digits[0]))
        with pytest.raises(ebb.NotFoundError):
            other.load_weights(tmp_path / "missing.weights.h5")


def test_a_model_for_inference_only_keeps_its_weights(examples: pathlib.Path) -> None:
    with ebb.loaded(examples / "digits_mlp.keras", inference_only=True) as model:
        assert model.info.inference_only
        with pytest.raises(ebb.UnsupportedError):
            model.weight_get(0)
        with pytest.raises(NotImplementedError):
            model.save("never.keras")


# -- files and copies


@pytest.mark.parametrize("name", ["copy.keras", "copy.h5"])
def test_save_and_load(mlp: ebb.Model, digits: Any, tmp_path: pathlib.Path, name: str) -> None:
    mlp.save(tmp_path / name)
    with pytest.raises(ebb.StateError):
        mlp.save(tmp_path / name, overwrite=False)
    mlp.save(str(tmp_path / name))
    with ebb.loaded(tmp_path / name) as copy_of:
        assert np.array_equal(copy_of.predict(digits[0]), mlp.predict(digits[0]))
    assert sorted(os.listdir(tmp_path)) == [name]


def test_save_where_it_cannot(mlp: ebb.Model, tmp_path: pathlib.Path) -> None:
    with pytest.raises(ebb.ArgumentError, match="keras"):
        mlp.save(tmp_path / "model.txt")
    with pytest.raises(OSError):
        mlp.save(tmp_path / "missing" / "model.keras")
    assert os.listdir(tmp_path) == []


def test_export(mlp: ebb.Model, digits: Any, tmp_path: pathlib.Path) -> None:
    folder = tmp_path / "served"
    mlp.export(folder)
    assert (folder / "saved_model.pb").is_file()
    with ebb.loaded(folder) as model:
        assert model.info.format == "savedmodel"
        np.testing.assert_allclose(model.predict(digits[0]), digits[1], atol=1e-5)


def test_delete_removes_the_file(examples: pathlib.Path, tmp_path: pathlib.Path) -> None:
    path = tmp_path / "mine.keras"
    shutil.copy(examples / "digits_mlp.keras", path)
    size = path.stat().st_size
    model = ebb.load(path)
    receipt = model.delete()
    assert not path.exists()
    assert receipt.files == [str(path)]
    assert (receipt.files_removed, receipt.files_bytes, receipt.models) == (1, size, 1)
    assert not model.alive


def test_remove_a_file(examples: pathlib.Path, tmp_path: pathlib.Path) -> None:
    path = tmp_path / "mine.keras"
    shutil.copy(examples / "digits_mlp.keras", path)
    assert ebb.remove(path, dry_run=True).files == [str(path)]
    assert path.exists()
    assert ebb.remove(path).files_removed == 1
    with pytest.raises(FileNotFoundError):
        ebb.remove(path)


def test_clone_and_cut(mlp: ebb.Model, digits: Any) -> None:
    with mlp.clone() as second, mlp.cut("dense") as part:
        assert np.array_equal(second.predict(digits[0]), mlp.predict(digits[0]))
        assert second.id != mlp.id
        assert part.predict(digits[0]).shape == (16, 48)
    with pytest.raises(ebb.NotFoundError, match="dense"):
        mlp.cut("dens")


@pytest.mark.parametrize(
    "attempt", [pickle.dumps, copy.copy, copy.deepcopy], ids=["pickle", "copy", "deepcopy"]
)
def test_no_pickles_no_copies(mlp: ebb.Model, attempt: Any) -> None:
    with pytest.raises(TypeError, match=r"model\.save\('name\.keras'\).*model\.clone\(\)"):
        attempt(mlp)
    with pytest.raises(TypeError, match="Model"):
        attempt([mlp]) if attempt is not copy.copy else attempt(mlp)


def test_load_errors(tmp_path: pathlib.Path) -> None:
    before = ebb.memory().live
    (tmp_path / "empty.h5").write_bytes(b"")
    (tmp_path / "noise.keras").write_bytes(b"PK\x03\x04" + bytes(100))
    with pytest.raises(FileNotFoundError, match=r"missing\.h5"):
        ebb.load(tmp_path / "missing.h5")
    for name in ("empty.h5", "noise.keras"):
        with pytest.raises(OSError):
            ebb.load(tmp_path / name)
        with pytest.raises(ValueError):
            ebb.load(tmp_path / name)
        with pytest.raises(ebb.FormatError):
            ebb.check(tmp_path / name)
    with pytest.raises(ebb.NotFoundError, match="CPU:0"):
        ebb.load(pathlib.Path(__file__), device="GPU:7")
    with pytest.raises(TypeError, match="no such option: batches; there are architecture"):
        ebb.load("x.keras", batches=3)
    with pytest.raises(ValueError, match="empty text"):
        ebb.from_json("")
    with pytest.raises(ebb.FormatError):
        ebb.from_json("{")
    assert ebb.memory().live == before


def test_plan_says_what_a_load_takes(examples: pathlib.Path) -> None:
    before = ebb.memory().live
    plan = ebb.plan(examples / "digits_mlp.keras", batch=16)
    assert ebb.memory().live == before
    with ebb.loaded(examples / "digits_mlp.keras", batch=16) as model:
        memory = model.memory()
        assert plan.total == memory.live == ebb.memory().live - before
        planned = {name: size for name, size in plan.by_class.items() if name != "code"}
        assert planned == {name: memory.by_class[name] for name in planned}
        assert plan.peak >= memory.peak
        assert plan.batch == model.info.batch == 16
        assert plan.parameters == 3610
    with pytest.raises(ebb.OutOfMemoryError, match="bytes_max of this model is 4096"):
        ebb.plan(examples / "digits_mlp.keras", bytes_max="4 KiB")


def test_check_and_summary_of_a_file(examples: pathlib.Path) -> None:
    assert ebb.check(examples / "digits_cnn.h5") == []
    assert "conv2d" in ebb.summary(examples / "digits_cnn.h5").lower()


# -- the end


def test_del_gives_everything_back(examples: pathlib.Path) -> None:
    assert not gc.isenabled()
    before = ebb.memory()
    model: Any = ebb.load(examples / "digits_mlp.keras")
    reference = weakref.ref(model)
    model.predict(np.zeros((3, 8, 8, 1), "float32"))
    del model
    assert reference() is None
    assert ebb.memory().live == before.live
    models = [ebb.load(examples / "digits_mlp.keras") for _ in range(3)]
    assert ebb.memory().models == before.models + 3
    models.clear()
    assert ebb.memory().live == before.live
    ebb.load(examples / "digits_mlp.keras")
    assert ebb.memory().live == before.live
    holder = {"model": ebb.load(examples / "digits_mlp.keras")}
    holder["model"] = ebb.load(examples / "digits_mlp.keras")
    assert ebb.memory().models == before.models + 1
    del holder
    assert ebb.memory().live == before.live


def test_no_part_of_a_model_makes_a_cycle(examples: pathlib.Path) -> None:
    model = ebb.load(examples / "digits_mlp.keras")
    parts = [
        model.weights, model.info, model.memory(), model.inputs, model.config(), model.predict,
        model.weight_infos, model.predict(np.zeros((1, 8, 8, 1), "float32")),
    ]  # fmt: skip
    reference = weakref.ref(model)
    del model, parts
    assert reference() is None
    assert gc.collect() == 0


def test_a_failed_call_holds_no_model(examples: pathlib.Path) -> None:
    model = ebb.load(examples / "digits_mlp.keras")
    reference = weakref.ref(model)
    with contextlib.suppress(ebb.ShapeError):
        model.predict(np.zeros((1, 9), "float32"))
    del model
    assert reference() is None


def test_unload_and_what_comes_after(examples: pathlib.Path) -> None:
    model = ebb.load(examples / "digits_mlp.keras")
    took, live = model.memory().live, ebb.memory().live
    receipt = model.unload()
    assert receipt.bytes == took == live - ebb.memory().live
    assert receipt.live_after == ebb.memory().live
    assert receipt.by_class["weights"] == 16384
    assert "bytes back" in repr(receipt)
    assert not model.alive
    x = np.zeros((1, 8, 8, 1), "float32")
    calls: list[Any] = [
        lambda: model.predict(x),
        lambda: model.info,
        lambda: model.weights[0],
        model.get_weights,
        lambda: model.set_weights([]),
        lambda: model.save("never.keras"),
        model.summary,
        model.config,
        model.memory,
        model.clone,
        model.quantize,
        model.suspend,
        model.unload,
        model.delete,
        lambda: model.move("CPU:0"),
        lambda: ebb.memory(model=model),
    ]
    for call in calls:
        with pytest.raises(ebb.StaleHandleError):
            call()
    assert model.close() is receipt
    assert not os.path.exists("never.keras")


def test_with_blocks(examples: pathlib.Path) -> None:
    before = ebb.memory().live
    x = np.zeros((1, 8, 8, 1), "float32")
    with ebb.loaded(examples / "digits_mlp.keras") as model:
        assert model.predict(x).shape == (1, 10)
    assert ebb.memory().live == before
    with pytest.raises(RuntimeError):
        model.predict(x)
    with pytest.raises(KeyError), ebb.loaded(examples / "digits_mlp.keras") as model:
        raise KeyError("inside")
    assert ebb.memory().live == before
    with ebb.load(examples / "digits_mlp.keras") as model:
        model.unload()  # before the block's end
    assert ebb.memory().live == before


def test_suspend_and_resume(mlp: ebb.Model, digits: Any, tmp_path: pathlib.Path) -> None:
    answer, live = mlp.predict(digits[0]), mlp.memory()
    assert not mlp.suspended
    receipt = mlp.suspend()
    assert mlp.suspended
    assert receipt.bytes == live.live - mlp.memory().live > 0
    with pytest.raises(ebb.StateError, match="resume"):
        mlp.predict(digits[0])
    assert mlp.info.name == "digits_mlp"
    mlp.resume()
    assert np.array_equal(mlp.predict(digits[0]), answer)
    mlp.suspend(to_disk=True, folder=tmp_path)
    assert mlp.memory().by_class["weights"] == 0
    mlp.resume()
    assert np.array_equal(mlp.predict(digits[0]), answer)


def test_deadlines(mlp: ebb.Model) -> None:
    for wrong in (-1, float("nan")):
        with pytest.raises(ValueError, match="deadline"):
            mlp.unload(deadline=wrong)
    mlp.unload(deadline=0)
    assert not mlp.alive


def test_functions_want_models() -> None:
    for function in (ebb.quantize, ebb.prune, ebb.expand, lambda m: ebb.memory(model=m)):
        with pytest.raises(TypeError, match="expected a model of ebb or"):
            function("model")


def test_threads_and_lanes(examples: pathlib.Path) -> None:
    with ebb.loaded(examples / "digits_mlp.keras", lanes=3, batch=8, threads=1) as model:
        assert (model.info.lanes, model.info.batch, model.info.threads) == (3, 8, 1)
