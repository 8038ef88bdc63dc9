"""Makes tests/golden/savedmodel.zip: small SavedModel folders, and what TensorFlow computes.

Folder NAME holds the model, NAME.json its inputs and outputs (in the model's order) and the values
of its variables by name. The text comes from TensorFlow, never from ebb. tf_keras (Keras 2) writes
the folders of tf.keras.

    TF_ENABLE_ONEDNN_OPTS=0 KERAS_BACKEND=tensorflow python3 tests/golden/make_savedmodel.py
"""

import json
import os
import shutil
import struct
import tempfile
import zipfile

import keras
import numpy as np
import tensorflow as tf
import tf_keras
from tensorflow.core.protobuf import saved_model_pb2, tensor_bundle_pb2
from tf_keras.protobuf import saved_metadata_pb2

HERE = os.path.dirname(os.path.abspath(__file__))
WORK = tempfile.mkdtemp()
RNG = np.random.default_rng(5)


def noise(shape):
    return RNG.normal(0, 0.5, shape).astype("float32")


def fill(variables):
    for v in variables:
        v.assign(np.abs(noise(v.shape)) + 0.1)


def path(name, *parts):
    return os.path.join(WORK, name, *parts)


def write_expected(name, inputs, outputs, variables):
    """inputs and outputs: lists of (name, array)."""
    with open(path(name + ".json"), "w") as f:
        json.dump({
            "inputs": [{"name": n, "shape": list(a.shape), "data": a.flatten().tolist()}
                       for n, a in inputs],
            "outputs": [{"name": n, "shape": list(a.shape), "data": a.flatten().tolist()}
                        for n, a in outputs],
            "variables": {n: np.asarray(v).astype("float32").flatten().tolist()
                          for n, v in variables},
        }, f)


# -- checksums, compression and tables by hand ------------------------------------------------


def crc32c(data, crc=0):
    crc ^= 0xFFFFFFFF
    for byte in data:
        crc ^= byte
        for _ in range(8):
            crc = crc >> 1 ^ (0x82F63B78 if crc & 1 else 0)
    return crc ^ 0xFFFFFFFF


def masked(crc):
    return ((crc >> 15 | crc << 17) + 0xA282EAD8) & 0xFFFFFFFF


def varint(number):
    out = b""
    while number >= 128:
        out += bytes([number & 127 | 128])
        number >>= 7
    return out + bytes([number])


def read_varint(data, at):
    number = shift = 0
    while True:
        byte = data[at]
        at += 1
        number |= (byte & 127) << shift
        shift += 7
        if byte < 128:
            return number, at


def snappy(data):
    """Literals of up to 60 bytes, and copies of what stood up to 2047 bytes before."""
    out = varint(len(data))
    at = 0
    literal = b""

    def flush():
        nonlocal out, literal
        for i in range(0, len(literal), 60):
            piece = literal[i:i + 60]
            out += bytes([(len(piece) - 1) << 2]) + piece
        literal = b""

    while at < len(data):
        found = data.rfind(data[at:at + 8], max(0, at - 2047), at)
        if len(data) - at >= 8 and found >= 0 and at - found >= 8:
            flush()
            offset = at - found
            out += bytes([1 | (8 - 4) << 2 | (offset >> 8) << 5, offset & 255])
            at += 8
        else:
            literal += data[at:at + 1]
            at += 1
    flush()
    return out


def block(entries, compress):
    data, restarts, last = b"", [], b""
    for i, (key, value) in enumerate(entries):
        shared = 0
        if i % 16 == 0:
            restarts.append(len(data))
        else:
            while shared < min(len(key), len(last)) and key[shared] == last[shared]:
                shared += 1
        data += varint(shared) + varint(len(key) - shared) + varint(len(value))
        data += key[shared:] + value
        last = key
    for restart in restarts or [0]:
        data += struct.pack("<I", restart)
    data += struct.pack("<I", len(restarts or [0]))
    kind = bytes([1 if compress else 0])
    data = snappy(data) if compress else data
    return data, data + kind + struct.pack("<I", masked(crc32c(data + kind)))


def write_table(file, entries, compress, entries_of_a_block):
    out, index = b"", []
    for i in range(0, len(entries), entries_of_a_block):
        part = entries[i:i + entries_of_a_block]
        data, whole = block(part, compress)
        index.append((part[-1][0], varint(len(out)) + varint(len(data))))
        out += whole
    handles = b""
    for part in ([], index):
        data, whole = block(part, compress and part)
        handles += varint(len(out)) + varint(len(data))
        out += whole
    out += handles + bytes(40 - len(handles)) + struct.pack("<Q", 0xdb4775248b80fb57)
    with open(file, "wb") as f:
        f.write(out)


