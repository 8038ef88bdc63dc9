"""Optimizers: settings before training, a live view of the library's state afterwards.

An optimizer knows the native model that was compiled with it by a weak reference. While that is
there, ``learning_rate``, ``iterations`` and ``variables`` are its own; before and afterwards they
are what was set.
"""

from __future__ import annotations

import weakref
from typing import Any, Callable, NoReturn

import numpy as np

from ebb import _training
from ebb._errors import EbbError, UnsupportedError
from ebb._native import lib
from ebb.keras import _naming
from ebb.keras._object import KerasObject, serialize
from ebb.keras._schedule import LearningRateSchedule, is_python
from ebb.keras._serialization import name_of_class

Array = np.ndarray[Any, Any]
# Arguments of every optimizer, in the order of files.
_COMMON = (
    "name", "learning_rate", "weight_decay", "clipnorm", "global_clipnorm", "clipvalue", "use_ema",
    "ema_momentum", "ema_overwrite_frequency", "loss_scale_factor", "gradient_accumulation_steps",
)  # fmt: skip
_APPLIES = ["update_step", "apply", "apply_gradients", "build", "stateless_apply"]


class LiveVariable(np.lib.mixins.NDArrayOperatorsMixin):
    """A variable of an optimizer: read when it is looked at, set by ``assign``."""

    __array_priority__ = 1000

    def __init__(self, name: str, read: Callable[[], Array], write: Callable[[Any], None]) -> None:
        self.name = name.rsplit("/", 1)[-1]
        self.path = name
        self.trainable = False
        self._read = read
        self._write = write

    def numpy(self) -> Any:
        """The value as a numpy array or number."""
        return self._read()

    @property
    def value(self) -> Any:
        """The value as a numpy array."""
        return np.asarray(self._read())

    @property
    def shape(self) -> tuple[int, ...]:
        """Lengths of the axes."""
        return np.shape(self._read())

    @property
    def dtype(self) -> str:
        """Name of the type."""
        return str(np.asarray(self._read()).dtype)

    def assign(self, value: Any) -> LiveVariable:
        """Sets the value."""
        self._write(value)
        return self

    def assign_add(self, value: Any) -> LiveVariable:
        """Adds to the value."""
        return self.assign(self._read() + np.asarray(value))

    def assign_sub(self, value: Any) -> LiveVariable:
        """Subtracts from the value."""
        return self.assign(self._read() - np.asarray(value))

    def __array__(self, dtype: Any = None, copy: Any = None) -> Array:
        del copy
        return np.asarray(self._read(), dtype=dtype)

    def __array_ufunc__(self, ufunc: Any, method: str, *inputs: Any, **kwargs: Any) -> Any:
        plain = [np.asarray(one) if isinstance(one, LiveVariable) else one for one in inputs]
        return getattr(ufunc, method)(*plain, **kwargs)

    def __float__(self) -> float:
        return float(self._read())

    def __int__(self) -> int:
        return int(self._read())

    def __index__(self) -> int:
        return int(self._read())

    def __bool__(self) -> bool:
        return bool(self._read())

    def __round__(self, digits: int | None = None) -> Any:
        return round(float(self._read()), digits)

    def __format__(self, text: str) -> str:
        return format(self._read() if text == "" else float(self._read()), text)

    def __hash__(self) -> int:
        return id(self)

    def __repr__(self) -> str:
        return (
            f"<Variable path={self.path}, shape={self.shape}, dtype={self.dtype}, "
            f"value={self._read()}>"
        )


