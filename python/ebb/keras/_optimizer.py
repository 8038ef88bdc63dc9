"""Optimizers: settings before training, a live view of the library's state afterwards.

The state of an optimizer is in one of two places: in the training of the model that was compiled
with it, which it knows by a weak reference, or by itself, once gradients were applied by hand.
Whoever needs it in the other place takes it there: there is one state. Before it is anywhere,
``learning_rate``, ``iterations`` and ``variables`` are what was set.
"""

from __future__ import annotations

import warnings
import weakref
from collections.abc import Iterable, Sequence
from typing import Any, NoReturn

import numpy as np

from ebb.keras import _naming, _optimizer_apply
from ebb.keras._live_variable import LiveVariable
from ebb.keras._object import KerasObject, serialize
from ebb.keras._optimizer_python import (
    PythonSteps,
    is_librarys,
    is_librarys_method,
    is_of_python,
    librarys_class,
)
from ebb.keras._optimizer_state import ModelPlace, PythonPlace, keras_name, set_state, state_of
from ebb.keras._schedule import LearningRateSchedule, is_python
from ebb.keras._serialization import name_of_class

Array = np.ndarray[Any, Any]
# Arguments of every optimizer, in the order of files.
_COMMON = (
    "name", "learning_rate", "weight_decay", "clipnorm", "global_clipnorm", "clipvalue", "use_ema",
    "ema_momentum", "ema_overwrite_frequency", "loss_scale_factor", "gradient_accumulation_steps",
)  # fmt: skip
# Methods that make a class an optimizer of the caller's own.
_APPLIES = ("update_step", "apply", "apply_gradients", "build")


