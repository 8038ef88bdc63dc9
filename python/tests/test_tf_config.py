"""Devices, memory figures, the profiler and the logger. What can be set once only is set in a
process of its own."""

from __future__ import annotations

import logging
import os
import pathlib
import subprocess
import sys

import pytest

import ebb
from ebb import tf


def run(text: str) -> str:
    """What a fresh process prints."""
    code = "import ebb, ebb.tf as tf\n" + text
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False,
                          env={**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)})  # fmt: skip
    assert done.returncode == 0, done.stderr
    return done.stdout


def test_devices_are_listed() -> None:
    assert str(tf.config.list_physical_devices("CPU")) == (
        "[PhysicalDevice(name='/physical_device:CPU:0', device_type='CPU')]"
    )
    assert tf.config.list_logical_devices("CPU")[0].name == "/device:CPU:0"
    assert tf.config.experimental.list_physical_devices("TPU") == []
    assert tf.test.is_gpu_available() == bool(tf.config.list_physical_devices("GPU"))
    details = tf.config.experimental.get_device_details(tf.config.list_physical_devices()[0])
    assert details["device_name"]


def test_devices_are_divided_before_they_are_used() -> None:
    out = run("""
cpu = tf.config.list_physical_devices("CPU")[0]
Part = tf.config.LogicalDeviceConfiguration
parts = [Part(memory_limit=1), Part()]
tf.config.set_logical_device_configuration(cpu, parts)
assert tf.config.get_logical_device_configuration(cpu) == parts
print([d.name for d in tf.config.list_logical_devices()])
with tf.device("/CPU:1"):
    x = tf.constant([1.0]) * 2.0
    print(x.device)
y = x + 1.0
print(y.device)
try:
    tf.zeros([1024, 1024])
except tf.errors.ResourceExhaustedError as error:
    print("OOM" in str(error))
with tf.device("/CPU:1"):
    print(tf.zeros([1024, 1024]).shape)
tf.config.set_logical_device_configuration(cpu, parts)
try:
    tf.config.set_logical_device_configuration(cpu, parts + parts)
except RuntimeError as error:
    print(error)
try:
    tf.config.set_memory_growth(cpu, True)
except (RuntimeError, ValueError) as error:
    print(type(error).__name__)
""")
    lines = out.splitlines()
    assert lines[0] == "['/device:CPU:0', '/device:CPU:1']" and lines[1].endswith("CPU:1")
    assert lines[2].endswith("CPU:0") and lines[3] == "True" and lines[4] == "(1024, 1024)"
    assert lines[5] == "Virtual devices cannot be modified after being initialized"


def test_growth_and_threads() -> None:
    out = run("""
cpu = tf.config.list_physical_devices("CPU")[0]
tf.config.experimental.set_memory_growth(cpu, True)
print(tf.config.experimental.get_memory_growth(cpu))
try:
    tf.config.set_logical_device_configuration(cpu, [tf.config.LogicalDeviceConfiguration()])
except ValueError as error:
    print("growth" in str(error))
""")
    assert out.split() == ["True", "True"]
    out = run("""
tf.config.threading.set_intra_op_parallelism_threads(1)
print(tf.config.threading.get_intra_op_parallelism_threads(), float(tf.constant(1.0) + 1.0))
try:
    tf.config.threading.set_intra_op_parallelism_threads(2)
except RuntimeError as error:
    print(error)
""")
    assert out.splitlines() == [
        "1 2.0", "Intra op parallelism cannot be modified after initialization.",
    ]  # fmt: skip


def test_memory_figures_are_exact() -> None:
    info = tf.config.experimental.get_memory_info
    before = info("CPU:0")["current"]
    tensor = tf.zeros([1000, 1000])
    during = info("CPU:0")
    assert during["current"] - before >= 4_000_000 and during["peak"] >= during["current"]
    assert tf.config.experimental.get_memory_usage("/device:CPU:0") == during["current"]
    del tensor
    tf.config.experimental.reset_memory_stats("CPU:0")
    assert info("CPU:0") == {"current": before, "peak": before}
    for wrong in ("foo", "CPU:7"):
        with pytest.raises(ValueError, match=wrong):
            info(wrong)


