#!/usr/bin/env python3
"""Makes hdf5.zip, small HDF5 files of every kind the reader promises, and hdf5.txt.

Needs h5py 3.x. Run from anywhere: tests/golden/make_hdf5.py [FOLDER]; with a folder the files are
also left there. They are written through h5py (libhdf5), values come from fixed formulas, and
hdf5.txt is what h5py reads back, one line each:

    D file path dtype dims crc32      dataset: crc32 of its little-endian bytes; dims "-": scalar
    G file path count crc32           group: crc32 of its sorted names joined by newlines
    A file path name s|n count crc32  attribute: strings joined by newlines, or doubles
    R file path status                opening or listing ends in this status
"""
import os
import sys
import tempfile
import zipfile
import zlib

import h5py
import numpy as np

GOLDEN = os.path.dirname(os.path.abspath(__file__))
FOLDER = sys.argv[1] if len(sys.argv) > 1 else tempfile.mkdtemp()
VERSIONS = ["earliest", "v108", "v110", "v112", "latest"]
LINES = []


def open_new(name, version="earliest", **options):
    return h5py.File(os.path.join(FOLDER, name), "w", libver=version, **options)


def ramp(shape, dtype):
    count = int(np.prod(shape))
    if np.dtype(dtype) == bool:
        return (np.arange(count) % 3 == 0).reshape(shape)
    values = (np.arange(count) * 37 + 11) % 251
    if np.dtype(dtype).kind == "f":
        values = values / 8 - 10
    elif np.dtype(dtype).kind == "i":
        values = values % 200 - 100
    return values.astype(dtype).reshape(shape)


# -- what is expected ------------------------------------------------------------------------------


def expect_dataset(file, path, data, dtype=None):
    data = np.asarray(data)
    native = data.astype(data.dtype.newbyteorder("<")) if data.dtype.kind in "iuf" else data
    dims = ",".join(str(n) for n in data.shape) or "-"
    crc = zlib.crc32(np.ascontiguousarray(native).tobytes())
    LINES.append(f"D {file} {path} {dtype or data.dtype.name} {dims} {crc:08x}")


def expect_group(file, path, names):
    crc = zlib.crc32("\n".join(sorted(names)).encode())
    LINES.append(f"G {file} {path} {len(names)} {crc:08x}")


def expect_attribute(file, path, name, value):
    if value is None or np.size(value) == 0:
        LINES.append(f"A {file} {path} {name} n 0 0")
        return
    flat = np.asarray(value).reshape(-1)
    if flat.dtype.kind in "SUO":
        texts = [t if isinstance(t, bytes) else str(t).encode() for t in flat.tolist()]
        crc, kind = zlib.crc32(b"\n".join(texts)), "s"
    else:
        crc, kind = zlib.crc32(flat.astype("<f8").tobytes()), "n"
    LINES.append(f"A {file} {path} {name} {kind} {len(flat)} {crc:08x}")


def expect_refused(file, path, status):
    LINES.append(f"R {file} {path} {status}")


def put(f, file, path, data, **options):
    f.create_dataset(path, data=data, **options)
    expect_dataset(file, "/" + path, f[path][()])


# -- files -----------------------------------------------------------------------------------------


def low_level(f, path, data, configure, dims_max=None):
    """A dataset whose creation properties h5py's high level cannot set."""
    properties = h5py.h5p.create(h5py.h5p.DATASET_CREATE)
    configure(properties)
    space = h5py.h5s.create_simple(data.shape, dims_max or data.shape)
    kind = h5py.h5t.py_create(data.dtype, logical=True)
    links = h5py.h5p.create(h5py.h5p.LINK_CREATE)
    links.set_create_intermediate_group(True)
    h5py.h5d.create(f.id, path.encode(), kind, space, dcpl=properties, lcpl=links)
    f[path][...] = data


