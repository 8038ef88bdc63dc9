"""Recurrent layers: cells, states that are kept, loops that Python wrote. For Keras and for ebb."""

from __future__ import annotations

import pathlib
import tempfile
from typing import Any

import numpy as np

CASES: dict[str, Any] = {}


def case(function: Any) -> Any:
    """A function of Keras whose result is told."""
    CASES[function.__name__] = function
    return function


def numbers(*shape: int, seed: int = 0) -> Any:
    """Normal ones, the same everywhere."""
    return np.random.default_rng(seed).normal(size=shape).astype("float32")


def fill(part: Any) -> Any:
    """Weights that do not depend on initializers."""
    draw = np.random.default_rng(1)
    shapes = [weight.shape for weight in part.get_weights()]
    part.set_weights([draw.normal(size=shape).astype("float32") * 0.4 for shape in shapes])
    return part


def told(value: Any) -> Any:
    """Arrays as lists."""
    if isinstance(value, (list, tuple)):
        return [told(item) for item in value]
    return np.asarray(value).astype("float64").round(6).tolist()


def paths(part: Any) -> list[Any]:
    """Names and shapes of weights."""
    return [[weight.path, list(weight.shape)] for weight in part.weights]


def trained(keras: Any, *layers: Any, shape: tuple[Any, ...] = (5, 3)) -> Any:
    """Names, predictions, losses of two epochs, predictions after them."""
    model = fill(keras.Sequential([keras.Input(shape), *layers]))
    x = numbers(4, *(length or 5 for length in shape))
    before = model.predict(x, verbose=0)
    model.compile("sgd", "mse")
    history = model.fit(x, np.zeros_like(before), epochs=2, batch_size=2, shuffle=False, verbose=0)
    after = model.predict(x, verbose=0)
    return [paths(model), told(before), told(history.history["loss"]), told(after)]


# -- cells of the library -----------------------------------------------------------------------


@case
def cells_by_themselves(keras: Any) -> Any:
    kinds = (keras.layers.LSTMCell, keras.layers.GRUCell, keras.layers.SimpleRNNCell)
    return [trained(keras, keras.layers.RNN(kind(4), return_sequences=True)) for kind in kinds]


@case
def lists_of_cells(keras: Any) -> Any:
    layers = keras.layers
    cells = [layers.LSTMCell(4), layers.GRUCell(3), layers.LSTMCell(2)]
    stack = layers.StackedRNNCells([layers.LSTMCell(4), layers.LSTMCell(2)])
    return [
        trained(keras, layers.RNN(cells)),
        trained(keras, layers.RNN(stack, return_sequences=True)),
        trained(keras, layers.RNN([layers.GRUCell(4)], go_backwards=True), shape=(None, 3)),
    ]


@case
def both_directions(keras: Any) -> Any:
    layers = keras.layers
    return [
        trained(keras, layers.Bidirectional(layers.RNN(layers.LSTMCell(4)))),
        trained(keras, layers.Bidirectional(layers.RNN([layers.LSTMCell(4), layers.GRUCell(3)]))),
        trained(
            keras,
            layers.Bidirectional(
                layers.LSTM(4), backward_layer=layers.GRU(4, go_backwards=True), merge_mode="sum"
            ),
        ),
    ]


@case
def steps_by_hand(keras: Any) -> Any:
    layers, found = keras.layers, []
    for cell in (layers.LSTMCell(4), layers.GRUCell(4), layers.SimpleRNNCell(4)):
        cell.build((2, 3))
        fill(cell)
        size = cell.state_size if isinstance(cell.state_size, list) else [cell.state_size]
        states = [numbers(2, n, seed=number + 1) for number, n in enumerate(size)]
        made = cell(numbers(2, 3), states)
        found.append([type(made).__name__, type(made[1]).__name__, size, cell.output_size])
        found.append([told(made[0]), told(list(made[1])), paths(cell)])
    return found


@case
def stacks_by_hand(keras: Any) -> Any:
    cell = keras.layers.StackedRNNCells([keras.layers.LSTMCell(4), keras.layers.GRUCell(3)])
    states = cell.get_initial_state(batch_size=2)
    made = cell(numbers(2, 3), states)
    return [
        cell.state_size,
        cell.output_size,
        told(states),
        [[list(np.shape(state)) for state in one] for one in made[1]],
        list(np.shape(made[0])),
    ]


@case
def states_of_stacks(keras: Any) -> Any:
    layers = keras.layers
    inputs = keras.Input((5, 3))
    layer = layers.RNN([layers.LSTMCell(4), layers.GRUCell(3)], return_state=True)
    made = layer(inputs)
    shapes = [[tuple(s.shape) for s in one] if isinstance(one, list) else one.shape for one in made]
    model = fill(keras.Model(inputs, made[0]))
    return [str(shapes), told(model.predict(numbers(2, 5, 3), verbose=0)), str(layer.state_size)]


