"""``tf.device``: where eager operations, nodes of graphs and loaded models go."""

from __future__ import annotations

from typing import Any

from ebb import _context
from ebb._devices import DeviceScope
from ebb._errors import ArgumentError
from ebb._native import lib


class Scope:
    """A ``with`` block on a device."""

    def __init__(self, name: str) -> None:
        self._name = name
        self._inner: list[tuple[DeviceScope, _context.Place]] = []

    def __enter__(self) -> None:
        name = self._name
        if name and not lib.ebb_device_exists(_context.runtime_handle(), name.encode()):
            if not _context.settings.soft_placement and _context.building() is None:
                raise ArgumentError(
                    f"Could not satisfy device specification '{_context.DEVICE_PREFIX}{name}': "
                    f"there is no such device (there are {', '.join(names())}) and soft placement "
                    "is off"
                )
            name = "CPU:0"  # a graph asks again when it runs
        scope = DeviceScope(name or None)
        scope.__enter__()
        self._inner.append((scope, _context.Place(_context.state.devices, self._name)))

    def __exit__(self, *failure: object) -> None:
        scope, place = self._inner.pop()
        place.leave()
        scope.__exit__(*failure)


def names() -> list[str]:
    """The logical devices."""
    from ebb._devices import devices

    return [found.name for found in devices()]


def device(device_name: Any) -> Scope:
    """Places what is done, added to a graph or loaded in a ``with`` block on a device.

    Parameters
    ----------
    device_name : str or None
        ``"/CPU:0"``, ``"/GPU:0"``, ``"/device:CPU:1"`` ... None: no wish.

    Raises
    ------
    ValueError
        The text names no device.
    tf.errors.InvalidArgumentError
        On entering, with soft placement off: the device is not there. With soft placement, which
        is on at first, the first device takes its place.
    """
    if callable(device_name):
        raise NotImplementedError("tf.device takes a device string, not a function")
    name = getattr(device_name, "name", device_name)
    return Scope(_context.device_text(name) if name else "")