class Optimizer(PythonSteps, KerasObject):
    """Base of optimizers.

    Attributes
    ----------
    learning_rate : LiveVariable
        A number that can be set, also while a model is trained.
    iterations : LiveVariable
        Steps that were made.
    variables : list of LiveVariable
        State in Keras's order.

    Notes
    -----
    A class of the caller's own writes ``update_step(gradient, variable, learning_rate)``, and in
    ``build(variables)`` makes what it keeps with ``add_optimizer_variables``. Its steps are made
    by Python, so that models that are compiled with it are trained step by step.
    """

    name: str
    weight_decay: float | None = None
    clipnorm: float | None = None
    global_clipnorm: float | None = None
    clipvalue: float | None = None
    use_ema = False
    ema_momentum = 0.99
    ema_overwrite_frequency: int | None = None
    loss_scale_factor: float | None = None
    gradient_accumulation_steps: int | None = None
    _trained: ModelPlace | None = None  # by the library, as part of a model
    _own: Any = None  # OwnPlace, or PythonPlace
    _targets: Sequence[Any] = ()  # weak references to what it was built for
    _first_step = 0
    _excluded: Any = None  # from weight decay: variables, and a pattern of names
    _rate: Any = 0.001  # a number or a schedule

    def __init__(
        self,
        learning_rate: Any = None,
        weight_decay: float | None = None,
        clipnorm: float | None = None,
        clipvalue: float | None = None,
        global_clipnorm: float | None = None,
        use_ema: bool = False,
        ema_momentum: float = 0.99,
        ema_overwrite_frequency: int | None = None,
        loss_scale_factor: float | None = None,
        gradient_accumulation_steps: int | None = None,
        name: str | None = None,
        **kw: Any,
    ) -> None:
        kw.pop("decay", None)  # of older versions
        if kw:
            raise ValueError(f"Argument(s) not recognized: {kw}")
        super().__init__()
        self._configure(name=name or _naming.auto_name(type(self).__name__))
        if learning_rate is not None:
            self._configure(learning_rate=learning_rate)
        if not is_librarys(type(self)):
            self._configure(
                weight_decay=weight_decay, clipnorm=clipnorm, global_clipnorm=global_clipnorm,
                clipvalue=clipvalue, use_ema=use_ema, ema_momentum=ema_momentum,
                ema_overwrite_frequency=ema_overwrite_frequency,
                loss_scale_factor=loss_scale_factor,
                gradient_accumulation_steps=gradient_accumulation_steps,
            )  # fmt: skip

    # -- where the state is -----------------------------------------------------------------------

    def _place(self) -> Any:
        """Where the state is: by itself, else in the training of a model; None before any."""
        if self._own is not None:
            return self._own
        trained = self._trained
        return None if trained is None or trained.handle() is None else trained

    def _state_of(self, core: Any) -> list[Array] | None:
        """Values of all variables, if this optimizer belongs to the core already."""
        if self._own is not None:
            return state_of(self._own)
        place = self._trained
        return state_of(place) if place is not None and place.is_of(core) else None

    def _bind(self, core: Any, state: list[Array] | None = None, variables: Any = ()) -> None:
        """The core was compiled with this optimizer, to train these variables."""
        self._trained = ModelPlace(core)
        if self._own is None:
            self._targets = [weakref.ref(variable) for variable in variables]
        if state is not None:
            set_state(self._trained, state)
        elif self._first_step:
            self._trained.write(0, np.asarray(self._first_step, np.int64))

    def _lend(self, core: Any) -> bool:
        """Copies a state that is by itself to the core that was compiled with this optimizer."""
        if self._own is None or self._trained is None or not self._trained.is_of(core):
            return False
        set_state(self._trained, state_of(self._own))
        if not isinstance(self._rate, LearningRateSchedule):
            self._trained.set_rate(float(self._read_rate()))
        return True

    def _to_library(self, core: Any) -> None:
        """Before the library trains the core."""
        if self._lend(core):
            self._own = None

    def _to_own(self, variables: Sequence[Any]) -> Any:
        """Before gradients are applied by hand, to these variables if there is no state yet."""
        if self._own is None or not self._targets:
            place, known = self._place(), self._known()
            rate = None if is_python(self._rate) else float(self._read_rate())
            has_state = place is not None and place is not self._own and bool(known)
            state = state_of(place) if has_state else None
            self.build(known if state is not None else variables)
            if state is not None:
                set_state(self._own, state)
            if rate is not None:
                self._own.set_rate(rate)
        return self._own

    def _known(self) -> list[Any]:
        """The variables that it was built for, as long as they are there."""
        found = [reference() for reference in self._targets]
        return [] if any(one is None for one in found) else found

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
            if self._place() is not None:
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
        place = self._place() if is_python(self._rate) else None
        if place is not None:
            place.set_rate(self._rate_of_now())

    def _read_rate(self) -> Any:
        if is_python(self._rate):
            return np.float32(self._rate_of_now())
        place = self._place()
        told = None if place is None else place.rate()
        if told is not None:
            return np.float32(told)
        if hasattr(self, "inner_optimizer"):
            return self.inner_optimizer._read_rate()
        if isinstance(self._rate, LearningRateSchedule):
            return np.float32(self._rate(int(self._read_steps()) if place is not None else 0))
        return np.float32(self._rate)

    def _write_rate(self, rate: Any) -> None:
        if callable(rate) and not hasattr(rate, "numpy"):
            rate = rate()
        if isinstance(self._rate, LearningRateSchedule):
            self._refuse_rate()
        number = float(np.asarray(rate))
        place = self._place()
        if place is not None:
            place.set_rate(number)
        self._rate = number
        if hasattr(self, "inner_optimizer"):
            self.inner_optimizer._write_rate(number)

    # -- variables --------------------------------------------------------------------------------

    @property
    def variables(self) -> list[LiveVariable]:
        """State in Keras's order; ``iteration`` and ``learning_rate`` before training."""
        place = self._place()
        infos = [] if place is None else place.infos()
        if not infos:
            return [self._steps_made(), self.learning_rate]
        if isinstance(place, ModelPlace):
            paths = [variable.path for variable in self._known()]
            around = f"{self.name}/" if hasattr(self, "inner_optimizer") else ""
            infos = [
                (keras_name(name, paths, number // 2, around), *more)
                for number, (name, *more) in enumerate(infos)
            ]
        return [self._variable(place, index, *info) for index, info in enumerate(infos)]

    def _variable(
        self, place: Any, index: int, name: str, dtype: str, shape: tuple[int, ...]
    ) -> LiveVariable:
        """One variable; it does not keep the model."""
        name = name if "/" in name else f"{self.name}/{name}"
        if name.endswith("/learning_rate") and isinstance(place, PythonPlace):
            return self.learning_rate  # type: ignore[no-any-return]

        def read() -> Any:
            value = place.read(index, dtype, shape)
            return value if shape else value[()]

        def write(value: Any) -> None:
            array = np.ascontiguousarray(value, dtype=dtype)
            place.write(index, array.reshape(shape))

        return LiveVariable(name, read, write)

    def _steps_made(self) -> LiveVariable:
        return LiveVariable(f"{self.name}/iteration", self._read_steps, self._write_steps)

    def _read_steps(self) -> Any:
        place = self._place()
        if place is None or not place.infos():
            return np.int64(self._first_step)
        return place.read(0, "int64", ())[()]

    def _write_steps(self, value: Any) -> None:
        place = self._place()
        if place is None:
            self._first_step = int(value)
        else:
            place.write(0, np.asarray(value, np.int64).reshape(()))

    @property
    def iterations(self) -> LiveVariable:
        """Steps that were made; with ``gradient_accumulation_steps`` those that changed weights."""
        every = self.gradient_accumulation_steps
        if not every:
            return self._steps_made()
        return LiveVariable(
            f"{self.name}/iteration", lambda: self._read_steps() // every, self._write_steps
        )

    @property
    def built(self) -> bool:
        """Whether it has state: a model is compiled with it, or it was built by hand."""
        place = self._place()
        return place is not None and (bool(self._targets) or isinstance(place, ModelPlace))

    def set_weights(self, weights: Sequence[Any]) -> None:
        """Set all variables.

        Raises
        ------
        ValueError
            It is not built; a shape differs.
        """
        if not self.built:
            raise ValueError(
                "You are calling `set_weights()` on an optimizer that has not yet been built. "
                "Please call `optimizer.build(trainable_variables)` to create the optimizer "
                "weights before calling `set_weights()`."
            )
        for variable, weight in zip(self.variables, weights):
            if variable.shape != np.shape(weight):
                raise ValueError(
                    f"Optimizer variable {variable.path} has shape {variable.shape} not "
                    f"compatible with provided weight shape {np.shape(weight)}."
                )
            variable.assign(weight)

    def get_weights(self) -> list[Array]:
        """Copies of all variables, as older versions gave them."""
        return [np.array(variable.numpy()) for variable in self.variables]

    def save_own_variables(self, store: Any) -> None:
        """Puts the variables into a store under their numbers."""
        for index, variable in enumerate(self.variables):
            store[str(index)] = variable.numpy()

    def load_own_variables(self, store: Any) -> None:
        """Takes the variables out of a store."""
        variables = self.variables
        if len(store.keys()) != len(variables):
            warnings.warn(
                f"Skipping variable loading for optimizer '{self.name}', because it has "
                f"{len(variables)} variables whereas the saved optimizer has "
                f"{len(store.keys())} variables.",
                stacklevel=2,
            )
            return
        for index, variable in enumerate(variables):
            variable.assign(np.asarray(store[str(index)]))

    # -- by hand ----------------------------------------------------------------------------------

    def build(self, variables: Iterable[Any]) -> None:
        """Makes the state for variables, in this order; ``apply`` does it when it is first called.

        Parameters
        ----------
        variables : list of Variable
            Of ebb.keras or ebb.tf.
        """
        _optimizer_apply.build(self, list(variables))

    def apply_gradients(self, grads_and_vars: Iterable[Any]) -> LiveVariable:
        """Makes one step.

        Parameters
        ----------
        grads_and_vars : iterable of (gradient, variable)
            As of ``zip(gradients, variables)``. The first call builds the optimizer.

        Returns
        -------
        LiveVariable
            Steps that were made.

        Raises
        ------
        ValueError
            No gradient at all; a variable that it was not built for.
        """
        pairs = list(grads_and_vars)
        if not pairs:
            raise ValueError("No gradients provided for any variable.")
        grads, variables = zip(*pairs)
        self.apply(grads, variables)
        return self._steps_made()

    def apply(self, grads: Iterable[Any], trainable_variables: Any = None) -> None:
        """Makes one step.

        Parameters
        ----------
        grads : list of tensor or None
            None leaves its variable alone, with a warning.
        trainable_variables : list of Variable, optional
            None: those that it was built for.

        Raises
        ------
        ValueError
            No gradient at all; a variable that it was not built for; not built and none given.
        """
        _optimizer_apply.apply(self, list(grads), trainable_variables)

    def minimize(self, loss: Any, var_list: Any, tape: Any = None) -> Any:
        """Makes one step against the gradients of a loss, as in tf.keras.

        Parameters
        ----------
        loss : callable or tensor
            A function without arguments, or with ``tape`` what it gave.
        var_list : list of Variable, or a function that gives it
        tape : GradientTape, optional
            That the loss was computed under.
        """
        return _optimizer_apply.minimize(self, loss, var_list, tape)

    def scale_loss(self, loss: Any) -> Any:
        """The loss that gradients are to be taken of."""
        factor = self.loss_scale_factor
        if hasattr(self, "inner_optimizer"):
            index = None if self._own is None else self._own.scale_index()
            factor = self.initial_scale  # type: ignore[attr-defined]
            if index is not None:
                factor = float(self._own.read(index, "float32", ()))
        return loss if factor is None else loss * factor

    def finalize_variable_values(self, var_list: Iterable[Any]) -> None:
        """Sets variables to their moving averages, if they are kept: the end of ``fit``."""
        if self.use_ema and self._own is not None:
            _optimizer_apply.set_averages(self, list(var_list))

    def exclude_from_weight_decay(self, var_list: Any = None, var_names: Any = None) -> None:
        """Leaves variables out of weight decay; before the optimizer is built.

        Parameters
        ----------
        var_list : list of Variable, optional
        var_names : list of str, optional
            Patterns that their names hold.
        """
        if self.built:
            raise ValueError(
                "`exclude_from_weight_decay()` can only be configured before the optimizer is "
                "built."
            )
        self._excluded = (
            [weakref.ref(one) for one in var_list or ()],
            "|".join(var_names or ()) or None,
        )

    def stateless_apply(self, *args: Any, **kwargs: Any) -> NoReturn:
        """For JAX alone, as in Keras on TensorFlow."""
        raise ValueError("stateless_apply is not supported: it is for JAX; use apply()")

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
        """Class and configuration. Classes that only add to ebb's are those for the library."""
        kind = type(self) if is_of_python(type(self)) else librarys_class(type(self))
        named = name_of_class(kind)
        return {
            "module": named["module"],
            "class_name": named["class_name"],
            "config": self.get_config(),
            "registered_name": named["registered_name"],
        }

    def _why_eager(self) -> str | None:
        """What of it the library's own training cannot do."""
        name = type(self).__name__
        if is_of_python(type(self)):
            return f"the steps of {name} are Python"
        own = [one for one in _APPLIES if not is_librarys_method(type(self), one)]
        if own:
            return f"{name}.{own[0]}() is Python"
        return None if self._excluded is None else "exclude_from_weight_decay()"


def has_python_rate(optimizer: Any) -> bool:
    """Must the rate of every step be asked of Python?"""
    return isinstance(optimizer, Optimizer) and is_python(optimizer._rate)
