"""Exports models with ebb as SavedModel folders and compares what TensorFlow computes from them.

    python check_export.py LIBEBB_SO CONFORMANCE_FOLDER [--area zoo] [--class LSTM] [--built]

Each case of the conformance data is loaded by ebb, exported, loaded by tf.saved_model.load() and
run through `serve` and the signature "serving_default"; both must give the case's outputs within
its tolerance, and the folder must load back into ebb with the same outputs. --built checks models
that Keras builds here, with several numbers of rows. Needs TensorFlow and Keras; not part of
`make test`.
"""
import argparse
import ast
import ctypes
import json
import os
import shutil
import struct
import sys
import tempfile
import zipfile

os.environ.update(TF_ENABLE_ONEDNN_OPTS="0", KERAS_BACKEND="tensorflow", TF_CPP_MIN_LOG_LEVEL="3",
                  CUDA_VISIBLE_DEVICES="")
import numpy as np

DTYPES = {1: "float32", 2: "float16", 3: "bfloat16", 4: "float64", 5: "int8", 6: "int16",
          7: "int32", 8: "int64", 9: "uint8", 10: "uint16", 11: "uint32", 12: "uint64", 13: "bool"}
NUMBERS = {text: number for number, text in DTYPES.items()}
RANK_MAX = 8


class Handle(ctypes.Structure):
    _fields_ = [("id", ctypes.c_uint64)]


class Error(ctypes.Structure):
    _fields_ = [("status", ctypes.c_int), ("where", ctypes.c_char * 160),
                ("text", ctypes.c_char * 432)]


class View(ctypes.Structure):
    _fields_ = [("dtype", ctypes.c_int), ("rank", ctypes.c_uint32),
                ("dims", ctypes.c_int64 * RANK_MAX), ("data", ctypes.c_void_p)]


class Views(ctypes.Structure):
    _fields_ = [("items", ctypes.POINTER(View)), ("count", ctypes.c_size_t)]


class Failure(Exception):
    pass


class Ebb:
    """The few functions that are needed here."""

    def __init__(self, path):
        self.lib = ctypes.CDLL(path)
        self.runtime = Handle()
        self.call("ebb_runtime_open", None, ctypes.byref(self.runtime))

    def call(self, name, *arguments):
        error = Error()
        status = getattr(self.lib, name)(*arguments, ctypes.byref(error))
        if status != 0:
            raise Failure(f"{error.where.decode()}: {error.text.decode()}")

    def load(self, path):
        model = Handle()
        self.call("ebb_model_load", self.runtime, path.encode(), None, ctypes.byref(model))
        return model

    def unload(self, model):
        self.call("ebb_model_unload", model, None, None)

    def export(self, model, path):
        self.call("ebb_model_export", model, path.encode(), None)

    def weight_count(self, model):
        info, count = (ctypes.c_char * 4096)(), 0
        while self.lib.ebb_model_weight(model, ctypes.c_uint32(count), info) == 0:
            count += 1
        return count

    def predict(self, model, inputs):
        views, kept = self.views(inputs)
        counts = 64
        shapes = (View * counts)()
        for count in range(counts, 0, -1):
            try:
                self.call("ebb_model_output_shapes", model, ctypes.byref(views), shapes,
                          ctypes.c_size_t(count))
                break
            except Failure as failure:
                if count == 1:
                    raise failure
        outputs = []
        for view in shapes[:count]:
            dtype = DTYPES[view.dtype]
            array = np.zeros(list(view.dims[:view.rank]),
                             "uint16" if dtype == "bfloat16" else dtype)
            outputs.append(array)
            view.data = array.ctypes.data
        self.call("ebb_model_predict", model, ctypes.byref(views),
                  ctypes.byref(Views(ctypes.cast(shapes, ctypes.POINTER(View)), count)))
        return [self.widen(a, v.dtype) for a, v in zip(outputs, shapes)]

    @staticmethod
    def widen(array, dtype):
        if DTYPES[dtype] != "bfloat16":
            return array
        return (array.astype("uint32") << 16).view("float32")

    @staticmethod
    def views(arrays):
        kept = [np.ascontiguousarray(a) for a in arrays]
        items = (View * max(len(kept), 1))()
        for view, a in zip(items, kept):
            view.dtype, view.rank, view.data = NUMBERS[str(a.dtype)], a.ndim, a.ctypes.data
            view.dims[:a.ndim] = a.shape
        return Views(ctypes.cast(items, ctypes.POINTER(View)), len(kept)), (kept, items)


