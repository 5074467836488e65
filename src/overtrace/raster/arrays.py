"""Named arrays in one file, each compressed and checked by itself, so that a few can be read without the others.

A file is written aside and renamed: it is there whole or not at all. After a power cut a file system may still show
the name with the wrong bytes, so the header and every array carry a checksum.
"""

import json
import os
import struct
import zlib
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

import numpy as np
import zstandard
from numpy.typing import NDArray

MAGIC = b"OVTRACE1"
LEVEL = -5
Arrays = dict[str, NDArray[Any]]


class Damaged(Exception):
    """A scratch file that is not what was written."""


def save(path: Path, arrays: Mapping[str, NDArray[Any]]) -> None:
    """Write arrays of any shape and number under their names."""
    compressor = zstandard.ZstdCompressor(level=LEVEL, write_checksum=True)
    frames = [compressor.compress(np.ascontiguousarray(array).data) if array.size else b"" for array in arrays.values()]
    entries = []
    position = 0
    for (name, array), frame in zip(arrays.items(), frames, strict=True):
        entries.append((name, position, len(frame), array.shape, array.dtype.str))
        position += len(frame)
    header = json.dumps(entries).encode()
    aside = path.with_name(f"{path.name}.{os.getpid()}.part")
    with open(aside, "wb") as file:
        file.write(MAGIC + struct.pack("<II", len(header), zlib.crc32(header)) + header)
        file.writelines(frames)
    os.replace(aside, path)


def load(path: Path, names: Iterable[str] | None = None) -> Arrays:
    """Read the arrays of these names, or all.

    Raises:
        Damaged: if the bytes are not those that were written.
    """
    decompressor = zstandard.ZstdDecompressor()
    arrays: Arrays = {}
    with open(path, "rb") as file:
        start = file.read(16)
        if len(start) < 16 or start[:8] != MAGIC:
            raise Damaged(path)
        length, checksum = struct.unpack("<II", start[8:])
        header = file.read(length)
        if zlib.crc32(header) != checksum:
            raise Damaged(path)
        entries = {entry[0]: entry[1:] for entry in json.loads(header)}
        for name in entries if names is None else names:
            position, size, shape, dtype = entries[name]
            file.seek(16 + length + position)
            try:
                data = decompressor.decompress(file.read(size)) if size else b""
                arrays[name] = np.frombuffer(data, dtype).reshape(shape)
            except (zstandard.ZstdError, ValueError) as error:
                raise Damaged(path) from error
    return arrays


def is_whole(path: Path) -> bool:
    """Whether the file is there and all its bytes are those that were written."""
    try:
        load(path)
    except (Damaged, OSError):
        return False
    return True
