"""``ebb.keras.applications``: every layer of every architecture is Keras's."""

from __future__ import annotations

import json
import os
import pathlib
import sys
import weakref

import numpy as np
import pytest

import ebb
from ebb import keras
from ebb.keras import applications
from ebb.keras.applications.convnext import LayerScale, StochasticDepth
from ebb.keras.applications.inception_resnet_v2 import CustomScaleLayer

GOLDENS = pathlib.Path(__file__).with_name("goldens")
sys.path.insert(0, str(GOLDENS))

import applications_cases  # noqa: E402

WANTED = json.loads((GOLDENS / "applications.json").read_text())


@pytest.mark.parametrize("name", list(applications_cases.cases()))
def test_layers_are_those_of_keras(name: str) -> None:
    """Names, settings, connections and weights of all layers; parameters."""
    if name in applications_cases.LARGE and "EBB_LARGE" not in os.environ:
        pytest.skip("takes up to 1.5 GB; EBB_LARGE=1 runs it")
    kind, given = applications_cases.cases()[name]
    keras.backend.clear_session()
    model = getattr(applications, kind)(weights=None, **given)
    assert applications_cases.told(model) == WANTED[name]
    reference = weakref.ref(model)
    del model
    assert reference() is None


@pytest.mark.parametrize("kind", list(applications_cases.COMPUTED))
def test_numbers_are_those_of_keras(kind: str) -> None:
    """The same weights give the same numbers."""
    model = getattr(applications, kind)(weights=None, **applications_cases.COMPUTED[kind])
    found = applications_cases.outputs(model)
    np.testing.assert_allclose(found, WANTED[f"{kind} computed"], rtol=2e-5, atol=2e-6)


def test_transfer_learning() -> None:
    """A frozen base, a classifier of one's own, a file of weights."""
    base = applications.MobileNetV2(
        input_shape=(32, 32, 3), alpha=0.35, include_top=False, weights=None
    )
    base.trainable = False
    inputs = keras.Input((32, 32, 3))
    x = base(applications.mobilenet_v2.preprocess_input(inputs), training=False)
    x = keras.layers.GlobalAveragePooling2D()(x)
    model = keras.Model(inputs, keras.layers.Dense(3, activation="softmax")(x))
    model.compile("adam", "sparse_categorical_crossentropy")
    images = np.random.default_rng(0).random((6, 32, 32, 3)).astype(np.float32) * 255
    before = base.get_weights()
    model.fit(images, np.arange(6) % 3, verbose=0)
    assert all(np.array_equal(a, b) for a, b in zip(before, base.get_weights()))
    assert len(model.trainable_weights) == 2


def test_weights_of_a_file(tmp_path: pathlib.Path) -> None:
    """``weights=`` takes a path."""
    given = {"input_shape": (32, 32, 3), "alpha": 0.25, "classes": 4}
    first = applications.MobileNet(weights=None, **given)
    first.save_weights(tmp_path / "m.weights.h5")
    second = applications.MobileNet(weights=str(tmp_path / "m.weights.h5"), **given)
    for one, other in zip(first.get_weights(), second.get_weights()):
        assert np.array_equal(one, other)


def test_input_tensor_and_shapes() -> None:
    """Put on a tensor; any size without the classifier."""
    inputs = keras.Input((64, 64, 3))
    scaled = keras.layers.Rescaling(1 / 255)(inputs)
    model = applications.MobileNetV2(
        input_tensor=scaled, include_top=False, weights=None, alpha=0.35
    )
    assert model.inputs[0].shape == (None, 64, 64, 3)
    model = applications.MobileNet(include_top=False, weights=None, alpha=0.25)
    assert model.output_shape == (None, None, None, 256)
    assert model.predict(np.zeros((1, 40, 64, 3), np.float32), verbose=0).shape == (1, 1, 2, 256)