def read_table(file):
    """The entries of a table that is not compressed."""
    with open(file, "rb") as f:
        data = f.read()
    at = len(data) - 48
    _, at = read_varint(data, at)
    _, at = read_varint(data, at)
    offset, at = read_varint(data, at)
    size, at = read_varint(data, at)

    def entries(offset, size):
        end = offset + size
        end -= 4 + 4 * struct.unpack("<I", data[end - 4:end])[0]
        key = b""
        while offset < end:
            shared, offset = read_varint(data, offset)
            own, offset = read_varint(data, offset)
            length, offset = read_varint(data, offset)
            key = key[:shared] + data[offset:offset + own]
            offset += own
            yield key, data[offset:offset + length]
            offset += length

    result = []
    for _, handle in entries(offset, size):
        begin, at = read_varint(handle, 0)
        length, at = read_varint(handle, at)
        result += entries(begin, length)
    return result


def reshard(name, shards, compress):
    """Spreads the tensors of a bundle over several files."""
    prefix = path(name, "variables", "variables")
    entries = read_table(prefix + ".index")
    with open(prefix + ".data-00000-of-00001", "rb") as f:
        data = f.read()
    files = [b"" for _ in range(shards)]
    result = []
    for i, (key, value) in enumerate(entries):
        if key == b"":
            header = tensor_bundle_pb2.BundleHeaderProto.FromString(value)
            header.num_shards = shards
            result.append((key, header.SerializeToString()))
            continue
        entry = tensor_bundle_pb2.BundleEntryProto.FromString(value)
        piece = data[entry.offset:entry.offset + entry.size]
        entry.shard_id = i % shards
        entry.offset = len(files[entry.shard_id])
        files[entry.shard_id] += piece
        result.append((key, entry.SerializeToString()))
    os.remove(prefix + ".data-00000-of-00001")
    for i, content in enumerate(files):
        with open(f"{prefix}.data-{i:05}-of-{shards:05}", "wb") as f:
            f.write(content)
    write_table(prefix + ".index", result, compress, 5)


# -- models -----------------------------------------------------------------------------------


class Doubled(tf_keras.layers.Layer):
    """A layer that no library knows."""

    def build(self, shape):
        self.factor = self.add_weight(name="factor", shape=(shape[-1],), initializer="ones")

    def call(self, x):
        return x * self.factor * 2.0


def save_keras_2(name, model, inputs):
    fill(model.weights)
    model.save(path(name), save_format="tf")
    arrays = [noise((2, *i.shape[1:])) for i in inputs]
    outputs = tf_keras.backend.get_value(model(arrays if len(arrays) > 1 else arrays[0]))
    write_expected(name, list(zip([i.name for i in inputs], arrays)),
                   [(model.output_names[0], np.asarray(outputs))],
                   [(w.name.split(":")[0], w.numpy()) for w in model.weights])


def make_keras_2():
    layers = tf_keras.layers
    x = layers.Input((4,), name="x")
    y = layers.Dense(5, activation="relu", name="wide")(x)
    y = layers.BatchNormalization(name="norm")(y)
    inner = tf_keras.Sequential([layers.Input((5,)), layers.Dense(3, name="a"),
                                 layers.Dense(3, name="b", trainable=False)], name="inner")
    y = layers.Add(name="sum")([inner(y), layers.Dense(3, name="side")(x)])
    model = tf_keras.Model(x, y, name="two")
    model.compile("sgd", "mse")
    save_keras_2("keras2", model, [x])


def make_keras_2_old():
    """As TensorFlow before 2.5: the metadata stand in saved_model.pb."""
    shutil.copytree(path("keras2"), path("keras2_old"))
    shutil.copy(path("keras2.json"), path("keras2_old.json"))
    with open(path("keras2", "keras_metadata.pb"), "rb") as f:
        metadata = saved_metadata_pb2.SavedMetadata.FromString(f.read())
    with open(path("keras2", "saved_model.pb"), "rb") as f:
        model = saved_model_pb2.SavedModel.FromString(f.read())
    for node in metadata.nodes:
        user = model.meta_graphs[0].object_graph_def.nodes[node.node_id].user_object
        user.identifier = node.identifier
        user.metadata = node.metadata
    os.remove(path("keras2_old", "keras_metadata.pb"))
    with open(path("keras2_old", "saved_model.pb"), "wb") as f:
        f.write(model.SerializeToString())


def make_normalized():
    """A layer that Keras 2 makes anew from its configuration has no lists of variables."""
    x = tf_keras.layers.Input((4,), name="x")
    norm = tf_keras.layers.Normalization(name="norm")
    norm.adapt(noise((20, 4)) * 3 + 1)
    model = tf_keras.Sequential([x, norm, tf_keras.layers.Dense(3, name="dense")], name="normal")
    model.save(path("normalized"), save_format="tf")
    value = noise((2, 4))
    write_expected("normalized", [("x", value)], [("dense", np.asarray(model(value)))], [])


