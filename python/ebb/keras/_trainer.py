"""compile, fit, evaluate and predict of Keras models.

The loop runs in the library; Python is told of every moment (``Loop``) and asked for batches
where the data are not arrays. Settings reach the library when training first needs them, so that
a model that only predicts pays nothing for being compiled.
"""

from __future__ import annotations

import json
import warnings
import weakref
from collections.abc import Mapping
from typing import Any, Callable, Union, cast

import numpy as np

from ebb import _training
from ebb._errors import ArgumentError, ShapeError, StateError
from ebb._native import ffi, lib
from ebb.keras import _cut, _eager_trainer, _engine_choice, _settings
from ebb.keras._callback import CallbackList, History
from ebb.keras._data import ArrayData, Ports, open_data, unpack
from ebb.keras._eager_call import traces
from ebb.keras._host_graph import HostPorts
from ebb.keras._loop import Loop
from ebb.keras._predict import Predictor
from ebb.keras._seeds import next_seed
from ebb.keras._steps import Steps, metrics_of

Results = Union[float, list[float], dict[str, float]]


class Trainer(Steps):
    """What a model is that can be trained. The engine's ``Model`` derives from it.

    Attributes
    ----------
    optimizer, loss : object
        As given to ``compile``; a name has become an object in ``optimizer``.
    history : History
        Of the last ``fit``.
    stop_training : bool
        Set to True by callbacks to end ``fit`` after the batch it is in.
    compiled : bool
        Whether ``compile`` was called.
    """

    optimizer: Any = None
    loss: Any = None
    history: History | None = None
    stop_training = False
    stop_evaluating = False
    stop_predicting = False
    compiled = False
    run_eagerly = False
    _untraced: str | None = None
    jit_compile: Any = False
    steps_per_execution = 1
    _settings: _settings.Settings | None = None
    _ready_for: Any = None  # (id of the core, settings) that the library was compiled with
    _names: list[str] | None = None
    _known_ports: Any = None
    _why: Any = None  # (what it was decided for, why steps run in Python)

    # The engine's Model owns these.
    _core: Any
    name: Any
    _build_for: Callable[..., Any]
    _plain_core: Callable[..., Any]

    # -- compile --------------------------------------------------------------------------------

    def compile(
        self,
        optimizer: Any = "rmsprop",
        loss: Any = None,
        loss_weights: Any = None,
        metrics: Any = None,
        weighted_metrics: Any = None,
        run_eagerly: bool = False,
        steps_per_execution: int = 1,
        jit_compile: Any = "auto",
        auto_scale_loss: bool = True,
    ) -> None:
        """Tells how the model is trained. Compiling again begins anew.

        Parameters
        ----------
        optimizer : str or Optimizer or None
            None: the model can only be evaluated.
        loss : str, Loss, function of keras.losses; or list or dict of them by output
            What is made small.
        loss_weights : float, or list or dict by output, optional
            1 each by default.
        metrics, weighted_metrics : list of str, Metric or function; by output for several
            What is reported; the latter see sample weights.
        run_eagerly : bool
            Every step runs as Python, and ``call`` with it: for debugging.
        steps_per_execution, jit_compile, auto_scale_loss
            Taken for Keras's sake; they change no number.

        Raises
        ------
        ValueError
            No optimizer, loss or metric of that name.

        Notes
        -----
        Losses and metrics of the caller's own, an optimizer with an ``update_step``, and classes
        with a ``train_step`` are fine: what cannot be traced to operations of the library runs as
        Python, step by step.
        """
        made = _settings.Settings(
            self, optimizer, loss, loss_weights, metrics, weighted_metrics, auto_scale_loss
        )
        self._settings = made
        self.optimizer = made.optimizer
        self.loss = loss
        self.run_eagerly = bool(run_eagerly)
        self.steps_per_execution = steps_per_execution
        self.jit_compile = False if jit_compile == "auto" else bool(jit_compile)
        self.stop_training = False
        self.compiled = True
        self._names = None
        self._compiled_parts = None
        self._why = None

    def _compile_restored(self, config: Mapping[str, Any]) -> None:
        """Compiles as the file says that the core was loaded from, the optimizer's state too."""
        made = _settings.Settings.restored(self, config)
        self._settings = made
        self.optimizer = made.optimizer
        self.loss = made.loss
        self.compiled = True
        self._names = None
        self._compiled_parts = None
        self._why = None
        if made.why_eager is None:
            self._ready()

    def compile_from_config(self, config: Mapping[str, Any]) -> None:
        """Compiles with what ``get_compile_config`` returned.

        A class with a ``compile`` of its own writes this method too: nobody else knows its
        arguments.
        """
        if _engine_choice.is_own(type(self), "compile"):
            warnings.warn(
                "`compile()` was not called as part of model loading because the model's "
                "`compile()` method is custom. All subclassed Models that have `compile()` "
                "overridden should also override `get_compile_config()` and "
                "`compile_from_config(config)`. Alternatively, you can call `compile()` manually "
                "after loading.",
                stacklevel=2,
            )
            return
        self.compile(**_settings.arguments_of(config))

    def get_compile_config(self) -> dict[str, Any]:
        """Arguments of ``compile`` as JSON values; empty before ``compile``."""
        if self._settings is None:
            return {}
        return {
            **self._settings.config(),
            "run_eagerly": self.run_eagerly,
            "steps_per_execution": self.steps_per_execution,
            "jit_compile": self.jit_compile,
        }

    def _assert_compiled(self, method: str) -> None:
        if not self.compiled or self._settings is None:
            raise StateError(f"You must call `compile()` before calling `{method}()`.")

    def _why_eager(self, data: Any = None) -> str | None:
        """Why steps run in Python; None: the library runs them. Decided once, with the first data.

        A model that the library trains is built afterwards.
        """
        key = (id(self._settings), self.run_eagerly)
        known = self._why
        if known is not None and known[0] == key:
            return known[1]  # type: ignore[no-any-return]
        why = _engine_choice.why_eager(self)
        if why is None and data is None:
            return self._untraced
        if why is None and self._core_or_none is None:
            why = None if traces(self, data.example[0]) else self._untraced
        if why is None:
            self._prepare(data)
            why = _engine_choice.why_eager_weights(self)
        if why is None and self._settings is not None and self._settings.is_traced:
            why = self._settings.try_trace(self._ports, self._ports.targets(data.example[1]))
        self._why = (key, why)
        return why

    def _ready(self, data: Any = None) -> Any:
        """The core with current weights, compiled in the library with the settings of now."""
        self._sync()
        core, settings = self._core, self._settings
        assert settings is not None
        targets = None
        if settings.is_traced and data is not None:
            targets = self._ports.targets(data.example[1])
        wanted = (int(core.handle.id), id(settings), targets)
        known = self._ready_for
        is_known = known is not None and known[:2] == wanted[:2] and targets in (None, known[2])
        if not is_known or not lib.ebb_model_compiled(core.handle):
            settings.apply(core, next_seed(), self._ports, targets, self.trainable_weights)
            self._ready_for = wanted
            self._names = None
        if self._names is None:
            self._names = _training.result_names(core.handle)
        return core

    def _optimizer_ready(self) -> None:
        """Makes the state of the optimizer, before a file sets it."""
        settings = self._settings
        if self._why_eager() is not None or (settings is not None and settings.is_traced):
            self.optimizer._to_own(self.trainable_weights)  # the library takes it when it trains
        else:
            self._ready()

    def _sync(self) -> None:
        """Brings weights shared with other models up to date; the engine's Model does."""

    def _sync_weights(self) -> None:
        """The same for predictions."""

    def _weights_changed(self) -> None:
        """Says that training changed weights; the engine's Model takes note."""

    @property
    def _ports(self) -> Ports:
        """Inputs and outputs of the core."""
        core = self._core
        known = self._known_ports
        if known is None or known[0]() is not core:
            known = (weakref.ref(core), _ports_of(core.handle, self))
            self._known_ports = known
        ports = cast(Ports, known[1])
        ports.taught = None if self._settings is None else self._settings.taught(ports)
        return ports

    # -- metrics --------------------------------------------------------------------------------

    @property
    def metrics(self) -> list[Any]:
        """The loss as a Mean, the metrics of ``compile``, those of the model and its layers."""
        if self._steps_are_python():
            return metrics_of(self)
        return self._settings.metric_objects()  # type: ignore[union-attr]

    def _steps_are_python(self) -> bool:
        """Do steps run in Python, as far as is known, or did somebody make one?"""
        has_parts = self._settings is None or self._compiled_parts is not None
        return has_parts or self._why_eager() is not None

    @property
    def metrics_names(self) -> list[str]:
        """Names of what ``evaluate`` returns, in its order."""
        if self._settings is None:
            return []
        if self._steps_are_python():
            return [metric.name for metric in self.metrics]
        if self._names is None:
            self._ready()
        assert self._names is not None
        own = [metric.name for metric in self._settings.metric_objects()[1:]]
        outputs = self._ports.output_keys
        if self._output_keys() is not None and isinstance(self.loss, Mapping):
            # Losses by the keys of a dict are told in the order of compile()'s dict.
            outputs = sorted(outputs, key=(*self.loss, *outputs).index)
        return _settings.result_order(self._names, own, outputs)

    def reset_metrics(self) -> None:
        """Begins anew with all metrics; the library does so by itself."""
        if self._steps_are_python():
            super().reset_metrics()

    def _named_results(self, values: list[float]) -> dict[str, float]:
        assert self._names is not None
        return dict(sorted(zip(self._names, values)))

    def _results(self, values: list[float], return_dict: bool) -> Results:
        """Results as Keras returns them."""
        named = self._named_results(values)
        if return_dict:
            return named
        ordered = [named[name] for name in self.metrics_names]
        return ordered[0] if len(ordered) == 1 else ordered

    # -- fit ------------------------------------------------------------------------------------

    def fit(
        self,
        x: Any = None,
        y: Any = None,
        batch_size: int | None = None,
        epochs: int = 1,
        verbose: Any = "auto",
        callbacks: Any = None,
        validation_split: float = 0.0,
        validation_data: Any = None,
        shuffle: Any = True,
        class_weight: Mapping[int, float] | None = None,
        sample_weight: Any = None,
        initial_epoch: int = 0,
        steps_per_epoch: int | None = None,
        validation_steps: int | None = None,
        validation_batch_size: int | None = None,
        validation_freq: Any = 1,
    ) -> History:
        """Trains the model.

        Parameters
        ----------
        x, y, sample_weight
            Arrays (numpy, tensors, data frames), or lists or dicts of them by input and output;
            or ``x`` is a generator, a PyDataset, or any iterable of ``(x, y[, sample_weight])``.
        batch_size : int, optional
            Rows of a batch of arrays; 32.
        epochs, initial_epoch : int
            Number of the last epoch and of the first one.
        verbose : 0, 1, 2 or "auto"
            No progress, a bar, one line an epoch; "auto" is 1.
        callbacks : list of Callback, optional
            Called in this order, before History and progress bar.
        validation_split : float
            This part of the arrays, from their end, validates.
        validation_data
            ``(x, y)``, ``(x, y, sample_weight)``, or an iterable.
        shuffle : bool
            New order of rows (of batches of a PyDataset) in each epoch.
        class_weight : dict of int to float, optional
            Weight of a row by its class.
        steps_per_epoch, validation_steps : int, optional
            Batches; None for all.
        validation_batch_size : int, optional
            As ``batch_size``.
        validation_freq : int or list of int
            Validates every so many epochs, or after these (counted from 1).

        Returns
        -------
        History
            Results by epoch.

        Raises
        ------
        StateError
            Not compiled.
        ValueError
            Data that do not fit the model or each other; said before training begins.
        BaseException
            What a callback or the data raise ends training after the batch it is in; the model
            stays usable, with the weights of that moment.
        """
        self._assert_compiled("fit")
        data = open_data(x, y, sample_weight, shuffle=bool(shuffle), resets="once")
        validation = _validation_of(validation_data)
        if validation_split and validation is None and not data.is_whole:
            raise ValueError("`validation_split` works with arrays only; give `validation_data`.")
        if class_weight is not None and sample_weight is not None:
            raise ValueError("Give `class_weight` or `sample_weight`, not both.")
        epochs, initial_epoch = _whole("epochs", epochs), _whole("initial_epoch", initial_epoch)
        steps_per_epoch = _steps("steps_per_epoch", steps_per_epoch)
        batch_size = _steps("batch_size", batch_size)
        if self._why_eager(data) is not None:
            steps = _epoch_steps(data, batch_size, steps_per_epoch, validation_split, validation)
            listeners = self._callbacks(callbacks, True, verbose, epochs, steps)
            self.stop_training = False
            how = {
                "batch_size": batch_size,
                "epochs": epochs,
                "initial_epoch": initial_epoch,
                "steps_per_epoch": steps_per_epoch,
                "validation_steps": _steps("validation_steps", validation_steps),
                "validation_batch_size": _steps("validation_batch_size", validation_batch_size),
                "validation_split": validation_split,
                "validation_freq": validation_freq,
                "class_weight": _class_weight(class_weight) and class_weight,
                "shuffle": bool(shuffle),
            }
            _eager_trainer.fit(self, data, validation, listeners, how)
            assert self.history is not None
            return self.history
        self._prepare(data)
        core = self._ready(data)
        if self.optimizer is not None:
            self.optimizer._to_library(core)
        ports = self._ports
        data, validation, validation_split = _cut.for_fit(
            data, validation, ports, validation_split,
            batch_size=batch_size, steps_per_epoch=steps_per_epoch, shuffle=bool(shuffle),
            validation_steps=_steps("validation_steps", validation_steps),
            validation_batch_size=_steps("validation_batch_size", validation_batch_size),
        )  # fmt: skip
        data.bind(ports)
        if validation is not None:
            validation.bind(ports)
        steps = _epoch_steps(data, batch_size, steps_per_epoch, validation_split, validation)
        listeners = self._callbacks(callbacks, True, verbose, epochs, steps)
        self.stop_training = False
        how = {
            "batch_size": batch_size,
            "epochs": epochs,
            "initial_epoch": initial_epoch,
            "steps_per_epoch": steps_per_epoch,
            "validation_steps": _steps("validation_steps", validation_steps),
            "validation_batch_size": _steps("validation_batch_size", validation_batch_size),
            "validation_split": float(validation_split) if validation is None else 0.0,
            "class_weight": _class_weight(class_weight),
            "no_shuffle": not shuffle,
            "seed": next_seed(),
        }
        Loop(self, core, listeners).fit(data, validation, validation_freq, how)
        assert self.history is not None
        return self.history

    def _prepare(self, data: Any) -> None:
        """Builds a model that is not built yet from the data."""
        if self._core_or_none is None:
            self._build_for(*data.example)

    def _is_untraced(self, data: Any) -> bool:
        """Is the model none that the library runs as a whole?"""
        return self._core_or_none is None and not traces(self, data.example[0])

    def _callbacks(
        self, given: Any, in_fit: bool, verbose: Any, epochs: int, steps: int | None
    ) -> CallbackList:
        """The caller's callbacks with those that are always there."""
        if isinstance(given, CallbackList):
            given.set_model(self)
            return given
        if verbose not in ("auto", 0, 1, 2, True, False):
            raise ValueError(f"verbose: expected 0, 1, 2 or 'auto', found {verbose!r}")
        return CallbackList(
            given,
            add_history=in_fit,
            add_progbar=verbose != 0,
            model=self,
            verbose=verbose,
            epochs=epochs,
            steps=steps,
        )

    # -- evaluate -------------------------------------------------------------------------------

    def evaluate(
        self,
        x: Any = None,
        y: Any = None,
        batch_size: int | None = None,
        verbose: Any = "auto",
        sample_weight: Any = None,
        steps: int | None = None,
        callbacks: Any = None,
        return_dict: bool = False,
    ) -> Results:
        """Loss and metrics over data.

        Parameters
        ----------
        x, y, sample_weight, batch_size, verbose, callbacks
            As in ``fit``.
        steps : int, optional
            Batches; None for all.
        return_dict : bool
            Returns names with values.

        Returns
        -------
        float, list of float, or dict of str to float
            A number when there is only the loss; the order is that of ``metrics_names``.

        Raises
        ------
        StateError
            Not compiled.
        ValueError
            Data that do not fit the model or each other.
        """
        self._assert_compiled("evaluate")
        data = open_data(x, y, sample_weight, resets="always")
        batch_size, steps = _steps("batch_size", batch_size), _steps("steps", steps)
        if self._why_eager(data) is not None:
            count = data.steps(batch_size, steps)
            listeners = self._callbacks(callbacks, False, verbose, 1, count)
            return _eager_trainer.evaluate(  # type: ignore[no-any-return]
                self, data, listeners, batch_size, steps, return_dict
            )
        self._prepare(data)
        core = self._ready(data)
        data = _cut.batches(data, self._ports, batch_size, steps)
        data.bind(self._ports)
        count = data.steps(batch_size, steps)
        listeners = self._callbacks(callbacks, False, verbose, 1, count)
        self.stop_evaluating = False
        how = {"batch_size": batch_size, "steps": steps}
        values = Loop(self, core, listeners).evaluate(data, how)
        return self._results(values, return_dict)

    # -- predict --------------------------------------------------------------------------------

    def predict(
        self,
        x: Any,
        batch_size: int | None = None,
        verbose: Any = "auto",
        steps: int | None = None,
        callbacks: Any = None,
    ) -> Any:
        """Predictions for data.

        Parameters
        ----------
        x, batch_size, verbose, callbacks
            As in ``fit``; of ``(x, y)`` batches the x counts.
        steps : int, optional
            Batches; None for all.

        Returns
        -------
        numpy.ndarray, or list or dict of them
            In the structure of the model's outputs, all rows together.

        Raises
        ------
        ValueError
            Data that do not fit the model.
        """
        is_eager = _engine_choice.predicts_eagerly(self)
        is_plain = verbose == 0 and callbacks is None and steps is None and not is_eager
        if is_plain and type(x) is np.ndarray:
            core = self._plain_core()
            if core is not None:
                try:
                    return core.predict(x, batch_size=batch_size or 32)
                except ShapeError:
                    pass  # said below in the words of Keras, or the rank can be fitted
        data = open_data(x)
        if is_eager or self._is_untraced(data):
            batch_size, steps = _steps("batch_size", batch_size), _steps("steps", steps)
            told = self._callbacks(callbacks, False, verbose, 1, data.steps(batch_size, steps))
            self.stop_predicting = False
            return _eager_trainer.predict(self, data, told, batch_size, steps)
        self._prepare(data)
        self._sync_weights()
        batch_size, steps = _steps("batch_size", batch_size), _steps("steps", steps)
        data = _cut.batches(data, self._ports, batch_size, steps)
        data.bind(self._ports, needs_y=False)
        listeners = None
        if verbose != 0 or callbacks is not None:
            count = data.steps(batch_size, steps)
            listeners = self._callbacks(callbacks, False, verbose, 1, count)
        self.stop_predicting = False
        predictor = Predictor(self, self._core, listeners)
        return self._pack_outputs(predictor.run(data, batch_size, steps))

    def predict_on_batch(self, x: Any) -> Any:
        """Predictions for one batch of arrays."""
        is_eager = _engine_choice.predicts_eagerly(self)
        core = self._plain_core() if type(x) is np.ndarray and not is_eager else None
        if core is not None:
            try:
                return core.predict(x)
            except ShapeError:
                pass  # as in predict
        data = open_data(x, is_one_batch=True)
        if not data.is_whole:
            raise ValueError("predict_on_batch takes arrays.")
        if is_eager or self._is_untraced(data):
            return _eager_trainer.predict_on_batch(self, data)
        self._prepare(data)
        self._sync_weights()
        ports = self._ports
        data.bind(ports, needs_y=False)
        outputs = ports.finish(data.x, self._core._predict_arrays(data.x))
        return self._pack_outputs(outputs)

    _core_or_none: Any = None

    _parts: Any = None  # of a model of which Python computes some

    def _input_keys(self) -> list[str] | None:
        """Names of the inputs in a dict, in the core's order; None: those of their layers."""
        return _keys_of(getattr(self, "_run_graph", None), "inputs")

    def _output_keys(self) -> list[str] | None:
        """The same for outputs."""
        return _keys_of(getattr(self, "_run_graph", None), "outputs")

    def _pack_outputs(self, outputs: list[Any]) -> Any:
        """Outputs in the model's structure; the engine's Model knows dicts and nested ones."""
        return outputs[0] if len(outputs) == 1 else outputs

    # -- one batch ------------------------------------------------------------------------------

    def train_on_batch(
        self,
        x: Any,
        y: Any = None,
        sample_weight: Any = None,
        class_weight: Mapping[int, float] | None = None,
        return_dict: bool = False,
    ) -> Results:
        """One step of training on arrays; results are of this batch alone, before the step.

        Raises
        ------
        StateError
            Not compiled.
        ValueError
            Data that do not fit; ``class_weight`` together with ``sample_weight``.
        """
        if class_weight is not None:
            if sample_weight is not None:
                raise ValueError("Give `class_weight` or `sample_weight`, not both.")
            sample_weight = class_weights(y, class_weight)
        return self._on_batch(True, x, y, sample_weight, return_dict)

    def test_on_batch(
        self, x: Any, y: Any = None, sample_weight: Any = None, return_dict: bool = False
    ) -> Results:
        """Loss and metrics of arrays as one batch.

        Raises
        ------
        StateError
            Not compiled.
        ValueError
            Data that do not fit.
        """
        return self._on_batch(False, x, y, sample_weight, return_dict)

    def _on_batch(self, trains: bool, x: Any, y: Any, weight: Any, return_dict: bool) -> Results:
        self._assert_compiled("train_on_batch" if trains else "test_on_batch")
        data = open_data(x, y, weight)
        if not isinstance(data, ArrayData):
            raise ValueError("train_on_batch and test_on_batch take arrays.")
        if self._why_eager(data) is not None:
            return _eager_trainer.on_batch(  # type: ignore[no-any-return]
                self, trains, data, return_dict
            )
        self._prepare(data)
        core = self._ready(data)
        data.bind(self._ports)
        if trains and self.optimizer is not None:
            if self.optimizer._own is not None:
                self.optimizer._to_library(core)
            self.optimizer._before_step()
        try:
            values = _training.on_batch(core.handle, trains, data.x, data.y, data.weights)
        finally:
            if trains:
                self._weights_changed()
        return self._results(values, return_dict)