def test_refusals(tmp_path: pathlib.Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Missing weights say where to get them; what does not fit is refused."""
    monkeypatch.setenv("KERAS_HOME", str(tmp_path))
    for call in (applications.MobileNetV2, lambda: applications.MobileNet(include_top=False)):
        with pytest.raises(ebb.NotFoundError, match="download"):
            call()
    with pytest.raises(ValueError, match="classes"):
        applications.ResNet50(classes=3)
    with pytest.raises(ValueError, match="weights"):
        applications.ResNet50(weights="no file")
    with pytest.raises(ValueError, match="at least 32"):
        applications.ResNet50(weights=None, input_shape=(16, 16, 3))
    with pytest.raises(ValueError, match="pooling"):
        applications.ResNet50(weights=None, pooling="sum")
    with pytest.raises(ebb.NotFoundError, match="nasnet/NASNet-mobile-no-top"):
        applications.NASNetMobile(include_top=False)
    with pytest.raises(ebb.NotFoundError, match="small_minimalistic_224"):
        applications.MobileNetV3Small(minimalistic=True)
    with pytest.raises(ValueError, match="alpha"):
        applications.MobileNetV3Small(alpha=0.5)
    with pytest.raises(ValueError, match="softmax"):
        applications.ConvNeXtTiny(classifier_activation="relu")
    with pytest.raises(ebb.NotFoundError, match="imagenet_class_index"):
        applications.vgg16.decode_predictions(np.zeros((1, 1000)))
    with pytest.raises(ValueError, match="1000"):
        applications.vgg16.decode_predictions(np.zeros((1, 10)))


def test_images_and_classes(tmp_path: pathlib.Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The three ranges of images; names of classes."""
    image = np.array([[[0.0, 127.5, 255.0]]], np.float32)
    assert applications.xception.preprocess_input(image).tolist() == [[[-1.0, 0.0, 1.0]]]
    caffe = applications.vgg16.preprocess_input(image)
    np.testing.assert_allclose(caffe[0, 0], [255 - 103.939, 127.5 - 116.779, -123.68], rtol=1e-6)
    torch = applications.densenet.preprocess_input(image)
    np.testing.assert_allclose(
        torch[0, 0], [-0.485 / 0.229, (0.5 - 0.456) / 0.224, (1 - 0.406) / 0.225], rtol=1e-5
    )
    assert applications.efficientnet.preprocess_input(image) is image
    assert applications.resnet.preprocess_input(image.astype(np.uint8)).dtype == np.float32
    with pytest.raises(ValueError, match="mode"):
        applications.imagenet_utils.preprocess_input(image, mode="other")
    monkeypatch.setenv("KERAS_HOME", str(tmp_path))
    (tmp_path / "models").mkdir()
    names = {str(k): [f"n{k}", f"thing {k}"] for k in range(1000)}
    (tmp_path / "models" / "imagenet_class_index.json").write_text(json.dumps(names))
    rows = np.zeros((1, 1000), np.float32)
    rows[0, 7], rows[0, 3] = 0.75, 0.25
    told = applications.vgg16.decode_predictions(rows, top=2)
    assert told == [[("n7", "thing 7", 0.75), ("n3", "thing 3", 0.25)]]


def _tiny_residual() -> keras.Model:
    """The layers that architectures bring along."""
    inputs = keras.Input((4, 4, 3))
    x = LayerScale(0.25, 3, name="scale")(inputs)
    x = StochasticDepth(0.5, name="depth")(x)
    return keras.Model(inputs, CustomScaleLayer(0.5, name="custom")([inputs, x]))


@pytest.mark.parametrize("suffix", ["keras", "h5"])
def test_layers_of_architectures_in_files(suffix: str, tmp_path: pathlib.Path) -> None:
    """They are saved, loaded by name, cloned, and loaded without Python's classes."""
    model = _tiny_residual()
    x = np.random.default_rng(0).random((3, 4, 4, 3), np.float32)
    np.testing.assert_allclose(model.predict(x, verbose=0), x * 1.125, rtol=1e-6)
    model.get_layer("scale").set_weights([np.array([1.0, 2.0, 3.0], np.float32)])
    wanted = x + x * np.array([0.5, 1.0, 1.5], np.float32)
    path = str(tmp_path / f"model.{suffix}")
    model.save(path)
    back = keras.models.load_model(path)
    assert [type(layer) for layer in back.layers[1:]] == [
        LayerScale, StochasticDepth, CustomScaleLayer,
    ]  # fmt: skip
    np.testing.assert_allclose(back.predict(x, verbose=0), wanted, rtol=1e-6)
    native = ebb.load(path)
    np.testing.assert_allclose(native.predict(x), wanted, rtol=1e-6)
    native.unload()
    assert keras.models.clone_model(back).get_layer("depth").drop_path_rate == 0.5
    entry = json.loads(model.to_json())["config"]["layers"][1]
    assert entry["module"] == "keras.src.applications.convnext"
    assert entry["config"]["init_values"] == 0.25 and entry["config"]["projection_dim"] == 3


def test_layers_of_architectures_in_training() -> None:
    """Whole samples are dropped and scaled; factors learn."""
    keras.utils.set_random_seed(0)
    model = _tiny_residual()
    model.compile(keras.optimizers.SGD(0.1), "mse")
    x = np.ones((64, 4, 4, 3), np.float32)
    model.fit(x, 2 * x, epochs=3, verbose=0)
    factors = model.get_layer("scale").get_weights()[0]
    assert (factors > 0.25).all()
    with pytest.raises(ValueError, match="projection_dim"):
        LayerScale(1.0, 0)(keras.Input((3,)))
    with pytest.raises(ValueError, match="two inputs"):
        CustomScaleLayer(1.0)(keras.Input((3,)))