def read_npy(raw):
    start, length = (10, struct.unpack("<H", raw[8:10])[0]) if raw[6] == 1 else (
        12, struct.unpack("<I", raw[8:12])[0])
    head = ast.literal_eval(raw[start:start + length].decode())
    return np.frombuffer(raw, head["descr"], offset=start + length).reshape(head["shape"])


def read_case(folder):
    with open(os.path.join(folder, "case.json")) as f:
        meta = json.load(f)
    with zipfile.ZipFile(os.path.join(folder, "io.npz")) as z:
        return meta, {i.filename[:-4]: read_npy(z.read(i)) for i in z.infolist()}


def numbered(arrays, prefix):
    result = []
    while f"{prefix}/{len(result)}" in arrays:
        result.append(arrays[f"{prefix}/{len(result)}"])
    return result


def difference(got, want, rtol, atol):
    """None: equal within the tolerance."""
    got, want = np.asarray(got), np.asarray(want)
    if got.shape != want.shape:
        return f"shape {got.shape}, expected {want.shape}"
    if want.dtype.kind not in "fV" and str(want.dtype) != "bfloat16":
        return None if np.array_equal(got, want) else "integers differ"
    got, want = got.astype("float64"), want.astype("float64")
    finite = np.isfinite(want)
    if not np.array_equal(np.where(finite, 0, want), np.where(finite, 0, np.where(finite, 0, got)),
                          equal_nan=True) or not np.array_equal(np.isfinite(got), finite):
        return "other numbers are not finite"
    if not finite.any():
        return None
    room = atol * max(1, np.abs(want[finite]).max()) + rtol * np.abs(want[finite])
    worst = (np.abs(got[finite] - want[finite]) - room).max()
    return None if worst <= 0 else f"off by {np.abs(got[finite] - want[finite]).max():.3g}"


class Checker:
    def __init__(self, ebb, reads_back):
        import tensorflow as tf
        self.tf, self.ebb, self.reads_back = tf, ebb, reads_back
        self.equal, self.refused, self.different, self.back = 0, [], [], 0

    def cast(self, array, spec):
        return self.tf.cast(self.tf.constant(array), spec.dtype)

    def run(self, path, inputs):
        """The outputs of serve and of the signature, each in the model's order."""
        loaded = self.tf.saved_model.load(path)
        concrete = loaded.serve.concrete_functions[0]
        (structure,), _ = concrete.structured_input_signature
        flat = self.tf.nest.flatten(structure)
        tensors = [self.cast(a, s) for a, s in zip(inputs, flat)]
        packed = self.tf.nest.pack_sequence_as(structure, tensors)
        served = self.tf.nest.flatten(loaded.serve(packed))
        signature = loaded.signatures["serving_default"]
        named = signature(**{s.name: t for s, t in zip(flat, tensors)})
        numbers = [f"output_{i}" for i in range(len(named))]
        by_name = [named[k] for k in (numbers if set(numbers) == set(named) else sorted(named))]
        return loaded, [self.numbers(t) for t in served], [self.numbers(t) for t in by_name]

    def numbers(self, tensor):
        if tensor.dtype == self.tf.bfloat16:
            tensor = self.tf.cast(tensor, "float32")
        return tensor.numpy()

    def check(self, name, path, calls, tol, is_random=False):
        """`calls`: pairs of inputs and wanted outputs; wanted None: those of ebb."""
        work = tempfile.mkdtemp()
        try:
            model = self.ebb.load(path)
        except Failure as f:
            shutil.rmtree(work)
            return None
        try:
            self.ebb.export(model, os.path.join(work, "saved"))
            self.ebb.export(model, os.path.join(work, "again"))
            faults = self.compare(os.path.join(work, "saved"), model, calls, tol, is_random)
            faults += self.same_files(work)
            if faults:
                self.different.append((name, faults))
            else:
                self.equal += 1
        except Failure as f:
            self.refused.append((name, str(f)))
        except Exception as f:
            self.different.append((name, [f"{type(f).__name__}: {str(f)[:600]}"]))
        finally:
            self.ebb.unload(model)
            shutil.rmtree(work)

    @staticmethod
    def same_files(work):
        for folder, _, files in os.walk(os.path.join(work, "saved")):
            for file in files:
                a = os.path.join(folder, file)
                b = a.replace(os.path.join(work, "saved"), os.path.join(work, "again"))
                if open(a, "rb").read() != open(b, "rb").read():
                    return [f"{file} is other the second time"]
        return []

    def compare(self, path, model, calls, tol, is_random):
        faults, weights = [], self.ebb.weight_count(model)
        for inputs, wanted in calls:
            wanted = self.ebb.predict(model, inputs) if wanted is None else wanted
            loaded, served, named = self.run(path, inputs)
            if len(loaded.variables) != weights:
                faults.append(f"{len(loaded.variables)} variables, expected {weights}")
            for how, got in (("serve", served), ("serving_default", named)):
                if len(got) != len(wanted):
                    faults.append(f"{how}: {len(got)} outputs, expected {len(wanted)}")
                for i, (g, w) in enumerate(zip(got, wanted)):
                    fault = (None if g.shape == w.shape else "shape") if is_random else difference(
                        g, w, *tol)
                    if fault:
                        faults.append(f"{how} output {i}: {fault}")
        if not is_random and self.reads_back:
            self.check_back(path, calls, wanted, tol, faults)
        return faults

    def check_back(self, path, calls, wanted, tol, faults):
        """ebb reads its own folder."""
        try:
            model = self.ebb.load(path)
        except Failure as f:
            faults.append(f"loading back: {f}")
            return
        try:
            for g, w in zip(self.ebb.predict(model, calls[-1][0]), wanted):
                fault = difference(g, w, *tol)
                if fault:
                    faults.append(f"loaded back: {fault}")
            self.back += 1
        except Failure as f:
            faults.append(f"loaded back: {f}")
        finally:
            self.ebb.unload(model)

    def report(self):
        for name, why in self.refused:
            print(f"refused   {name}: {why}")
        for name, faults in self.different:
            print(f"different {name}: {'; '.join(faults[:3])}")
        print(f"{self.equal} equal ({self.back} loaded back), {len(self.refused)} refused, "
              f"{len(self.different)} different")