@case
def what_layers_tell(keras: Any) -> Any:
    layers = keras.layers
    lstm, rnn = layers.LSTM(4), layers.RNN([layers.LSTMCell(4), layers.GRUCell(3)])
    return [
        [lstm.cell.state_size, type(lstm.cell).__name__, lstm.cell.name, lstm.units],
        [str(lstm.state_size), str(rnn.state_size), rnn.name, rnn.cell.name],
        [cell.name for cell in rnn.cell.cells],
        list(rnn.get_config()),
        list(layers.LSTMCell(3).get_config()),
    ]


@case
def encoder_and_decoder(keras: Any) -> Any:
    layers = keras.layers
    source, target = keras.Input((None, 3)), keras.Input((None, 2))
    _, *states = layers.LSTM(4, return_state=True)(source)
    decoder = layers.LSTM(4, return_sequences=True, return_state=True)
    dense = layers.Dense(2, activation="softmax")
    model = fill(keras.Model([source, target], dense(decoder(target, initial_state=states)[0])))
    model.compile("sgd", "categorical_crossentropy")
    x = [numbers(4, 5, 3), numbers(4, 6, 2, seed=1)]
    y = np.eye(2, dtype="float32")[np.random.default_rng(0).integers(0, 2, (4, 6))]
    loss = model.fit(x, y, epochs=2, batch_size=2, shuffle=False, verbose=0).history["loss"]
    encoder = keras.Model(source, states)
    given = [keras.Input((4,)), keras.Input((4,))]
    step, *after = decoder(target, initial_state=given)
    inference = keras.Model([target, *given], [dense(step), *after])
    told_steps, token, now = [], x[1][:, :1], encoder.predict(x[0], verbose=0)
    for _ in range(3):
        token, *now = inference.predict([token, *now], verbose=0)
        told_steps.append(told(token))
    return [told(loss), told_steps, paths(model)]


# -- states that are kept -----------------------------------------------------------------------


@case
def states_between_predictions(keras: Any) -> Any:
    found = []
    for kind in ("LSTM", "GRU", "SimpleRNN"):
        layer = getattr(keras.layers, kind)(4, stateful=True)
        model = fill(keras.Sequential([keras.Input(batch_shape=(2, 5, 3)), layer]))
        x = numbers(2, 5, 3)
        first = [told(model.predict(x, verbose=0)) for _ in range(2)]
        layer.reset_states()
        again = told(model.predict(x, verbose=0))
        layer.reset_state()
        found.append([first, again, told(model(x)), told(model(x)), told(list(layer.states))])
    return found


@case
def states_between_batches(keras: Any) -> Any:
    layers = keras.layers
    layer = layers.SimpleRNN(4, stateful=True)
    model = fill(keras.Sequential([keras.Input(batch_shape=(2, 5, 3)), layer]))
    return told(model.predict(numbers(6, 5, 3), batch_size=2, verbose=0))


@case
def states_in_training(keras: Any) -> Any:
    layers = keras.layers
    stack = [layers.LSTM(4, stateful=True, return_sequences=True), layers.GRU(3, stateful=True)]
    model = fill(keras.Sequential([keras.Input(batch_shape=(2, 5, 3)), *stack, layers.Dense(1)]))
    model.compile("sgd", "mse")
    x, y = numbers(8, 5, 3), numbers(8, 1, seed=3)
    how: Any = {"batch_size": 2, "verbose": 0}
    first = model.fit(x, y, epochs=2, shuffle=False, **how).history["loss"]
    middle = model.evaluate(x, y, **how)
    kept = told([state for layer in stack for state in layer.states])
    for layer in stack:
        layer.reset_states()
    last = model.fit(x, y, epochs=1, shuffle=False, **how).history["loss"]
    return [told(first), told(middle), kept, told(last), told(model.predict(x, **how))]


@case
def states_that_are_set(keras: Any) -> Any:
    layer = keras.layers.LSTM(4, stateful=True)
    model = fill(keras.Sequential([keras.Input(batch_shape=(2, 5, 3)), layer]))
    model.predict(numbers(2, 5, 3), verbose=0)
    layer.states[0].assign(np.ones((2, 4), "float32"))
    layer.states[1].assign(np.zeros((2, 4), "float32"))
    counts = [len(model.weights), len(model.trainable_variables)]
    return [told(model.predict(numbers(2, 5, 3), verbose=0)), counts]


@case
def states_of_both_directions(keras: Any) -> Any:
    layers = keras.layers
    layer = layers.Bidirectional(layers.LSTM(4, stateful=True))
    model = fill(keras.Sequential([keras.Input(batch_shape=(2, 5, 3)), layer]))
    x = numbers(2, 5, 3)
    first = [told(model.predict(x, verbose=0)) for _ in range(2)]
    layer.reset_state()
    return [first, told(model.predict(x, verbose=0))]


