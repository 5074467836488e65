"""Named arrays in one file, each compressed and checked by itself, so that a few can be read without the others.

A file is written aside and renamed: it is there whole or not at all. After a power cut a file system may still show
the name with the wrong bytes, so the header and every array carry a checksum.
"""

import json
import os
import struct
import uuid
import zlib
from collections.abc import Callable, Iterable, Mapping
from pathlib import Path
from typing import Any

import numpy as np
import zstandard
from numpy.typing import NDArray

MAGIC = b"OVTRACE1"
LEVEL = -5
START = 16
"""Bytes that say how long the header is, and its checksum."""
Arrays = dict[str, NDArray[Any]]
Read = Callable[[int, int], bytes]
"""So many bytes from a position of a file on; fewer where it ends."""


class Damaged(Exception):
    """A scratch file that is not what was written."""


def pack(arrays: Mapping[str, NDArray[Any]]) -> list[bytes]:
    """The bytes of a file of arrays of any shape and number under their names, in pieces."""
    compressor = zstandard.ZstdCompressor(level=LEVEL, write_checksum=True)
    frames = [compressor.compress(np.ascontiguousarray(array).data) if array.size else b"" for array in arrays.values()]
    entries = []
    position = 0
    for (name, array), frame in zip(arrays.items(), frames, strict=True):
        entries.append((name, position, len(frame), array.shape, array.dtype.str))
        position += len(frame)
    header = json.dumps(entries).encode()
    return [MAGIC + struct.pack("<II", len(header), zlib.crc32(header)) + header, *frames]


def unpack(read: Read, names: Iterable[str] | None, place: object) -> Arrays:
    """The arrays of these names, or all.

    Args:
        place: what the file is called in an error.
    Raises:
        Damaged: if the bytes are not those that were written.
    """
    start = read(0, START)
    if len(start) < START or start[:8] != MAGIC:
        raise Damaged(place)
    length, checksum = struct.unpack("<II", start[8:])
    header = read(START, length)
    if zlib.crc32(header) != checksum:
        raise Damaged(place)
    entries = {entry[0]: entry[1:] for entry in json.loads(header)}
    decompressor = zstandard.ZstdDecompressor()
    arrays: Arrays = {}
    for name in entries if names is None else names:
        position, size, shape, dtype = entries[name]
        try:
            data = decompressor.decompress(read(START + length + position, size)) if size else b""
            arrays[name] = np.frombuffer(data, dtype).reshape(shape)
        except (zstandard.ZstdError, ValueError) as error:
            raise Damaged(place) from error
    return arrays


def save(path: Path, arrays: Mapping[str, NDArray[Any]]) -> None:
    """Write arrays to a file."""
    write_whole(path, pack(arrays))


def load(path: Path, names: Iterable[str] | None = None) -> Arrays:
    """Read the arrays of these names, or all.

    Raises:
        Damaged: if the bytes are not those that were written.
    """
    with open(path, "rb") as file:

        def read(position: int, size: int) -> bytes:
            file.seek(position)
            return file.read(size)

        return unpack(read, names, path)


def write_whole(path: Path, pieces: Iterable[bytes]) -> None:
    """Write a file aside and rename it."""
    # Two machines that share the folder may have processes of one number.
    aside = path.with_name(f"{path.name}.{os.getpid()}-{uuid.uuid4().hex[:8]}.part")
    try:
        with open(aside, "wb") as file:
            file.writelines(pieces)
        os.replace(aside, path)
    except OSError:
        aside.unlink(missing_ok=True)
        raise
