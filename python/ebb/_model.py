"""Model: a loaded model, and everything that can be done with one."""

from __future__ import annotations

import os
from collections.abc import Iterator, Mapping, Sequence
from typing import TYPE_CHECKING, Any, Union

import numpy as np

from ebb._arrays import DTYPES, Array, to_array, view_of
from ebb._call import Keep, check, collect_text, new_error, options
from ebb._errors import ArgumentError, EbbError, ShapeError, StaleHandleError, UnsupportedError
from ebb._handle import Handle, core_of
from ebb._info import ModelInfo, Port, TensorInfo, WeightInfo
from ebb._memory import Memory, Receipt, html_table
from ebb._native import ffi, lib
from ebb._predict import Data, input_arrays, make_predictor, predict_arrays
from ebb._runtime import Runtime

if TYPE_CHECKING:
    from typing_extensions import Self

    from ebb._shrink import Comparison, ShrinkReport

Path = Union[str, "os.PathLike[str]"]

_ndarray, _empty, _from_buffer = np.ndarray, np.empty, ffi.from_buffer
_NULL, _predict_one = ffi.NULL, lib.ebb_python_predict_one
_NEVER = 2**64 - 1


def _takes(out: Any, shape: tuple[int, ...], dtype: Any) -> bool:
    """Is this just the array that a result goes into?"""
    if type(out) is not _ndarray or out.dtype is not dtype or out.shape != shape:
        return False
    flags = out.flags
    return bool(flags.c_contiguous and flags.writeable)


def deadline_ns(seconds: float | None) -> int:
    """Nanoseconds for C, where 0 is for ever: ``None`` is 0, ``0`` as good as nothing."""
    if seconds is None:
        return 0
    if not seconds >= 0:
        raise ValueError(f"deadline: expected seconds >= 0, got {seconds!r}")
    return max(1, min(round(seconds * 1e9), _NEVER))


