"""Graphs: nodes, names, scopes, variables, and what belongs to whom."""

from __future__ import annotations

import weakref

import numpy as np
import pytest

import ebb
from ebb import tf

v1 = tf.compat.v1


def test_nodes_have_names_types_and_shapes() -> None:
    with tf.Graph().as_default() as graph:
        x = v1.placeholder(tf.float32, [None, 3], name="x")
        y = x + 1.0
        z = tf.matmul(y, tf.ones([3, 2]), name="product")
        assert (x.name, y.name, z.name) == ("x:0", "add:0", "product:0")
        assert y.shape == (None, 3) and z.shape == (None, 2) and z.dtype == tf.float32
        assert z.op.type == "MatMul" and z.op.name == "product" and z.op.outputs[0] == z
        assert next(t.name for t in z.op.inputs) == "add:0" and y.consumers() == [z.op]
        assert graph.get_tensor_by_name("product:0") == z and x in {x: 1}
        assert graph.get_operation_by_name("x").type == "Placeholder"
        assert next(op.name for op in graph.get_operations()) == "x"
        assert repr(x) == "<tf.Tensor 'x:0' shape=(None, 3) dtype=float32>"
        assert str(y) == 'Tensor("add:0", shape=(None, 3), dtype=float32)'
        assert repr(z.op) == "<tf.Operation 'product' type=MatMul>"
        with pytest.raises(KeyError, match="nope"):
            graph.get_tensor_by_name("nope:0")
        with pytest.raises(ValueError, match="op_name"):
            graph.get_tensor_by_name("product")
        with pytest.raises(AttributeError):
            x.numpy()
        del x, y, z


def test_tensors_of_graphs_have_no_value() -> None:
    with tf.Graph().as_default():
        x = tf.constant([1.0, 2.0])
        for use in (bool, float, int, list, np.asarray):
            with pytest.raises((TypeError, NotImplementedError)):
                use(x)
        same = x
        assert (x == same) is True and (x == 1.0) is False and len({x, same}) == 1
        del x, same


def test_scopes_of_names() -> None:
    with tf.Graph().as_default():
        with tf.name_scope("a") as scope:
            assert scope == "a/" and tf.constant(1.0).name == "a/Const:0"
            with tf.name_scope("b"):
                assert tf.constant(1.0).name == "a/b/Const:0"
        with tf.name_scope("a"):
            assert tf.constant(1.0).name == "a_1/Const:0"
        assert (
            tf.constant(1.0, name="c").name == "c:0" and tf.constant(1.0, name="c").name == "c_1:0"
        )
        with pytest.raises(ValueError, match="valid node name"):
            tf.constant(1.0, name="no name")


def test_variables_are_made_and_found_by_name() -> None:
    with tf.Graph().as_default() as graph:
        with v1.variable_scope("layer"):
            w = v1.get_variable("w", [2, 3])
            b = v1.get_variable("b", [3], initializer=v1.zeros_initializer(), trainable=False)
        assert (w.name, b.name) == ("layer/w:0", "layer/b:0") and w.shape == (2, 3)
        with v1.variable_scope("layer", reuse=True):
            assert v1.get_variable("w") == w and v1.get_variable("w", [2, 3]) == w
            with pytest.raises(ValueError, match="specified shape"):
                v1.get_variable("w", [4])
            with pytest.raises(ValueError, match="does not exist"):
                v1.get_variable("other", [4])
        with v1.variable_scope("layer", reuse=v1.AUTO_REUSE):
            assert v1.get_variable("fresh", [1]).name == "layer/fresh:0"
        with v1.variable_scope("layer"), pytest.raises(ValueError, match="already exists"):
            v1.get_variable("w", [2, 3])
        names = [v.name for v in v1.global_variables()]
        assert names == ["layer/w:0", "layer/b:0", "layer/fresh:0"]
        assert [v.name for v in v1.trainable_variables()] == ["layer/w:0", "layer/fresh:0"]
        assert len(graph.get_collection("variables", "layer/w")) == 1
        assert isinstance(w, tf.Variable) and isinstance(tf.Variable(1.0), tf.Variable)
        del w, b