# -- cells written in Python --------------------------------------------------------------------


def cell_class(keras: Any) -> Any:
    """A cell with a weight of its own, a layer in it and two states."""
    ops, layers = keras.ops, keras.layers

    class Peep(layers.Layer):  # type: ignore[misc, name-defined]
        def __init__(self, units: int, **kwargs: Any) -> None:
            super().__init__(**kwargs)
            self.units = self.output_size = units
            self.state_size = [units, units]
            self.gates = layers.Dense(4 * units)

        def build(self, input_shape: Any) -> None:
            self.p = self.add_weight(shape=(self.units,), name="p", initializer="ones")
            self.gates.build((input_shape[0], input_shape[-1] + self.units))
            self.built = True

        def call(self, inputs: Any, states: Any, training: Any = False) -> Any:
            h, c = states
            z = self.gates(ops.concatenate([inputs, h], axis=-1))
            i, f, g, o = ops.split(z, 4, axis=-1)
            c = ops.sigmoid(f + self.p * c) * c + ops.sigmoid(i) * ops.tanh(g)
            h = ops.sigmoid(o) * ops.tanh(c)
            return h, [h, c]

        def get_config(self) -> Any:
            return {**super().get_config(), "units": self.units}

    return Peep


@case
def a_cell_of_python(keras: Any) -> Any:
    layers, peep = keras.layers, cell_class(keras)
    made = [
        trained(keras, layers.RNN(peep(4)), layers.Dense(2)),
        trained(keras, layers.RNN(peep(4), return_sequences=True)),
        trained(keras, layers.RNN(peep(4), return_sequences=True, go_backwards=True)),
        trained(keras, layers.RNN([peep(4), layers.GRUCell(2), peep(3)], return_sequences=True)),
        trained(keras, layers.TimeDistributed(layers.RNN(peep(4))), shape=(2, 5, 3)),
    ]
    with keras.saving.custom_object_scope({"Peep": peep}):
        made.append(trained(keras, layers.Bidirectional(layers.RNN(peep(4)))))
    return made


@case
def a_cell_of_python_and_masks(keras: Any) -> Any:
    layers, peep = keras.layers, cell_class(keras)
    found = []
    for zeroes in (False, True):
        layer = layers.RNN(peep(4), return_sequences=True, zero_output_for_mask=zeroes)
        embedding = layers.Embedding(7, 3, mask_zero=True)
        model = fill(keras.Sequential([keras.Input((5,)), embedding, layer]))
        x = np.array([[1, 2, 3, 0, 0], [4, 5, 0, 0, 0], [0, 2, 3, 4, 5]])
        found.append(told(model.predict(x, verbose=0)))
    return found


@case
def states_of_a_cell_of_python(keras: Any) -> Any:
    layer = keras.layers.RNN(cell_class(keras)(4), stateful=True, return_state=True)
    inputs = keras.Input(batch_shape=(2, 5, 3))
    model = fill(keras.Model(inputs, layer(inputs)))
    found = [told(model.predict(numbers(2, 5, 3), verbose=0)) for _ in range(2)]
    begun = keras.layers.RNN(cell_class(keras)(4))
    given = [keras.Input((5, 3)), keras.Input((4,)), keras.Input((4,))]
    other = fill(keras.Model(given, begun(given[0], initial_state=given[1:])))
    x = [numbers(2, 5, 3), numbers(2, 4, seed=1), numbers(2, 4, seed=2)]
    return [found, told(other.predict(x, verbose=0))]


@case
def a_cell_of_the_library_that_is_changed(keras: Any) -> Any:
    class Twice(keras.layers.LSTMCell):  # type: ignore[misc]
        def call(self, inputs: Any, states: Any, training: Any = False) -> Any:
            output, states = super().call(inputs, states)
            return output * 2, states

    return trained(keras, keras.layers.RNN(Twice(4)), keras.layers.Dense(2))


@case
def a_cell_of_python_in_files(keras: Any) -> Any:
    layers, peep = keras.layers, cell_class(keras)
    layer = layers.RNN([peep(4), layers.GRUCell(2)])
    model = fill(keras.Sequential([keras.Input((5, 3)), layer, layers.Dense(1)]))
    x = numbers(2, 5, 3)
    with tempfile.TemporaryDirectory() as folder:
        path = str(pathlib.Path(folder) / "model.keras")
        model.save(path)
        again = keras.models.load_model(path, custom_objects={"Peep": peep})
    return [told(model.predict(x, verbose=0)), told(again.predict(x, verbose=0)), paths(again)]
