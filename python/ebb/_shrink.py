"""Smaller models: weights as int8, float16, bfloat16, or without their zeros; and comparing."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Callable, NamedTuple

from ebb._arrays import Views
from ebb._call import Guard, Keep, check, keep_failure, new_error, options
from ebb._handle import core_of
from ebb._info import text
from ebb._native import ffi, lib
from ebb._predict import Data, input_arrays


class ShrinkStep(NamedTuple):
    """One weight, as it is looked at.

    Attributes
    ----------
    number : int
        Of the weight, as for `Model.weight_get`.
    weight, layer, class_name : str
        ``"encoder/dense/kernel"``, ``"encoder/dense"``, ``"Dense"``.
    changed : bool
        False: it stays as it is, for ``reason``.
    reason : str
        ``"bias"``, ``"small"``, ``"skipped"`` ...
    bytes_before, bytes_after : int
    error : float
        Largest difference of an element to what it was.
    sparsity : float
        Part of its elements that are zero now.
    """

    number: int
    weight: str
    layer: str
    class_name: str
    changed: bool
    reason: str
    bytes_before: int
    bytes_after: int
    error: float
    sparsity: float


class ShrinkReport(NamedTuple):
    """What shrinking did.

    Attributes
    ----------
    weights_before, weights_after : int
        Bytes of weights on the ledger.
    total_before, total_after : int
        Live bytes of the model.
    changed, kept : int
        Weights (arrays).
    elements, zeros : int
        Of the weights that were changed.
    sparsity : float
        ``zeros / elements``.
    error : float
        Largest difference of an element, and in ``error_weight`` whose.
    seconds : float
        Whole call.
    """

    weights_before: int
    weights_after: int
    total_before: int
    total_after: int
    changed: int
    kept: int
    elements: int
    zeros: int
    sparsity: float
    error: float
    error_weight: str
    seconds: float


class Difference(NamedTuple):
    """How one output of two models differs: ``a`` of the first, ``b`` of the second.

    Attributes
    ----------
    name : str
    elements : int
    absolute, relative : float
        Largest ``|a - b|``, and that over ``|a|``.
    rms : float
        Root of the mean of ``(a - b) ** 2``.
    scale : float
        Largest ``|a|``.
    cosine : float
        Of the angle between the two as vectors.
    agreement : float
        Part of the rows whose largest element stands in the same place.
    outside : int
        Elements that do not agree.
    """

    name: str
    elements: int
    absolute: float
    relative: float
    rms: float
    scale: float
    cosine: float
    agreement: float
    outside: int


class Comparison(NamedTuple):
    """What `ebb.compare` found; true if every element agrees.

    Attributes
    ----------
    agree : bool
    outputs : list of Difference
        One for each output.
    """

    agree: bool
    outputs: list[Difference]

    def __bool__(self) -> bool:
        return self.agree


class _Steps(Guard):
    """Answers the callback of C with a function of Python."""

    def __init__(self, function: Callable[[ShrinkStep], object]) -> None:
        super().__init__()
        self.function = function
        self.handle = ffi.new_handle(self)

    def step(self, c: Any) -> bool:
        """Shows one weight; False cancels."""
        names = [ffi.string(name).decode() for name in (c.weight, c.layer, c.class_name, c.reason)]
        made = ShrinkStep(
            int(c.index), names[0], names[1], names[2], bool(c.is_changed), names[3],
            int(c.bytes_before), int(c.bytes_after), c.error, c.sparsity,
        )  # fmt: skip
        return self.function(made) is not False


@ffi.def_extern(onerror=keep_failure)
def ebb_python_shrink(context: Any, step: Any) -> bool:
    """One weight for _Steps."""
    steps: _Steps = ffi.from_handle(context)
    return bool(steps.run(steps.step, step, otherwise=False))


def _shrink(
    function: Any,
    kind: str,
    model: Any,
    only: Sequence[str] | None,
    skip: Sequence[str] | None,
    report: Callable[[ShrinkStep], object] | None,
    pattern: tuple[int, int] | None = None,
    **fields: Any,
) -> ShrinkReport:
    keep, error, done = Keep(), new_error(), ffi.new("ebb_shrink_report *")
    made = options(kind, keep, **fields)
    if pattern is not None:
        made.keep, made.of = pattern
    for name, values in (("only", only), ("skip", skip)):
        if isinstance(values, str):
            raise TypeError(f"{name}: expected a list of names, got {values!r}")
        if values is not None:
            setattr(made, name, keep.texts(list(values)))
            setattr(made, f"{name}_count", len(values))
    guard = Guard()
    if report is not None:
        guard = steps = _Steps(report)
        made.report, made.context = lib.ebb_python_shrink, steps.handle
    with _Current(model) as core:
        guard.finish(function(core.handle, made, done, error), error)
    return _report(done)


class _Current:
    """A model's core with its newest weights and no training; then whoever holds it is told."""

    def __init__(self, model: Any) -> None:
        self.model, self.core = model, core_of(model)

    def __enter__(self) -> Any:
        if self.model is not self.core and hasattr(self.model, "_sync"):
            self.model._sync()
        handle, error = self.core.handle, new_error()
        if lib.ebb_model_compiled(handle):
            check(lib.ebb_model_uncompile(handle, ffi.NULL, error), error)
        return self.core

    def __exit__(self, failure: Any, *rest: object) -> None:
        if self.model is not self.core and hasattr(self.model, "_weights_changed"):
            self.model._weights_changed()


def _report(c: Any) -> ShrinkReport:
    return ShrinkReport(
        int(c.weights_before), int(c.weights_after), int(c.total_before), int(c.total_after),
        int(c.changed), int(c.kept), int(c.elements), int(c.zeros), c.sparsity, c.error,
        text(c.error_weight), c.time_ns / 1e9,
    )  # fmt: skip