def types_file(version):
    file = f"types_{version}.h5"
    with open_new(file, version) as f:
        for dtype in ["f2", "f4", "f8", "i1", "i2", "i4", "i8", "u1", "u2", "u4", "u8", "?"]:
            put(f, file, "little/" + np.dtype(dtype).name, ramp((3, 5), dtype))
        for dtype in [">f2", ">f4", ">f8", ">i2", ">u4", ">i8"]:
            put(f, file, "big/" + np.dtype(dtype).name, ramp((2, 3), dtype))
        put(f, file, "shapes/scalar", np.float32(1.5))
        put(f, file, "shapes/empty", np.zeros((0, 4), "f4"))
        put(f, file, "shapes/rank8", ramp((1, 2, 1, 2, 1, 2, 1, 2), "f4"))
        f.create_dataset("shapes/unwritten", (4, 4), "f4")
        expect_dataset(file, "/shapes/unwritten", np.zeros((4, 4), "f4"))
        f.create_dataset("shapes/filled", (5,), "i4", fillvalue=-7)
        expect_dataset(file, "/shapes/filled", np.full((5,), -7, "i4"))
        data = ramp((6, 2), ">f4")
        low_level(f, "shapes/compact", data, lambda p: p.set_layout(h5py.h5d.COMPACT))
        expect_dataset(file, "/shapes/compact", data)
        bits = (ramp((3, 4), "f4").view("u4") >> 16).astype("u2")
        keras = f.create_dataset("bfloat16/keras", data=bits.view("V2"))
        keras.attrs["dtype"] = "bfloat16"
        expect_dataset(file, "/bfloat16/keras", bits, "bfloat16")
        f.create_dataset("bfloat16/plain", data=bits.view("V2"))
        expect_dataset(file, "/bfloat16/plain", np.zeros(0), "none")
        LINES[-1] = f"D {file} /bfloat16/plain none 3,4 0"
        f.create_dataset("text/variable", data=["a", "bc"], dtype=h5py.string_dtype())
        f.create_dataset("text/fixed", data=np.array([b"abc", b"d"], "S3"))
        LINES.append(f"D {file} /text/variable none 2 0")
        LINES.append(f"D {file} /text/fixed none 2 0")
        f["record"] = np.zeros(3, [("a", "i4"), ("b", "f4")])
        LINES.append(f"D {file} /record none 3 0")
        f["enumeration"] = np.array([1, 2], h5py.enum_dtype({"ONE": 1, "TWO": 2}, basetype="i2"))
        expect_dataset(file, "/enumeration", np.array([1, 2], "i2"))
        expect_group(file, "/", list(f))
        expect_group(file, "/little", list(f["little"]))


def chunks_file(version):
    file = f"chunks_{version}.h5"
    with open_new(file, version) as f:
        put(f, file, "one", ramp((23,), "f4"), chunks=(5,))
        put(f, file, "two", ramp((7, 11), "i2"), chunks=(3, 4))
        put(f, file, "three", ramp((5, 4, 6), "f8"), chunks=(2, 3, 4))
        put(f, file, "big", ramp((9, 4), ">f4"), chunks=(4, 4), compression="gzip", shuffle=True)
        put(f, file, "gzip", ramp((40, 13), "f4"), chunks=(16, 8), compression="gzip")
        put(f, file, "shuffle", ramp((31, 9), "f8"), chunks=(8, 9), compression="gzip",
            shuffle=True)
        put(f, file, "shuffle_only", ramp((10, 3), "u4"), chunks=(4, 2), shuffle=True)
        put(f, file, "fletcher", ramp((17,), "i4"), chunks=(6,), fletcher32=True)
        put(f, file, "odd_fletcher", ramp((15,), "i1"), chunks=(5,), fletcher32=True)
        put(f, file, "all", ramp((20, 6), "f4"), chunks=(7, 4), compression="gzip", shuffle=True,
            fletcher32=True)
        put(f, file, "single", ramp((6, 6), "f4"), chunks=(6, 6))
        put(f, file, "single_gzip", ramp((6, 6), "f4"), chunks=(6, 6), compression="gzip")
        put(f, file, "growing", ramp((700,), "u1"), chunks=(2,), maxshape=(None,))
        put(f, file, "growing_rows", ramp((3, 60), "i2"), chunks=(2, 2), maxshape=(7, None))
        put(f, file, "growing_gzip", ramp((50, 4), "f4"), chunks=(4, 4), maxshape=(None, 4),
            compression="gzip")
        put(f, file, "growing_both", ramp((30, 8), "f4"), chunks=(4, 4), maxshape=(None, None))
        put(f, file, "growing_both_gzip", ramp((30, 8), "f4"), chunks=(4, 4), maxshape=(None, None),
            compression="gzip", shuffle=True)
        put(f, file, "limited", ramp((9, 5), "i4"), chunks=(2, 2), maxshape=(20, 30))
        put(f, file, "empty", np.zeros((0, 3), "f4"), chunks=(2, 3), maxshape=(None, 3))
        sparse = f.create_dataset("sparse", (20, 20), "f4", chunks=(4, 4), fillvalue=2.5)
        sparse[5:7, 9:14] = 1
        expect_dataset(file, "/sparse", sparse[()])
        shrunk = f.create_dataset("shrunk", data=ramp((12, 12), "i4"), chunks=(3, 3),
                                  maxshape=(None, 12))
        shrunk.resize((7, 12))
        expect_dataset(file, "/shrunk", shrunk[()])
        f.create_dataset("unwritten", (8,), "f4", chunks=(3,))
        expect_dataset(file, "/unwritten", np.zeros(8, "f4"))
        data = ramp((10, 7), "f4")

        def early(properties):
            properties.set_chunk((4, 3))
            properties.set_alloc_time(h5py.h5d.ALLOC_TIME_EARLY)

        low_level(f, "early", data, early)
        expect_dataset(file, "/early", data)
        low_level(f, "early_limited", data, early, (16, 9))
        expect_dataset(file, "/early_limited", data)
        if version == "latest":
            put(f, file, "paged", ramp((2100,), "u1"), chunks=(1,))
            put(f, file, "paged_gzip", ramp((1100,), "u1"), chunks=(1,), shuffle=True)


