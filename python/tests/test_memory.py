"""Memory, receipts and plans: figures, and how they are shown."""

from __future__ import annotations

import pathlib

import numpy as np
import pytest

import ebb
from ebb._memory import CLASSES, Memory, format_bytes


def test_figures_add_up(mlp: ebb.Model) -> None:
    memory = ebb.memory()
    counted = {name: size for name, size in memory.by_class.items() if name != "code"}
    assert sum(counted.values()) == memory.live
    assert memory.peak >= memory.live >= memory.cached >= 0
    assert memory.fixed > 0
    assert (memory.cpu, memory.gpu) == (memory.live, 0)
    assert sum(memory.by_device.values()) == memory.live
    assert memory.by_device["CPU:0"] == memory.live
    assert memory.by_model["digits_mlp"] == mlp.memory().live < memory.live
    assert memory.models == len(memory.by_model)
    assert tuple(memory.by_class) == CLASSES


def test_of_a_model(mlp: ebb.Model) -> None:
    memory = mlp.memory()
    assert memory == ebb.memory(model=mlp) == mlp.memory()
    assert memory.by_class["weights"] >= 4 * 3610
    assert memory.by_model == {}
    assert memory.by_device == {}
    mlp.predict(np.zeros((7, 8, 8, 1), "f4"))
    assert mlp.memory() != memory
    assert mlp.memory() != "memory"


def test_of_another_runtime() -> None:
    with ebb.Runtime() as runtime:
        assert ebb.memory(runtime=runtime).live == runtime.memory().live


def test_a_snapshot_stays(examples: pathlib.Path) -> None:
    with ebb.loaded(examples / "digits_mlp.keras"):
        memory = ebb.memory()
    assert "digits_mlp" in memory.by_model
    assert memory.live > ebb.memory().live


def test_display(mlp: ebb.Model, examples: pathlib.Path) -> None:
    memory = ebb.memory()
    assert repr(memory).startswith(f"Memory({memory.live:,} bytes live, peak ")
    assert "1 model:" in repr(memory)
    assert "model digits_mlp" in str(memory)
    assert memory._repr_html_().startswith("<table>")
    plan = ebb.plan(examples / "digits_mlp.keras")
    assert repr(plan).startswith(f"Plan({plan.total:,} bytes (weights ")
    assert "3,610" in plan._repr_html_()
    assert plan.to_dict()["parameters"] == 3610
    with pytest.raises(TypeError):
        hash(plan)
    receipt = mlp.unload()
    assert repr(receipt).startswith(f"Receipt({receipt.bytes:,} bytes back (weights ")
    assert "1 model, " in repr(receipt)
    assert f"{receipt.bytes:,}" in receipt._repr_html_()
    assert receipt.seconds > 0
    assert receipt.to_dict()["models"] == 1


def test_names_are_escaped() -> None:
    class Names(Memory):
        def __init__(self) -> None:
            self.by_model = {"<script>": 1}
            self.by_class = {}
            self.live = self.peak = self.cached = self.fixed = self.limit = self.gpu = 0

    assert "&lt;script&gt;" in Names()._repr_html_()
    assert "<script>" not in Names()._repr_html_()


@pytest.mark.parametrize(
    ("count", "text"),
    [
        (0, "0 bytes"),
        (1, "1 byte"),
        (1023, "1,023 bytes"),
        (1024, "1 KiB"),
        (12595, "12.3 KiB"),
        (553648128, "528 MiB"),
        (3 << 40, "3 TiB"),
    ],
)
def test_bytes_as_text(count: int, text: str) -> None:
    assert format_bytes(count) == text


def test_trim_has_a_receipt() -> None:
    receipt = ebb.trim()
    assert receipt.bytes == 0
    assert receipt.live_after == ebb.memory().live