def test_placement_is_soft_or_strict() -> None:
    with tf.device("/GPU:63"):
        assert tf.constant(1.0).device.endswith(("CPU:0", "GPU:0"))
    tf.config.set_soft_device_placement(False)
    try:
        with pytest.raises(tf.errors.InvalidArgumentError, match="GPU:63"), tf.device("/GPU:63"):
            tf.constant(1.0)
        with tf.device("/cpu:0"):
            assert tf.constant(1.0).device == "/job:localhost/replica:0/task:0/device:CPU:0"
    finally:
        tf.config.set_soft_device_placement(True)
    with pytest.raises(ValueError, match="foo"):
        tf.device("foo")
    with tf.device(None), tf.device("/device:CPU:0"):
        assert tf.ones([1]).device.endswith("CPU:0")
    assert tf.config.get_soft_device_placement()


def test_profiles_are_written(tmp_path: pathlib.Path) -> None:
    tf.profiler.experimental.start(str(tmp_path))
    with pytest.raises(RuntimeError, match="Another profiler"):
        tf.profiler.experimental.start(str(tmp_path))
    with tf.profiler.experimental.Trace("step"):
        tf.constant([1.0]) * 2.0
    tf.profiler.experimental.stop()
    files = [path for path in tmp_path.rglob("*") if path.is_file()]
    assert {path.suffix for path in files} == {".txt", ".json", ".svg"} and len(files) == 4
    assert all(path.stat().st_size for path in files)
    with pytest.raises(RuntimeError, match="No profiler"):
        tf.profiler.experimental.stop()
    with tf.profiler.experimental.Profile(str(tmp_path / "block")):
        pass
    assert any((tmp_path / "block").rglob("profile.json"))


def test_the_logger_is_ebbs() -> None:
    assert tf.get_logger() is logging.getLogger("ebb")
    level = tf.get_logger().level
    tf.compat.v1.logging.set_verbosity(tf.compat.v1.logging.ERROR)
    assert tf.get_logger().level == logging.ERROR
    tf.get_logger().setLevel(level)


def test_keras_is_one_module_under_both_names() -> None:
    from ebb import keras
    from ebb.keras.layers import Dense
    from ebb.tf.keras import layers  # type: ignore[import-not-found]
    from ebb.tf.keras.layers import Dense as Same  # type: ignore[import-not-found]

    assert tf.keras is keras and Same is Dense and layers.Dense is Dense
    assert keras.__name__ == "ebb.keras" and layers.__name__ == "ebb.keras.layers"
    assert tf.compat.v1.keras.layers is layers


def test_sessions_of_keras() -> None:
    backend = tf.compat.v1.keras.backend
    with tf.compat.v1.Session() as session:
        backend.set_session(session)
        assert backend.get_session() is session
        model = tf.keras.Sequential([tf.keras.Input((2,)), tf.keras.layers.Dense(1)])
        assert model.predict([[1.0, 2.0]], verbose=0).shape == (1, 1)
        backend.clear_session()
        session.close()
    del session, model
    assert ebb.memory().models == 0
    tf.compat.v1.reset_default_graph()


def test_files_of_io(tmp_path: pathlib.Path) -> None:
    gfile, path = tf.io.gfile, str(tmp_path / "a")
    gfile.makedirs(path)
    with gfile.GFile(path + "/f", "w") as file:
        file.write("x")
    assert gfile.exists(path) and gfile.listdir(path) == ["f"] and gfile.glob(path + "/*")
    gfile.rmtree(path)
    with pytest.raises(tf.errors.NotFoundError):
        gfile.listdir(path)


def test_folders_are_loaded_and_served(tmp_path: pathlib.Path) -> None:
    import numpy as np

    model = tf.keras.Sequential([tf.keras.Input((3,)), tf.keras.layers.Dense(2)])
    x = np.ones((2, 3), np.float32)
    expected = model.predict(x, verbose=0)
    tf.saved_model.save(model, str(tmp_path / "m"))
    loaded = tf.saved_model.load(str(tmp_path / "m"))
    assert tf.saved_model.contains_saved_model(tmp_path / "m")
    assert np.allclose(loaded.serve(x), expected, atol=1e-6)
    (made,) = loaded.signatures["serving_default"](tf.constant(x)).values()
    assert np.allclose(made, expected, atol=1e-6)
    with pytest.raises(TypeError, match="tensors were given"):
        loaded.serve(x, x)
    with pytest.raises(OSError, match="does not exist"):
        tf.saved_model.load(str(tmp_path / "none"))
    with pytest.raises(NotImplementedError, match="Keras models"):
        tf.saved_model.save(tf.Module(), str(tmp_path / "n"))