def cases(root, options):
    for area in options.area.split(","):
        for kind in sorted(os.listdir(os.path.join(root, area))):
            if options.kind and kind != options.kind:
                continue
            keys = sorted(os.listdir(os.path.join(root, area, kind)))
            yield from (f"{area}/{kind}/{key}" for key in keys[:options.most])


def check_cases(checker, root, options):
    for number, name in enumerate(cases(root, options)):
        if number % options.every != 0:
            continue
        folder = os.path.join(root, name)
        meta, arrays = read_case(folder)
        file = next((f for f in ("model.keras", "model.h5") if f in meta["files"]), None)
        inputs, outputs = numbered(arrays, "in"), numbered(arrays, "out")
        if file is None or not outputs or any(a.dtype.kind == "S" for a in inputs + outputs):
            continue
        calls = [(inputs, outputs)]
        if numbered(arrays, "in@1"):
            calls.append((numbered(arrays, "in@1"), numbered(arrays, "out@1")))
        checker.check(name, os.path.join(folder, file), calls, meta["tol"]["out"],
                      not meta.get("deterministic", True))
        if options.verbose:
            print(name, checker.equal, len(checker.refused), len(checker.different), flush=True)


def built_models():
    """Names, models, functions from a number of rows to inputs."""
    import keras
    from keras import layers, ops

    random = np.random.default_rng(1)

    def floats(*shape):
        return lambda rows: [random.normal(size=(rows, *shape)).astype("float32")]

    def words(length, most):
        return lambda rows: [random.integers(0, most, (rows, length)).astype("int32")]

    yield "mobilenet_v2", keras.applications.MobileNetV2(
        input_shape=(64, 64, 3), alpha=0.35, weights=None, classes=10), floats(64, 64, 3)
    for cell in (layers.LSTM, layers.GRU, layers.SimpleRNN):
        x = i = keras.Input((None,), dtype="int32")
        x = layers.Embedding(30, 8, mask_zero=True)(x)
        x = layers.Bidirectional(cell(6, return_sequences=True))(x)
        x = layers.Bidirectional(cell(5), merge_mode="sum")(x)
        yield f"bidirectional_{cell.__name__}", keras.Model(i, layers.Dense(3)(x)), words(7, 30)
    i = keras.Input((None,), dtype="int64")
    x = layers.Embedding(20, 16)(i)
    for _ in range(2):
        y = layers.MultiHeadAttention(4, 4)(x, x, use_causal_mask=True)
        x = layers.LayerNormalization()(x + y)
        y = layers.Dense(32, activation="gelu")(x)
        x = layers.LayerNormalization()(x + layers.Dense(16)(y))
    yield "transformer", keras.Model(i, layers.Dense(20)(x)), words(9, 20)
    a, b = keras.Input((4,), name="a-1"), keras.Input((3,), name="b.2")
    shared = layers.Dense(5, activation="silu")
    x, y = shared(layers.Dense(6)(a)), shared(layers.Dense(6)(b))
    both = [layers.Add()([x, y]), layers.Concatenate()([x, y])]
    yield "multi_shared", keras.Model([a, b], both), (
        lambda rows: floats(4)(rows) + floats(3)(rows))
    yield "dicts", keras.Model({"z": a, "c": b}, {"sum": x + y, "first": x}), (
        lambda rows: floats(3)(rows) + floats(4)(rows))
    x = i = keras.Input((8, 8, 3))
    x = layers.Conv2DTranspose(6, 3, strides=2, padding="same", activation="relu")(x)
    x = layers.Conv2DTranspose(4, 4, strides=(3, 2), padding="valid", output_padding=(1, 1))(x)
    x = layers.Resizing(13, 11, interpolation="bicubic")(x)
    x = layers.UpSampling2D(3, interpolation="bilinear")(x)
    yield "transpose_resize", keras.Model(i, x), floats(8, 8, 3)
    x = i = keras.Input((5, 8))
    x = layers.EinsumDense("abc,cde->abde", output_shape=(None, 2, 3), bias_axes="de")(x)
    x = ops.einsum("abde,acde->abc", x, x)
    yield "einsum", keras.Model(i, x), floats(5, 8)
    x = i = keras.Input((None, None, 2))
    x = layers.Conv2D(4, 3, dilation_rate=2, padding="same", groups=2, activation="swish")(x)
    x = layers.DepthwiseConv2D(3, dilation_rate=2, depth_multiplier=2)(x)
    x = layers.DepthwiseConv2D(3, strides=2, padding="same")(x)
    x = layers.GlobalAveragePooling2D()(x)
    yield "groups_any_size", keras.Model(i, x), (
        lambda rows: [random.normal(size=(rows, 17, 20, 2)).astype("float32")])
    x = i = keras.Input((None, 9, 9, 2))
    x = layers.ConvLSTM2D(3, 3, padding="same", return_sequences=True)(x)
    x = layers.TimeDistributed(layers.Flatten())(x)
    x = layers.RNN([layers.LSTMCell(4), layers.GRUCell(3)], go_backwards=True)(x)
    yield "conv_lstm_cells", keras.Model(i, x), (
        lambda rows: [random.normal(size=(rows, 5, 9, 9, 2)).astype("float32")])