def make_custom():
    x = tf_keras.layers.Input((4,), name="x")
    y = Doubled(name="doubled")(tf_keras.layers.Dense(3, name="dense")(x))
    save_keras_2("custom", tf_keras.Model(x, y, name="custom"), [x])


def make_export():
    """Inputs and outputs whose names are in another order than the model's."""
    zeta = keras.Input((3,), name="zeta")
    alpha = keras.Input((2,), name="alpha")
    joined = keras.layers.Concatenate()([zeta, alpha])
    hidden = keras.layers.Dense(4, activation="tanh", name="hidden")(joined)
    outs = [keras.layers.Dense(1, name=f"o{i}")(hidden) for i in range(11)]
    model = keras.Model([zeta, alpha], outs)
    fill(model.weights)
    model.export(path("export"), verbose=False)
    arrays = [noise((2, 3)), noise((2, 2))]
    results = [np.asarray(r) for r in model(arrays)]
    write_expected("export", [("zeta", arrays[0]), ("alpha", arrays[1])],
                   [(f"output_{i}", r) for i, r in enumerate(results)],
                   [(w.path, w.numpy()) for w in model.weights])
    shutil.copytree(path("export"), path("sharded"))
    shutil.copy(path("export.json"), path("sharded.json"))
    reshard("sharded", 3, True)


def make_module():
    """A tf.Module: half plus two, with constants of several kinds and two signatures."""

    class Module(tf.Module):
        def __init__(self):
            super().__init__()
            self.a = tf.Variable(0.5, name="a")
            self.b = tf.Variable([2.0, 3.0], name="b")

        @tf.function(input_signature=[tf.TensorSpec((None, 2), tf.float32, name="x")])
        def run(self, x):
            return {"y": self.a * x + self.b + tf.fill((2,), 0.25)}

        @tf.function(input_signature=[tf.TensorSpec((None, 2), tf.float32, name="x")])
        def other(self, x):
            return {"z": x - self.b}

    m = Module()
    tf.saved_model.save(m, path("module"), {"serving_default": m.run, "other": m.other})
    x = noise((3, 2))
    write_expected("module", [("x", x)], [("y", m.run(tf.constant(x))["y"].numpy())],
                   [("a", m.a.numpy()), ("b", m.b.numpy())])


def make_frozen():
    """No variables at all."""

    class Module(tf.Module):
        @tf.function(input_signature=[tf.TensorSpec((None, 2), tf.float32, name="x")])
        def run(self, x):
            return {"y": tf.matmul(x, tf.constant([[1.0, 2.0, 3.0], [4.0, 5.0, 6.0]]))}

    m = Module()
    tf.saved_model.save(m, path("frozen"), {"only": m.run})
    shutil.rmtree(path("frozen", "variables"))
    x = noise((3, 2))
    write_expected("frozen", [("x", x)], [("y", m.run(tf.constant(x))["y"].numpy())], [])


def make_version_1():
    """TensorFlow 1: VariableV2, Assign, and nodes for restoring in the graph itself."""
    v1 = tf.compat.v1
    with tf.Graph().as_default(), v1.Session() as session:
        x = v1.placeholder(tf.float32, (None, 3), name="x")
        w = v1.get_variable("layer/w", initializer=noise((3, 2)), use_resource=False)
        b = v1.get_variable("layer/b", initializer=noise((2,)), use_resource=False)
        y = tf.nn.relu(tf.matmul(x, w) + b, name="y")
        session.run(v1.global_variables_initializer())
        v1.saved_model.simple_save(session, path("version1"), {"x": x}, {"y": y})
        value = noise((2, 3))
        result, w_value, b_value = session.run([y, w, b], {x: value})
        write_expected("version1", [("x", value)], [("y", result)],
                       [("layer/w", w_value), ("layer/b", b_value)])


def main():
    make_keras_2()
    make_keras_2_old()
    make_custom()
    make_export()
    make_module()
    make_frozen()
    make_version_1()
    make_normalized()
    target = os.path.join(HERE, "savedmodel.zip")
    with zipfile.ZipFile(target, "w", zipfile.ZIP_DEFLATED, compresslevel=9) as archive:
        for folder, _, files in sorted(os.walk(WORK)):
            for file in sorted(files):
                full = os.path.join(folder, file)
                info = zipfile.ZipInfo(os.path.relpath(full, WORK), (2026, 1, 1, 0, 0, 0))
                info.compress_type = zipfile.ZIP_DEFLATED
                with open(full, "rb") as f:
                    archive.writestr(info, f.read())
    shutil.rmtree(WORK)


if __name__ == "__main__":
    main()