def groups_file(version):
    file = f"groups_{version}.h5"
    with open_new(file, version) as f:
        target = f.create_dataset("target", data=ramp((2,), "f4"))
        for count in [1, 9, 100, 1000]:
            group = f.create_group(f"of_{count}")
            for i in range(count):
                group[f"m{i * 7919 % count:x}"] = target
            expect_group(file, f"/of_{count}", list(group))
        expect_dataset(file, "/of_1000/m3e7", target[()])
        expect_dataset(file, "/of_1000/m0", target[()])
        f.create_group("none")
        expect_group(file, "/none", [])
        put(f, file, "a/b/c/d/e/weights", ramp((2, 2), "f4"))
        expect_group(file, "/a/b/c", ["d"])
        f["named_type"] = np.dtype("f4")
        expect_group(file, "/", [n for n in f if n != "named_type"])


def attributes_file(version):
    file = f"attributes_{version}.h5"
    with open_new(file, version) as f:
        values = {
            "scalar": "functional_1",
            "utf8": "Schicht äöü 層",
            "empty_text": "",
            "bytes": np.bytes_(b"tensorflow"),
            "names": np.array([f"layer_{i}".encode() for i in range(30)]),
            "padded": np.array([b"a", b"abc", b""], "S5"),
            "floats": np.array([1.5, -2.25, 1e300]),
            "matrix": ramp((2, 3), "i4"),
            "big": ramp((4,), ">i2"),
            "half": np.array([0.5, 65504], "f2"),
            "flag": np.bool_(True),
            "long": np.int64(-5),
            "nothing": np.zeros((0,), "f8"),
            "json": '{"class_name": "Sequential", "pad": "' + "x" * 3000 + '"}',
        }
        holder = f.create_group("holder")
        for name, value in values.items():
            holder.attrs[name] = value
        strings = [f"name_{i}/kernel:0" * (i % 4) for i in range(60)]
        holder.attrs.create("variable", strings, dtype=h5py.string_dtype())
        values["variable"] = strings
        for name, value in values.items():
            expect_attribute(file, "/holder", name, value)
        expect_attribute(file, "/holder", "absent", None)
        holder.attrs["missing"] = h5py.Empty("f4")
        expect_attribute(file, "/holder", "missing", None)
        few = f.create_group("few")
        few.attrs["keras_version"] = "3.15.1"
        expect_attribute(file, "/few", "keras_version", "3.15.1")
        # Keras splits lists over 64512 bytes into name0, name1, ...
        split = f.create_group("split")
        whole = np.array([(f"layer_{i:05d}_" + "y" * 20).encode() for i in range(80)])
        for i, part in enumerate(np.array_split(whole, 4)):
            split.attrs[f"layer_names{i}"] = part
            expect_attribute(file, "/split", f"layer_names{i}", part)
        if version == "latest":
            large = np.array([(f"v{i:05d}" + "z" * 94).encode() for i in range(700)])
            f.create_group("dense").attrs["weight_names"] = large
            expect_attribute(file, "/dense", "weight_names", large)


