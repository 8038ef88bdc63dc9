"""Layers of sound and contrast, crossed features, FeatureSpace, Config, boxes, sound files."""

from __future__ import annotations

import json
import pathlib
import sys
import wave
import weakref
from typing import Any

import numpy as np
import pytest

import ebb
from ebb import keras, tf

GOLDENS = pathlib.Path(__file__).with_name("goldens")
sys.path.insert(0, str(GOLDENS))

import extras_cases  # noqa: E402

WANTED = json.loads((GOLDENS / "extras.json").read_text())
L = keras.layers


def _same(found: Any, wanted: Any, where: str) -> None:
    if isinstance(wanted, dict):
        assert list(found) == list(wanted)
        for key in wanted:
            _same(found[key], wanted[key], f"{where} {key}")
    elif wanted and isinstance(wanted[0], list) and isinstance(wanted[-1], list):
        for one, other in zip(found, wanted):
            _same(one, other, where)
    elif isinstance(wanted[0], list):
        assert found[0] == wanted[0], where
        np.testing.assert_allclose(found[1:], wanted[1:], rtol=2e-4, atol=4e-4, err_msg=where)
    else:
        assert found == wanted, where


def test_numbers_are_those_of_keras() -> None:
    """Everything in the golden."""
    _same(extras_cases.outputs(keras, tf.data.Dataset), WANTED, "")


def test_spectrograms_learn_and_are_saved(tmp_path: pathlib.Path) -> None:
    """STFTSpectrogram inside a model: weights, training, files, shapes."""
    inputs = keras.Input((60, 1))
    layer = L.STFTSpectrogram(mode="log", frame_length=16, name="waves")
    model = keras.Model(inputs, L.Dense(2)(layer(inputs)))
    assert [w.path for w in model.weights][:2] == ["waves/real_kernel", "waves/imag_kernel"]
    assert layer.compute_output_shape((None, 60, 1)) == (None, 6, 9)
    assert model.output_shape == (None, 6, 2)
    x = np.random.default_rng(0).standard_normal((4, 60, 1)).astype(np.float32)
    before = model.get_weights()[0]
    model.compile("sgd", "mse")
    model.fit(x, np.zeros((4, 6, 2), np.float32), verbose=0)
    assert np.abs(model.get_weights()[0] - before).max() > 0
    wanted = model.predict(x, verbose=0)
    model.save(tmp_path / "model.keras")
    back = keras.models.load_model(tmp_path / "model.keras")
    np.testing.assert_array_equal(back.predict(x, verbose=0), wanted)
    assert isinstance(back.get_layer("waves"), L.STFTSpectrogram)
    reference = weakref.ref(model)
    del model, inputs, layer
    assert reference() is None


@pytest.mark.parametrize("kind", ["MelSpectrogram", "ContrastLimitedAdaptiveHistogramEqualization"])
def test_layers_of_data_in_models(kind: str, tmp_path: pathlib.Path) -> None:
    """They stand at the begin of a model, and in its file."""
    given: dict[str, Any] = {"tile_grid_size": (2, 2)}
    shape: tuple[int, ...] = (8, 9, 3)
    if kind == "MelSpectrogram":
        given, shape = {"fft_length": 32, "sequence_stride": 20, "num_mel_bins": 4}, (199,)
    layer = getattr(L, kind)(**given)
    model = keras.Sequential([keras.Input(shape), layer, L.Flatten(), L.Dense(2)])
    x = np.random.default_rng(0).random((4, *shape), np.float32)
    apart = np.asarray(layer(x)).reshape(4, -1) @ model.get_weights()[0]
    np.testing.assert_allclose(model.predict(x, verbose=0), apart, rtol=1e-4, atol=1e-4)
    model.save(tmp_path / "model.keras")
    back = keras.models.load_model(tmp_path / "model.keras")
    np.testing.assert_allclose(back.predict(x, verbose=0), apart, rtol=1e-4, atol=1e-4)