def test_the_default_graph_is_the_innermost() -> None:
    assert tf.executing_eagerly()
    outer, inner = tf.Graph(), tf.Graph()
    with outer.as_default():
        assert not tf.executing_eagerly() and v1.get_default_graph() is outer
        with inner.as_default():
            assert tf.constant(1.0).graph is inner
        assert tf.constant(1.0).graph is outer
        with tf.init_scope():
            assert tf.executing_eagerly() and tf.constant(1.0).numpy() == 1.0
    assert tf.constant(1.0).numpy() == 1.0
    with pytest.raises(ValueError, match="graph"), outer.as_default():
        first = tf.constant(1.0)
        with inner.as_default():
            first + tf.constant(1.0)


def test_reset_gives_the_default_graph_back_with_its_tensors_around() -> None:
    v1.reset_default_graph()
    before = ebb.memory().live
    graph = v1.get_default_graph()
    with graph.as_default():
        a = tf.constant(np.ones((64, 64)))
        with pytest.raises(AssertionError, match="nested graphs"):
            v1.reset_default_graph()
    assert ebb.memory().live > before
    session = v1.Session(graph=graph)
    assert session.run(a).shape == (64, 64)
    v1.reset_default_graph()
    assert session.run(a).shape == (64, 64)  # an open session keeps its graph
    session.close()
    assert ebb.memory().live == before and v1.get_default_graph() is not graph
    with v1.Session() as other, pytest.raises((ValueError, RuntimeError)):
        other.run(a)
    assert repr(a).startswith("<tf.Tensor 'Const:0'")
    v1.reset_default_graph()


def test_graph_mode_everywhere() -> None:
    v1.disable_eager_execution()
    try:
        with tf.device("/CPU:0"):
            c = tf.constant([1.0, 2.0]) + tf.constant([3.0, 4.0])
        assert not tf.executing_eagerly() and "CPU:0" in c.device
        with v1.Session() as session:
            assert session.run(c).tolist() == [4.0, 6.0]
        del session
    finally:
        v1.enable_eager_execution()
        v1.reset_default_graph()
    assert tf.executing_eagerly()


def test_gradients_and_control() -> None:
    with tf.Graph().as_default(), v1.Session() as session:
        x = v1.placeholder(tf.float32, [2])
        y = tf.reduce_sum(x * x)
        (slope,) = tf.gradients(y, x)
        assert session.run(slope, {x: [1.0, 2.0]}).tolist() == [2.0, 4.0]
        assert tf.gradients(y, tf.constant(1.0)) == [None]
        v = v1.get_variable("v", [], initializer=v1.zeros_initializer())
        session.run(v1.global_variables_initializer())
        with tf.control_dependencies([v1.assign_add(v, 1.0)]):
            done = v1.no_op()
        session.run([done, done])
        assert session.run(v) == 1.0
        session.run(tf.group(v.assign(5.0), name="set"))
        assert session.run(v) == 5.0 and session.run("set") is None
        session.run(v.initializer)
        assert session.run(v) == 0.0
        del x, y, slope, v, done, session
    with pytest.raises(RuntimeError, match="GradientTape"):
        tf.gradients(tf.constant(1.0), tf.constant(1.0))


def test_a_graph_goes_with_its_last_reference() -> None:
    before = ebb.memory().live
    graph = tf.Graph()
    with graph.as_default():
        x = tf.constant(np.ones(5000))
        v = v1.get_variable("v", [10])
        graph.add_to_collection("kept", x)
        assert graph.get_collection("kept")[0] == x
    gone = weakref.ref(graph)
    del graph, v
    assert gone() is not None and ebb.memory().live > before
    del x
    assert gone() is None and ebb.memory().live == before


def test_a_finished_graph_takes_nothing_more() -> None:
    graph = tf.Graph()
    with graph.as_default():
        tf.constant(1.0)
        graph.finalize()
        assert graph.finalized
        with pytest.raises(RuntimeError):
            tf.constant(2.0)
