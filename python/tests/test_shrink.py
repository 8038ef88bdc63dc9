"""Quantized and pruned models: bytes, numbers, reports, refusals."""

from __future__ import annotations

import pathlib
from typing import Any

import numpy as np
import pytest
from conftest import dense_json

import ebb
from ebb._call import Keep, check, new_error, options
from ebb._native import lib


@pytest.fixture
def model() -> Any:
    """Two large dense layers."""
    with ebb.from_json(dense_json((64, 256, 64))) as made:
        yield made


X = np.random.default_rng(1).random((8, 64), dtype="float32")


@pytest.mark.parametrize(
    ("dtype", "part", "error"),
    [("int8", 0.27, 0.01), ("float16", 0.51, 1e-3), ("bfloat16", 0.51, 1e-2)],
)
def test_quantize(model: ebb.Model, dtype: str, part: float, error: float) -> None:
    answer, live = model.predict(X), model.memory()
    report = ebb.quantize(model, dtype)
    assert report.changed == 2
    assert report.kept == 2
    assert report.total_before == live.live
    assert report.total_after == model.memory().live
    infos = model.weight_infos
    assert [info.stored for info in infos] == [dtype, "float32"] * 2
    assert infos[0].stored_bytes < part * infos[0].shape[0] * infos[0].shape[1] * 4
    assert 0 < report.error < error
    assert np.abs(model.predict(X) - answer).max() < 10 * error
    with pytest.raises(ebb.UnsupportedError):
        model.weights["dense_0/kernel"] = np.zeros((64, 256))
    with pytest.raises(ebb.UnsupportedError, match="expand"):
        model.set_weights(model.get_weights())
    ebb.expand(model)
    assert [info.stored for info in model.weight_infos] == ["float32"] * 4
    model.set_weights(model.get_weights())


def test_prune(model: ebb.Model) -> None:
    live = model.memory().by_class["weights"]
    report = ebb.prune(model, 0.8)
    assert report.sparsity == pytest.approx(0.8, abs=0.001)
    assert model.memory().by_class["weights"] < 0.5 * live
    kernel = model.weights["dense_0/kernel"]
    assert np.mean(kernel == 0) == pytest.approx(0.8, abs=0.001)
    assert model.weights.info(0).sparse
    assert np.isfinite(model.predict(X)).all()


def test_prune_two_of_four(model: ebb.Model) -> None:
    model.prune(pattern=(2, 4), only=["dense_0"])
    kernel = model.weights["dense_0/kernel"]
    assert ((kernel.reshape(16, 4, 256) != 0).sum(axis=1) == 2).all()
    assert (model.weights["dense_1/kernel"] != 0).all()


def test_lists_of_names(model: ebb.Model) -> None:
    model.quantize(only=["Dense"], skip=["dense_1/kernel"], elements_min=1)
    assert [info.stored for info in model.weight_infos].count("int8") == 1
    with pytest.raises(ebb.NotFoundError, match="dens"):
        model.quantize(only=["dens"])
    with pytest.raises(TypeError, match="expected a list of names, got 'Dense'"):
        model.quantize(only="Dense")


def test_reports_of_each_weight(model: ebb.Model) -> None:
    steps: list[ebb.ShrinkStep] = []
    model.quantize(report=steps.append)
    assert [step.weight for step in steps] == list(model.weights)
    assert [step.changed for step in steps] == [True, False, True, False]
    assert steps[1].reason == "bias"
    assert steps[0].bytes_after < steps[0].bytes_before
    assert (steps[0].layer, steps[0].class_name, steps[2].number) == ("dense_0", "Dense", 2)


def test_a_report_that_stops_it(model: ebb.Model) -> None:
    live, answer = model.memory(), model.predict(X)
    with pytest.raises(ebb.CancelledError):
        model.quantize(report=lambda step: step.number < 2)

    def fails(step: ebb.ShrinkStep) -> None:
        raise KeyError(step.weight)

    with pytest.raises(KeyError, match="dense_0/kernel"):
        model.prune(report=fails)
    assert model.memory().live - model.memory().cached == live.live - live.cached
    assert np.array_equal(model.predict(X), answer)


@pytest.mark.parametrize("sparsity", [0, 1, -0.5, 1.5, float("nan")])
def test_sparsities_that_are_none(model: ebb.Model, sparsity: float) -> None:
    with pytest.raises(ValueError, match="between 0 and 1"):
        model.prune(sparsity)
    with pytest.raises(ebb.ArgumentError):
        model.quantize("int4")


def test_a_shrunk_file_stays_small(model: ebb.Model, tmp_path: pathlib.Path) -> None:
    model.save(tmp_path / "plain.keras")
    model.quantize()
    model.save(tmp_path / "small.keras")
    model.save(tmp_path / "wide.keras", expand=True)
    sizes = {p.stem: p.stat().st_size for p in tmp_path.iterdir()}
    assert sizes["small"] < 0.5 * sizes["plain"]
    assert sizes["wide"] > 0.9 * sizes["plain"]
    with ebb.loaded(tmp_path / "small.keras") as small:
        assert np.array_equal(small.predict(X), model.predict(X))
        assert small.weight_infos == model.weight_infos


def test_compare(model: ebb.Model) -> None:
    with model.clone() as other:
        same = ebb.compare(model, other, X)
        assert same
        assert same.agree
        assert same.outputs[0].absolute == 0
        other.quantize()
        close = model.compare(other, X, rtol=0, atol=1)
        assert close
        assert close.outputs[0].absolute > 0
        assert close.outputs[0].elements == 8 * 64
        assert close.outputs[0].cosine == pytest.approx(1, abs=1e-2)
        exact = model.compare(other, X, rtol=0, atol=0)
        assert not exact
        assert exact.outputs[0].outside > 0
        assert model.compare(other, seed=3, rows=2).outputs[0].elements == 2 * 64
    with ebb.from_json(dense_json((10, 2))) as stranger, pytest.raises(ebb.ShapeError):
        model.compare(stranger)


class _Wrapper:
    """What a model of ebb.keras looks like from here."""

    def __init__(self, core: ebb.Model) -> None:
        self._core = core
        self.calls: list[str] = []

    def _sync(self) -> None:
        self.calls.append("sync")

    def _weights_changed(self) -> None:
        self.calls.append("changed")


def test_models_with_a_core(model: ebb.Model) -> None:
    wrapper = _Wrapper(model)
    ebb.prune(wrapper, 0.5)
    assert wrapper.calls == ["sync", "changed"]
    ebb.expand(wrapper)
    assert ebb.compare(wrapper, model, X)
    assert ebb.memory(model=wrapper) == model.memory()


def test_a_compiled_model_is_shrunk_and_trains_no_more(model: ebb.Model) -> None:
    keep, error = Keep(), new_error()
    made = options("ebb_compile_options", keep, optimizer="sgd", loss="mse")
    check(lib.ebb_model_compile(model.handle, made, error), error)
    assert model.memory().by_class["gradients"] > 0
    model.quantize()
    assert model.memory().by_class["gradients"] == 0
    assert model.weight_infos[0].stored == "int8"
    assert not lib.ebb_model_compiled(model.handle)