# -- arguments ------------------------------------------------------------------------------------


def _whole(name: str, value: Any) -> int:
    """A number from 0 on."""
    if int(value) != value or value < 0:
        raise ValueError(f"{name}: expected a whole number from 0 on, found {value!r}")
    return int(value)


def _steps(name: str, value: Any) -> int | None:
    """A number from 1 on, or None (0 and -1 mean None, as older code has it)."""
    if value is None or value in (0, -1):
        if name == "batch_size" and value is not None:
            raise ValueError(f"batch_size: expected a whole number from 1 on, found {value!r}")
        return None
    if int(value) != value or value < 1:
        raise ValueError(f"{name}: expected a whole number from 1 on, found {value!r}")
    return int(value)


def _class_weight(weights: Mapping[int, float] | None) -> str | None:
    """Weights by class as JSON."""
    if not weights:
        return None
    try:
        return json.dumps({str(int(label)): float(one) for label, one in weights.items()})
    except (TypeError, ValueError, AttributeError):
        raise ValueError(
            f"class_weight: expected a dict of class numbers to weights, found {weights!r}"
        ) from None


def class_weights(y: Any, weights: Mapping[int, float]) -> np.ndarray[Any, Any]:
    """Weights of rows by their class; classes that are not named weigh 1."""
    labels = np.asarray(y)
    if labels.ndim > 1:
        labels = labels[..., 0] if labels.shape[-1] == 1 else labels.argmax(-1)
    labels = np.round(labels).astype(np.int64)
    flat = [weights.get(int(label), 1.0) for label in labels.reshape(-1)]
    return np.asarray(flat, np.float32).reshape(labels.shape)


