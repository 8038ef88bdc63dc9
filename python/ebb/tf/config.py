"""``tf.config``: which devices there are, how they are divided, how much they hold."""

from __future__ import annotations

from collections.abc import Sequence
from types import SimpleNamespace
from typing import Any, NamedTuple

from ebb import _context
from ebb import _devices as _native
from ebb._errors import ArgumentError, NotFoundError, StateError
from ebb._runtime import configure


class PhysicalDevice(NamedTuple):
    """A piece of hardware."""

    name: str
    device_type: str


class LogicalDevice(NamedTuple):
    """A device that operations and models are placed on."""

    name: str
    device_type: str


class LogicalDeviceConfiguration(NamedTuple):
    """One part of a physical device; ``memory_limit`` in megabytes, None for no limit."""

    memory_limit: Any = None
    experimental_priority: Any = None
    experimental_device_ordinal: Any = None


VirtualDeviceConfiguration = LogicalDeviceConfiguration


class _Threads:
    intra = 0
    inter = 0


_threads = _Threads()
_divided: dict[str, list[LogicalDeviceConfiguration]] = {}


def _kind(name: str) -> str:
    return name.split(":", maxsplit=1)[0]


def _short(device: Any) -> str:
    name = str(getattr(device, "name", device))
    return _context.device_text(name.replace("/physical_device:", "/device:"))


def list_physical_devices(device_type: str | None = None) -> list[PhysicalDevice]:
    """The hardware: ``[PhysicalDevice(name='/physical_device:CPU:0', device_type='CPU')]``."""
    return [
        PhysicalDevice(f"/physical_device:{device.name}", _kind(device.name))
        for device in _native.physical_devices()
        if device_type in (None, _kind(device.name))
    ]


def list_logical_devices(device_type: str | None = None) -> list[LogicalDevice]:
    """The logical devices. From now on they cannot be divided differently.

    Raises
    ------
    ValueError
        Memory growth differs between devices of one kind.
    """
    return [
        LogicalDevice(f"/device:{device.name}", _kind(device.name))
        for device in _native.devices()
        if device_type in (None, _kind(device.name))
    ]


def _bare(failure: Any) -> Any:
    """The same exception with TensorFlow's text only."""
    return type(failure)(failure.text)


def set_logical_device_configuration(
    device: PhysicalDevice, logical_devices: Sequence[LogicalDeviceConfiguration] | None
) -> None:
    """Divides a physical device, before the devices are in use.

    Raises
    ------
    RuntimeError
        "Virtual devices cannot be modified after being initialized".
    ValueError
        Memory growth was set for the device, or there is no such device.
    """
    parts = list(logical_devices or [LogicalDeviceConfiguration()])
    limits = [None if p.memory_limit is None else int(p.memory_limit * 2**20) for p in parts]
    try:
        _native.divide_device(_short(device), limits)
    except (StateError, ArgumentError) as failure:
        raise _bare(failure) from None
    except NotFoundError as failure:
        raise ArgumentError(f"Unrecognized device: {device}: {failure.text}") from None
    _divided[_short(device)] = parts


def get_logical_device_configuration(device: PhysicalDevice) -> Any:
    """How a physical device was divided; None if it was not."""
    return _divided.get(_short(device))


def set_visible_devices(devices: Any, device_type: str | None = None) -> None:
    """Hides all physical devices but these, before the devices are in use.

    Raises
    ------
    RuntimeError
        "Visible devices cannot be modified after being initialized".
    ValueError
        The first CPU is to be hidden, where the runtime lives.
    """
    one = isinstance(devices, (PhysicalDevice, str))
    wanted = [devices] if one else list(devices or [])
    shown = {_short(device) for device in wanted}
    try:
        for device in list_physical_devices(device_type):
            _native.set_visible(_short(device), _short(device) in shown)
    except (StateError, ArgumentError) as failure:
        raise _bare(failure) from None


def get_visible_devices(device_type: str | None = None) -> list[PhysicalDevice]:
    """The physical devices that are not hidden."""
    return [
        PhysicalDevice(f"/physical_device:{device.name}", _kind(device.name))
        for device in _native.physical_devices()
        if device.visible and device_type in (None, _kind(device.name))
    ]


def set_memory_growth(device: PhysicalDevice, enable: bool) -> None:
    """Whether a device takes memory as it is needed. It always does: nothing is ever reserved.

    Raises
    ------
    RuntimeError
        The devices are in use.
    ValueError
        The device was divided, or is none.
    """
    try:
        _native.set_growth(_short(device), bool(enable))
    except (StateError, ArgumentError) as failure:
        raise _bare(failure) from None
    except NotFoundError as failure:
        raise ArgumentError(f"Unrecognized device: {device}: {failure.text}") from None


