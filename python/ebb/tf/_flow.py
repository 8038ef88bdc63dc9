"""Control of the flow, scopes, printing, and what else stands at the root of ``tf``."""

from __future__ import annotations

import contextlib
import sys
import time
from collections.abc import Iterator
from typing import Any, Callable

import numpy as np

from ebb import _context
from ebb._apply import one
from ebb._dtype import as_dtype, float64
from ebb._errors import ArgumentError, UnsupportedError
from ebb._graph import Graph, SymbolicTensor
from ebb._operators import convert, equal
from ebb._values import Tensor, to_array
from ebb.tf import _nest
from ebb.tf._arrays import stack, where
from ebb.tf._graph_variables import group as _group
from ebb.tf._math import reduce
from ebb.tf._variables import Variable


def executing_eagerly() -> bool:
    """Are operations done at once here?"""
    return _context.building() is None


def get_default_graph() -> Graph:
    """The innermost graph, or the thread's own."""
    return _context.default_graph()


@contextlib.contextmanager
def init_scope() -> Iterator[None]:
    """Inside the block operations are done at once, also while a function is traced."""
    graph = None if _context.settings.eager else _context.default_graph()
    place = _context.Place(_context.state.graphs, graph)
    try:
        yield
    finally:
        place.leave()


@contextlib.contextmanager
def name_scope(name: str, default_name: Any = None, values: Any = None) -> Iterator[str]:
    """Names of the block's operations begin with ``name/``; eager ones have no names."""
    graph = _context.building()
    if graph is None:
        yield f"{name or default_name}/"
        return
    with graph.name_scope(name or default_name) as scope:
        yield scope


@contextlib.contextmanager
def control_dependencies(control_inputs: Any) -> Iterator[None]:
    """What is added in the block runs after these; eager code runs in its order anyway."""
    graph = _context.building()
    if graph is None or graph.building_function:
        yield
        return
    with graph.control_dependencies(control_inputs):
        yield


def group(*inputs: Any, name: str | None = None) -> Any:
    """An operation that does all of these; None for eager ones, which are done."""
    graph = _context.building()
    return None if graph is None or graph.building_function else _group(*inputs, name=name)


def no_op(name: str | None = None) -> Any:
    """An operation that does nothing."""
    return None if _context.building() is None else _group(name=name or "NoOp")


def _branch(value: Any) -> Any:
    return value() if callable(value) else value


def cond(pred: Any, true_fn: Any = None, false_fn: Any = None, name: str | None = None) -> Any:
    """What one of two functions gives. In a graph both are computed and one is chosen."""
    tensor = pred if isinstance(pred, (Tensor, Variable)) else convert(pred)
    if not (isinstance(tensor, Tensor) and tensor.is_symbolic):
        return _branch(true_fn if bool(tensor) else false_fn)
    yes, no = _branch(true_fn), _branch(false_fn)
    return _nest.map_structure(lambda a, b: where(tensor, a, b), yes, no)


def case(pred_fn_pairs: Any, default: Any = None, exclusive: bool = False, strict: bool = False,
         name: str = "case") -> Any:  # fmt: skip
    """What the function of the first condition that holds gives."""
    pairs = list(pred_fn_pairs.items() if isinstance(pred_fn_pairs, dict) else pred_fn_pairs)
    if not pairs:
        return _branch(default)
    (pred, function), *rest = pairs
    if not rest and default is None:
        return _branch(function)
    return cond(pred, function, lambda: case(rest, default))


def while_loop(cond: Callable[..., Any], body: Callable[..., Any], loop_vars: Any,
               maximum_iterations: Any = None, name: str | None = None,
               **_: Any) -> Any:  # fmt: skip
    """Repeats a body as long as a condition holds. Eager, or with a known number of rounds."""
    state, rounds = loop_vars, 0
    as_list = isinstance(state, (list, tuple))
    while maximum_iterations is None or rounds < int(maximum_iterations):
        goes_on = cond(*state) if as_list else cond(state)
        if isinstance(goes_on, Tensor) and goes_on.is_symbolic:
            raise UnsupportedError(
                "loops whose end depends on tensors are not supported in graphs and tf.function: "
                "loop in Python around the function", "tf.while_loop",
            )  # fmt: skip
        if not bool(goes_on):
            break
        state = body(*state) if as_list else body(state)
        rounds += 1
    return state