class Model(Handle):
    """A loaded model: made by `ebb.load`, `ebb.loaded` and `ebb.from_json`.

    Every byte of it comes back, at once, when its last name goes (``del model``), at the end of
    ``with model:``, or by `unload`. After that calls raise `StaleHandleError`. Weak references to
    it are welcome; pickling and copying are not: `save` it, or `clone` it.

    Any thread may call anything. Calls on one model run side by side up to its ``lanes``; an
    unload waits for those in flight.
    """

    kind = "model"
    __slots__ = (
        "_batch", "_fast", "_input_ports", "_is_row_wise", "_output_ports", "_piece", "_receipt",
        "_runtime",
    )  # fmt: skip
    _instead = (
        "a model lives in this process's memory. Save it (model.save('name.keras')) and load the "
        "file, or make a second one here (model.clone())"
    )

    def __init__(self, runtime: Runtime, close: Any = lib.ebb_python_close_model) -> None:
        """An empty place for a handle; models come from `ebb.load` and its kin."""
        super().__init__(close)
        self._runtime = runtime
        self._receipt: Receipt | None = None
        self._input_ports: tuple[Port, ...] | None = None
        self._output_ports: tuple[Port, ...] | None = None
        self._fast: Any = None
        self._is_row_wise = False
        self._batch = self._piece = 1

    @classmethod
    def _borrow(cls, handle: Any, runtime: Runtime) -> Model:
        """A reference to a model that somebody else unloads."""
        model = cls(runtime, None)
        model._box.id = handle.id
        return model

    # -- who it is -----------------------------------------------------------------------------

    @property
    def handle(self) -> Any:
        """The ``ebb_model`` of C. Raises `ForkError` in a child process."""
        return self._checked().model

    @property
    def runtime(self) -> Runtime:
        """Where it lives."""
        return self._runtime

    @property
    def alive(self) -> bool:
        """Is it loaded, in this process? Never fails."""
        if self._box.generation != lib.ebb_python_generation:
            return False
        return bool(lib.ebb_model_alive(self._box.model))

    @property
    def info(self) -> ModelInfo:
        """Name, path, format, counts, what was planned for.

        Raises
        ------
        StaleHandleError
            It was unloaded.
        """
        info = ffi.new("ebb_model_info *")
        self._check(lib.ebb_model_info_read(self.handle, info))
        return ModelInfo._read(info)

    @property
    def name(self) -> str:
        """Its name."""
        return self.info.name

    @property
    def inputs(self) -> list[TensorInfo]:
        """Name, shape and type of every input."""
        return [port.info for port in self._inputs]

    @property
    def outputs(self) -> list[TensorInfo]:
        """Name, shape and type of every output."""
        return [port.info for port in self._outputs]

    @property
    def _inputs(self) -> tuple[Port, ...]:
        if self._input_ports is None:
            self._read_ports()
        return self._input_ports or ()

    @property
    def _outputs(self) -> tuple[Port, ...]:
        if self._output_ports is None:
            self._read_ports()
        return self._output_ports or ()

    def _read_ports(self) -> None:
        """What never changes while it is loaded; needed by predictions."""
        info, tensor = ffi.new("ebb_model_info *"), ffi.new("ebb_tensor_info *")
        self._check(lib.ebb_model_info_read(self.handle, info))
        inputs, outputs = [], []
        for i in range(info.inputs):
            self._check(lib.ebb_model_input(self.handle, i, tensor))
            inputs.append(Port(tensor))
        for i in range(info.outputs):
            self._check(lib.ebb_model_output(self.handle, i, tensor))
            outputs.append(Port(tensor))
        self._is_row_wise = bool(info.is_row_wise)
        self._batch = max(1, int(info.batch))
        self._piece = max(self._piece, self._batch)
        self._input_ports, self._output_ports = tuple(inputs), tuple(outputs)

    def _check(self, status: int, error: Any = None) -> None:
        """As `check`; a stale handle without words of C is told what happened to it."""
        if status == lib.EBB_E_STALE and error is None:
            raise StaleHandleError("the model was unloaded already")
        check(status, error)

    # -- predictions ---------------------------------------------------------------------------

    def predict(
        self,
        x: Data,
        *,
        out: Data | None = None,
        batch_size: int | None = None,
        verbose: Any = 0,
    ) -> Any:
        """Runs the model in inference mode.

        Parameters
        ----------
        x : array, list or dict
            Shape ``(rows, ...)`` as in `inputs`, any number of rows from 1 on. Several inputs: a
            list in their order, or a dict by name. Any array of numbers will do (buffer protocol,
            DLPack, ``__array__``, nested lists); types are converted in the library, and what is
            contiguous is not copied.
        out : array, list or dict, optional
            Where the result goes: contiguous arrays of its shape and type. On an error their
            contents are not defined.
        batch_size : int, optional
            Rows at a time, for models whose rows influence each other; all others choose for
            themselves, which changes no bit.
        verbose : object
            Taken for Keras's sake; nothing is printed.

        Returns
        -------
        numpy.ndarray or list of numpy.ndarray
            One array for a model with one output, else a list. ``out`` if it was given.

        Raises
        ------
        ShapeError, DTypeError
            Names the input, what was expected and what came.
        StaleHandleError
            The model was unloaded, perhaps by another thread meanwhile.
        OutOfMemoryError
            Only for a shape that was not planned.
        """
        fast = self._fast
        if (
            fast is not None
            and type(x) is _ndarray
            and (batch_size is None or (type(batch_size) is int and batch_size > 0))
        ):
            predictor, dtype, tail, result_dtype, result_tail = fast
            shape = x.shape
            if (
                x.dtype is dtype
                and shape[1:] == tail
                and 0 < (rows := shape[0]) <= self._piece
                and x.flags.c_contiguous
            ):
                result: Any = out
                if out is None:
                    result = _empty((rows, *result_tail), result_dtype)
                elif not _takes(out, (rows, *result_tail), result_dtype):
                    return self._predict(x, out, batch_size)
                if not _predict_one(predictor, _from_buffer(x), rows, _from_buffer(result), _NULL):
                    return result
        return self._predict(x, out, batch_size)

    __call__ = predict

    def _predict(self, x: Data, out: Data | None, batch_size: int | None) -> Any:
        """The long way, which also finds the words for what failed on the short one."""
        if batch_size is not None and not (isinstance(batch_size, int) and batch_size >= 1):
            raise ArgumentError(f"batch_size: expected a number from 1 on, got {batch_size!r}")
        results = predict_arrays(self, input_arrays(x, self._inputs), out, batch_size)
        self._make_fast()
        if out is not None:
            return out
        return results[0] if len(results) == 1 else results

    def _make_fast(self) -> None:
        """Prepares the short way, once a prediction has gone well."""
        predictor = make_predictor(self) if self._fast is None else None
        if predictor is not None:
            source, target = self._inputs[0], self._outputs[0]
            self._fast = (predictor, source.dtype, source.tail, target.dtype, target.tail)

    def _predict_arrays(self, inputs: Sequence[Array]) -> list[Array]:
        """Dense arrays of the library's types, one for each input; one result for each output."""
        if len(inputs) != len(self._inputs):
            raise ArgumentError(f"expected {len(self._inputs)} inputs, got {len(inputs)}")
        results = predict_arrays(self, [to_array(array) for array in inputs])
        self._make_fast()
        return results

    def predict_files(
        self,
        inputs: Path | Sequence[Path],
        outputs: Path | Sequence[Path],
        *,
        batch_size: int | None = None,
        progress: Any = None,
    ) -> None:
        """Predicts from ``.npy`` files to ``.npy`` files that may be larger than memory.

        Parameters
        ----------
        inputs, outputs : path or list of paths
            One for each input and output, in the model's order.
        batch_size : int, optional
            Rows read at a time.
        progress : callable, optional
            ``progress(rows_done, rows_total)`` after each batch; returning False cancels.

        Raises
        ------
        CancelledError
            ``progress`` returned False; no output is left. What it raises is raised here.
        NotFoundError, FormatError, ShapeError, InputOutputError
            As the text says.
        """
        from ebb._manage import predict_files

        predict_files(self, inputs, outputs, batch_size, progress)

    # -- weights -------------------------------------------------------------------------------

    @property
    def weights(self) -> Weights:
        """The weights by name or number: ``weights["dense/kernel"]``, ``weights[0]``."""
        return Weights(self)

    @property
    def weight_infos(self) -> list[WeightInfo]:
        """Name, shape and type of every weight, in the order of `get_weights`."""
        info = ffi.new("ebb_model_info *")
        self._check(lib.ebb_model_info_read(self.handle, info))
        tensor = ffi.new("ebb_tensor_info *")
        return [self._weight_info(i, tensor) for i in range(info.weights)]

    def _weight_info(self, index: int, tensor: Any = None) -> WeightInfo:
        tensor = tensor if tensor is not None else ffi.new("ebb_tensor_info *")
        self._check(lib.ebb_model_weight(self.handle, index, tensor))
        return WeightInfo._read(tensor)

    def weight_get(self, index: int, out: Array | None = None) -> Array:
        """A copy of one weight, in Keras's layout.

        Raises
        ------
        ArgumentError
            There is no such weight.
        UnsupportedError
            The model was loaded with ``inference_only``.
        """
        tensor, error = ffi.new("ebb_tensor_info *"), new_error()
        self._check(lib.ebb_model_weight(self.handle, index, tensor))
        shape = tuple(int(tensor.dims[i]) for i in range(tensor.rank))
        value = np.empty(shape, DTYPES[tensor.dtype]) if out is None else out
        view, memory = view_of(value, writable=True)
        self._check(lib.ebb_model_weight_get(self.handle, index, view, error), error)
        del memory
        return value

    def weight_set(self, index: int, value: Any) -> None:
        """Sets one weight; waits for calls in flight.

        Raises
        ------
        ShapeError
            Names the weight, its shape and the one that came.
        UnsupportedError
            The weight is kept small (`quantize`), or the model is for inference only.
        """
        error = new_error()
        view, memory = view_of(to_array(value, "weight"))
        self._check(lib.ebb_model_weight_set(self.handle, index, view, error), error)
        del memory

    def get_weights(self) -> list[Array]:
        """Copies of all weights, in Keras's order."""
        return [self.weight_get(i) for i in range(self.info.weights)]

    def set_weights(self, weights: Sequence[Any]) -> None:
        """Sets all weights, in the order of `get_weights`; none when one does not fit.

        Raises
        ------
        ArgumentError
            Another number of weights.
        ShapeError
            Names the first that does not fit.
        """
        infos = self.weight_infos
        if len(weights) != len(infos):
            raise ArgumentError(f"expected {len(infos)} weights, got {len(weights)}", self.name)
        arrays = [to_array(value, info.name) for value, info in zip(weights, infos)]
        for array, info in zip(arrays, infos):
            if array.shape != info.shape:
                text = f"expected a weight of shape {info.shape}, got {array.shape}"
                raise ShapeError(text, info.name)
            if info.sparse or info.stored != info.dtype:
                raise UnsupportedError(
                    f"it is kept as {info.stored}: call expand() before its weights are set",
                    info.name,
                )
        for index, array in enumerate(arrays):
            self.weight_set(index, array)

    def load_weights(
        self, path: Path, *, by_name: bool = False, skip_mismatch: bool = False
    ) -> tuple[int, int]:
        """Keras's ``load_weights``: from ``.keras``, ``.h5`` and ``.weights.h5``. All or nothing.

        Returns
        -------
        tuple of int
            How many weights were set, and how many were left.
        """
        keep, error, done = Keep(), new_error(), ffi.new("ebb_weights_report *")
        made = options("ebb_weights_options", by_name=by_name, skip_mismatch=skip_mismatch)
        status = lib.ebb_model_weights_load(self.handle, keep.text(path), made, done, error)
        self._check(status, error)
        return int(done.copied), int(done.kept)

    def copy_weights(
        self, source: Any, *, by_name: bool = False, skip_mismatch: bool = False
    ) -> tuple[int, int]:
        """Copies the weights of another model into this one: all or nothing.

        Returns
        -------
        tuple of int
            How many weights were set, and how many were left.
        """
        error, done = new_error(), ffi.new("ebb_weights_report *")
        made = options("ebb_weights_options", by_name=by_name, skip_mismatch=skip_mismatch)
        origin = core_of(source).handle
        self._check(lib.ebb_model_weights_copy(origin, self.handle, made, done, error), error)
        return int(done.copied), int(done.kept)

    # -- descriptions --------------------------------------------------------------------------

    def config(self) -> dict[str, Any]:
        """Its configuration as Keras 3 writes it: ``json.loads(keras_model.to_json())``."""
        import json

        config: dict[str, Any] = json.loads(self.config_text())
        return config

    def config_text(self) -> str:
        """The same as text."""
        return collect_text(lib.ebb_model_config_write, self.handle)

    def compile_config(self) -> dict[str, Any] | None:
        """Optimizer, loss and metrics it was compiled or saved with; None without any."""
        import json

        text = collect_text(lib.ebb_model_compile_config_write, self.handle)
        config: dict[str, Any] | None = json.loads(text)
        return config

    def summary(self) -> str:
        """Keras's table of its layers."""
        return collect_text(lib.ebb_model_summary, self.handle)

    def memory(self) -> Memory:
        """Its own part of the ledger."""
        read = ffi.new("ebb_memory *")
        self._check(lib.ebb_model_memory_read(self.handle, read))
        return Memory(read, {})

    # -- files ---------------------------------------------------------------------------------

    def save(
        self,
        path: Path,
        *,
        overwrite: bool = True,
        include_optimizer: bool = True,
        deflate: bool = False,
        expand: bool = False,
    ) -> None:
        """Writes a file that Keras reads: ``.keras``, ``.h5`` or ``.weights.h5`` by its ending.

        The file appears whole or not at all.

        Parameters
        ----------
        path : path
        overwrite : bool
            False: an existing file raises `StateError`.
        include_optimizer : bool
            False: leaves the state of the optimizer out.
        deflate : bool
            Compress, ``.keras`` only.
        expand : bool
            Write weights that are kept small as float32, for any reader.

        Raises
        ------
        ArgumentError
            Another ending.
        InputOutputError
            The disk is full, there is no such folder, no permission.
        UnsupportedError
            Loaded with ``inference_only``, or Keras has no words for it.
        """
        keep, error = Keep(), new_error()
        made = options(
            "ebb_save_options",
            keep_existing=not overwrite,
            deflate=deflate,
            without_optimizer=not include_optimizer,
            expand=expand,
        )
        self._check(lib.ebb_model_save(self.handle, keep.text(path), made, error), error)

    def export(self, path: Path, *, overwrite: bool = True) -> None:
        """Writes a SavedModel folder for TensorFlow and TensorFlow Serving.

        Raises
        ------
        UnsupportedError
            A folder with other things in it, or an operation that TensorFlow has not.
        InputOutputError, StateError
            As `save`.
        """
        keep, error = Keep(), new_error()
        made = options("ebb_export_options", keep_existing=not overwrite)
        self._check(lib.ebb_model_export(self.handle, keep.text(path), made, error), error)

    # -- copies --------------------------------------------------------------------------------

    def clone(self, *, new_weights: bool = False, seed: int = 0, **load: Any) -> Model:
        """A second model like this one, with copies of its weights or with initial ones.

        Parameters
        ----------
        new_weights : bool
            Initial weights instead of copies.
        seed : int
            Of initial weights.
        **load
            Options as of `ebb.load`: ``device``, ``scope``, ``batch`` ...
        """
        from ebb._load import build_options

        model, keep, error = Model(self._runtime), Keep(), new_error()
        made = build_options(keep, self._runtime, seed, load, new_weights=new_weights)
        status = lib.ebb_model_clone(self.handle, made, model._slot("model"), error)
        self._check(status, error)
        return model

    def cut(self, layer: str, *, tensor: int = 0, new_weights: bool = False, **load: Any) -> Model:
        """The part up to a layer, as a model of its own: a feature extractor.

        Raises
        ------
        NotFoundError
            There is no such layer; names the nearest.
        """
        from ebb._load import build_options

        model, keep, error = Model(self._runtime), Keep(), new_error()
        made = build_options(keep, self._runtime, 0, load, new_weights=new_weights)
        until = options("ebb_import_options", keep, layer=layer, tensor=tensor)
        status = lib.ebb_model_cut(self.handle, until, made, model._slot("model"), error)
        self._check(status, error)
        return model

    # -- smaller -------------------------------------------------------------------------------

    def quantize(self, dtype: str = "int8", **choices: Any) -> ShrinkReport:
        """Keeps the weights as int8, float16 or bfloat16: `ebb.quantize`."""
        from ebb._shrink import quantize

        return quantize(self, dtype, **choices)

    def prune(self, sparsity: float = 0.5, **choices: Any) -> ShrinkReport:
        """Sets the smallest weights to zero and keeps them without: `ebb.prune`."""
        from ebb._shrink import prune

        return prune(self, sparsity, **choices)

    def expand(self) -> ShrinkReport:
        """Makes a shrunk model plain again: `ebb.expand`."""
        from ebb._shrink import expand

        return expand(self)

    def compare(self, other: Any, x: Data | None = None, **tolerances: Any) -> Comparison:
        """How the outputs of another model differ from this one's: `ebb.compare`."""
        from ebb._shrink import compare

        return compare(self, other, x, **tolerances)

    # -- life ----------------------------------------------------------------------------------

    @property
    def device(self) -> str:
        """The logical device it is on: ``"CPU:0"``."""
        return self.info.device

    def move(self, device: str) -> None:
        """Moves it to another logical device; predictions go on meanwhile.

        Raises
        ------
        OutOfMemoryError
            It does not fit there, and stays where it is.
        NotFoundError
            There is no such device.
        """
        keep, error = Keep(), new_error()
        self._check(lib.ebb_model_move(self.handle, keep.text(device), error), error)

    def suspend(
        self, *, to_disk: bool = False, folder: Path | None = None, deadline: float | None = None
    ) -> Receipt:
        """Puts the model aside until `resume`: all but the weights is given back.

        Parameters
        ----------
        to_disk : bool
            The weights go too, into a file without a name in ``folder``.
        folder : path, optional
        deadline : float, optional
            Seconds to wait for calls in flight; None: for ever.

        Returns
        -------
        Receipt
            What was given back.

        Raises
        ------
        StateError
            It is suspended already.
        BusyError
            The deadline passed; the model is as it was.
        """
        keep, error, receipt = Keep(), new_error(), ffi.new("ebb_receipt *")
        made = options(
            "ebb_suspend_options",
            keep,
            to_disk=to_disk,
            folder=folder,
            deadline_ns=deadline_ns(deadline),
        )
        self._check(lib.ebb_model_suspend(self.handle, made, receipt, error), error)
        return Receipt(receipt)

    def resume(self) -> None:
        """Brings a suspended model back, with the same bytes and the same answers."""
        error = new_error()
        self._check(lib.ebb_model_resume(self.handle, error), error)

    @property
    def suspended(self) -> bool:
        """Was it put aside?"""
        return self.alive and bool(lib.ebb_model_suspended(self.handle))

    def cancel(self) -> None:
        """Stops its training, from any thread, after the step it is in."""
        self._check(lib.ebb_model_cancel(self.handle))

    def unload(self, *, deadline: float | None = None) -> Receipt:
        """Unloads: calls in flight finish, then every byte, thread and file is back.

        Parameters
        ----------
        deadline : float, optional
            Seconds to wait for calls in flight; None: for ever.

        Returns
        -------
        Receipt
            What came back.

        Raises
        ------
        StaleHandleError
            It was unloaded already.
        BusyError
            The deadline passed; the model stays loaded and usable.
        """
        receipt, error = ffi.new("ebb_receipt *"), new_error()
        made = options("ebb_unload_options", deadline_ns=deadline_ns(deadline))
        self._check(lib.ebb_model_unload(self.handle, made, receipt, error), error)
        self._receipt = Receipt(receipt)
        return self._receipt

    def close(self) -> Receipt | None:
        """As `unload`, and no error when it is unloaded already.

        Returns
        -------
        Receipt or None
            Of the unload; None if something else (a scope, a registry) unloaded it.
        """
        try:
            return self.unload()
        except StaleHandleError:
            return self._receipt

    def delete(self, *, everything: bool = False, deadline: float | None = None) -> Receipt:
        """Unloads and removes the file or folder that the model came from.

        Parameters
        ----------
        everything : bool
            A model folder goes with what else is in it. Links are removed, never followed.
        deadline : float, optional
            As for `unload`.

        Returns
        -------
        Receipt
            ``files`` lists what was removed.

        Raises
        ------
        UnsupportedError
            A folder with other things in it: nothing is removed and the model stays.
        InputOutputError
            A file cannot be removed.
        """
        receipt, error = ffi.new("ebb_receipt *"), new_error()
        made = options(
            "ebb_unload_options", deadline_ns=deadline_ns(deadline), everything=everything
        )
        self._check(lib.ebb_model_delete(self.handle, made, receipt, error), error)
        self._receipt = Receipt(receipt)
        return self._receipt

    def __enter__(self) -> Self:
        self._checked()
        return self

    def __exit__(self, *failure: object) -> None:
        self.close()

    # -- display -------------------------------------------------------------------------------

    def __repr__(self) -> str:
        try:
            info, live = self.info, self.memory().live
        except EbbError:
            return "<ebb.Model closed>"
        return (
            f"<ebb.Model {info.name!r}: {info.parameters:,} parameters, {live:,} bytes on "
            f"{info.device}>"
        )

    def _repr_html_(self) -> str:
        try:
            info, memory = self.info, self.memory()
        except EbbError:
            return html_table("ebb.Model", [("state", "closed")])
        rows: list[tuple[str, object]] = [("file", info.path or "built here")]
        rows += [(f"input {p.name}", f"{p.dtype} {list(p.shape)}") for p in self.inputs]
        rows += [(f"output {p.name}", f"{p.dtype} {list(p.shape)}") for p in self.outputs]
        rows += [("layers", info.layers), ("parameters", f"{info.parameters:,}")]
        rows += [("device", info.device), ("bytes", f"{memory.live:,}")]
        rows += [(f"  {name}", f"{size:,}") for name, size in memory.by_class.items() if size]
        return html_table(f"model {info.name}", rows)