def _validation_of(given: Any) -> Any:
    """What validation_data is."""
    if given is None:
        return None
    x, y, weight = unpack(given)
    return open_data(x, y, weight, what="validation_data", resets="always")


def _epoch_steps(
    data: Any, batch_size: int | None, steps: int | None, split: float, validation: Any
) -> int | None:
    """Batches of an epoch of fit, as the progress bar counts them."""
    if steps or not split or validation is not None:
        return data.steps(batch_size, steps)  # type: ignore[no-any-return]
    if not 0 <= split < 1:
        raise ValueError(f"validation_split: expected a number from 0 to below 1, found {split}")
    rows = int(np.floor(data.rows * (1.0 - split)))
    size = batch_size or 32
    return (rows + size - 1) // size


def _keys_of(graph: Any, what: str) -> list[str] | None:
    """Keys of the dict that a graph's inputs or outputs are; None if they are none."""
    structure = None if graph is None else getattr(graph, what)
    if not isinstance(structure, Mapping):
        return None
    return [str(key) for key in sorted(structure)]


def _ports_of(handle: Any, model: Any) -> Ports:
    """Inputs and outputs as the library has them."""
    info, tensor = ffi.new("ebb_model_info *"), ffi.new("ebb_tensor_info *")
    if lib.ebb_model_info_read(handle, info):
        raise ArgumentError("the model is not there any more")

    def read(function: Any, count: int) -> list[tuple[str, tuple[int | None, ...]]]:
        found = []
        for index in range(count):
            function(handle, index, tensor)
            dims = [tensor.dims[axis] for axis in range(tensor.rank)]
            shape = tuple(None if dim < 0 else int(dim) for dim in dims)
            found.append((ffi.string(tensor.name).decode(), shape))
        return found

    ports = Ports(
        str(model.name),
        read(lib.ebb_model_input, info.inputs),
        read(lib.ebb_model_output, info.outputs),
        model._input_keys(),
        model._output_keys(),
    )
    if model._parts is not None:
        return HostPorts(ports, model._parts, model._run_graph, model._input_keys())
    marks = [object() for _ in ports.outputs]
    ports.is_plain = len(ports.inputs) == 1 and model._pack_outputs(marks) is marks[0]
    return ports