def get_memory_growth(device: PhysicalDevice) -> bool:
    """What ``set_memory_growth`` said."""
    for found in _native.physical_devices():
        if found.name == _short(device):
            return found.growth
    raise ArgumentError(f"Unrecognized device: {device}")


def set_soft_device_placement(enabled: bool) -> None:
    """Whether the first device takes the place of one that is not there; at first it does."""
    _context.settings.soft_placement = bool(enabled)


def get_soft_device_placement() -> bool:
    """What ``set_soft_device_placement`` said."""
    return _context.settings.soft_placement


def get_memory_info(device: str) -> dict[str, int]:
    """Bytes of a logical device: ``{"current": ..., "peak": ...}``, exact.

    Raises
    ------
    ValueError
        The text names no device, or there is none of this name.
    """
    memory = _native.device_memory(_named(device))
    return {"current": memory.live, "peak": memory.peak}


def get_memory_usage(device: str) -> int:
    """Bytes in use on a logical device."""
    return get_memory_info(device)["current"]


def reset_memory_stats(device: str) -> None:
    """Sets the peak of a logical device to what is in use now."""
    _native.reset_peak(_named(device))


def _named(device: str) -> str:
    try:
        short = _context.device_text(device)
    except ArgumentError:
        short = ""
    if not short:
        raise ArgumentError(
            f"Failed parsing device name: '{device}'. Note a valid device string should at least "
            'contain a device type and a device index, like "GPU:0".'
        )
    if not any(found.name == short for found in _native.devices()):
        raise ArgumentError(f"No matching devices found for '{device}'")
    return short


def get_device_details(device: PhysicalDevice) -> dict[str, Any]:
    """What is known of a physical device."""
    for found in _native.physical_devices():
        if found.name == _short(device):
            return {"device_name": found.description}
    raise ArgumentError(f"Unrecognized device: {device}")


def set_synchronous_execution(enable: bool) -> None:
    """Accepted: execution is synchronous."""


def get_synchronous_execution() -> bool:
    """True."""
    return True


def enable_op_determinism() -> None:
    """Accepted: equal programs give equal numbers."""


def enable_tensor_float_32_execution(enabled: bool) -> None:
    """Accepted: float32 is never shortened."""


def tensor_float_32_execution_enabled() -> bool:
    """False."""
    return False


def run_functions_eagerly(run_eagerly: bool) -> None:
    """Whether ``tf.function`` runs the Python function itself at each call."""
    _context.settings.functions_eager = bool(run_eagerly)


def functions_run_eagerly() -> bool:
    """What ``run_functions_eagerly`` said."""
    return _context.settings.functions_eager


def _set_intra(num_threads: int) -> None:
    """Threads of one operation or prediction; 0: chosen. Before the runtime is in use."""
    try:
        configure(threads=int(num_threads) or None)
    except StateError:
        raise StateError("Intra op parallelism cannot be modified after initialization.") from None
    _threads.intra = int(num_threads)


def _set_inter(num_threads: int) -> None:
    """Accepted: operations of a graph run one after the other."""
    _threads.inter = int(num_threads)


threading = SimpleNamespace(
    set_intra_op_parallelism_threads=_set_intra,
    get_intra_op_parallelism_threads=lambda: _threads.intra,
    set_inter_op_parallelism_threads=_set_inter,
    get_inter_op_parallelism_threads=lambda: _threads.inter,
)
optimizer = SimpleNamespace(
    set_jit=lambda enabled: None,
    get_jit=lambda: "",
    set_experimental_options=lambda options: None,
    get_experimental_options=dict,
)
experimental = SimpleNamespace(
    list_physical_devices=list_physical_devices,
    list_logical_devices=list_logical_devices,
    set_memory_growth=set_memory_growth,
    get_memory_growth=get_memory_growth,
    set_visible_devices=set_visible_devices,
    get_visible_devices=get_visible_devices,
    set_virtual_device_configuration=set_logical_device_configuration,
    get_virtual_device_configuration=get_logical_device_configuration,
    VirtualDeviceConfiguration=VirtualDeviceConfiguration,
    get_memory_info=get_memory_info,
    get_memory_usage=get_memory_usage,
    reset_memory_stats=reset_memory_stats,
    get_device_details=get_device_details,
    set_synchronous_execution=set_synchronous_execution,
    get_synchronous_execution=get_synchronous_execution,
    enable_op_determinism=enable_op_determinism,
    enable_tensor_float_32_execution=enable_tensor_float_32_execution,
    tensor_float_32_execution_enabled=tensor_float_32_execution_enabled,
    set_device_policy=lambda policy: None,
)
