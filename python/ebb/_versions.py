"""Registry: named models in versions, with swaps that no caller notices."""

from __future__ import annotations

import contextlib
import os
from typing import TYPE_CHECKING, Any, NamedTuple, Union

from ebb._call import Keep, check, new_error, options
from ebb._errors import EbbError, StaleHandleError
from ebb._handle import Handle
from ebb._info import text
from ebb._load import load_options
from ebb._memory import Receipt, parse_bytes
from ebb._model import Model, deadline_ns
from ebb._native import ffi, lib
from ebb._predict import Data
from ebb._runtime import Runtime
from ebb._runtime import runtime as _here

if TYPE_CHECKING:
    from typing_extensions import Self

Path = Union[str, "os.PathLike[str]"]


class RegistryVersion(NamedTuple):
    """One version of a name in a `Registry`.

    Attributes
    ----------
    name : str
    version : int
    path : str
    active, loaded : bool
    leaving : bool
        Goes with its last lease.
    leases : int
    live : int
        Bytes.
    """

    name: str
    version: int
    path: str
    active: bool
    loaded: bool
    leaving: bool
    leases: int
    live: int


class RegistryChanges(NamedTuple):
    """What a scan of a folder found: versions in it, new ones, ones that are gone, other things."""

    known: int
    added: int
    dropped: int
    ignored: int


class Lease(Handle):
    """A model that no change of its registry unloads before the end of the ``with`` block."""

    __slots__ = ("_model", "_registry", "version")
    _instead = "take another one: registry.lease(name)"

    def __init__(self, registry: Registry, name: str, version: int | None) -> None:
        super().__init__()
        self._registry = registry
        keep, error, handle = Keep(), new_error(), registry.handle
        held = ffi.new("ebb_python_lease *")
        held.generation = lib.ebb_python_generation
        self._box = ffi.gc(held, lib.ebb_python_return_lease)
        slot = ffi.addressof(held, "lease")
        check(lib.ebb_registry_lease(handle, keep.text(name), version or 0, slot, error), error)
        self.version = int(held.lease.version)
        self._model = registry._borrowed(name, held.lease.model)

    @property
    def model(self) -> Model:
        """The model, as long as the lease is out."""
        return self._model

    def close(self) -> None:
        """Returns it; a version that waited for its last lease is unloaded here."""
        box = self._checked()
        if box.lease.registry:
            status = lib.ebb_registry_return(ffi.addressof(box, "lease"))
            if status != lib.EBB_E_STALE:
                check(status)

    def __enter__(self) -> Model:
        return self._model

    def __exit__(self, *failure: object) -> None:
        self.close()


