"""Optimizers: numbers, live learning rates, variables, schedules, configurations."""

from __future__ import annotations

import weakref
from typing import Any

import numpy as np
import pytest
from training_golden import check_case, classifier, data

from ebb import keras
from ebb._generated import optimizers as generated
from ebb._generated import schedules as generated_schedules


@pytest.mark.parametrize("case", ["optimizers", "schedules"])
def test_numbers_are_those_of_keras(case: str) -> None:
    check_case(case)


def trained(optimizer: Any) -> Any:
    """A classifier after one epoch."""
    x, y = data()
    model = classifier(keras)
    model.compile(optimizer, "sparse_categorical_crossentropy")
    model.fit(x, y, verbose=0, shuffle=False)
    return model


def test_the_rate_before_during_and_after() -> None:
    x, y = data()
    optimizer = keras.optimizers.Adam(0.5)
    assert float(optimizer.learning_rate) == 0.5
    optimizer.learning_rate = 0.25
    optimizer.learning_rate.assign(0.125)
    model = trained(optimizer)
    assert float(model.optimizer.learning_rate) == 0.125
    optimizer.learning_rate = 0.0
    before = model.get_weights()
    model.fit(x, y, verbose=0)
    assert all(np.array_equal(a, b) for a, b in zip(before, model.get_weights()))
    optimizer.lr = 0.5
    assert optimizer.get_config()["learning_rate"] == 0.5
    del model
    assert float(optimizer.learning_rate) == 0.5 and optimizer.built is False


def test_a_rate_is_a_number() -> None:
    rate = keras.optimizers.SGD(0.25).learning_rate
    assert rate * 2 == 0.5 and 1 - rate == 0.75 and rate < 1 and -rate == -0.25
    assert float(rate) == 0.25 and rate.numpy() == np.float32(0.25) and rate.shape == ()
    assert f"{rate:.3f}" == "0.250" and "0.25" in repr(rate) and rate.dtype == "float32"
    assert np.asarray(rate).dtype == np.float32 and round(rate, 1) == 0.2
    rate.assign_add(0.25)
    rate.assign_sub(0.125)
    assert float(rate) == 0.375


def test_variables_are_seen_and_set() -> None:
    model = trained("adam")
    optimizer = model.optimizer
    assert int(optimizer.iterations) == 3
    assert [v.name for v in optimizer.variables[:2]] == ["iteration", "learning_rate"]
    assert len(optimizer.variables) == 10
    momentum = optimizer.variables[2]
    assert momentum.shape == (4, 8) and np.abs(momentum.numpy()).sum() > 0
    momentum.assign(np.full((4, 8), 2))
    assert (optimizer.variables[2].numpy() == 2).all()
    optimizer.iterations.assign(100)
    assert int(optimizer.iterations) == 100
    gone = weakref.ref(model)
    del model
    assert gone() is None
    with pytest.raises(ValueError, match="not there any more"):
        momentum.numpy()
    assert len(optimizer.variables) == 2 and int(optimizer.iterations) == 0


def test_schedules_are_followed_and_not_set() -> None:
    schedule = keras.optimizers.schedules.ExponentialDecay(0.5, 3, 0.5, staircase=True)
    optimizer = keras.optimizers.SGD(schedule)
    assert float(optimizer.learning_rate) == 0.5
    model = trained(optimizer)
    assert float(optimizer.learning_rate) == 0.25
    with pytest.raises(TypeError, match="LearningRateSchedule"):
        optimizer.learning_rate = 0.1
    again = keras.optimizers.SGD.from_config(optimizer.get_config())
    assert type(again.get_config()["learning_rate"]) is dict
    assert float(again._rate(3)) == 0.25
    del model


@pytest.mark.parametrize("name", sorted({*generated.__all__} - {"MultiOptimizer"}))
def test_configurations_make_the_same(name: str) -> None:
    kind = getattr(keras.optimizers, name)
    if name == "LossScaleOptimizer":
        made = kind(keras.optimizers.SGD(0.1))
    else:
        made = kind(0.02)
    config = made.get_config()
    assert keras.optimizers.deserialize(keras.optimizers.serialize(made)).get_config() == config
    assert made.name == config["name"]


@pytest.mark.parametrize("name", sorted(generated_schedules.__all__))
def test_schedules_from_configurations(name: str) -> None:
    choices: dict[str, Any] = {
        "PiecewiseConstantDecay": {"boundaries": [2], "values": [0.1, 0.01]},
        "CosineDecayRestarts": {"initial_learning_rate": 0.1, "first_decay_steps": 5},
    }
    usual = {"initial_learning_rate": 0.1, "decay_steps": 5, "decay_rate": 0.5}
    given = choices.get(name, usual)
    if name in ("PolynomialDecay", "CosineDecay"):
        given.pop("decay_rate")
    made = getattr(keras.optimizers.schedules, name)(**given)
    again = keras.optimizers.schedules.deserialize(keras.optimizers.schedules.serialize(made))
    assert [made(step) for step in (0, 3, 9)] == [again(step) for step in (0, 3, 9)]


def test_optimizers_by_name_and_refusals() -> None:
    assert type(keras.optimizers.get("sgd")) is keras.optimizers.SGD
    assert type(keras.optimizers.get("RMSprop")) is keras.optimizers.RMSprop
    assert type(keras.optimizers.get({"class_name": "Adam", "config": {}})) is keras.optimizers.Adam
    assert type(keras.optimizers.get(keras.optimizers.Lion)) is keras.optimizers.Lion
    assert keras.optimizers.legacy.Adam is keras.optimizers.Adam
    with pytest.raises(ValueError, match=r"Argument.*not recognized.*lr"):
        keras.optimizers.Adam(lr=0.1)
    with pytest.raises(ValueError, match="identifier"):
        keras.optimizers.get("nothing")
    with pytest.raises(ValueError, match="identifier"):
        keras.optimizers.get(7)
    with pytest.raises(ValueError, match="No gradients"):
        keras.optimizers.Adam().apply_gradients([])


def test_an_optimizer_of_the_callers_own() -> None:
    class Named(keras.optimizers.SGD):
        """Only another default."""

        def __init__(self) -> None:
            super().__init__(learning_rate=0.25)

    class Own(keras.optimizers.Optimizer):
        """Python inside of a step."""

        def update_step(self, gradient: Any, variable: Any, rate: Any) -> None:
            """Nothing."""

    model = trained(Named())
    assert float(model.optimizer.learning_rate) == 0.25
    before = model.get_weights()
    model.compile(Own(0.1), "sparse_categorical_crossentropy")
    model.fit(*data(), verbose=0)
    assert int(model.optimizer.iterations) == 3
    assert all(np.array_equal(one, other) for one, other in zip(before, model.get_weights()))
