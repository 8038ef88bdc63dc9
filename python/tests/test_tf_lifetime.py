"""Memory: what tensors, operations, graphs and functions take is back when they go."""

from __future__ import annotations

import contextlib
import os
import threading
import weakref
from typing import Any

import numpy as np
import pytest

import ebb
from ebb import tf


def test_tensors_are_counted_to_the_byte() -> None:
    before = ebb.memory().live
    tensor = tf.zeros([1024, 1024])
    assert ebb.memory().live - before >= 4 << 20
    gone = weakref.ref(tensor)
    tensor = None
    assert gone() is None and ebb.memory().live == before


def test_what_operations_keep_goes_with_the_last_tensor() -> None:
    before = ebb.memory().live
    tensor = tf.constant(np.ones((8, 8), np.float32))
    for n in range(1, 40):
        tf.matmul(tensor, tf.ones([8, n]))
    assert ebb.memory().live > before
    del tensor
    assert ebb.memory().live == before


def test_what_operations_keep_is_bounded() -> None:
    keep = tf.constant(1.0)
    figures = []
    for n in range(300):
        keep + tf.ones([n + 1])
        figures.append(ebb.memory().live)
    assert figures[-1] <= max(figures[100:200]) + (1 << 20)
    del keep


def test_large_operations_keep_nothing() -> None:
    keep = tf.constant(1.0)
    x = tf.ones([2 << 20])
    before = ebb.memory().live
    y = x * 2.0
    assert ebb.memory().live - before == y.nbytes
    del y
    assert ebb.memory().live == before
    del x, keep


def test_a_loop_is_flat() -> None:
    x = tf.constant(np.ones((16, 16), np.float32))
    figures = set()
    for _ in range(200):
        y = tf.nn.relu(x @ x - 1.0)
        z = tf.reduce_mean(y, axis=0)
        figures.add(ebb.memory().live)
    assert len(figures) <= 2
    del x, y, z


def test_numpy_views_keep_the_memory_they_read() -> None:
    before = ebb.memory().live
    view = np.asarray(tf.ones([1000]))[10:20]
    assert ebb.memory().live > before and view.sum() == 10.0
    del view
    assert ebb.memory().live == before


def test_memory_of_a_closed_runtime_is_an_error() -> None:
    with ebb.Runtime() as runtime:
        tensor = tf.constant([1.0])
        assert runtime.memory().live > 0
    with pytest.raises(ebb.StaleHandleError):
        tensor.numpy()
    with pytest.raises(ebb.StaleHandleError):
        tensor + 1.0
    del tensor


def test_limits_hold_for_tensors() -> None:
    with ebb.Runtime(bytes_max="4MiB"):
        small = tf.ones([1000])
        with pytest.raises(tf.errors.ResourceExhaustedError):
            tf.ones([4 << 20])
        assert (small + 1.0).numpy()[0] == 2.0
        del small


def test_threads_share_tensors() -> None:
    x = tf.constant(np.arange(64, dtype=np.float32).reshape(8, 8))
    expected = (x @ x).numpy()
    wrong: list[Any] = []

    def work() -> None:
        for n in range(1, 30):
            if not np.array_equal(tf.matmul(x, x).numpy(), expected):
                wrong.append(n)
            if tf.ones([n]).numpy().sum() != n or not tf.executing_eagerly():
                wrong.append(n)

    threads = [threading.Thread(target=work) for _ in range(4)]
    for thread in threads:
        thread.start()
    with tf.Graph().as_default():
        for thread in threads:
            thread.join()
    assert not wrong


def test_graphs_belong_to_their_thread() -> None:
    seen: list[Any] = []
    with tf.Graph().as_default():
        thread = threading.Thread(target=lambda: seen.append(float(tf.constant(1.0) + 1.0)))
        thread.start()
        thread.join()
    assert seen == [2.0]


@pytest.mark.skipif(not hasattr(os, "fork"), reason="needs fork")
def test_children_of_fork_read_and_compute() -> None:
    tensor = tf.constant([1.0, 2.0]) + 1.0
    child = os.fork()
    if child == 0:
        code = 1
        try:
            good = tensor.numpy().tolist() == [2.0, 3.0]
            good = good and (tensor * 2.0).numpy().tolist() == [4.0, 6.0]
            code = 0 if good else 2
        finally:
            os._exit(code)
    _, status = os.waitpid(child, 0)
    assert os.waitstatus_to_exitcode(status) == 0
    assert (tensor * 2.0).numpy().tolist() == [4.0, 6.0]
    del tensor


def test_tapes_hold_nothing_afterwards() -> None:
    before = ebb.memory().live
    v = tf.Variable(np.ones((32, 32), np.float32))
    for _ in range(3):
        with tf.GradientTape() as tape:
            loss = tf.reduce_sum(v @ v)
        gradient = tape.gradient(loss, v)
        v.assign_sub(0.001 * gradient)
    del v, tape, loss, gradient
    assert ebb.memory().live == before


def test_errors_inside_blocks_leave_the_thread_as_it_was() -> None:
    blocks = [
        tf.Graph().as_default(),
        tf.device("/CPU:0"),
        tf.GradientTape(),
        tf.name_scope("a"),
        tf.compat.v1.Session(),
    ]
    with pytest.raises(KeyError), contextlib.ExitStack() as stack:
        for block in blocks:
            stack.enter_context(block)  # type: ignore[arg-type]
        raise KeyError
    del blocks, block, stack
    assert tf.executing_eagerly() and tf.constant(1.0).numpy() == 1.0
    assert tf.compat.v1.get_default_session() is None
    tf.compat.v1.reset_default_graph()


def test_resident_memory_is_flat() -> None:
    def resident() -> int:
        with open("/proc/self/statm") as statm:
            return int(statm.read().split()[1]) * os.sysconf("SC_PAGE_SIZE")

    x = tf.constant(np.ones((64, 64), np.float32))

    def work() -> None:
        for _ in range(200):
            tf.reduce_sum(tf.nn.softmax(x @ x) * 2.0).numpy()

    work()
    before = resident()
    work()
    assert resident() - before < 1 << 20