def test_crossing_in_models() -> None:
    """HashedCrossing on two inputs."""
    inputs = [keras.Input((1,), dtype="string"), keras.Input((1,), dtype="int64")]
    model = keras.Model(inputs, L.HashedCrossing(7, output_mode="one_hot")(inputs))
    words, numbers = np.array([["a"], ["b"]]), np.array([[1], [2]])
    wanted = np.asarray(L.HashedCrossing(7, output_mode="one_hot")((words, numbers)))
    np.testing.assert_array_equal(model.predict([words, numbers], verbose=0), wanted)
    assert L.HashedCrossing(7).get_config()["dtype"] == "int64"


def test_layers_refuse() -> None:
    with pytest.raises(ValueError, match="frame_step"):
        L.STFTSpectrogram(frame_length=8, frame_step=9)
    with pytest.raises(ValueError, match="fft_length"):
        L.STFTSpectrogram(frame_length=8, fft_length=4)
    with pytest.raises(ValueError, match="mode"):
        L.STFTSpectrogram(mode="loud")
    with pytest.raises(ebb.UnsupportedError, match="number of samples"):
        L.STFTSpectrogram(frame_length=8)(keras.Input((None, 1)))
    with pytest.raises(ValueError, match="sequence_length"):
        L.MelSpectrogram(fft_length=8, sequence_length=9)
    with pytest.raises(ValueError, match="at least two"):
        L.HashedCrossing(3)([np.array([1])])
    with pytest.raises(ValueError, match="integer or string"):
        L.HashedCrossing(3)([np.array([1.5]), np.array([1])])
    with pytest.raises(ValueError, match="equal shape"):
        L.HashedCrossing(3)([np.array([1, 2]), np.array([1])])


def _table() -> dict[str, Any]:
    return {name: np.array(column) for name, column in extras_cases.TABLE.items()}


def test_feature_space_in_models_and_files(tmp_path: pathlib.Path) -> None:
    """In a dataset, at the begin of a model, in a file."""
    space = extras_cases.space(keras, "concat")
    with pytest.raises(ValueError, match="adapt"):
        space(_table())
    space.adapt(extras_cases.TABLE)
    wanted = np.asarray(space(_table()))
    dataset = tf.data.Dataset.from_tensor_slices(extras_cases.TABLE).batch(2).map(space)
    np.testing.assert_array_equal(np.concatenate([np.asarray(x) for x in dataset]), wanted)
    dense = L.Dense(1, kernel_initializer="ones")
    model = keras.Model(space.get_inputs(), dense(space.get_encoded_features()))
    np.testing.assert_allclose(model.predict(_table(), verbose=0)[:, 0], wanted.sum(1), rtol=1e-5)
    space.save(tmp_path / "space.keras")
    back = keras.models.load_model(tmp_path / "space.keras")
    np.testing.assert_array_equal(np.asarray(back(_table())), wanted)
    assert list(back.crossers) == ["number_X_word", "name_X_code"]
    with pytest.raises(ValueError, match="keras"):
        space.save(tmp_path / "space.h5")


def test_feature_space_refuses() -> None:
    kind = keras.utils.FeatureSpace
    with pytest.raises(ValueError, match="empty"):
        kind({})
    with pytest.raises(ValueError, match="Invalid feature type"):
        kind({"a": "float64"})
    with pytest.raises(ValueError, match="unknown features"):
        kind({"a": "float"}, crosses=[("a", "b")])
    with pytest.raises(ValueError, match="output_mode"):
        kind({"a": "float"}, output_mode="list")
    whole = kind({"a": kind.integer_hashed(3, output_mode="int")})
    with pytest.raises(ValueError, match="Cannot concatenate"):
        whole({"a": [1, 2]})
    with pytest.raises(ValueError, match="dict"):
        kind({"a": "float"})([1.0])


def test_config() -> None:
    """Attributes and items; frozen."""
    config = keras.utils.Config(rate=0.1)
    config.epochs = 3
    config["seed"] = 1
    assert (config["epochs"], config.seed, len(config), "rate" in config) == (3, 1, 3, True)
    assert json.loads(config.to_json()) == config.as_dict() == dict(config.items())
    config.freeze()
    for change in (lambda: config.pop("seed"), lambda: config.update(a=1)):
        with pytest.raises(ValueError, match="frozen"):
            change()
    with pytest.raises(ValueError, match="frozen"):
        config.rate = 2
    config.unfreeze()
    del config.seed
    with pytest.raises(AttributeError, match="Did you mean"):
        config.epoch


