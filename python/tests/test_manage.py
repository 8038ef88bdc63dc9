"""Registries, lazy models, many files, predictions on disk, temporary files, the leak monitor."""

from __future__ import annotations

import os
import pathlib
import shutil
import threading
import time
from collections.abc import Iterator
from typing import Any

import numpy as np
import pytest
from conftest import dense_json

import ebb


@pytest.fixture
def folder(examples: pathlib.Path, tmp_path: pathlib.Path) -> pathlib.Path:
    """Two versions of one name."""
    (tmp_path / "digits" / "1").mkdir(parents=True)
    shutil.copy(examples / "digits_mlp.keras", tmp_path / "digits" / "1" / "digits.keras")
    shutil.copy(examples / "digits_mlp.keras", tmp_path / "digits" / "2.keras")
    return tmp_path


@pytest.fixture
def digits(examples: pathlib.Path) -> Iterator[Any]:
    """Inputs, and what Keras answers."""
    yield np.load(examples / "digits_x.npy"), np.load(examples / "digits_mlp_y.npy")


def active(registry: ebb.Registry) -> list[int]:
    return [version.version for version in registry.versions() if version.active]


def test_a_registrys_life(folder: pathlib.Path, digits: Any) -> None:
    x, y = digits
    before = ebb.memory().live
    with ebb.Registry(folder, bytes_max="16MiB") as registry:
        assert registry.scan().added == 2
        assert [v.version for v in registry.versions("digits")] == [1, 2]
        with pytest.raises(ebb.StateError):
            registry.predict("digits", x)
        registry.activate("digits", 1)
        assert active(registry) == [1]
        np.testing.assert_allclose(registry.predict("digits", x), y, atol=1e-5)
        model = registry.model("digits")
        receipt = registry.activate("digits")  # the highest: 2
        assert active(registry) == [2]
        assert receipt.models == 1
        assert not model.alive
        with pytest.raises(ebb.StaleHandleError):
            model.predict(x)
        np.testing.assert_allclose(registry.predict("digits", x), y, atol=1e-5)
        registry.rollback("digits")
        assert active(registry) == [1]
        assert "active: digits 1" in repr(registry)
        registry.load("digits", 2)
        assert [v.loaded for v in registry.versions()] == [True, True]
        registry.unload("digits", 2)
        with pytest.raises(ebb.NotFoundError):
            registry.activate("digits", 7)
        with pytest.raises(ebb.StateError):
            registry.delete("digits", 1)
        assert registry.delete("digits", 1, even_loaded=True).files_removed >= 1
        assert not (folder / "digits" / "1").exists()
        registry.forget("digits", 2)
        assert registry.versions() == []
        registry.add("digits", 3, folder / "digits" / "2.keras", batch=4)
        registry.activate("digits")
        assert registry.model("digits").info.batch == 4
        with pytest.raises(ebb.StateError):
            registry.add("digits", 3, folder / "digits" / "2.keras")
    assert ebb.memory().live == before
    assert repr(registry) == "<ebb.Registry closed>"
    with pytest.raises(ebb.StaleHandleError):
        registry.scan()


def test_leases_hold_a_version(folder: pathlib.Path, digits: Any) -> None:
    registry = ebb.Registry(folder, deadline=0.01)
    registry.scan()
    registry.activate("digits", 1)
    with registry.lease("digits") as model:
        receipt = registry.activate("digits", 2)
        assert receipt.kept > 0
        assert model.predict(digits[0]).shape == (16, 10)
        with pytest.raises(ebb.BusyError):
            registry.close(deadline=0.01)
    assert not model.alive
    lease = registry.lease("digits")
    assert lease.version == 2
    del lease  # dropped, not closed
    registry.close()
    with pytest.raises(ebb.StaleHandleError):
        registry.lease("digits")


def test_swaps_that_nobody_notices(folder: pathlib.Path, digits: Any) -> None:
    x, y = digits
    failures: list[BaseException] = []
    stop = threading.Event()
    with ebb.Registry(folder) as registry:
        registry.scan()
        registry.activate("digits", 1)

        def work() -> None:
            try:
                while not stop.is_set():
                    np.testing.assert_allclose(registry.predict("digits", x), y, atol=1e-5)
            except BaseException as failure:
                failures.append(failure)

        threads = [threading.Thread(target=work) for _ in range(2)]
        for thread in threads:
            thread.start()
        for version in (2, 1) * 5:
            registry.activate("digits", version)
        stop.set()
        for thread in threads:
            thread.join()
        del work
    assert failures == []


