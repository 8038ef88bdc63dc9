"""Devices: which there are, how they are divided, and where models go."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, NamedTuple

from ebb._call import Keep, check, new_error
from ebb._handle import Handle
from ebb._info import text
from ebb._memory import Memory, parse_bytes
from ebb._native import ffi, lib
from ebb._runtime import Runtime, _physical
from ebb._runtime import runtime as _here

if TYPE_CHECKING:
    from typing_extensions import Self


class PhysicalDevice(NamedTuple):
    """A piece of hardware.

    Attributes
    ----------
    name : str
        ``"CPU:0"``.
    description : str
        Processor, cores, instruction sets in use.
    logical : int
        Logical devices it is; 0 when it is hidden.
    visible, divided, growth : bool
        How it is configured.
    """

    name: str
    description: str
    logical: int
    visible: bool
    divided: bool
    growth: bool


class Device(NamedTuple):
    """A logical device: what models are loaded on.

    Attributes
    ----------
    name, description : str
    live, peak : int
        Bytes.
    limit : int
        Of its own; 0: none.
    physical : int
        Its place in `ebb.physical_devices`.
    models : int
        Loaded on it.
    """

    name: str
    description: str
    live: int
    peak: int
    limit: int
    physical: int
    models: int


def physical_devices(*, runtime: Runtime | None = None) -> list[PhysicalDevice]:
    """The hardware. Leaves the configuration open."""
    return [
        PhysicalDevice(
            name,
            text(c.description),
            int(c.logical),
            bool(c.is_visible),
            bool(c.is_divided),
            bool(c.has_growth),
        )
        for name, c in _physical(runtime or _here())
    ]


def devices(*, runtime: Runtime | None = None) -> list[Device]:
    """The logical devices. From now on their configuration is fixed."""
    here = (runtime or _here()).handle
    count, error = ffi.new("size_t *", 64), new_error()
    entries = ffi.new("ebb_device_info[64]")
    check(lib.ebb_devices_list(here, entries, count, error), error)
    return [
        Device(
            text(c.name),
            text(c.description),
            int(c.bytes_live),
            int(c.bytes_peak),
            int(c.bytes_limit),
            int(c.physical),
            int(c.models),
        )
        for c in (entries[i] for i in range(min(count[0], 64)))
    ]


class DeviceScope(Handle):
    """Places what is made in a ``with`` block: `ebb.device`."""

    __slots__ = ("_name", "_runtime")

    def __init__(self, name: str | None, runtime: Runtime | None = None) -> None:
        super().__init__()
        self._name = name
        self._runtime = runtime or _here()
        places = ffi.new("ebb_python_places *")
        places.runtime = self._runtime.handle
        places.generation = lib.ebb_python_generation
        self._box = ffi.gc(places, lib.ebb_python_places_release)

    @property
    def id(self) -> int:
        """How often it is entered now."""
        return int(self._box.depth)

    def __enter__(self) -> Self:
        keep, error, box = Keep(), new_error(), self._checked()
        before = box.depth
        try:
            check(lib.ebb_python_places_push(box, keep.text(self._name), error), error)
        except BaseException:
            if box.depth > before:
                lib.ebb_python_places_pop(box, error)
            raise
        return self

    def __exit__(self, *failure: object) -> None:
        error = new_error()
        status = lib.ebb_python_places_pop(self._checked(), error)
        if status != lib.EBB_E_STALE:
            check(status, error)

    def __repr__(self) -> str:
        return f"<ebb.device {self._name!r}>"


def device(name: str | None, *, runtime: Runtime | None = None) -> DeviceScope:
    """Places what is loaded and built in a ``with`` block on a device, as ``tf.device`` does.

    Parameters
    ----------
    name : str or None
        ``"/CPU:1"``, ``"CPU:1"``, ``"/device:CPU:1"`` ...; None: the first one.
    runtime : Runtime, optional

    Raises
    ------
    NotFoundError
        On entering: there is no such device; names those that there are.
    ArgumentError
        On entering: the text names no device.
    """
    return DeviceScope(name, runtime)


def current_device(*, runtime: Runtime | None = None) -> str:
    """Where this thread puts what names no device: ``"CPU:0"``."""
    made, error = ffi.new("ebb_device_info *"), new_error()
    check(lib.ebb_device_scope_read((runtime or _here()).handle, made.name, error), error)
    return text(made.name)


def divide_device(
    physical: str, limits: Sequence[int | str | None], *, runtime: Runtime | None = None
) -> None:
    """Divides a piece of hardware into logical devices with a limit each, before the first use.

    Parameters
    ----------
    physical : str
        ``"CPU:0"``.
    limits : list of (int, str or None)
        One for each logical device: bytes, ``"64MiB"``, or None for none of its own. A limit is a
        promise about the most, never a reservation.
    runtime : Runtime, optional

    Raises
    ------
    StateError
        The devices are in use already.
    NotFoundError, ArgumentError
        No such device; not 1 to 64 limits.
    """
    keep, error = Keep(), new_error()
    sizes = ffi.new("uint64_t[]", [parse_bytes(limit) for limit in limits])
    here = (runtime or _here()).handle
    status = lib.ebb_device_logical_set(here, keep.text(physical), sizes, len(sizes), error)
    check(status, error)


def set_growth(physical: str, growth: bool, *, runtime: Runtime | None = None) -> None:
    """Sets memory growth of a device, by TensorFlow's rules; ebb never reserves anything."""
    keep, error = Keep(), new_error()
    here = (runtime or _here()).handle
    check(lib.ebb_device_growth_set(here, keep.text(physical), growth, error), error)


def set_visible(physical: str, visible: bool, *, runtime: Runtime | None = None) -> None:
    """Hides a piece of hardware from the logical devices, or shows it again."""
    keep, error = Keep(), new_error()
    here = (runtime or _here()).handle
    check(lib.ebb_device_visible_set(here, keep.text(physical), visible, error), error)


def set_soft_placement(soft: bool, *, runtime: Runtime | None = None) -> None:
    """Is a device that is not there replaced by the first one, or an error?"""
    check(lib.ebb_soft_placement_set((runtime or _here()).handle, soft))


def device_memory(name: str, *, runtime: Runtime | None = None) -> Memory:
    """The ledger of one logical device."""
    keep, error, read = Keep(), new_error(), ffi.new("ebb_memory *")
    here = (runtime or _here()).handle
    check(lib.ebb_device_memory_read(here, keep.text(name), read, error), error)
    return Memory(read, {})


def reset_peak(name: str, *, runtime: Runtime | None = None) -> None:
    """Sets the peak of a device to what is live."""
    keep, error = Keep(), new_error()
    here = (runtime or _here()).handle
    check(lib.ebb_device_peak_reset(here, keep.text(name), error), error)


def transfers(source: str, target: str, *, runtime: Runtime | None = None) -> tuple[int, int]:
    """How often, and how many bytes, went from one device to another."""
    keep, error, made = Keep(), new_error(), ffi.new("ebb_device_transfers *")
    here = (runtime or _here()).handle
    status = lib.ebb_device_transfers_read(here, keep.text(source), keep.text(target), made, error)
    check(status, error)
    return int(made.count), int(made.bytes)


def device_text(name: str) -> str:
    """A device string in its short form, ``"CPU:1"``; raises `ArgumentError` for other text."""
    keep, error, made = Keep(), new_error(), ffi.new("ebb_device_info *")
    check(lib.ebb_device_text_read(keep.text(name), made.name, error), error)
    return text(made.name)