def map_fn(fn: Callable[..., Any], elems: Any, dtype: Any = None, **_: Any) -> Any:
    """What a function makes of each row, stacked."""
    flat = [convert(item) for item in _nest.flatten(elems)]
    rows = [fn(_nest.pack(elems, iter([x[i] for x in flat]))) for i in range(len(flat[0]))]
    return _nest.map_structure(lambda *items: stack([convert(i) for i in items]), *rows)


vectorized_map = map_fn


def scan(fn: Callable[..., Any], elems: Any, initializer: Any = None, **_: Any) -> Any:
    """What a function makes of each row and the result before, stacked."""
    rows = list(convert(elems))
    state = rows.pop(0) if initializer is None else convert(initializer)
    made = [state] if initializer is None else []
    for row in rows:
        state = fn(state, row)
        made.append(state)
    return _nest.map_structure(lambda *items: stack(list(items)), *made)


def foldl(fn: Callable[..., Any], elems: Any, initializer: Any = None, **_: Any) -> Any:
    """What a function makes of all rows, one after the other."""
    rows = list(convert(elems))
    state = rows.pop(0) if initializer is None else convert(initializer)
    for row in rows:
        state = fn(state, row)
    return state


def print_(*inputs: Any, output_stream: Any = None, summarize: int = 3, sep: str = " ",
           end: str = "\n", name: str | None = None) -> None:  # fmt: skip
    """Prints values; tensors of a graph have none and are refused."""
    for item in _nest.leaves(list(inputs)):
        if isinstance(item, SymbolicTensor):
            raise UnsupportedError(
                "tensors of graphs are not printed; return them and print what comes", "tf.print"
            )
    with np.printoptions(threshold=2 * summarize, edgeitems=summarize):
        texts = [str(to_array(i)) if isinstance(i, (Tensor, Variable)) else str(i) for i in inputs]
    stream = output_stream if hasattr(output_stream, "write") else sys.stderr
    print(sep.join(texts), end=end, file=stream)


def py_function(
    func: Callable[..., Any] | None = None,
    inp: Any = None,
    Tout: Any = None,  # noqa: N803
    name: str | None = None,
) -> Any:
    """Calls Python with eager tensors."""
    assert func is not None
    if _context.building() is not None:
        raise UnsupportedError("Python is not called from graphs", "tf.py_function")
    made = func(*[convert(x) for x in inp or []])
    kinds = Tout if isinstance(Tout, (list, tuple)) else [Tout]
    flat = [convert(x, None, kind) for x, kind in zip(_nest.flatten(made), kinds)]
    return flat if isinstance(Tout, (list, tuple)) else flat[0]


def numpy_function(
    func: Callable[..., Any] | None = None,
    inp: Any = None,
    Tout: Any = None,  # noqa: N803
    stateful: bool = True,
    name: str | None = None,
) -> Any:
    """Calls Python with arrays."""
    assert func is not None
    return py_function(lambda *items: func(*[to_array(x) for x in items]), inp, Tout)


def timestamp(name: str | None = None) -> Tensor:
    """Seconds since 1970."""
    return convert(time.time(), float64)


# -- checks ----------------------------------------------------------------------------------------


def _checked(holds: Any, what: str, message: Any) -> None:
    if isinstance(holds, Tensor) and holds.is_symbolic:
        raise UnsupportedError("values are not checked inside graphs", what)
    if not bool(to_array(holds).all() if isinstance(holds, Tensor) else holds):
        raise ArgumentError(str(message or f"{what} does not hold"))


def Assert(  # noqa: N802
    condition: Any, data: Any, summarize: Any = None, name: Any = None
) -> None:
    """Raises InvalidArgumentError unless the condition holds."""
    _checked(condition, "Assert", f"assertion failed: {[str(d) for d in data]}")


def assert_equal(x: Any, y: Any, message: Any = None, summarize: Any = None,
                 name: Any = None) -> None:  # fmt: skip
    """Raises InvalidArgumentError unless all elements are equal."""
    _checked(equal(convert(x), y), "assert_equal", message)


def assert_near(x: Any, y: Any, rtol: Any = None, atol: Any = None, message: Any = None,
                summarize: Any = None, name: Any = None) -> None:  # fmt: skip
    """Raises InvalidArgumentError unless all elements are about equal."""
    a, b = to_array(convert(x)), to_array(convert(y))
    tolerance = 10 * np.finfo(a.dtype).eps if a.dtype.kind == "f" else 0
    close = np.abs(a - b) <= (atol or tolerance) + (rtol or tolerance) * np.abs(b)
    _checked(bool(np.all(close)), "assert_near", message)


