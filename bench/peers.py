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
import importlib.util
import os
import sys
import tempfile

import turns

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
    import numpy as np

    call, x = ENGINES[engine][0](path, threads), np.load(path + ".input.npy")
    off = float(np.abs(np.asarray(call(x)) - np.load(path + ".answer.npy")).max())
    for _ in range(5):
        call(x)
    turns.serve(lambda: call(x), [off])


class Peer(turns.Peer):
    """A process that holds one model in one engine."""

    def __init__(self, engine, path, options, threads):
        argv = None
        if engine == "ebb":
            self.answer = tempfile.NamedTemporaryFile(suffix=".npy")
            argv = [options.ebb, path + ".keras", "--threads", str(threads), "--serve",
                    "--input", path + ".input.npy", "--output", self.answer.name]
        super().__init__(engine, path, threads, argv,
                         {"TF_CPP_MIN_LOG_LEVEL": "3", "TF_ENABLE_ONEDNN_OPTS": "0", **os.environ})
        self.off = self.ready[0] if self.ready else self.compare(path)

    def compare(self, path):
        import numpy as np

        return float(np.abs(np.load(self.answer.name) - np.load(path + ".answer.npy")).max())


def bench(model, threads, names, options):
    path = os.path.join(options.models, model)
    peers = [Peer(name, path, options, threads) for name in ["ebb"] + names
             if name == "ebb" or os.path.exists(path + ENGINES[name][1])]
    return turns.take_turns(peers, options.rounds, options.slot)


def mark(peer):
    return "" if peer.off < LIMIT else f" (off by {peer.off:.1g})"


def main():
    options = turns.parser(__doc__, "bench_latency", "bench/prepare.py", MODELS,
                           "onnxruntime,openvino,litert", rounds=12, slot=0.4).parse_args()
    names = [n for n in options.engines.split(",")
             if n and importlib.util.find_spec(ENGINES[n][2])]
    turns.show_table(options, turns.heads(names),
                     lambda model, threads: turns.cells(
                         model, threads, bench(model, threads, names, options), mark))


if __name__ == "__main__":
    if sys.argv[1:2] == ["--serve"]:
        serve(sys.argv[2], sys.argv[3], int(sys.argv[4]))
    else:
        main()
