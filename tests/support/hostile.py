"""Answers of someone who means harm, or who has a bad exporter: file name and bytes."""

import gzip
import io
import json
import struct
import zipfile
import zlib

import numpy as np

ROW = {"image_id": 1, "category_id": 1, "score": 0.5, "segmentation": [[0, 0, 4, 0, 4, 4, 0, 4]]}


def pack(members: dict[str, bytes]) -> bytes:
    """A zip archive."""
    file = io.BytesIO()
    with zipfile.ZipFile(file, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, content in members.items():
            archive.writestr(name, content)
    return file.getvalue()


def rows(*changes: dict) -> bytes:
    """COCO results, each of them changed somewhere."""
    return json.dumps([{**ROW, **change} for change in changes]).encode()


def _deflate_blanks() -> bytes:
    """A gigabyte of blanks, packed; by itself each part is what one megabyte of them is packed to."""
    packer = zlib.compressobj(9, zlib.DEFLATED, -zlib.MAX_WBITS)
    part = packer.compress(b" " * 2**20) + packer.flush(zlib.Z_FULL_FLUSH)
    return part * 1024 + packer.flush()


def zip_bomb() -> bytes:
    """A gigabyte in a megabyte."""
    data = _deflate_blanks()
    name = b"a.json"
    facts = struct.pack("<HHHHHIIIHH", 20, 0, 8, 0, 33, 0, len(data), 2**30, len(name), 0)
    local = b"PK\x03\x04" + facts + name + data
    central = b"PK\x01\x02" + struct.pack("<H", 20) + facts + struct.pack("<HHHII", 0, 0, 0, 0, 0) + name
    return local + central + b"PK\x05\x06" + struct.pack("<HHHHIIH", 0, 0, 1, 1, len(central), len(local), 0)


def lying_zip() -> bytes:
    """One that says that its member has ten bytes."""
    data = bytearray(pack({"a.json": b" " * (2**28)}))
    place = data.rindex(b"PK\x01\x02")
    struct.pack_into("<I", data, place + 24, 10)
    return bytes(data)


def gzip_bomb() -> bytes:
    """A gigabyte in a megabyte."""
    return b"\x1f\x8b\x08\0\0\0\0\0\0\xff" + _deflate_blanks() + struct.pack("<II", 0, 2**30)


FACTS = [(name, "<u2") for name in ("needs", "flags", "method", "time", "day")]
FACTS += [(name, "<u4") for name in ("check", "packed", "size")] + [(name, "<u2") for name in ("name_length", "extra")]
LOCAL = np.dtype([("sign", "S4"), *FACTS, ("name", "S12"), ("content", "S2")])
CENTRAL = np.dtype([("sign", "S4"), ("made", "<u2"), *FACTS, ("zeros", "S10"), ("place", "<u4"), ("name", "S12")])


def many_members(number: int) -> bytes:
    """An archive of so many files of two bytes."""
    local, central = np.zeros(number, LOCAL), np.zeros(number, CENTRAL)
    for table, sign in ((local, b"PK\x03\x04"), (central, b"PK\x01\x02")):
        table["sign"], table["day"], table["needs"] = sign, 33, 20
        table["name"] = [b"%07d.json" % i for i in range(number)]
        table["name_length"], table["packed"], table["size"], table["check"] = 12, 2, 2, zlib.crc32(b"[]")
    local["content"], central["place"] = b"[]", np.arange(number) * LOCAL.itemsize
    counts = number & 0xFFFF
    end = struct.pack("<HHHHIIH", 0, 0, counts, counts, central.nbytes, local.nbytes, 0)
    return local.tobytes() + central.tobytes() + b"PK\x05\x06" + end


def large() -> bytes:
    """Hundreds of thousands of rows, each in order."""
    row = json.dumps(ROW).encode()
    return b"[" + b",\n".join([row] * 400_000) + b"]"


def slow() -> bytes:
    """Rows that the fast reader leaves to the slow one."""
    row = json.dumps(ROW).encode().replace(b'{"image_id"', b'{"im\\u0061ge_id"')
    return b"[" + b",\n".join([row] * 400_000) + b"]"


ITC = {
    "a list a hundred thousand deep": ("a.json", b"[" * 100_000, "nested too deep"),
    "objects a hundred thousand deep": ("a.json", b'{"a":' * 100_000, "nested too deep"),
    "a deep list in a row": ("a.json", rows({"x": 1}).replace(b'"x": 1', b'"x": ' + b"[" * 50_000), "nested too deep"),
    "a mask longer than its image": ("a.json", rows({"segmentation": {"size": [8, 8], "counts": [0, 65]}}), "add up"),
    "a mask of 10**18 pixels": (
        "a.json",
        rows({"segmentation": {"size": [8, 8], "counts": [0, 10**18]}}),
        "run length",
    ),
    "a mask of another size": (
        "a.json",
        rows({"segmentation": {"size": [10**9, 10**9], "counts": [10**18]}}),
        "wanted \\[height, width\\]",
    ),
    "negative runs": ("a.json", rows({"segmentation": {"size": [8, 8], "counts": [-1, 65]}}), "run length"),
    "broken packed runs": ("a.json", rows({"segmentation": {"size": [8, 8], "counts": "~~~~"}}), "run lengths"),
    "a polygon of NaN": ("a.json", b"[%s]" % json.dumps(ROW).encode().replace(b"[[0,", b"[[NaN,"), "NaN|nan|finite"),
    "a score of NaN": ("a.json", rows({"score": float("nan")}), "nan|NaN"),
    "a score without bounds": ("a.json", rows({"score": float("inf")}), "inf|Inf"),
    "a name twice": ("a.json", rows({}).replace(b'"score": 0.5', b'"score": 0.5, "score": 0.9'), "twice"),
    "an id as text": ("a.json", rows({"image_id": "1"}), "wanted an integer"),
    "an id as true": ("a.json", rows({"image_id": True}), "wanted an integer"),
    "an id as a fraction": ("a.json", rows({"image_id": 1.5}), "wanted an integer"),
    "an id beyond 64 bits": ("a.json", rows({"image_id": 10**30}), "wanted an integer|no such image|holds no"),
    "an image of nobody": ("a.json", rows({"image_id": 77}), "77"),
    "no JSON": ("a.json", b"\x00\xff" * 100, "no JSON|UTF-8"),
    "another ending": ("a.txt", rows({}), "no .json file"),
    "a path out of the archive": ("a.zip", pack({"../a.json": b"[]"}), "leads out of the archive"),
    "half an archive": (
        "a.zip",
        pack({"a.json": b" " * 1000})[:-30] + b"PK\x05\x06" + b"\0" * 18,
        "zip archive|holds no",
    ),
    "an archive that lies": ("a.zip", lying_zip(), "not as long as the archive says|cannot be unpacked"),
    "half of gzip": ("a.json.gz", gzip.compress(rows({}))[:-12], "cannot be unpacked"),
    "two files for one data set": ("a.zip", pack({"x/a.json": b"[]", "y/a.json": b"[]"}), "data set"),
}
"""To a truth with the image 1 of 8 x 8 pixels: name, bytes, and what is said of it (a regular expression)."""
