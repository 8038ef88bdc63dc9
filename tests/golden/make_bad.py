#!/usr/bin/env python3
"""Makes tests/golden/bad/: whole .h5 models whose weights lead somewhere else.

Needs h5py and numpy.

Usage: tests/golden/make_bad.py
"""
import os
import shutil

import h5py
import numpy

HERE = os.path.dirname(os.path.abspath(__file__))
BASE = os.path.join(HERE, "format", "legacy.h5")
TO = os.path.join(HERE, "bad")


def first_kernel(file):
    """Path of the first dataset below model_weights."""
    found = []
    file["model_weights"].visititems(
        lambda name, item: found.append(name) if isinstance(item, h5py.Dataset) else None)
    return "model_weights/" + sorted(found)[0]


def replaced(name, put):
    """A copy of the model whose first kernel is what put(file, path, values) makes of it."""
    path = os.path.join(TO, name)
    shutil.copy(BASE, path)
    with h5py.File(path, "r+") as file:
        kernel = first_kernel(file)
        values = file[kernel][()]
        del file[kernel]
        put(file, kernel, values)


def external_link(file, path, _):
    file[path] = h5py.ExternalLink("/etc/passwd", "/kernel")


def soft_link(file, path, _):
    file[path] = h5py.SoftLink("/model_weights")


def external_data(file, path, values):
    file.create_dataset(path, shape=values.shape, dtype=values.dtype, external="/etc/passwd")


def virtual_data(file, path, values):
    layout = h5py.VirtualLayout(shape=values.shape, dtype=values.dtype)
    layout[...] = h5py.VirtualSource("/etc/passwd", "x", shape=values.shape)
    file.create_virtual_dataset(path, layout)


def huge(file, path, values):
    file.create_dataset(path, shape=(1 << 40, 1 << 20), dtype="f4", chunks=(64, 64))


def text(file, path, values):
    file.create_dataset(path, data=numpy.full(values.shape, b"text", dtype="S4"))


if __name__ == "__main__":
    os.makedirs(TO, exist_ok=True)
    for make in (external_link, soft_link, external_data, virtual_data, huge, text):
        replaced(make.__name__ + ".h5", make)