def test_lazy_models(examples: pathlib.Path, digits: Any) -> None:
    x, y = digits
    with ebb.LazyModel(examples / "digits_mlp.keras", idle=None) as lazy:
        assert not lazy.info.loaded
        before = ebb.memory().live
        np.testing.assert_allclose(lazy.predict(x), y, atol=1e-5)
        np.testing.assert_allclose(lazy(x), y, atol=1e-5)
        assert (lazy.info.loads, lazy.info.users) == (1, 0)
        with lazy.acquire() as model:
            assert lazy.info.users == 1
            assert model.info.name == "digits_mlp"
            with pytest.raises(ebb.BusyError):
                lazy.unload()
        held = lazy.acquire()
        del held
        assert lazy.info.users == 0
        assert lazy.unload().models == 1
        assert ebb.memory().live == before
        with pytest.raises(ebb.StaleHandleError):
            model.predict(x)
        np.testing.assert_allclose(lazy(x), y, atol=1e-5)
        assert lazy.info.loads == 2
    with ebb.LazyModel("missing.keras") as lazy, pytest.raises(FileNotFoundError):
        lazy.predict(x)


def test_idle_models_go(examples: pathlib.Path, digits: Any) -> None:
    with ebb.LazyModel(examples / "digits_mlp.keras", idle=0.001) as lazy:
        lazy.predict(digits[0])
        time.sleep(0.01)
        assert ebb.collect_idle().models == 1
        assert not lazy.info.loaded
        lazy.predict(digits[0])
        ebb.idle_timer(0.005)
        deadline = time.monotonic() + 5
        while lazy.info.loaded and time.monotonic() < deadline:
            time.sleep(0.005)
        ebb.idle_timer(0)
        assert not lazy.info.loaded
        assert lazy.info.unloads == 2


def test_room_for_one(examples: pathlib.Path, digits: Any) -> None:
    plan = ebb.plan(examples / "digits_mlp.keras")
    with ebb.scope(bytes_max=plan.peak + 32768):
        first, second = (ebb.LazyModel(examples / "digits_mlp.keras", idle=None) for _ in range(2))
        first.predict(digits[0])
        second.predict(digits[0])
        assert (first.info.loaded, first.info.evictions) == (False, 1)
        first.close()
        second.close()


def test_each_model(examples: pathlib.Path, tmp_path: pathlib.Path) -> None:
    paths = [examples / "digits_mlp.keras", examples / "digits_cnn.h5"]
    models = []

    def work(model: ebb.Model, path: Any) -> tuple[str, int]:
        models.append(model)
        return model.name, model.info.parameters

    report = ebb.each_model(paths, work)
    assert [name for name, _ in report.results] == ["digits_mlp", "digits_cnn"]
    assert (report.done, report.failed) == (2, 0)
    assert report.receipt.models == 2
    assert report.bytes_peak > 0
    assert not any(model.alive for model in models)
    assert ebb.each_model([], work).results == []


def test_each_model_with_failures(examples: pathlib.Path) -> None:
    good = examples / "digits_mlp.keras"
    told: list[Any] = []
    report = ebb.each_model(
        [good, "missing.h5", good], lambda model, path: model.name,
        failed=lambda path, error: told.append((path, type(error))),
    )  # fmt: skip
    assert report.results == ["digits_mlp"] * 2
    assert told == [("missing.h5", ebb.NotFoundError)]
    with pytest.raises(FileNotFoundError, match=r"missing\.h5"):
        ebb.each_model(["missing.h5", good], lambda model, path: None)

    def breaks(model: ebb.Model, path: Any) -> None:
        raise KeyError("broken")

    with pytest.raises(KeyError, match="broken"):
        ebb.each_model([good, good], breaks)

    def stops(model: ebb.Model, path: Any) -> None:
        raise StopIteration

    assert ebb.each_model([good, good], stops, prefetch=False).results == []