class Registry(Handle):
    """Names, their versions (numbers from 1 on), and for each name the version that is active.

    A swap never refuses a call: the new version is loaded and made the active one before the old
    one goes, and one that cannot be loaded leaves the old one serving.

    ::

        registry = ebb.Registry("models", bytes_max="1GiB")
        registry.scan()                          # models/digits/1/..., models/digits/2.keras
        registry.activate("digits")              # the highest version
        y = registry.predict("digits", x)
        registry.rollback("digits")

    Parameters
    ----------
    folder : path, optional
        What `scan` looks through: laid out as TensorFlow Serving's.
    tag : str, optional
        Of its scope, in reports.
    bytes_max : int or str, optional
        Over all its models.
    old_first : bool
        A swap unloads the old version first: the memory of one model, but a gap between the two.
    keeps_previous : bool
        A swap leaves the old version loaded, so that `rollback` takes no load.
    deadline : float, optional
        Longest wait in seconds of one change for leases and calls in flight; None: for ever.
    runtime : Runtime, optional
    **load
        Options of `ebb.load` for models that are added without their own.
    """

    __slots__ = ("_models", "_runtime")
    _instead = "open another one: ebb.Registry(folder)"

    def __init__(
        self,
        folder: Path | None = None,
        *,
        tag: str | None = None,
        bytes_max: int | str | None = None,
        old_first: bool = False,
        keeps_previous: bool = False,
        deadline: float | None = None,
        runtime: Runtime | None = None,
        **load: Any,
    ) -> None:
        super().__init__(lib.ebb_python_close_registry)
        self._runtime = runtime or _here()
        self._models: dict[str, Model] = {}
        keep, error = Keep(), new_error()
        made = options(
            "ebb_registry_options",
            keep,
            tag=tag,
            folder=folder,
            bytes_max=parse_bytes(bytes_max),
            old_first=old_first,
            keeps_previous=keeps_previous,
            deadline_ns=deadline_ns(deadline),
        )
        made.load = load_options(keep, self._runtime, load)
        slot = self._slot("registry")
        check(lib.ebb_registry_open(self._runtime.handle, made, slot, error), error)

    @property
    def handle(self) -> Any:
        """The ``ebb_registry`` of C."""
        return self._checked().registry

    def _borrowed(self, name: str, handle: Any) -> Model:
        """The same object for the same model, which has read its inputs and outputs already."""
        model = self._models.get(name)
        if model is None or model.id != handle.id:
            model = self._models[name] = Model._borrow(handle, self._runtime)
        return model

    def add(self, name: str, version: int, path: Path, **load: Any) -> None:
        """Makes a version known; a file that is missing is found when it is loaded.

        Raises
        ------
        StateError
            That version is known already.
        """
        keep, error = Keep(), new_error()
        made = load_options(keep, self._runtime, load, has_scope=False) if load else ffi.NULL
        status = lib.ebb_registry_add(
            self.handle, keep.text(name), version, keep.text(path), made, error
        )
        check(status, error)

    def scan(self, folder: Path | None = None) -> RegistryChanges:
        """Looks through a folder and makes its versions known; activates nothing.

        Raises
        ------
        NotFoundError, InputOutputError
            The folder cannot be read.
        """
        keep, error, made = Keep(), new_error(), ffi.new("ebb_registry_changes *")
        check(lib.ebb_registry_scan(self.handle, keep.text(folder), made, error), error)
        return RegistryChanges(
            int(made.known), int(made.added), int(made.dropped), int(made.ignored)
        )

    def load(self, name: str, version: int | None = None) -> None:
        """Loads a version beside the active one; None is the highest known."""
        keep, error = Keep(), new_error()
        check(lib.ebb_registry_load(self.handle, keep.text(name), version or 0, error), error)

    def _change(self, function: Any, name: str, *arguments: Any) -> Receipt:
        keep, error, receipt = Keep(), new_error(), ffi.new("ebb_receipt *")
        check(function(self.handle, keep.text(name), *arguments, receipt, error), error)
        return Receipt(receipt)

    def activate(self, name: str, version: int | None = None) -> Receipt:
        """Makes a version the active one, loading it first; then unloads the one that was.

        Parameters
        ----------
        name : str
        version : int, optional
            None: the highest known.

        Returns
        -------
        Receipt
            What the old version gave back.

        Raises
        ------
        NotFoundError, FormatError, OutOfMemoryError
            As `ebb.load`: the old version goes on.
        """
        return self._change(lib.ebb_registry_activate, name, version or 0)

    def rollback(self, name: str) -> Receipt:
        """Makes the version active that was active before; again: further back.

        Raises
        ------
        StateError
            There is no earlier one.
        """
        return self._change(lib.ebb_registry_rollback, name)

    def unload(self, name: str, version: int | None = None) -> Receipt:
        """Unloads a version when its leases are back; it stays known. None: the active one."""
        return self._change(lib.ebb_registry_unload, name, version or 0)

    def forget(self, name: str, version: int) -> Receipt:
        """Unloads a version if it is loaded, and forgets it. Its files stay."""
        return self._change(lib.ebb_registry_forget, name, version)

    def delete(self, name: str, version: int, *, even_loaded: bool = False) -> Receipt:
        """Removes a version's files, and forgets it.

        Parameters
        ----------
        name : str
        version : int
        even_loaded : bool
            A loaded version is unloaded first; otherwise it is refused.

        Raises
        ------
        StateError
            It is loaded.
        UnsupportedError
            Other things are in its folder: nothing is removed.
        """
        return self._change(lib.ebb_registry_delete, name, version, even_loaded)

    def model(self, name: str, version: int | None = None) -> Model:
        """The model of a version, which a swap may unload at any time. None: the active one.

        Raises
        ------
        StateError
            It is known, but not loaded, or none is active.
        """
        keep, error, made = Keep(), new_error(), ffi.new("ebb_model *")
        status = lib.ebb_registry_model(self.handle, keep.text(name), version or 0, made, error)
        check(status, error)
        return Model._borrow(made, self._runtime)

    def lease(self, name: str, version: int | None = None) -> Lease:
        """``with registry.lease("digits") as model:`` no change unloads it within the block."""
        return Lease(self, name, version)

    def predict(self, name: str, x: Data, *, version: int | None = None, **how: Any) -> Any:
        """Predicts with a version, the active one if None; a swap meanwhile is never noticed.

        Parameters
        ----------
        name : str
        x : array, list or dict
            As for `Model.predict`.
        version : int, optional
        **how
            As for `Model.predict`.
        """
        with Lease(self, name, version) as model:
            return model.predict(x, **how)

    def versions(self, name: str | None = None) -> list[RegistryVersion]:
        """What is known, sorted by name and number. None: of all names."""
        keep, count = Keep(), ffi.new("size_t *")
        wanted = keep.text(name)
        check(lib.ebb_registry_list(self.handle, wanted, ffi.NULL, count))
        count[0] += 8
        entries = ffi.new("ebb_registry_entry[]", count[0])
        check(lib.ebb_registry_list(self.handle, wanted, entries, count))
        return [
            RegistryVersion(
                text(c.name), int(c.version), text(c.path), bool(c.is_active), bool(c.is_loaded),
                bool(c.is_leaving), int(c.leases), int(c.bytes_live),
            )
            for c in (entries[i] for i in range(min(count[0], len(entries))))
        ]  # fmt: skip

    def close(self, *, deadline: float | None = None) -> Receipt:
        """Waits for leases and calls in flight, unloads all its models. Removes no file.

        Raises
        ------
        BusyError
            Leases are still out; the registry goes on.
        StaleHandleError
            It was closed already.
        """
        error, receipt = new_error(), ffi.new("ebb_receipt *")
        made = options("ebb_unload_options", deadline_ns=deadline_ns(deadline))
        check(lib.ebb_registry_close(self.handle, made, receipt, error), error)
        return Receipt(receipt)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *failure: object) -> None:
        with contextlib.suppress(StaleHandleError):
            self.close()

    def __repr__(self) -> str:
        try:
            known = self.versions()
        except EbbError:
            return "<ebb.Registry closed>"
        active = [f"{v.name} {v.version}" for v in known if v.active]
        return f"<ebb.Registry {len(known)} versions, active: {', '.join(active) or 'none'}>"
