"""Makes the files of tests/golden/training: small models saved in mid-training, and beside each its
optimizer's variables in Keras 3's order, as <name>.npz (members "0", "1", ...; one is left out
where the file does not have it).

Keras 3 makes keras_*, with the files' own arrays read back by h5py. tf-keras makes tf_* (its
optimizers in the order up to 2.10) and new_* (from 2.11 on); its variables are brought into Keras
3's order by their names.

    TF_ENABLE_ONEDNN_OPTS=0 KERAS_BACKEND=tensorflow python3 tests/golden/make_training.py
"""

import os

import keras
import numpy as np

HERE = os.path.join(os.path.dirname(os.path.abspath(__file__)), "training")

rng = np.random.default_rng(3)
X = rng.normal(0, 1, (8, 3)).astype("float32")
Y = rng.normal(0, 1, (8, 2)).astype("float32")


def model_of(k, optimizer):
    k.utils.set_random_seed(5)
    model = k.Sequential([k.layers.Input((3,)), k.layers.Dense(4, activation="tanh"),
                          k.layers.Dense(2)])
    model.compile(optimizer, "mean_squared_error", metrics=["mean_absolute_error"])
    for _ in range(3):
        model.train_on_batch(X, Y)
    return model


def save_all(name, model, variables, endings):
    np.savez(os.path.join(HERE, name + ".npz"),
             **{str(i): v for i, v in enumerate(variables) if v is not None})
    for ending in endings:
        model.save(os.path.join(HERE, name + ending))


def keras_3():
    o = keras.optimizers
    cases = {
        "adam": o.Adam(0.01, amsgrad=True),
        "adamw": o.AdamW(0.01, weight_decay=0.01, use_ema=True),
        "sgd": o.SGD(o.schedules.ExponentialDecay(0.1, 10, 0.9)),
        "rmsprop": o.RMSprop(0.01, momentum=0.5, centered=True),
        "nadam": o.Nadam(0.01),
        "scaled": o.LossScaleOptimizer(o.SGD(0.01, momentum=0.9)),
    }
    for name, optimizer in cases.items():
        model = model_of(keras, optimizer)
        save_all("keras_" + name, model, [v.numpy() for v in model.optimizer.variables],
                 (".keras", ".h5"))


# Slots by their names in tf.keras, as Keras 3 lists them: those in one string together.
SLOTS = {
    "adam": ["m v", "vhat"],
    "adadelta": ["accum_grad accum_var accumulated_grad accumulated_delta_var"],
    "rmsprop": ["rms", "velocity", "momentum", "mg", "average_gradient"],
    "sgd": ["momentum m"],
    "ftrl": ["accumulator linear"],
}


def in_order(kind, optimizer, model):
    """Counter, nothing for the learning rate, and the slots that are there."""
    stored = {v.name: v.numpy() for v in optimizer.variables()[1:]}
    found = [optimizer.iterations.numpy(), None]

    def of(slot, weight):
        plain = weight.name.split(":")[0]
        for name, value in stored.items():
            parts = name.split(":")[0].split("/")
            if name.count(plain) and (parts[-1] == slot or parts[1] == slot):
                return [value]
        return []

    for together in SLOTS[kind]:
        for weight in model.trainable_variables:
            for slot in together.split():
                found += of(slot, weight)
    return found


def tf_keras():
    import tf_keras as k
    for prefix, o in (("tf", k.optimizers.legacy), ("new", k.optimizers)):
        cases = {
            "adam": o.Adam(0.01, amsgrad=True),
            "adadelta": o.Adadelta(0.5),
            "rmsprop": o.RMSprop(0.01, momentum=0.5, centered=True),
            "sgd": o.SGD(0.01, momentum=0.9),
            "ftrl": o.Ftrl(0.01),
        }
        for kind, optimizer in cases.items():
            if prefix == "new" and kind in ("adadelta", "ftrl"):
                continue  # nothing that adam and rmsprop do not have
            model = model_of(k, optimizer)
            is_first = prefix == "new" and kind == "adam"
            save_all(f"{prefix}_{kind}", model, in_order(kind, optimizer, model),
                     (".h5", ".keras") if is_first else (".h5",))


if __name__ == "__main__":
    os.makedirs(HERE, exist_ok=True)
    keras_3()
    tf_keras()