def test_correlations_in_training() -> None:
    """The functions stand for their metrics."""
    model = keras.Sequential([keras.Input((3,)), L.Dense(4)])
    functions = [keras.metrics.pearson_correlation, keras.metrics.concordance_correlation]
    model.compile("sgd", "mse", metrics=functions)
    x = np.random.default_rng(0).random((8, 3), np.float32)
    y = np.random.default_rng(1).random((8, 4), np.float32)
    told = model.evaluate(x, y, verbose=0, return_dict=True)
    made = model.predict(x, verbose=0)
    for function in functions:
        wanted = float(np.mean(np.asarray(function(y, made))))
        assert told[function.__name__] == pytest.approx(wanted, rel=1e-4)


def _write(path: pathlib.Path, numbers: Any, channels: int = 1, width: int = 2) -> None:
    path.parent.mkdir(exist_ok=True, parents=True)
    with wave.open(str(path), "wb") as file:
        file.setnchannels(channels)
        file.setsampwidth(width)
        file.setframerate(8000)
        file.writeframes(np.asarray(numbers, "<i2" if width == 2 else "u1").tobytes())


def test_sounds_of_folders(tmp_path: pathlib.Path) -> None:
    """Classes, lengths, what is no sound."""
    _write(tmp_path / "a" / "1.wav", [16384, -16384, 0])
    _write(tmp_path / "a" / "2.wav", [32767])
    _write(tmp_path / "b" / "1.wav", [-32768, 0])
    read = keras.utils.audio_dataset_from_directory
    dataset = read(tmp_path, shuffle=False, verbose=False)
    assert dataset.class_names == ["a", "b"]
    sounds, labels = next(iter(dataset))
    assert np.asarray(sounds).shape == (3, 3, 1) and np.asarray(labels).tolist() == [0, 0, 1]
    np.testing.assert_allclose(np.asarray(sounds)[0, :, 0], [0.5, -0.5, 0.0])
    np.testing.assert_allclose(np.asarray(sounds)[2, :, 0], [-1.0, 0.0, 0.0])
    cut = read(tmp_path, labels=None, output_sequence_length=2, shuffle=False, verbose=False)
    assert np.asarray(next(iter(cut))).shape == (3, 2, 1)
    with pytest.raises(ebb.UnsupportedError, match="rate"):
        read(tmp_path, sampling_rate=4000)
    with pytest.raises(ebb.UnsupportedError, match="ragged"):
        read(tmp_path, ragged=True)
    _write(tmp_path / "c" / "1.wav", [1, 2, 3], width=1)
    with pytest.raises(ebb.FormatError, match="16 bits"):
        list(read(tmp_path, verbose=False))
    (tmp_path / "c" / "1.wav").write_text("no sound")
    with pytest.raises(ebb.FormatError, match="16 bits"):
        list(read(tmp_path, verbose=False))


def test_boxes_refuse() -> None:
    boxes = keras.utils.bounding_boxes
    with pytest.raises(ValueError, match="last dimension"):
        boxes.convert_format(np.zeros((2, 3)), "xyxy", "xywh")
    with pytest.raises(ValueError, match="Supported"):
        boxes.convert_format(np.zeros((2, 4)), "xyxy", "other")
    with pytest.raises(ValueError, match="height"):
        boxes.convert_format(np.zeros((2, 4)), "xyxy", "rel_xyxy")
    with pytest.raises(NotImplementedError, match="convert_format"):
        boxes.crop(np.zeros((2, 4)), 0, 0, 1, 1, "xywh")
    with pytest.raises(ebb.UnsupportedError, match="affine_transform"):
        boxes.affine_transform
    with pytest.raises(ValueError, match="variance"):
        boxes.encode_box_to_deltas(*[np.zeros((2, 4))] * 2, "xyxy", "xyxy", variance=[1.0])
