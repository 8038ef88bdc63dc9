#!/usr/bin/env python3
"""Makes tests/golden/zip: small archives, honest and hostile, and zip.txt: "file status" per line.

Run from anywhere: tests/golden/make_zip.py. Honest archives hold the same four members, written by
Python's zipfile in its different ways. Hostile ones are honest ones with bytes changed by hand.
`open` or `read` before the status says which call must refuse.
"""
import io
import os
import struct
import zipfile

GOLDEN = os.path.dirname(os.path.abspath(__file__))
FOLDER = os.path.join(GOLDEN, "zip")
LINES = []
MEMBERS = {
    "metadata.json": b'{"keras_version": "3.15.1"}',
    "assets/words.txt": b"".join(b"word %d\n" % (i % 40) for i in range(200)),
    "empty": b"",
    "model.weights.h5": bytes((i * i * 31 + i // 7) & 0xFF for i in range(1000)),
}
DATE = (2020, 1, 1, 0, 0, 0)


class Unseekable(io.RawIOBase):
    """A pipe: zipfile then writes data descriptors behind the members."""

    def __init__(self):
        super().__init__()
        self.bytes = b""

    def writable(self):
        return True

    def write(self, data):
        self.bytes += bytes(data)
        return len(data)


def archive(method, members=MEMBERS, zip64=False, unseekable=False, comment=b""):
    stream = Unseekable() if unseekable else io.BytesIO()
    with zipfile.ZipFile(stream, "w", method) as z:
        for name, data in members.items():
            info = zipfile.ZipInfo(name, DATE)
            info.compress_type = method
            with z.open(info, "w", force_zip64=zip64) as f:
                f.write(data)
        z.comment = comment
    return stream.bytes if unseekable else stream.getvalue()


def save(name, data, status="open OK"):
    with open(os.path.join(FOLDER, name), "wb") as f:
        f.write(data)
    LINES.append(f"{name} {status}")


def patched(data, changes):
    data = bytearray(data)
    for at, bytes_ in changes:
        data[at:at + len(bytes_)] = bytes_
    return bytes(data)


def headers(data):
    """Offsets of the local headers and of the directory's records."""
    with zipfile.ZipFile(io.BytesIO(data)) as z:
        local = [i.header_offset for i in z.infolist()]
        central, at = [], z.start_dir
        for _ in z.infolist():
            central.append(at)
            name, extra, comment = struct.unpack("<HHH", data[at + 28:at + 34])
            at += 46 + name + extra + comment
    return local, central


def zip64_end(data):
    """The same archive with a zip64 end record and saturated fields in the old one."""
    end = len(data) - 22
    count, size, offset = struct.unpack("<HII", data[end + 10:end + 20])
    record = struct.pack("<IQHHIIQQQQ", 0x06064B50, 44, 45, 45, 0, 0, count, count, size, offset)
    locator = struct.pack("<IIQI", 0x07064B50, 0, end, 1)
    old = struct.pack("<IHHHHIIH", 0x06054B50, 0, 0, 0xFFFF, 0xFFFF, 0xFFFFFFFF, 0xFFFFFFFF, 0)
    return data[:end] + record + locator + old


def honest():
    stored, deflated = zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED
    save("stored.zip", archive(stored))
    save("deflated.zip", archive(deflated))
    save("stored_zip64.zip", archive(stored, zip64=True))
    save("deflated_zip64.zip", archive(deflated, zip64=True))
    save("streamed_stored.zip", archive(stored, unseekable=True))
    save("streamed_deflated.zip", archive(deflated, unseekable=True))
    save("streamed_zip64.zip", archive(deflated, zip64=True, unseekable=True))
    save("comment.zip", archive(stored, comment=b"a comment with PK\x05\x06 inside" * 3))
    save("prefix.zip", b"#!/bin/sh\nexit 1\n" + archive(deflated))
    save("end64.zip", zip64_end(archive(deflated)))
    save("end64_prefix.zip", b"junk" * 9 + zip64_end(archive(stored)))


def hostile():
    base = archive(zipfile.ZIP_DEFLATED)
    local, central = headers(base)
    words, weights, end = 1, 3, len(base) - 22
    one = {"a/b": b"12345", "c/d": b"67890"}
    pair = archive(zipfile.ZIP_STORED, one)
    pair_local, pair_central = headers(pair)

    def renamed(name):
        """The first member of `pair` under another name of three bytes."""
        return patched(pair, [(pair_local[0] + 30, name), (pair_central[0] + 46, name)])

    refused = "open E_FORMAT"
    crc = b"\1\2\3\4"
    save("bad_crc.zip", patched(base, [(local[words] + 14, crc), (central[words] + 16, crc)]),
         "read E_FORMAT")
    data = local[words] + 30 + len("assets/words.txt")
    save("bad_data.zip", patched(base, [(data + 20, b"\xff" * 4)]), "read E_FORMAT")
    longer, shorter = struct.pack("<I", 100000), struct.pack("<I", 100)
    for name, size in [("too_long.zip", longer), ("too_short.zip", shorter)]:
        save(name, patched(base, [(local[words] + 22, size), (central[words] + 24, size)]),
             "read E_FORMAT")
    bomb = struct.pack("<I", 100 << 20)
    save("bomb.zip", patched(base, [(local[words] + 22, bomb), (central[words] + 24, bomb)]),
         refused)
    save("encrypted.zip", patched(base, [(local[words] + 6, b"\1"), (central[words] + 8, b"\1")]),
         "open E_UNSUPPORTED")
    save("method.zip", patched(base, [(local[words] + 8, b"\x0c"), (central[words] + 10, b"\x0c")]),
         "open E_UNSUPPORTED")
    save("duplicate.zip", renamed(b"c/d"), refused)
    save("absolute.zip", renamed(b"/ab"), refused)
    save("dots.zip", renamed(b"../"), refused)
    save("backslash.zip", renamed(b"..\\"), refused)
    save("drive.zip", renamed(b"C:x"), refused)
    save("zero_name.zip", renamed(b"a\0b"), refused)
    save("two_names.zip", patched(pair, [(pair_central[0] + 46, b"x/y")]), refused)
    save("two_sizes.zip", patched(base, [(central[words] + 24, b"\1\0")]), refused)
    save("two_methods.zip", patched(base, [(local[words] + 8, b"\0")]), refused)
    save("two_crcs.zip", patched(base, [(central[words] + 16, b"\0\0\0\0")]), refused)
    save("stored_two_sizes.zip",
         patched(pair, [(pair_central[0] + 24, b"\4"), (pair_local[0] + 22, b"\4")]), refused)
    # The second record points at a header inside the first member's data.
    inner = pair[pair_local[1]:pair_central[0]]
    outer = archive(zipfile.ZIP_STORED, {"a/b": inner, "c/d": b"67890"})
    outer_local, outer_central = headers(outer)
    inside = struct.pack("<I", outer_local[0] + 30 + 3)
    save("overlap.zip", patched(outer, [(outer_central[1] + 42, inside)]), refused)
    save("outside.zip", patched(base, [(central[weights] + 42, b"\0\0\0\x7f")]), refused)
    sizes = struct.pack("<II", 5000, 5000)
    save("long_member.zip",
         patched(pair, [(pair_local[1] + 18, sizes), (pair_central[1] + 20, sizes)]), refused)
    save("count.zip", patched(base, [(end + 8, b"\5\0\5\0")]), refused)
    save("count_less.zip", patched(base, [(end + 8, b"\3\0\3\0")]), refused)
    save("split.zip", patched(base, [(end + 4, b"\1")]), refused)
    save("directory_far.zip", patched(base, [(end + 16, b"\xff\xff\xff\x7f")]), refused)
    save("trailing.zip", base + b"\0", refused)
    save("cut.zip", base[:-30], refused)
    save("missing64.zip", patched(base, [(central[words] + 24, b"\xff\xff\xff\xff")]), refused)


os.makedirs(FOLDER, exist_ok=True)
for old in os.listdir(FOLDER):
    os.remove(os.path.join(FOLDER, old))
honest()
hostile()
with open(os.path.join(GOLDEN, "zip.txt"), "w") as f:
    f.write("\n".join(LINES) + "\n")
