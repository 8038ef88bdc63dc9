"""Layers: naming, building, calling, weights. What a layer computes is the library's matter.

The first call with symbolic tensors asks the library for shapes and weights; weights become
Variables. A layer that was written in Python (a ``call`` of its own) is traced: _tracing.py.
Nothing leads from a layer to a model: a model goes with its last name (see _engine.py).
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from ebb._errors import UnsupportedError
from ebb.keras import _arguments, _cells, _policy, _states, _symbolic, _tree
from ebb.keras._engine import Birth, count_parameters
from ebb.keras._object import KerasObject, serialize
from ebb.keras._seed_generator import SeedGenerator, generators_of
from ebb.keras._seeds import next_seed
from ebb.keras._serialization import name_of_class
from ebb.keras._symbolic import Node, Operation
from ebb.keras._variable import Array, Variable, clock, to_numpy

# Keywords of older versions that every layer takes and that change nothing.
_IGNORED = ("implementation", "dynamic", "batch_size", "input_dtype", "use_cudnn", "time_major")


_PLAIN = frozenset([str, int, float, bool, type(None)])


class InputSpec:
    """What a layer asks of its input; kept for layers that set it, the library checks shapes."""

    def __init__(
        self,
        dtype: Any = None,
        shape: Any = None,
        ndim: int | None = None,
        max_ndim: int | None = None,
        min_ndim: int | None = None,
        axes: dict[int, Any] | None = None,
        allow_last_axis_squeeze: bool = False,
        name: str | None = None,
        optional: bool = False,
    ) -> None:
        self.dtype, self.name, self.optional = dtype, name, optional
        self.shape = tuple(shape) if shape is not None else None
        self.ndim = len(self.shape) if self.shape is not None else ndim
        self.max_ndim, self.min_ndim, self.axes = max_ndim, min_ndim, axes or {}
        self.allow_last_axis_squeeze = allow_last_axis_squeeze


class Layer(Operation, KerasObject):
    """A layer: something with weights that is called on tensors.

    Parameters
    ----------
    name : str, optional
        ``"dense"``, ``"dense_1"`` ... if left out.
    trainable : bool
        Whether training may change its weights.
    dtype : str or DTypePolicy, optional
        In which it computes and keeps its weights.
    activity_regularizer : str or Regularizer, optional
        Penalty on what it gives.

    Notes
    -----
    Subclasses write ``call(self, x, ...)`` in terms of other layers, operators and ``keras.ops``,
    make weights with ``add_weight`` in ``build(self, input_shape)``, and may take ``training`` and
    ``mask`` in ``call``. The call is run once for symbolic tensors; what it does to them becomes a
    part of the model.
    """

    _is_layer = True
    _is_model = False
    _adds_loss = False  # by add_loss() in its call, which was traced
    _untraced: Any = None  # why its Python runs on numbers, if it does
    _is_of_file = False  # it, or the layer that it was copied from, came with its weights' shapes
    _waits = False  # for somebody to ask for weights: then it is built
    supports_masking = True

    def __new__(cls, *args: Any, **kwargs: Any) -> Any:
        made = super().__new__(cls)
        made.__dict__["_given"] = (args, kwargs) if not is_native(cls) else None
        return made

    def __init__(
        self,
        *,
        activity_regularizer: Any = None,
        trainable: bool = True,
        dtype: Any = None,
        autocast: bool = True,
        name: str | None = None,
        **kwargs: Any,
    ) -> None:
        Operation.__init__(self, name)
        self._slots: list[tuple[str, Variable]] = []
        self._added: list[Variable] = []
        self._trainable = bool(trainable)
        self._build_shapes_dict: dict[str, Any] | None = None
        self._eager: Any = None
        self._losses: list[Any] = []
        self.built = False
        self.autocast = autocast
        self.input_spec: Any = None
        self.dtype_policy = _policy.policy_get(dtype)
        self.activity_regularizer = _arguments.regularizer(activity_regularizer)
        self._first_shape = _arguments.first_shape(kwargs)
        self._first_weights = kwargs.pop("weights", None)
        for name_ in _IGNORED:
            kwargs.pop(name_, None)
        more = {key: kwargs.pop(key) for key in list(kwargs) if key in _arguments.EXTRAS}
        if more:
            self._configure(**more)
        if kwargs:
            raise ValueError(
                f"Unrecognized keyword arguments passed to {type(self).__name__}: {kwargs}"
            )

    def _configure(self, **values: Any) -> None:
        made = _arguments.convert(self, values)
        if "weights" in made:  # of Embedding
            self._first_weights = made.pop("weights")
        hidden = {name: made.pop(name) for name in list(made) if name in _arguments.HIDDEN}
        KerasObject._configure(self, **made)
        for name, value in hidden.items():
            setattr(self, f"_{name}", value)
            self._arguments = (*self._arguments, name)
        order = [name for name in values if name in self._arguments]
        rest = [name for name in self._arguments if name not in order]
        self._arguments = (*order, *rest)

    def __repr__(self) -> str:
        return f"<{type(self).__name__} name={self.name}, built={self.built}>"

    # -- configuration ----------------------------------------------------------------------------

    def get_config(self) -> dict[str, Any]:
        """Give the arguments that make a layer like this one, as Keras 3 writes them.

        Raises
        ------
        NotImplementedError
            A layer written in Python whose constructor takes what JSON has not.
        """
        config = self._own_config()
        if self._given is not None and type(self).get_config is Layer.get_config:
            config.update(_arguments.given_config(self, *self._given))
        return config

    def _own_config(self) -> dict[str, Any]:
        """The same for the class of ebb.keras that it is, or is derived from."""
        config: dict[str, Any] = {
            "name": self.name,
            "trainable": self.trainable,
            "dtype": self.dtype_policy.entry(),
        }
        config.update(_arguments.config(self))
        if self.activity_regularizer is not None or _arguments.speaks(self):
            config["activity_regularizer"] = serialize(self.activity_regularizer)
        return _arguments.like_keras(self, config)

    def get_build_config(self) -> dict[str, Any] | None:
        """Give the shapes it was built for; None if it was not."""
        shapes = self._build_shapes_dict
        if shapes is None:
            return None
        if len(shapes) == 1:
            return {"input_shape": next(iter(shapes.values()))}
        return {"shapes_dict": shapes}

    def build_from_config(self, config: dict[str, Any]) -> None:
        """Build it for the shapes that ``get_build_config()`` gave."""
        if not config or self.built:
            return
        if "shapes_dict" in config:
            shapes = config["shapes_dict"]
        else:
            shapes = {"input_shape": config.get("input_shape")}
        self._build_shapes_dict = {key: _arguments.shapes_of(shapes[key]) for key in shapes}
        self._waits = not self._traces()
        if not self._waits:
            shapes = self._build_shapes_dict
            if len(shapes) == 1 and "input_shape" in shapes:  # whatever build() calls it
                self.build(shapes["input_shape"])
            else:
                self.build(**shapes)
            self.built = True

    def _build_waiting(self) -> None:
        """Builds a layer of a configuration that nobody has called so far."""
        shapes, self._waits = self._build_shapes_dict, False
        if self.built or not shapes or type(self).__name__.endswith("Cell"):
            return
        if "input_shape" in shapes:
            self.build(shapes["input_shape"])
        else:
            self.build(**shapes)

    # -- building ---------------------------------------------------------------------------------

    def __init_subclass__(cls, **kwargs: Any) -> None:
        super().__init_subclass__(**kwargs)
        if "build" in vars(cls) and not str(cls.__module__).startswith("ebb."):
            cls.build = _arguments.that_builds(vars(cls)["build"])  # type: ignore[method-assign]

    def build(self, *shapes: Any, **named: Any) -> None:
        """Make the weights for a shape of input, the rows (None) first.

        Parameters
        ----------
        input_shape : tuple, or a list of tuples
        """
        if native_class(type(self)) is Layer or self._slots or not (shapes or named):
            self.built = True
            return
        args = [_arguments.tensors_of(shape, self) for shape in shapes]
        kwargs = {
            key[: -len("_shape")] if key.endswith("_shape") else key: _arguments.tensors_of(
                shape, self
            )
            for key, shape in named.items()
        }
        if "input" in kwargs:
            args = [kwargs.pop("input"), *args]
        count = self.__dict__.get("_node_count", 0)
        self._plain(tuple(args), kwargs)
        self.__dict__["_node_count"] = count  # no call of anybody's

    def add_weight(
        self,
        shape: Any = None,
        initializer: Any = None,
        dtype: Any = None,
        trainable: bool = True,
        autocast: bool = True,
        regularizer: Any = None,
        constraint: Any = None,
        aggregation: str = "none",
        overwrite_with_gradient: bool = False,
        name: str | None = None,
        **kwargs: Any,
    ) -> Variable:
        """Make a weight of a layer that is written in Python.

        Parameters
        ----------
        shape : tuple of int
        initializer : str, Initializer or callable
            Default: glorot_uniform for floats, else zeros.
        dtype : str, optional
        trainable : bool
        regularizer, constraint : optional
        name : str, optional

        Returns
        -------
        Variable
        """
        if isinstance(shape, str):  # Keras 2 took the name first
            shape, name = (kwargs.pop("shape", initializer), shape)
            initializer = None if initializer is shape else initializer
        shape = () if shape is None else tuple(int(length) for length in shape)
        kind = str(getattr(dtype, "name", dtype) or self.variable_dtype)
        if initializer is None:
            initializer = "glorot_uniform" if "float" in kind else "zeros"
        variable = Variable(
            _arguments.initializer(initializer),
            shape=shape,
            dtype=kind,
            trainable=trainable,
            name=name or "variable",
            path="/".join((*_symbolic.scope_of(self), name or "variable")),
            regularizer=_arguments.regularizer(regularizer),
            constraint=_arguments.constraint(constraint),
        )
        variable.trainable = bool(trainable and self.trainable)
        self._added.append(variable)
        return variable

    def add_loss(self, loss: Any) -> None:
        """Add numbers to ``losses``, from inside of ``call``: they hold until the next call.

        Training and evaluation add them to the loss.

        Parameters
        ----------
        loss : tensor of one number, or a list of them
        """
        state = _symbolic.tracing
        if state.depth:
            self._adds_loss = True
            state.losses.extend(_tree.leaves(loss))
            return
        if _symbolic.any_symbolic(loss):
            raise ValueError(
                "`add_loss()` can only be called from inside `build()` or `call()`, on a tensor "
                f"input. Received invalid value: {loss}"
            )
        from ebb.keras import ops

        self._losses.extend(ops.convert_to_tensor(item) for item in _tree.leaves(loss))

    # -- calling ----------------------------------------------------------------------------------

    def __call__(self, *args: Any, **kwargs: Any) -> Any:
        if "_slots" not in self.__dict__:
            raise RuntimeError(
                f"In layer '{type(self).__name__}', you forgot to call `super().__init__()` as the "
                "first statement in the `__init__()` method. Go add it!"
            )
        args, kwargs = _arguments.order_call(self, args, kwargs)
        if _symbolic.any_symbolic(args, kwargs) or _symbolic.tracing.depth:
            return self._call_symbolic(args, kwargs)
        from ebb.keras._eager_call import call_eagerly

        return call_eagerly(self, args, kwargs)

    def call(self, *args: Any, **kwargs: Any) -> Any:
        """What the layer computes. Of layers of ebb.keras the library does it."""
        args, kwargs = _arguments.order_call(self, args, kwargs)
        if not _symbolic.any_symbolic(args, kwargs):
            return self(*args, **kwargs)
        made = self._plain(args, kwargs)
        return self.activation(made) if _arguments.has_own_activation(self) else made

    def _call_symbolic(self, args: tuple[Any, ...], kwargs: dict[str, Any]) -> Any:
        """A node of the graph that is being made."""
        from ebb.keras import _constant, _tracing

        args, kwargs = _constant.lift((args, kwargs), self)
        if self._traces():
            return _tracing.call_traced(self, args, kwargs)
        return self._apply(args, kwargs)

    def _apply(self, args: tuple[Any, ...], kwargs: dict[str, Any]) -> Any:
        """A node of the library's class; builds the layer at the first one."""
        if native_class(type(self)) is Layer:
            raise NotImplementedError(
                f"Layer {type(self).__name__} does not have a `call()` method implemented."
            )
        self._before_call(args)
        node = Node(self, args, {**kwargs})
        told = _symbolic.known_of(self, node)
        entry = {} if told is not None else self._native_entry(None, self.name, "", True)
        return self._finish(node, entry, told)

    def _finish(self, node: Node, entry: dict[str, Any], told: Any = None) -> Any:
        """What a call of the library's class gives; ``told``: what is known of it already."""
        if told is None:
            entry["config"]["trainable"] = True
            told = _symbolic.infer(entry, node)
        if not self._slots and told["weights"]:
            self._weights_make(told)
        if not self.built:
            _arguments.count_parts(self)
        if self._build_shapes_dict is None:
            self._build_note(node)
        self.built = True
        made = node.emit(told["outputs"])
        if self._first_weights is not None:
            given, self._first_weights = self._first_weights, None
            self.set_weights(given)
        if native_class(type(self)).__name__.endswith(("Cell", "Cells")):
            return made[0], list(made[1:])
        return made[0] if len(made) == 1 else tuple(made)

    def _traces(self) -> bool:
        """Is what it computes written in Python?"""
        return not is_native(type(self).call) or _arguments.has_own_parts(self)

    def _trace_body(self, *args: Any, **kwargs: Any) -> Any:
        """What is run to trace it."""
        if not is_native(type(self).call):
            return self.call(*args, **kwargs)
        made = self._plain(args, kwargs)
        return self.activation(made) if _arguments.has_own_activation(self) else made

    def _plain(self, args: tuple[Any, ...], kwargs: dict[str, Any]) -> Any:
        """A call of what the library computes of the layer."""
        if not self._traces():
            return self._apply(args, kwargs)
        from ebb.keras._plain import Plain

        return Plain(self)(*args, **kwargs)

    def _before_call(self, args: tuple[Any, ...]) -> None:
        """Wrappers build what they wrap here."""

    def _build_note(self, node: Node) -> None:
        """Remembers the shapes of the first call, as Keras writes them to files."""
        self._build_shapes_dict = _arguments.build_shapes(self, node)

    def _weights_make(self, told: dict[str, Any]) -> None:
        """Variables for the weights that the library says the layer has."""
        birth = Birth(told["text"], next_seed())
        scope = "/".join(_symbolic.tracing.scope)
        if scope.split("/")[-1] == self.name:  # its activation is traced
            scope = "/".join(_symbolic.tracing.scope[:-1])
        ready: dict[int, dict[str, Variable]] = {}
        for weight in told["weights"]:
            inner = weight["name"][len(self.name) + 1 :]
            part, rest = _arguments.owner_of(self, inner)
            if part is not None:
                if id(part) not in ready:
                    ready[id(part)] = _arguments.weights_by_name(part)
                if rest in ready[id(part)]:
                    self._slots.append((inner, ready[id(part)][rest]))
                    continue
            variable = Variable(
                None,
                shape=weight["shape"],
                dtype=weight["dtype"],
                trainable=weight["trainable"],
                name=inner.rsplit("/", 1)[-1],
                path=_arguments.weight_path(self, scope, inner),
            )
            variable.trainable = variable.is_natural and self.trainable
            variable.regularizer = _arguments.setting_of(part or self, rest, "regularizer")
            variable.constraint = _arguments.setting_of(part or self, rest, "constraint")
            birth.add(weight["name"], variable)
            variable._pending = _arguments.first_value(part or self, rest, variable)
            self._slots.append((inner, variable))
        _arguments.hand_down(self)

    # -- what the core is told --------------------------------------------------------------------

    def _core_entry(
        self, writer: Any, name: str, prefix: str, calls: list[Node], trainable: bool
    ) -> dict[str, Any]:
        """Its entry in the core's configuration; ``writer`` None: nobody asks for weights."""
        if self._traces():
            from ebb.keras._tracing import traced_entry

            return traced_entry(self, writer, name, prefix, calls, trainable)
        return self._native_entry(writer, name, prefix, trainable)

    def _native_entry(self, writer: Any, name: str, prefix: str, trainable: bool) -> dict[str, Any]:
        """The entry of the library's own class."""
        if writer is not None:
            for inner, variable in self._slots:
                writer.table[f"{prefix}{name}/{inner}"] = variable
            if self._slots:
                writer.frozen[prefix + name] = not (trainable and self.trainable)
            _states.note(self, prefix + name, writer.stateful)
            if writer.is_brief:
                return {"config": {}}
        config = _arguments.core_config(self)
        config.update(name=name, trainable=self.trainable and trainable)
        if self.activity_regularizer is not None and not self._traces():
            config["activity_regularizer"] = serialize(self.activity_regularizer)
        return {**name_of_class(native_class(type(self))), "config": config}

    # -- weights ----------------------------------------------------------------------------------

    def _sublayers(self) -> Iterator[Layer]:
        """Layers among its attributes, and in lists and dictionaries among them."""
        for name, value in self.__dict__.items():
            if type(value) in _PLAIN or name in ("_given", "_eager"):
                continue
            if isinstance(value, Layer):
                yield value
            elif isinstance(value, (list, tuple, dict)) and value:
                yield from (leaf for leaf in _tree.leaves(value) if isinstance(leaf, Layer))

    @property
    def _layers(self) -> list[Layer]:
        return list(dict.fromkeys(self._sublayers()))

    @property
    def weights(self) -> list[Variable]:
        """Every weight: its own, then those of the layers in it."""
        if self._waits:
            self._build_waiting()
        found: dict[int, Variable] = {}
        if self._slots:
            for part in _tree.leaves(list(_cells.opened(self).values())):
                found.update((id(variable), variable) for variable in part.weights)
        found.update((id(variable), variable) for _, variable in self._slots)
        found.update((id(variable), variable) for variable in self._added)
        for name, value in self.__dict__.items():
            if isinstance(value, Variable) and name != "_added":
                found.setdefault(id(value), value)
        if not self._slots:
            for layer in self._layers:
                found.update((id(variable), variable) for variable in layer.weights)
        return list(found.values())

    @property
    def variables(self) -> list[Variable]:
        """Weights, and the states of generators of random numbers: each layer's behind its own."""
        if not any(True for _ in self._all_generators()):
            return self.weights
        if self._waits:
            self._build_waiting()
        own = {id(variable): variable for variable in self.weights}
        for layer in self._layers:
            for variable in layer.weights:
                if not self._slots:
                    own.pop(id(variable), None)
        found = dict(own)
        for generator in generators_of(self, native_class(type(self))):
            found[id(generator.state)] = generator.state
        for layer in self._layers:
            found.update((id(variable), variable) for variable in layer.variables)
        return list(found.values())

    def _all_generators(self) -> Iterator[SeedGenerator]:
        """Its generators of random numbers, and those of layers in it."""
        yield from generators_of(self, native_class(type(self)))
        for layer in self._layers:
            yield from layer._all_generators()

    @property
    def trainable_weights(self) -> list[Variable]:
        """Those that training may change."""
        if not self.trainable:
            return []
        return [variable for variable in self.weights if variable.trainable]

    @property
    def non_trainable_weights(self) -> list[Variable]:
        """Those that training leaves alone."""
        if not self.trainable:
            return self.weights
        return [variable for variable in self.weights if not variable.trainable]

    trainable_variables = trainable_weights

    @property
    def non_trainable_variables(self) -> list[Variable]:
        """Those that training leaves alone, states of generators of random numbers among them."""
        if not self.trainable:
            return self.variables
        return [variable for variable in self.variables if not variable.trainable]

    @property
    def trainable(self) -> bool:
        """Whether training may change its weights; holds from the next ``compile`` on."""
        return self._trainable

    @trainable.setter
    def trainable(self, value: bool) -> None:
        self._trainable = bool(value)
        clock.freezes += 1
        for variable in [variable for _, variable in self._slots] + self._added:
            variable.trainable = bool(value) and variable.is_natural
        for layer in self._layers:
            layer.trainable = value

    def get_weights(self) -> list[Array]:
        """Give copies of all weights, in the order of ``weights``.

        Returns
        -------
        list of numpy.ndarray
        """
        return [variable._read() for variable in self.weights]

    def set_weights(self, weights: Any) -> None:
        """Set all weights.

        Parameters
        ----------
        weights : list of array
            As ``get_weights()`` gives them.

        Raises
        ------
        ValueError
            Their number or a shape differs; nothing is changed then.
        """
        own, given = self.weights, [to_numpy(value) for value in weights]
        if len(own) != len(given):
            raise ValueError(
                f"You called `set_weights(weights)` on layer '{self.name}' with a weight list of "
                f"length {len(given)}, but the layer was expecting {len(own)} weights."
            )
        for variable, value in zip(own, given):
            if variable.shape != value.shape:
                raise ValueError(
                    f"Layer {self.name} weight shape {variable.shape} is not compatible with "
                    f"provided weight shape {value.shape}."
                )
        for variable, value in zip(own, given):
            variable.assign(value)

    def count_params(self) -> int:
        """Give the number of elements of all weights.

        Raises
        ------
        ValueError
            It has not been built.
        """
        if not self.built:
            raise ValueError(
                f"You tried to call `count_params` on layer '{self.name}', but the layer isn't "
                "built. You can build it manually via: `layer.build(input_shape)`."
            )
        return count_parameters(self.weights)

    def __getattr__(self, name: str) -> Any:
        own = getattr(type(self), name, None)
        if isinstance(own, property) and own.fget is not None:
            return own.fget(self)  # it raised an AttributeError, which says more
        if not name.startswith("_"):
            for inner, variable in self.__dict__.get("_slots", ()):
                if inner == name or inner.endswith("/" + name):
                    return variable
        raise AttributeError(f"'{type(self).__name__}' object has no attribute '{name}'")

    # -- types and shapes -------------------------------------------------------------------------

    @property
    def dtype(self) -> str:
        """In which it keeps its weights."""
        return self.dtype_policy.variable_dtype  # type: ignore[no-any-return]

    variable_dtype = dtype

    @property
    def compute_dtype(self) -> str:
        """In which it computes."""
        return self.dtype_policy.compute_dtype  # type: ignore[no-any-return]

    @property
    def input_shape(self) -> Any:
        """Shape, or shapes, of the first call's input."""
        return _tree.map_structure(lambda tensor: tensor.shape, self.input)

    @property
    def output_shape(self) -> Any:
        """Shape, or shapes, of what the first call gave."""
        return _tree.map_structure(lambda tensor: tensor.shape, self.output)

    @property
    def losses(self) -> list[Any]:
        """What its last call on numbers added, and the penalties of its trainable weights.

        Activity regularizers and ``add_loss`` add; gradient tapes know all of it.
        """
        from ebb.keras._penalties import losses_of

        return losses_of(self)

    @property
    def path(self) -> str:
        """Its name."""
        return self.name

    def compute_output_spec(self, *args: Any, **kwargs: Any) -> Any:
        """Give symbolic tensors like those that a call on such tensors gives."""
        return self(*args, **kwargs)

    def compute_output_shape(self, *shapes: Any, **named: Any) -> Any:
        """Give the shape of what it gives for a shape of input."""
        args = [_arguments.tensors_of(_arguments.shapes_of(shape), self) for shape in shapes]
        kwargs = {
            key.replace("_shape", ""): _arguments.tensors_of(_arguments.shapes_of(shape), self)
            for key, shape in named.items()
        }
        made = self(*args, **kwargs) if "input" not in kwargs else self(*kwargs.values())
        return _tree.map_structure(lambda tensor: tensor.shape, made)

    def compute_mask(self, inputs: Any, previous_mask: Any = None) -> Any:
        """Masks go along with tensors inside a model; there is none to compute here."""
        return previous_mask

    def stateless_call(self, *args: Any, **kwargs: Any) -> Any:
        """Not a part of ebb."""
        raise UnsupportedError("stateless_call() is for JAX; call the layer", self.name)

    def __reduce__(self) -> Any:
        from ebb.keras._copying import layer_again, layer_parts

        return layer_again, layer_parts(self)

    def __deepcopy__(self, memo: Any) -> Any:
        from ebb.keras._copying import layer_again, layer_parts

        return layer_again(*layer_parts(self))

    def quantize(self, mode: str, **kwargs: Any) -> None:
        """Quantization is of whole models."""
        raise UnsupportedError("quantize the model that has the layer", self.name)


def is_native(thing: Any) -> bool:
    """Is a class or function one of ebb's own?"""
    return _arguments.is_ours(thing)


def native_class(kind: type) -> type:
    """The class of ebb.keras that a class is or is derived from."""
    return next(base for base in kind.__mro__ if is_native(base))