def _assertion(name: str, compare: Callable[[Any, Any], Any]) -> Callable[..., None]:
    def check(
        x: Any, y: Any, message: Any = None, summarize: Any = None, name_: Any = None
    ) -> None:
        _checked(compare(convert(x), y), name, message)

    check.__name__ = check.__qualname__ = name
    check.__doc__ = f"``{name}``: raises InvalidArgumentError unless it holds for all elements."
    return check


assert_less = _assertion("assert_less", lambda x, y: x < y)
assert_less_equal = _assertion("assert_less_equal", lambda x, y: x <= y)
assert_greater = _assertion("assert_greater", lambda x, y: x > y)
assert_greater_equal = _assertion("assert_greater_equal", lambda x, y: x >= y)


def assert_rank(x: Any, rank: int, message: Any = None, name: Any = None) -> None:
    """Raises ValueError unless there are ``rank`` axes."""
    if convert(x).ndim != int(rank):
        raise ValueError(message or f"a tensor of rank {rank} is expected, got {convert(x).shape}")


def assert_shapes(shapes: Any, data: Any = None, message: Any = None, name: Any = None) -> None:
    """Raises ValueError unless tensors have these shapes; letters stand for equal lengths."""
    known: dict[str, int] = {}
    for tensor, dims in shapes.items() if isinstance(shapes, dict) else shapes:
        x = convert(tensor)
        if len(x.shape) != len(dims):
            raise ValueError(message or f"{x.shape} is not of the shape {dims}")
        for length, wanted in zip(x.shape, dims):
            if isinstance(wanted, str):
                wanted = known.setdefault(wanted, length)  # noqa: PLW2901
            if wanted is not None and length != wanted:
                raise ValueError(message or f"{x.shape} is not of the shape {dims}")


def check_numerics(tensor: Any, message: str = "", name: str | None = None) -> Any:
    """The tensor, if no element is NaN or infinite."""
    x = convert(tensor)
    if not x.is_symbolic:
        _checked(reduce("All", one("IsFinite", (x,)), None, False), "check_numerics",
                 f"{message} : Tensor had NaN or Inf values")  # fmt: skip
    return x


class Module:
    """A named thing with variables and modules in it."""

    def __init__(self, name: str | None = None) -> None:
        self._name = name

    @property
    def name(self) -> str:
        """The name it was made with, else that of its class."""
        return getattr(self, "_name", None) or type(self).__name__.lower()

    def _parts(self, seen: set[int]) -> Iterator[Any]:
        for value in vars(self).values():
            for item in _nest.leaves(value):
                if id(item) in seen:
                    continue
                seen.add(id(item))
                if isinstance(item, (Variable, Module)) or hasattr(item, "trainable_variables"):
                    yield item

    def _found(self, seen: set[int]) -> Iterator[Any]:
        for item in self._parts(seen):
            if isinstance(item, Module):
                yield from item._found(seen)
            elif isinstance(item, Variable):
                yield item
            else:
                yield from item.variables

    @property
    def variables(self) -> tuple[Any, ...]:
        """The variables in it and in the modules in it."""
        return tuple(self._found(set()))

    @property
    def trainable_variables(self) -> tuple[Any, ...]:
        """Those of them that train."""
        return tuple(v for v in self.variables if v.trainable)

    @property
    def submodules(self) -> tuple[Any, ...]:
        """The modules in it."""
        return tuple(p for p in self._parts(set()) if isinstance(p, Module))

    @classmethod
    def with_name_scope(cls, method: Callable[..., Any]) -> Callable[..., Any]:
        """The method itself: eager operations have no names."""
        return method


def saturate_cast(value: Any, dtype: Any, name: str | None = None) -> Any:
    """The tensor in another type, with what is beyond its range set to its ends."""
    from ebb._operators import cast
    from ebb.tf._math import clip_by_value

    kind, x = as_dtype(dtype), convert(value)
    low, high = max(kind.min, x.dtype.min), min(kind.max, x.dtype.max)
    return cast(clip_by_value(x, low, high), kind)


__all__ = [
    "Assert", "Module", "assert_equal", "assert_greater", "assert_greater_equal", "assert_less",
    "assert_less_equal", "assert_near", "assert_rank", "assert_shapes", "case", "check_numerics",
    "cond", "control_dependencies", "executing_eagerly", "foldl", "get_default_graph", "group",
    "init_scope", "map_fn", "name_scope", "no_op", "numpy_function", "py_function",
    "saturate_cast", "scan", "timestamp", "vectorized_map", "while_loop",
]  # fmt: skip
