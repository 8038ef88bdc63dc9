#!/usr/bin/env python3
"""ebb beside the runtimes a user could pick instead, in one run.

    bench/peers.py --ebb BUILD/bench/bench_latency --models FOLDER [--only NAME,...]
                   [--engines NAME,...] [--threads 1,2] [--rounds 12] [--slot 0.4]

Every engine holds the model in a process of its own, bound to as many processors as it may use
threads. They measure in turn, a slot each, so that a disturbance meets all alike; what counts is
the median over the rounds of ebb's median divided by the other's of the same round. The folder is
made by bench/prepare.py. Answers are compared with Keras's: an engine that is off is marked, and
its time means nothing.
"""
import argparse
import importlib.util
import json
import os
import statistics
import subprocess
import sys
import tempfile
import time

MODELS = ["tiny", "mlp", "cnn", "lstm", "mobilenetv2", "resnet50"]
LIMIT = 2e-3  # largest difference from Keras's answer; all models end in a softmax


def ort(path, threads):
    import onnxruntime

    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads, options.inter_op_num_threads = threads, 1
    providers = ["CPUExecutionProvider"]
    session = onnxruntime.InferenceSession(path + ".onnx", options, providers=providers)
    name = session.get_inputs()[0].name
    return lambda x: session.run(None, {name: x})[0]


def openvino(path, threads):
    import openvino as ov

    core = ov.Core()
    model = core.read_model(path + ".onnx")
    shape = model.inputs[0].get_partial_shape()
    shape[0] = 1
    model.reshape(shape)
    config = {"PERFORMANCE_HINT": "LATENCY", "INFERENCE_PRECISION_HINT": "f32",
              "INFERENCE_NUM_THREADS": threads}
    request = core.compile_model(model, "CPU", config).create_infer_request()
    return lambda x: request.infer([x], share_inputs=True)[0]


def litert(path, threads):
    from ai_edge_litert.interpreter import Interpreter

    interpreter = Interpreter(model_path=path + ".tflite", num_threads=threads)
    interpreter.allocate_tensors()
    source = interpreter.get_input_details()[0]["index"]
    result = interpreter.get_output_details()[0]["index"]

    def call(x):
        interpreter.set_tensor(source, x)
        interpreter.invoke()
        return interpreter.get_tensor(result)

    return call


def tensorflow(path, threads):
    import keras
    import tensorflow as tf

    tf.config.threading.set_intra_op_parallelism_threads(threads)
    tf.config.threading.set_inter_op_parallelism_threads(1)
    net = keras.models.load_model(path + ".keras", compile=False)
    call = tf.function(lambda x: net(x, training=False))
    return lambda x: call(tf.convert_to_tensor(x)).numpy()


# name: function, ending of the model file, Python module
ENGINES = {"onnxruntime": (ort, ".onnx", "onnxruntime"),
           "openvino": (openvino, ".onnx", "openvino"),
           "litert": (litert, ".tflite", "ai_edge_litert"),
           "tensorflow": (tensorflow, ".keras", "tensorflow")}


def serve(engine, path, threads):
    """The protocol of bench_latency --serve, spoken by a Python engine."""
    import numpy as np

    call, x = ENGINES[engine][0](path, threads), np.load(path + ".input.npy")
    off = float(np.abs(np.asarray(call(x)) - np.load(path + ".answer.npy")).max())
    for _ in range(5):
        call(x)
    print("ready", off, flush=True)
    for line in sys.stdin:
        times, end = [], time.perf_counter() + float(line)
        while len(times) < 3 or time.perf_counter() < end:
            begin = time.perf_counter_ns()
            call(x)
            times.append(time.perf_counter_ns() - begin)
        times.sort()
        result = {"least_ns": times[0], "median_ns": times[len(times) // 2]}
        print(json.dumps(result), flush=True)


class Peer:
    """A process that holds one model in one engine."""

    def __init__(self, engine, path, options, threads):
        self.engine, self.medians, self.leasts = engine, [], []
        processors = sorted(os.sched_getaffinity(0))[:threads]
        if engine == "ebb":
            self.answer = tempfile.NamedTemporaryFile(suffix=".npy")
            argv = [options.ebb, path + ".keras", "--threads", str(threads), "--serve",
                    "--input", path + ".input.npy", "--output", self.answer.name]
        else:
            argv = [sys.executable, os.path.abspath(__file__), "--serve", engine, path,
                    str(threads)]
        env = {"TF_CPP_MIN_LOG_LEVEL": "3", "TF_ENABLE_ONEDNN_OPTS": "0", **os.environ}
        pipe = subprocess.PIPE
        self.process = subprocess.Popen(argv, stdin=pipe, stdout=pipe, stderr=pipe, text=True,
                                        env=env,
                                        preexec_fn=lambda: os.sched_setaffinity(0, processors))
        words = self.line().split()
        self.off = float(words[1]) if len(words) > 1 else self.compare(path)

    def line(self):
        line = self.process.stdout.readline()
        if not line:
            said = self.process.stderr.read().strip().splitlines()[-1:]
            raise RuntimeError(f"{self.engine}: {said}")
        return line

    def compare(self, path):
        import numpy as np

        return float(np.abs(np.load(self.answer.name) - np.load(path + ".answer.npy")).max())

    def measure(self, seconds):
        self.process.stdin.write(f"{seconds}\n")
        self.process.stdin.flush()
        result = json.loads(self.line())
        self.medians.append(result["median_ns"])
        self.leasts.append(result["least_ns"])

    def close(self):
        self.process.stdin.close()
        self.process.wait()


def bench(model, threads, names, options):
    path = os.path.join(options.models, model)
    peers = [Peer(name, path, options, threads) for name in ["ebb"] + names
             if name == "ebb" or os.path.exists(path + ENGINES[name][1])]
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
        mark = "" if peer.off < LIMIT else f" (off by {peer.off:.1g})"
        cells.append(f"{statistics.median(peer.medians) / 1e6:.4g}{mark}")
    for other in others:
        ratio = statistics.median(a / b for a, b in zip(ebb.medians, other.medians))
        cells.append(f"{ratio:.2f}")
    print("| " + " | ".join(cells) + " |", flush=True)


def main():
    parser = argparse.ArgumentParser(description=__doc__,
                                     formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--ebb", required=True, help="the program bench_latency")
    parser.add_argument("--models", required=True, help="folder that bench/prepare.py filled")
    parser.add_argument("--only", default=",".join(MODELS))
    parser.add_argument("--engines", default="onnxruntime,openvino,litert")
    parser.add_argument("--threads", default="1,2")
    parser.add_argument("--rounds", type=int, default=12)
    parser.add_argument("--slot", type=float, default=0.4,
                        help="seconds an engine measures in each round")
    options = parser.parse_args()
    names = [n for n in options.engines.split(",") if importlib.util.find_spec(ENGINES[n][2])]
    heads = ["model", "threads", "ebb ms"]
    heads += [f"{n} ms" for n in names] + [f"ebb/{n}" for n in names]
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