def other_files():
    with open_new("user_block.h5", userblock_size=1024) as f:
        put(f, "user_block.h5", "kernel", ramp((3, 3), "f4"))
        f.attrs["backend"] = "tensorflow"
        expect_attribute("user_block.h5", "/", "backend", "tensorflow")
    for version in ["earliest", "latest"]:
        file = f"ordered_{version}.h5"
        with open_new(file, version, track_order=True) as f:
            for name in ["zulu", "alpha", "mike"]:
                put(f, file, f"{name}/0", ramp((2,), "f4"), track_order=True)
                f.attrs[name] = name
                f[name + "/0"].attrs["n"] = 1.0
            for i in range(20):
                f.create_group(f"g{i}", track_order=True).attrs["i"] = i
            expect_group(file, "/", list(f))
            expect_attribute(file, "/", "alpha", "alpha")
            expect_attribute(file, "/g19", "i", np.float64(19))
            expect_attribute(file, "/zulu/0", "n", np.float64(1))


def refused_files():
    for version in ["earliest", "latest"]:
        file = f"refused_{version}.h5"
        with open_new(file, version) as f:
            f["soft/link"] = h5py.SoftLink("/data")
            f["external/link"] = h5py.ExternalLink("other.h5", "/data")
            f["data"] = ramp((4,), "f4")
            f.create_dataset("outside", (4,), "f4", external=[("outside.bin", 0, 16)])
            f.create_dataset("lzf", data=ramp((64,), "f4"), chunks=(16,), compression="lzf")
            f["type"] = np.dtype("f4")
            f.create_dataset("committed", (4,), f["type"])
            f.create_dataset("rank9", (1,) * 9, "f4")
            a = f.create_group("circle/a")
            a["back"] = f["circle"]
            f["deep/" + "/".join("d" * 70)] = np.float32(1)
            for path in ["/soft", "/external", "/outside", "/lzf", "/committed", "/rank9"]:
                expect_refused(file, path, "E_UNSUPPORTED")
            for path in ["/circle/a", "/deep" + "/d" * 69]:
                expect_refused(file, path, "E_FORMAT")
            expect_refused(file, "/data/below", "E_NOT_FOUND")
            expect_refused(file, "/dat", "E_NOT_FOUND")
    with open_new("virtual.h5", "latest") as f:
        layout = h5py.VirtualLayout(shape=(4,), dtype="f4")
        layout[:] = h5py.VirtualSource("other.h5", "data", shape=(4,))
        f.create_virtual_dataset("virtual", layout)
        expect_refused("virtual.h5", "/virtual", "E_UNSUPPORTED")
    with open_new("bomb.h5") as f:
        f.create_dataset("sparse", (20000, 20000), "f4", chunks=(100, 100))[0, 0] = 1
        f.create_dataset("contiguous", (1 << 31,), "f8")
        expect_refused("bomb.h5", "/sparse", "E_FORMAT")
        expect_refused("bomb.h5", "/contiguous", "E_FORMAT")


def main():
    os.makedirs(FOLDER, exist_ok=True)
    for version in VERSIONS:
        types_file(version)
    for version in ["earliest", "latest"]:
        chunks_file(version)
        groups_file(version)
        attributes_file(version)
    other_files()
    refused_files()
    with open(os.path.join(GOLDEN, "hdf5.txt"), "w") as f:
        f.write("\n".join(LINES) + "\n")
    with zipfile.ZipFile(os.path.join(GOLDEN, "hdf5.zip"), "w", compresslevel=9) as z:
        for name in sorted(os.listdir(FOLDER)):
            with open(os.path.join(FOLDER, name), "rb") as f:
                z.writestr(zipfile.ZipInfo(name), f.read(), zipfile.ZIP_DEFLATED)


main()
