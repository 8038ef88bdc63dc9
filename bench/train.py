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
import argparse
import json
import os
import statistics
import subprocess
import sys
import time

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
    """The protocol of bench_train_step --serve, spoken by a Python engine."""
    step = ENGINES[engine](path, threads)
    print("ready", *(float(step()) for _ in range(STEPS_SHOWN)), flush=True)
    for line in sys.stdin:
        times, end = [], time.perf_counter() + float(line)
        while len(times) < 3 or time.perf_counter() < end:
            begin = time.perf_counter_ns()
            step()
            times.append(time.perf_counter_ns() - begin)
        times.sort()
        result = {"least_ns": times[0], "median_ns": times[len(times) // 2],
                  "peak_bytes": peak_bytes()}
        print(json.dumps(result), flush=True)


class Peer:
    """A process that trains one model in one engine."""

    def __init__(self, engine, path, options, threads):
        self.engine, self.medians, self.peak = engine, [], 0
        processors = sorted(os.sched_getaffinity(0))[:threads]
        if engine == "ebb":
            argv = [options.ebb, path + ".keras", "--x", path + ".x.npy", "--y", path + ".y.npy",
                    "--threads", str(threads), "--serve"]
        else:
            argv = [sys.executable, os.path.abspath(__file__), "--serve", engine, path,
                    str(threads)]
        env = {"TF_CPP_MIN_LOG_LEVEL": "3", **os.environ, "KERAS_BACKEND": "tensorflow"}
        pipe = subprocess.PIPE
        self.process = subprocess.Popen(argv, stdin=pipe, stdout=pipe, stderr=pipe, text=True,
                                        env=env,
                                        preexec_fn=lambda: os.sched_setaffinity(0, processors))
        self.losses = [float(word) for word in self.line().split()[1:]]

    def line(self):
        line = self.process.stdout.readline()
        if not line:
            said = self.process.stderr.read().strip().splitlines()[-1:]
            raise RuntimeError(f"{self.engine}: {said}")
        return line

    def measure(self, seconds):
        self.process.stdin.write(f"{seconds}\n")
        self.process.stdin.flush()
        result = json.loads(self.line())
        self.medians.append(result["median_ns"])
        self.peak = max(self.peak, result["peak_bytes"])

    def close(self):
        self.process.stdin.close()
        self.process.wait()


def bench(model, threads, names, options):
    path = os.path.join(options.models, model)
    peers = [Peer(name, path, options, threads) for name in ["ebb"] + names]
    for peer in peers:
        peer.measure(options.slot)  # not counted: the first steps of a process
        peer.medians.clear()
    for n in range(options.rounds):
        for peer in peers if n % 2 == 0 else peers[::-1]:
            peer.measure(options.slot)
    for peer in peers:
        peer.close()
    return peers


def show(model, threads, peers):
    ebb, others = peers[0], peers[1:]
    cells = [model, str(threads)]
    for peer in peers:
        pairs = zip(peer.losses, (others or peers)[0].losses)
        off = max(abs(a - b) / abs(b) for a, b in pairs)
        mark = "" if off < LIMIT else f" (loss off by {off:.1g})"
        cells.append(f"{statistics.median(peer.medians) / 1e6:.4g}{mark}")
    for other in others:
        ratio = statistics.median(a / b for a, b in zip(ebb.medians, other.medians))
        cells.append(f"{ratio:.2f}")
    cells += [f"{peer.peak / 1e6:.0f}" for peer in peers]
    print("| " + " | ".join(cells) + " |", flush=True)


def main():
    parser = argparse.ArgumentParser(description=__doc__,
                                     formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--ebb", required=True, help="the program bench_train_step")
    parser.add_argument("--models", required=True, help="folder of bench/prepare_training.py")
    parser.add_argument("--only", default=",".join(MODELS))
    parser.add_argument("--engines", default="keras,keras-jit", help="'' for ebb alone")
    parser.add_argument("--threads", default="1,2")
    parser.add_argument("--rounds", type=int, default=8)
    parser.add_argument("--slot", type=float, default=1,
                        help="seconds an engine measures in each round")
    options = parser.parse_args()
    names = [name for name in options.engines.split(",") if name]
    heads = ["model", "threads", "ebb ms"] + [f"{n} ms" for n in names]
    heads += [f"ebb/{n}" for n in names] + ["ebb MB"] + [f"{n} MB" for n in names]
    print("| " + " | ".join(heads) + " |\n" + "|" + " --- |" * len(heads))
    for model in options.only.split(","):
        for threads in map(int, options.threads.split(",")):
            try:
                show(model, threads, bench(model, threads, names, options))
            except (RuntimeError, FileNotFoundError) as error:
                print(f"{model}: {error}", file=sys.stderr)


if __name__ == "__main__":
    if sys.argv[1:2] == ["--serve"]:
        serve(sys.argv[2], sys.argv[3], int(sys.argv[4]))
    else:
        main()