class Weights(Mapping[str, Array]):
    """A model's weights: read and set by name or number; iterates over the names."""

    __slots__ = ("_model",)

    def __init__(self, model: Model) -> None:
        self._model = model

    def _index(self, key: str | int) -> int:
        if isinstance(key, str):
            for index, info in enumerate(self._model.weight_infos):
                if info.name == key:
                    return index
            raise KeyError(f"no weight {key!r}; there are {', '.join(self) or 'none'}")
        count = len(self)
        if not -count <= key < count:
            raise IndexError(f"weight {key} of {count}")
        return key % count

    def __getitem__(self, key: str | int) -> Array:
        return self._model.weight_get(self._index(key))

    def __setitem__(self, key: str | int, value: Any) -> None:
        self._model.weight_set(self._index(key), value)

    def info(self, key: str | int) -> WeightInfo:
        """Shape and types of one weight."""
        return self._model._weight_info(self._index(key))

    def __iter__(self) -> Iterator[str]:
        return iter([info.name for info in self._model.weight_infos])

    def __len__(self) -> int:
        return self._model.info.weights

    def __repr__(self) -> str:
        rows = [f"  {i.name}: {i.stored} {list(i.shape)}" for i in self._model.weight_infos]
        return "Weights(\n" + "\n".join(rows) + "\n)"