def check_built(checker):
    for name, model, make in built_models():
        with tempfile.TemporaryDirectory() as work:
            path = os.path.join(work, "model.keras")
            for w in model.weights:
                w.assign(w + np.random.default_rng(2).normal(size=w.shape) * 0.1)
            model.save(path)
            calls = []
            for rows in (1, 3):
                inputs = make(rows)
                keys = sorted(model.input) if isinstance(model.input, dict) else None
                fed = dict(zip(keys, inputs)) if keys else inputs if len(inputs) > 1 else inputs[0]
                outputs = checker.tf.nest.flatten(model(fed))
                calls.append((inputs, [o.numpy() for o in outputs]))
            checker.check(f"built/{name}", path, calls, (1e-4, 1e-5))


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("library")
    parser.add_argument("conformance")
    parser.add_argument("--area", default="zoo,models,layers,ops")
    parser.add_argument("--class", dest="kind")
    parser.add_argument("--every", type=int, default=1)
    parser.add_argument("--most", type=int, help="cases of one class")
    parser.add_argument("--built", action="store_true")
    parser.add_argument("--no-back", action="store_true", help="do not load folders back into ebb")
    parser.add_argument("--verbose", action="store_true")
    options = parser.parse_args()
    checker = Checker(Ebb(options.library), not options.no_back)
    if options.built:
        check_built(checker)
    else:
        check_cases(checker, options.conformance, options)
    checker.report()
    return 1 if checker.different else 0


if __name__ == "__main__":
    sys.exit(main())
