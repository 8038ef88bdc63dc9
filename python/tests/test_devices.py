"""Devices: lists, parts with limits, placement."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from typing import Any

import pytest
from conftest import dense_json

import ebb
from ebb._native import ffi
from ebb._runtime import _physical


@pytest.fixture
def two() -> Iterator[ebb.Runtime]:
    """A runtime whose CPU is two devices, the first with 64 MiB."""
    with ebb.Runtime() as runtime:
        ebb.divide_device("CPU:0", ["64MiB", None])
        yield runtime


def test_hardware_is_listed_before_its_use() -> None:
    with ebb.Runtime():
        (cpu,) = ebb.physical_devices()
        assert cpu.name == "CPU:0"
        assert cpu.visible
        assert cpu.growth
        assert not cpu.divided
        ebb.memory()  # is no first use either
        ebb.divide_device("CPU:0", [None, None])
        assert ebb.physical_devices()[0].divided
        assert [device.name for device in ebb.devices()] == ["CPU:0", "CPU:1"]
        with pytest.raises(ebb.StateError, match="cannot be modified after being initialized"):
            ebb.divide_device("CPU:0", [None])


def test_placement(two: ebb.Runtime) -> None:
    assert ebb.current_device() == "CPU:0"
    with ebb.device("/CPU:1"):
        assert ebb.current_device() == "CPU:1"
        inside = ebb.from_json(dense_json())
        with ebb.device("/device:CPU:0"):
            deeper = ebb.from_json(dense_json())
        with ebb.device(None):
            first = ebb.from_json(dense_json())
    named = ebb.from_json(dense_json(), device="cpu:1")
    outside = ebb.from_json(dense_json())
    places = [model.device for model in (inside, deeper, first, named, outside)]
    assert places == ["CPU:1", "CPU:0", "CPU:0", "CPU:1", "CPU:0"]
    memory = ebb.memory()
    assert memory.by_device["CPU:1"] == inside.memory().live + named.memory().live
    assert sum(memory.by_device.values()) == memory.live == memory.cpu
    assert ebb.device_memory("CPU:1").live == memory.by_device["CPU:1"]
    assert ebb.devices()[1].models == 2


def test_limits(two: ebb.Runtime) -> None:
    device = ebb.devices()[0]
    assert device.limit == 64 << 20
    with pytest.raises(ebb.OutOfMemoryError, match="CPU:0"):
        ebb.from_json(dense_json((8192, 8192)), device="CPU:0")
    ebb.from_json(dense_json((1024, 1024)), device="CPU:1").close()


def test_moving(two: ebb.Runtime) -> None:
    model = ebb.from_json(dense_json())
    live = model.memory().live
    before = ebb.device_memory("CPU:1").live
    model.move("CPU:1")
    assert model.device == "CPU:1"
    assert ebb.device_memory("CPU:1").live - before == live
    assert ebb.transfers("CPU:0", "CPU:1")[0] == 1
    with pytest.raises(ebb.NotFoundError, match="CPU:0"):
        model.move("CPU:7")
    assert model.device == "CPU:1"


def test_peaks(two: ebb.Runtime) -> None:
    ebb.from_json(dense_json(), device="CPU:1").close()
    memory = ebb.device_memory("CPU:1")
    assert memory.peak > memory.live
    ebb.reset_peak("CPU:1")
    assert ebb.device_memory("CPU:1").peak == memory.live


@pytest.mark.parametrize(
    ("name", "error"),
    [("/GPU:0", ebb.NotFoundError), ("CPU:9", ebb.NotFoundError), ("what", ebb.ArgumentError)],
)
def test_devices_that_are_not_there(name: str, error: Any) -> None:
    with pytest.raises(error), ebb.device(name):
        raise AssertionError
    with pytest.raises(error):
        ebb.from_json(dense_json(), device=name)
    assert ebb.current_device() == "CPU:0"


def test_soft_placement() -> None:
    with ebb.Runtime(soft_placement=True):
        with ebb.device("/GPU:0"):
            assert ebb.from_json(dense_json()).device == "CPU:0"
        ebb.set_soft_placement(False)
        with pytest.raises(ebb.NotFoundError), ebb.device("/GPU:0"):
            pass


def test_a_device_scope_is_its_threads(two: ebb.Runtime) -> None:
    seen = []
    with ebb.device("CPU:1"):
        thread = threading.Thread(target=lambda: seen.append(ebb.current_device(runtime=two)))
        thread.start()
        thread.join()
    assert seen == ["CPU:0"]


def test_an_object_can_be_entered_again(two: ebb.Runtime) -> None:
    place = two.device("CPU:1")
    with place, place:
        assert ebb.current_device() == "CPU:1"
    assert ebb.current_device() == "CPU:0"
    assert repr(place) == "<ebb.device 'CPU:1'>"


def test_growth_and_visibility() -> None:
    with ebb.Runtime():
        ebb.set_growth("CPU:0", True)
        with pytest.raises(ebb.ArgumentError):
            ebb.set_visible("CPU:0", False)
        with pytest.raises(ebb.NotFoundError):
            ebb.set_growth("GPU:0", True)
        with pytest.raises(ebb.ArgumentError):
            ebb.divide_device("CPU:0", [])


def test_entries_of_hardware_stay_while_they_are_read() -> None:
    """With memory reused at once."""
    for name, entry in _physical(ebb.runtime()):
        clutter = [ffi.new("ebb_physical_device_info[16]") for _ in range(20)]
        assert ffi.string(entry.name).decode() == name
        assert ffi.string(entry.description)
        del clutter