def test_predictions_on_disk(
    examples: pathlib.Path, mlp: ebb.Model, digits: Any, tmp_path: pathlib.Path
) -> None:
    out, seen = tmp_path / "y.npy", []
    mlp.predict_files(
        examples / "digits_x.npy", out, batch_size=4, progress=lambda *rows: seen.append(rows)
    )
    np.testing.assert_allclose(np.load(out), digits[1], atol=1e-5)
    assert seen[-1] == (16, 16)
    out.unlink()
    with pytest.raises(ebb.CancelledError):
        mlp.predict_files([examples / "digits_x.npy"], [out], progress=lambda *rows: False)

    def breaks(*rows: int) -> None:
        raise KeyError

    with pytest.raises(KeyError):
        mlp.predict_files([examples / "digits_x.npy"], [out], progress=breaks)
    with pytest.raises(FileNotFoundError):
        mlp.predict_files(tmp_path / "missing.npy", out)
    with pytest.raises(ValueError, match="expected 1 files, got 2"):
        mlp.predict_files(["a.npy", "b.npy"], out)
    assert os.listdir(tmp_path) == []


def test_spills(mlp: ebb.Model, digits: Any, tmp_path: pathlib.Path) -> None:
    path = tmp_path / "y.npy"
    with ebb.Spill(path) as spill:
        for rows in np.array_split(digits[0], 5):
            spill.append(mlp.predict(rows))
        with pytest.raises(ebb.ShapeError):
            spill.append(np.zeros((1, 11), "f4"))
        with pytest.raises(ebb.DTypeError):
            spill.append(np.zeros((1, 10)))
    assert spill.rows == 16
    np.testing.assert_allclose(np.load(path), digits[1], atol=1e-5)
    path.unlink()
    with pytest.raises(KeyError), ebb.Spill(path) as spill:
        spill.append(np.zeros((1, 10)))
        raise KeyError
    dropped = ebb.Spill(path)
    dropped.append(np.zeros((1, 10)))
    del dropped
    with pytest.raises(ebb.ArgumentError):
        ebb.Spill(tmp_path / "y.txt")
    with pytest.raises(ebb.StateError), ebb.Spill(path):
        pass
    assert os.listdir(tmp_path) == []


def test_temporary_files(tmp_path: pathlib.Path) -> None:
    model = ebb.from_json(dense_json())
    path = ebb.temporary_file(".npy", folder=tmp_path, model=model)
    inside = ebb.temporary_file(folder=tmp_path, is_folder=True, model=model)
    (pathlib.Path(inside) / "more.txt").write_text("more")
    assert path.endswith(".npy")
    assert os.path.isdir(inside)
    receipt = model.unload()
    assert receipt.files_removed >= 2
    assert path in receipt.files
    with ebb.scope() as scope:
        ebb.temporary_file(folder=tmp_path, scope=scope)
    assert scope.receipt is not None
    assert scope.receipt.files_removed == 1
    alone = ebb.temporary_file(folder=tmp_path)
    ebb.remove_temporary(alone)
    assert os.listdir(tmp_path) == []
    assert ebb.collect_temporary(tmp_path).files_removed == 0
    with pytest.raises(ebb.NotFoundError):
        ebb.temporary_file(folder=tmp_path / "missing")
    with pytest.raises(ebb.ArgumentError):
        ebb.temporary_file("a/b", folder=tmp_path)
    with pytest.raises(ebb.NotFoundError):
        ebb.remove_temporary(tmp_path / "other")


def test_the_leak_monitor() -> None:
    first, second = ebb.from_json(dense_json()), ebb.from_json(dense_json())
    with ebb.LeakMonitor() as monitor:
        monitor.watch(first, "first")
        monitor.watch(second)
        del first
        report = monitor.check()
        assert not report
        assert (report.watched, report.gone, report.loaded, report.leaked) == (2, 1, 1, 0)
        assert report.bytes == second.memory().live
        lines = str(report).splitlines()
        assert lines[0] == "first: Model successfully garbage collected"
        assert lines[1] == "dense_model: Warning: Potential memory leak detected!"
        del second
        assert monitor.check()
        monitor.clear()
        assert monitor.check().watched == 0
    monitor.close()
    with pytest.raises(ebb.StaleHandleError):
        monitor.check()
