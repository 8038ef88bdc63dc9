"""Sessions: what they run, what they refuse, what they own."""

from __future__ import annotations

import collections
import copy
import pickle
import sys
import weakref
from typing import Any

import numpy as np
import pytest

import ebb
from ebb import _context, tf

v1 = tf.compat.v1


def test_structures_of_fetches() -> None:
    Pair = collections.namedtuple("Pair", "first second")
    with tf.Graph().as_default() as graph, v1.Session() as session:
        a = tf.constant([1.0, 2.0])
        b = a * 2.0
        made = session.run({"a": a, "list": [b, (a, "mul:0")], "pair": Pair(b, tf.reduce_sum(a))})
        assert made["a"].tolist() == [1, 2] and made["list"][1][1].tolist() == [2, 4]
        assert made["pair"].second == 3.0 and isinstance(made["pair"].second, np.float32)
        assert session.run(b.op) is None and session.run([]) == []
        assert a.eval().tolist() == [1, 2] and v1.get_default_session() is session
        assert session.graph is graph
        for wrong in (3, graph, None):
            with pytest.raises(TypeError, match="fetch"):
                session.run(wrong)
        del a, b, session
    assert v1.get_default_session() is None


def test_feeds() -> None:
    with tf.Graph().as_default(), v1.Session() as session:
        x = v1.placeholder(tf.float32, [None, 2], "x")
        n = v1.placeholder(tf.int32, [])
        y = tf.reduce_sum(x, 1) * tf.cast(n, tf.float32)
        for rows in (1, 3, 1):
            made = session.run(y, {x: np.ones((rows, 2)), n: 2})
            assert made.tolist() == [4.0] * rows
        assert session.run(y, {"x:0": [[1, 2]], n: np.int64(3)}).tolist() == [9.0]
        for feed, kind, text in (
            ({x: np.ones((1, 2))}, tf.errors.InvalidArgumentError, "fed|feed"),
            ({x: np.ones((2, 3)), n: 1}, ValueError, r"shape \(2, 3\).*\(None, 2\)"),
            ({x: np.ones((1, 2)), n: 1.5}, TypeError, "not compatible"),
            ({x: y, n: 1}, TypeError, "feed cannot be"),
            ({"nope:0": 1}, TypeError, "feed_dict key"),
        ):
            with pytest.raises(kind, match=text):
                session.run(y, feed)
        call = session.make_callable(y, [x, n])
        assert call([[1, 1]], 5).tolist() == [10.0]
        del x, n, y, session, call, feed


def test_variables_belong_to_sessions() -> None:
    graph = tf.Graph()
    with graph.as_default():
        v = v1.get_variable("v", [2], initializer=v1.constant_initializer(3.0))
        up = v1.assign_add(v, [1.0, 1.0])
        start = v1.global_variables_initializer()
    first, second = v1.Session(graph=graph), v1.Session(graph=graph)
    with pytest.raises(tf.errors.FailedPreconditionError):
        first.run(v)
    for session in (first, second):
        session.run(start)
    assert first.run(up).tolist() == [4.0, 4.0] and second.run(v).tolist() == [3.0, 3.0]
    v.load([9.0, 9.0], second)
    assert first.run(v).tolist() == [4.0, 4.0] and second.run(v + 1.0).tolist() == [10.0, 10.0]
    first.close()
    second.close()
    del session


def test_closed_sessions_refuse() -> None:
    with tf.Graph().as_default():
        a = tf.constant(1.0)
        session = v1.Session()
        session.run(a)
        session.close()
        session.close()
        with pytest.raises(RuntimeError, match="Attempted to use a closed Session"):
            session.run(a)
        del a, session


def test_foreign_tensors_are_refused_and_eager_ones_are_there() -> None:
    eager = tf.constant([1.0]) * 2.0
    with v1.Session(graph=tf.Graph()) as session:
        assert session.run([eager, eager])[1].tolist() == [2.0]
        with tf.Graph().as_default():
            other = tf.constant(1.0)
        with pytest.raises(ValueError, match="not an element of this graph"):
            session.run(other)
        del other
    with pytest.raises(TypeError):
        v1.Session(graph=3)  # type: ignore[arg-type]


def test_a_session_gives_everything_back() -> None:
    def opened() -> tuple[object, object]:
        session = v1.Session(graph=tf.Graph())
        with session.graph.as_default():
            w = v1.get_variable("w", [256, 256], initializer=v1.ones_initializer())
            y = tf.matmul(w, w)
            session.run(v1.global_variables_initializer())
            assert session.run(y)[0, 0] == 256
        return session, y

    before = ebb.memory().live
    first, y = opened()
    held = ebb.memory().live
    assert held - before > 256 * 256 * 4
    second = opened()
    gone = weakref.ref(second[0])
    del second
    assert gone() is None and ebb.memory().live == held
    first.close()  # type: ignore[attr-defined]
    assert ebb.memory().live < held
    del first, y
    assert ebb.memory().live == before


def test_configurations_are_taken() -> None:
    config = v1.ConfigProto(allow_soft_placement=True, gpu_options=v1.GPUOptions(allow_growth=True))
    config.gpu_options.per_process_gpu_memory_fraction = 0.5
    config.intra_op_parallelism_threads = 1
    with v1.Session(graph=tf.Graph(), config=config) as session, tf.device("/GPU:5"):
        assert session.run(tf.constant(2.0) * 2.0) == 4.0
    strict = v1.ConfigProto(allow_soft_placement=False)
    with v1.Session(graph=tf.Graph(), config=strict) as session, tf.device("/GPU:63"):
        node = tf.constant(2.0) * 2.0
        with pytest.raises(tf.errors.InvalidArgumentError):
            session.run(node)
    del node, session


