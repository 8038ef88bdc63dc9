"""Writes augmentation.json: what Keras 3 makes of an image in training, by random layers whose
range is a single number, so that nothing about them is random.

    TF_ENABLE_ONEDNN_OPTS=0 KERAS_BACKEND=tensorflow python make_augmentation.py > augmentation.json

Cases: model (a Sequential of the layer alone, as Keras saves it), x [2, h, w, c], y.
"""
import json

import keras
import numpy as np
from drawn import print_cases

ROWS, COLUMNS = 5, 4
numbers = np.random.default_rng(11)
cases = []


def case(name, rows=ROWS, columns=COLUMNS, **arguments):
    layer = getattr(keras.layers, name)(**arguments)
    x = numbers.integers(0, 256, (2, rows, columns, 2)).astype("float32")
    y = np.asarray(layer(x, training=True))
    model = keras.Sequential([keras.Input(x.shape[1:]), layer])
    cases.append({"model": json.loads(model.to_json()), "x": x.tolist(),
                  "y": np.round(y.astype("float64"), 4).tolist()})


for fill in ("reflect", "wrap", "constant", "nearest"):
    for pixels in ("nearest", "bilinear"):
        how = dict(fill_mode=fill, interpolation=pixels, fill_value=7.0)
        case("RandomTranslation", height_factor=(0.33, 0.33), width_factor=(-0.6, -0.6), **how)
        case("RandomZoom", height_factor=(0.3, 0.3), width_factor=(-0.4, -0.4), **how)
        case("RandomRotation", factor=(0.13, 0.13), **how)
case("RandomZoom", height_factor=(0.5, 0.5))
case("RandomTranslation", height_factor=(1.0, 1.0), width_factor=(0.95, 0.95))
case("RandomRotation", factor=(-0.25, -0.25), rows=3, columns=3)
case("RandomRotation", factor=(0.1, 0.1), rows=1, columns=4)
case("RandomBrightness", factor=(0.4, 0.4))
case("RandomBrightness", factor=(-0.2, -0.2), value_range=(10.0, 200.0))
case("RandomContrast", factor=0.0)
case("RandomCrop", height=5, width=4)
case("RandomCrop", height=3, width=6)
case("RandomCrop", height=7, width=2)
print_cases(cases)