class Optimizer(KerasObject):
    """Base of optimizers.

    Attributes
    ----------
    learning_rate : LiveVariable
        A number that can be set, also while a model is trained.
    iterations : LiveVariable
        Steps that were made.
    variables : list of LiveVariable
        State in Keras's order.
    """

    name: str
    _core: Any = None  # weak reference to the native model
    _rate: Any = 0.001  # a number or a schedule

    def __init__(self, learning_rate: Any = None, name: str | None = None, **kw: Any) -> None:
        if kw:
            raise ValueError(f"Argument(s) not recognized: {kw}")
        super().__init__()
        self._configure(name=name or _naming.auto_name(type(self).__name__))
        if learning_rate is not None:
            self._configure(learning_rate=learning_rate)

    # -- the library's state ----------------------------------------------------------------------

    def _native(self) -> Any:
        """The handle of the compiled model; None without one."""
        core = None if self._core is None else self._core()
        if core is None or not lib.ebb_model_compiled(core.handle):
            return None
        return core.handle

    def _bind(self, core: Any, state: list[Array] | None = None) -> None:
        """The core was compiled with this optimizer."""
        self._core = weakref.ref(core)
        if state is not None:
            self._set_state(state)

    def _state_of(self, core: Any) -> list[Array] | None:
        """Values of all variables, if this optimizer belongs to the core already."""
        bound = None if self._core is None else self._core()
        if bound is not core or self._native() is None:
            return None
        return [np.array(one.numpy()) for one in self.variables]

    def _set_state(self, state: list[Array]) -> None:
        """Sets all variables, unless there are others now."""
        variables = self.variables
        if [one.shape for one in variables] != [np.shape(one) for one in state]:
            return
        for variable, value in zip(variables, state):
            if variable.name != "learning_rate":
                variable.assign(value)

    # -- learning rate ----------------------------------------------------------------------------

    @property
    def learning_rate(self) -> Any:
        """The rate of the next step."""
        return LiveVariable("learning_rate", self._read_rate, self._write_rate)

    @learning_rate.setter
    def learning_rate(self, rate: Any) -> None:
        if isinstance(rate, dict):
            from ebb.keras._object import nested

            rate = nested(rate)
        if isinstance(rate, LearningRateSchedule):
            if self._native() is not None:
                raise TypeError(
                    "The learning rate of a compiled model cannot become a schedule; compile again "
                    "with a new optimizer."
                )
            self._rate = rate
        elif isinstance(self._rate, LearningRateSchedule):
            self._refuse_rate()
        else:
            self._write_rate(rate)

    lr = learning_rate

    def _refuse_rate(self) -> NoReturn:
        raise TypeError(
            "This optimizer was made with a LearningRateSchedule as its learning rate, which "
            "therefore cannot be set. Make a new optimizer with a number."
        )

    def _rate_of_now(self) -> float:
        """Of a schedule in Python."""
        step = np.int32(np.asarray(self.iterations.numpy()))
        return float(np.asarray(self._rate(step)))

    def _before_step(self) -> None:
        """Tells the library the rate of the next step, where only Python knows it."""
        handle = self._native() if is_python(self._rate) else None
        if handle is not None:
            _training.learning_rate_set(handle, self._rate_of_now())

    def _read_rate(self) -> Any:
        if is_python(self._rate):
            return np.float32(self._rate_of_now())
        handle = self._native()
        if handle is not None:
            try:
                return np.float32(_training.learning_rate(handle))
            except EbbError:
                pass  # several optimizers
        if isinstance(self._rate, LearningRateSchedule):
            return np.float32(self._rate(0))
        return np.float32(self._rate)

    def _write_rate(self, rate: Any) -> None:
        if callable(rate) and not hasattr(rate, "numpy"):
            rate = rate()
        if isinstance(self._rate, LearningRateSchedule):
            self._refuse_rate()
        number = float(np.asarray(rate))
        handle = self._native()
        if handle is not None:
            _training.learning_rate_set(handle, number)
        self._rate = number

    # -- variables --------------------------------------------------------------------------------

    @property
    def variables(self) -> list[LiveVariable]:
        """State in Keras's order; ``iteration`` and ``learning_rate`` before training."""
        handle = self._native()
        infos = [] if handle is None else _training.optimizer_infos(handle)
        if not infos:
            zero = np.zeros((), np.int32)

            def refuse(value: Any) -> None:
                raise ValueError("The optimizer has no state before a model is trained with it.")

            return [LiveVariable("iteration", lambda: zero, refuse), self.learning_rate]
        return [self._variable(index, *info) for index, info in enumerate(infos)]

    def _variable(self, index: int, name: str, dtype: str, shape: tuple[int, ...]) -> LiveVariable:
        """One variable; it does not keep the model."""
        core = self._core
        name = name if "/" in name else f"{self.name}/{name}"

        def handle() -> Any:
            model = core()
            if model is None:
                raise ValueError(f"The model that {name} belonged to is not there any more.")
            return model.handle

        def read() -> Any:
            value = _training.optimizer_get(handle(), index, dtype, shape)
            return value if shape else value[()]

        def write(value: Any) -> None:
            array = np.ascontiguousarray(value, dtype=dtype)
            _training.optimizer_set(handle(), index, array.reshape(shape))

        return LiveVariable(name, read, write)

    @property
    def iterations(self) -> LiveVariable:
        """Steps that were made."""
        return self.variables[0]

    @property
    def built(self) -> bool:
        """Whether a model is compiled with it."""
        return self._native() is not None

    def build(self, variables: Any = None) -> None:
        """Nothing to do: state is made with the first training."""
        del variables

    def apply_gradients(self, *args: Any, **kwargs: Any) -> Any:
        """Not there: gradients are applied inside of the library.

        Raises
        ------
        UnsupportedError
            Always.
        """
        raise UnsupportedError(
            f"{type(self).__name__}.apply_gradients: gradients are applied by fit() and "
            "train_on_batch(), which run in the library"
        )

    apply = apply_gradients

    # -- configuration ----------------------------------------------------------------------------

    def get_config(self) -> dict[str, Any]:
        """Arguments of the constructor; the learning rate is that of now."""
        rate: Any = self._rate
        if isinstance(rate, LearningRateSchedule):
            rate = serialize(rate)
        elif "learning_rate" in self._arguments:
            rate = float(self._read_rate())
        names = [name for name in _COMMON if name in self._arguments]
        names += [name for name in self._arguments if name not in names]
        return {
            name: rate if name == "learning_rate" else serialize(getattr(self, name))
            for name in names
        }

    def _for_library(self) -> dict[str, Any]:
        """Class and configuration; a schedule in Python as its rate of now."""
        told = self._serialized()
        if is_python(self._rate):
            told["config"]["learning_rate"] = self._rate_of_now()
        return told

    def _serialized(self) -> dict[str, Any]:
        """Class and configuration, for the library. Classes that only add to ebb's are those."""
        for kind in type(self).__mro__:
            if kind.__module__.startswith("ebb.") and kind is not Optimizer:
                named = name_of_class(kind)
                return {
                    "module": named["module"],
                    "class_name": named["class_name"],
                    "config": self.get_config(),
                    "registered_name": named["registered_name"],
                }
            if any(name in vars(kind) for name in _APPLIES) or kind is Optimizer:
                break
        raise UnsupportedError(
            f"{type(self).__name__} is an optimizer of your own in Python, which cannot run inside "
            "a step of training; use one of keras.optimizers",
            "compile",
        )


def has_python_rate(optimizer: Any) -> bool:
    """Must the rate of every step be asked of Python?"""
    return isinstance(optimizer, Optimizer) and is_python(optimizer._rate)
