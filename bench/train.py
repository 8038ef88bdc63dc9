#!/usr/bin/env python3
"""Training steps of ebb beside Keras on TensorFlow, in one run.

    bench/train.py --ebb BUILD/bench/bench_train_step --models FOLDER [--only NAME,...]
                   [--engines keras,keras-jit] [--threads 1,2] [--rounds 8] [--slot 1]

Every engine trains the same model on the same batch with train_on_batch, in a process of its own
that is bound to as many processors as it may use threads. They measure in turn, a slot each, so
that a disturbance meets all alike; a ratio is the median over the rounds of ebb's median divided by
the other's of the same round. Memory is the high-water mark of the process, libraries and all. The
folder is made by bench/prepare_training.py. The losses of the first three steps are compared: an
engine that is off is marked, and its time means nothing.
"""
import os
import sys

import turns

MODELS = ["mlp", "cnn", "lstm", "mobilenetv2", "transformer"]
LIMIT = 1e-3  # largest relative difference of a loss
STEPS_SHOWN = 3


def keras_step(path, threads, jit):
    """Keras's own train_on_batch, compiled as the file says."""
    import keras
    import numpy as np
    import tensorflow as tf

    tf.config.threading.set_intra_op_parallelism_threads(threads)
    tf.config.threading.set_inter_op_parallelism_threads(1)
    net = keras.models.load_model(path + ".keras")
    net.compile(net.optimizer, net.loss, metrics=["accuracy"], jit_compile=jit)
    x, y = np.load(path + ".x.npy"), np.load(path + ".y.npy")
    return lambda: net.train_on_batch(x, y)[0]


ENGINES = {"keras": lambda path, threads: keras_step(path, threads, False),
           "keras-jit": lambda path, threads: keras_step(path, threads, True)}


def peak_bytes():
    with open("/proc/self/status") as file:
        line = next(line for line in file if line.startswith("VmHWM:"))
    return int(line.split()[1]) * 1024


def serve(engine, path, threads):
    step = ENGINES[engine](path, threads)
    turns.serve(step, [float(step()) for _ in range(STEPS_SHOWN)],
                lambda: {"peak_bytes": peak_bytes()})


class Peer(turns.Peer):
    """A process that trains one model in one engine."""

    def __init__(self, engine, path, options, threads):
        argv, self.peak = None, 0
        if engine == "ebb":
            argv = [options.ebb, path + ".keras", "--x", path + ".x.npy", "--y", path + ".y.npy",
                    "--threads", str(threads), "--serve"]
        super().__init__(engine, path, threads, argv,
                         {"TF_CPP_MIN_LOG_LEVEL": "3", **os.environ,
                          "KERAS_BACKEND": "tensorflow"})

    def measure(self, seconds):
        self.peak = max(self.peak, super().measure(seconds)["peak_bytes"])


def bench(model, threads, names, options):
    path = os.path.join(options.models, model)
    peers = [Peer(name, path, options, threads) for name in ["ebb"] + names]
    for peer in peers:
        peer.measure(options.slot)  # not counted: the first steps of a process
        peer.medians.clear()
    return turns.take_turns(peers, options.rounds, options.slot)


def row(model, threads, peers):
    expected = peers[min(1, len(peers) - 1)].ready

    def mark(peer):
        off = max(abs(a - b) / abs(b) for a, b in zip(peer.ready, expected))
        return "" if off < LIMIT else f" (loss off by {off:.1g})"

    return turns.cells(model, threads, peers, mark) + [f"{peer.peak / 1e6:.0f}" for peer in peers]


def main():
    options = turns.parser(__doc__, "bench_train_step", "bench/prepare_training.py", MODELS,
                           "keras,keras-jit", rounds=8, slot=1).parse_args()
    names = [name for name in options.engines.split(",") if name]
    turns.show_table(options, turns.heads(names) + [f"{n} MB" for n in ["ebb"] + names],
                     lambda model, threads: row(model, threads,
                                                bench(model, threads, names, options)))


if __name__ == "__main__":
    if sys.argv[1:2] == ["--serve"]:
        serve(sys.argv[2], sys.argv[3], int(sys.argv[4]))
    else:
        main()