@pytest.mark.parametrize(
    "optimizer",
    [
        v1.train.GradientDescentOptimizer(0.1),
        v1.train.MomentumOptimizer(0.05, 0.9),
        v1.train.AdagradOptimizer(0.5),
        v1.train.RMSPropOptimizer(0.05),
        v1.train.AdamOptimizer(0.1),
    ],
    ids=lambda o: type(o).__name__,
)
def test_optimizers_of_graphs(optimizer: object) -> None:
    x = np.random.default_rng(0).random((64, 3), np.float32)
    y = x @ np.array([[1.0], [-2.0], [0.5]], np.float32)
    with tf.Graph().as_default(), v1.Session() as session:
        inputs = v1.placeholder(tf.float32, [None, 3])
        w = v1.get_variable("w", [3, 1], initializer=v1.zeros_initializer())
        step_count = v1.train.get_or_create_global_step()
        loss = tf.reduce_mean(tf.square(tf.matmul(inputs, w) - y))
        step = optimizer.minimize(loss, global_step=step_count)  # type: ignore[attr-defined]
        session.run(v1.global_variables_initializer())
        first = session.run(loss, {inputs: x})
        for _ in range(60):
            session.run(step, {inputs: x})
        assert session.run(loss, {inputs: x}) < 0.2 * first and session.run(step_count) == 60
        with pytest.raises(ValueError, match="No gradients"):
            optimizer.minimize(tf.constant(1.0))  # type: ignore[attr-defined]
        del inputs, w, loss, step, step_count, session


def test_adam_is_tensorflows() -> None:
    """Two steps on w = 1 with gradient 2 w, by hand."""
    with tf.Graph().as_default(), v1.Session() as session:
        w = v1.get_variable("w", [], initializer=v1.ones_initializer())
        step = v1.train.AdamOptimizer(0.1).minimize(w * w)
        session.run(v1.global_variables_initializer())
        value, mean, size = 1.0, 0.0, 0.0
        for t in (1, 2):
            session.run(step)
            mean, size = 0.9 * mean + 0.2 * value, 0.999 * size + 0.001 * 4 * value**2
            rate = 0.1 * (1 - 0.999**t) ** 0.5 / (1 - 0.9**t)
            value -= rate * mean / (size**0.5 + 1e-8)
            assert abs(session.run(w) - value) < 1e-5
        del w, step, session


def test_interactive_sessions() -> None:
    session = v1.InteractiveSession(graph=tf.Graph())
    assert (tf.constant([1.0]) + 1.0).eval().tolist() == [2.0]
    session.close()
    assert tf.executing_eagerly() and v1.get_default_session() is None


def test_names_without_compat_v1() -> None:
    assert tf.Session is v1.Session and tf.placeholder is v1.placeholder
    with pytest.raises(RuntimeError, match="not compatible with eager"):
        tf.placeholder(tf.float32, [1])


def test_neither_graphs_nor_sessions_are_copied() -> None:
    """A copy would give the original's memory back."""
    with tf.Graph().as_default() as graph, v1.Session() as session:
        total = tf.constant([1.0]) + 2.0
        session.run(total)
        for owner in (graph, session):
            for make in (copy.copy, copy.deepcopy, pickle.dumps):
                with pytest.raises(TypeError, match=r"cannot (copy|pickle)"):
                    make(owner)
        assert session.run(total) == [3.0]
        del total, owner


def test_what_an_interrupt_leaves_entered_is_left() -> None:
    """Blocks whose end never ran: what they entered goes with their objects."""

    def cut_short() -> None:
        with tf.Graph().as_default():
            v1.Session().__enter__().run(tf.constant(1.0))
            tf.device("CPU:0").__enter__()
        tf.GradientTape().__enter__()
        tf.init_scope().__enter__()
        tf.Graph().as_default().__enter__()

    cut_short()
    assert tf.executing_eagerly() and v1.get_default_session() is None
    v1.reset_default_graph()
    state = _context.state
    assert not (state.graphs or state.sessions or state.tapes or state.devices)


def test_an_interrupt_at_every_line(monkeypatch: pytest.MonkeyPatch) -> None:
    """A graph and a tape, interrupted at the n-th line of ebb's own code."""
    monkeypatch.setattr(sys, "unraisablehook", lambda _: None)  # pytest's keeps the traceback

    def life() -> None:
        with tf.Graph().as_default(), v1.Session() as session:
            w = v1.get_variable("w", (2, 2))
            session.run(v1.global_variables_initializer())
            session.run(tf.matmul(w, w))
            del w, session
        v = tf.Variable([1.0, 2.0])
        with tf.GradientTape() as tape, tf.device("CPU:0"):
            loss = v * v
        tape.gradient(loss, v)

    def run(stop: int) -> int:
        seen = 0

        def trace(frame: Any, event: str, argument: Any) -> Any:
            nonlocal seen
            name = frame.f_code.co_filename
            if "/ebb/tf/" not in name and "/ebb/_graph" not in name and "_context" not in name:
                return None
            if frame.f_code.co_name in ("leave", "__del__"):
                return None
            if event in ("line", "return"):
                seen += 1
                if seen == stop:
                    sys.settrace(None)
                    raise KeyboardInterrupt
            return trace

        sys.settrace(trace)
        try:
            life()
        except KeyboardInterrupt:
            pass
        finally:
            sys.settrace(None)
        return seen

    run(-1)
    lines = run(-1)
    assert lines > 100
    life()
    before = ebb.memory().live - ebb.memory().cached
    for stop in range(1, lines + 1, 3):
        run(stop)
        assert ebb.memory().live - ebb.memory().cached == before, stop
        assert tf.executing_eagerly() and v1.get_default_session() is None, stop
        v1.reset_default_graph()