def quantize(
    model: Any,
    dtype: str = "int8",
    *,
    only: Sequence[str] | None = None,
    skip: Sequence[str] | None = None,
    elements_min: int = 0,
    deadline: float | None = None,
    report: Callable[[ShrinkStep], object] | None = None,
) -> ShrinkReport:
    """Keeps a model's weights in a smaller type, from now on and in its files.

    Training of a compiled model ends: its weights are those of the last step, the state of its
    optimizer is given back. It can be trained again after `expand`.

    Parameters
    ----------
    model : Model
        An `ebb.Model` or a model of ``ebb.keras``.
    dtype : {"int8", "float16", "bfloat16"}
    only, skip : list of str, optional
        Layers, classes (``"Dense"``) or weights (``"dense_1/kernel"``): nothing but these, or
        never these.
    elements_min : int
        Arrays below stay float32; 0 is 1024.
    deadline : float, optional
        Seconds to wait for calls in flight; None is 10.
    report : callable, optional
        ``report(step)`` for every weight, before anything is changed; returning False cancels.

    Returns
    -------
    ShrinkReport

    Raises
    ------
    NotFoundError
        A name that fits nothing.
    UnsupportedError
        A weight that is not finite, or a model for inference only.
    BusyError
        It is being trained, or calls did not finish in time.
    CancelledError
        ``report`` returned False. What it raises is raised here; the model is as it was.
    """
    return _shrink(
        lib.ebb_model_quantize, "ebb_quantize_options", model, only, skip, report,
        dtype=dtype, elements_min=elements_min, deadline_ns=_deadline(deadline),
    )  # fmt: skip


def prune(
    model: Any,
    sparsity: float = 0.5,
    *,
    pattern: tuple[int, int] | None = None,
    is_global: bool = False,
    only: Sequence[str] | None = None,
    skip: Sequence[str] | None = None,
    elements_min: int = 0,
    deadline: float | None = None,
    report: Callable[[ShrinkStep], object] | None = None,
) -> ShrinkReport:
    """Sets the smallest weights of a model to zero, and keeps it without the zeros.

    Training of a compiled model ends, as with `quantize`.

    Parameters
    ----------
    model : Model
        An `ebb.Model` or a model of ``ebb.keras``.
    sparsity : float
        Part of the elements to be zero, between 0 and 1.
    pattern : tuple of int, optional
        ``(2, 4)``: of every 4 neighbours along the input axis the 2 largest stay; ``sparsity`` is
        not looked at.
    is_global : bool
        One threshold for all weights together; False: each weight reaches ``sparsity`` by itself.
    only, skip, elements_min, deadline, report
        As for `quantize`.

    Returns
    -------
    ShrinkReport

    Raises
    ------
    ArgumentError
        ``sparsity`` or ``pattern`` outside its range.
    NotFoundError, UnsupportedError, BusyError, CancelledError
        As `quantize`.
    """
    if not 0 < sparsity < 1:
        raise ValueError(f"sparsity: expected a number between 0 and 1, got {sparsity!r}")
    return _shrink(
        lib.ebb_model_prune, "ebb_prune_options", model, only, skip, report,
        sparsity=sparsity, pattern=pattern, is_global=is_global, elements_min=elements_min,
        deadline_ns=_deadline(deadline),
    )  # fmt: skip


def expand(model: Any) -> ShrinkReport:
    """Makes a shrunk model plain again: float32 weights with the values they have now."""
    error, done = new_error(), ffi.new("ebb_shrink_report *")
    with _Current(model) as core:
        check(lib.ebb_model_expand(core.handle, done, error), error)
    return _report(done)


def compare(
    a: Any,
    b: Any,
    x: Data | None = None,
    *,
    rtol: float | None = None,
    atol: float | None = None,
    rows: int = 8,
    seed: int = 0,
) -> Comparison:
    """Runs two models on the same inputs and measures how their outputs differ.

    Parameters
    ----------
    a, b : Model
        Models of ebb or ``ebb.keras`` with the same inputs and outputs.
    x : array, list or dict, optional
        As for `Model.predict`; None: random inputs.
    rtol, atol : float, optional
        An element agrees when ``|a - b| <= atol + rtol * |a|``. Both None: 1e-3.
    rows : int
        Of random inputs.
    seed : int
        Of random inputs.

    Returns
    -------
    Comparison
        True if every element agrees.

    Raises
    ------
    ShapeError
        The models do not take the same inputs, or do not give the same outputs.
    """
    first, second = core_of(a), core_of(b)
    count, agree, error = len(first._outputs), ffi.new("bool *"), new_error()
    found = ffi.new("ebb_difference[]", count)
    views = None if x is None else Views(input_arrays(x, first._inputs))
    made = options("ebb_compare_options", rtol=rtol, atol=atol, rows=rows, seed=seed)
    made.is_exact = rtol is not None or atol is not None
    status = lib.ebb_model_compare(
        first.handle,
        second.handle,
        ffi.NULL if views is None else views.c,
        made,
        found,
        count,
        agree,
        error,
    )
    check(status, error)
    return Comparison(bool(agree[0]), [_difference(c) for c in found])


def _difference(c: Any) -> Difference:
    return Difference(
        text(c.name), int(c.elements), c.absolute, c.relative, c.rms, c.scale, c.cosine,
        c.agreement, int(c.outside),
    )  # fmt: skip


def _deadline(seconds: float | None) -> int:
    return 0 if seconds is None else max(1, round(seconds * 1e9))
