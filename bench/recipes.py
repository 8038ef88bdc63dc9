"""What prepare.py and prepare_training.py share: models by name, each made once from its seed."""
import os
import sys
import zlib


def seeded(name, folder, models):
    """(generator, path without ending, model): the same in every run."""
    import keras
    import numpy as np

    seed = zlib.crc32(name.encode())
    keras.utils.set_random_seed(seed)
    return np.random.default_rng(seed), os.path.join(folder, name), models[name]()


def main(doc, models, make, ending):
    """make(name, folder) for the names on the command line unless the file with `ending` exists."""
    import keras

    if len(sys.argv) < 2:
        sys.exit(doc)
    folder, names = sys.argv[1], sys.argv[2:] or list(models)
    os.makedirs(folder, exist_ok=True)
    for name in names:
        if not os.path.exists(os.path.join(folder, name + ending)):
            make(name, folder)
            print(f"{name}: done", flush=True)
            keras.backend.clear_session()
