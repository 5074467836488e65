"""Data sets made once: each image is read from its source the first time, and afterwards from one compressed file.

    folder/
        1f0c.../             a data set as its reader describes it; another size, time or option makes another
            8a41....arrays   one image, by its name

A file is written aside and renamed, so that several processes may fill one folder; whoever is last is as good as the
first. A file that is not what was written is made again. What no data set asks for any more is not removed.
"""

import hashlib
import os
import threading
import uuid
from collections import OrderedDict
from dataclasses import fields, replace
from pathlib import Path
from typing import Any, Literal

import numpy as np

from overtrace import __version__
from overtrace.data.labelled import DataSet, Labelled, Objects, Scene
from overtrace.errors import BadOutput
from overtrace.raster.arrays import Arrays, Damaged, load, save

MOST_BYTES = 2**30


def keep(data: DataSet, folder: Path, *, most_bytes: int = MOST_BYTES) -> DataSet:
    """The same data set, whose images are made once; arrays of it cannot be written to.

    Args:
        folder: made if need be; may be shared by data sets and processes.
        most_bytes: of images that each process keeps in memory, those read last.
    Raises:
        BadOutput: on reading, if the folder cannot be written to.
    """
    if not data.facts:
        raise ValueError(f"{data.name} has no facts: what is cached of it could not be told from what it was before")
    key = hashlib.sha256(f"{__version__} {data.truth} {data.facts}".encode()).hexdigest()[:32]
    return replace(data, read=_Kept(data, folder / key, most_bytes))


class _Kept:
    """Reads images from files, or else from the source; in each process with a memory of its own."""

    def __init__(self, data: DataSet, folder: Path, most_bytes: int) -> None:
        self._data = data
        self._folder = folder
        self._most_bytes = most_bytes
        self._forget()

    def __getstate__(self) -> tuple[DataSet, Path, int]:
        return self._data, self._folder, self._most_bytes

    def __setstate__(self, state: tuple[DataSet, Path, int]) -> None:
        self._data, self._folder, self._most_bytes = state
        self._forget()

    def _forget(self) -> None:
        self._lock = threading.Lock()
        self._memory: OrderedDict[int, Labelled] = OrderedDict()
        self._bytes = 0

    def __call__(self, i: int) -> Labelled:
        i = range(len(self._data))[i]
        with self._lock:
            if i in self._memory:
                self._memory.move_to_end(i)
                return self._memory[i]
        image = self._find(i)
        with self._lock:
            self._remember(i, image)
        return image

    def _remember(self, i: int, image: Labelled) -> None:
        size = _count_bytes(image)
        if i in self._memory or size > self._most_bytes:
            return
        self._memory[i] = image
        self._bytes += size
        while self._bytes > self._most_bytes:
            self._bytes -= _count_bytes(self._memory.popitem(last=False)[1])

    def _find(self, i: int) -> Labelled:
        name = self._data.names[i]
        path = self._folder / f"{hashlib.sha256(name.encode()).hexdigest()[:32]}.arrays"
        try:
            return _unpack(name, self._data.truth, load(path))
        except (Damaged, OSError, KeyError):
            arrays = _pack(self._data.read(i))
        _write(path, arrays)
        return _unpack(name, self._data.truth, arrays)


def _write(path: Path, arrays: Arrays) -> None:
    # Threads of one process, or processes of two machines, would otherwise share the file aside.
    aside = path.with_name(f"{path.stem}.{uuid.uuid4().hex}")
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        save(aside, arrays)
        os.replace(aside, path)
    except OSError as error:
        for leftover in path.parent.glob(f"{aside.name}*"):
            leftover.unlink(missing_ok=True)
        raise BadOutput(f"{path} cannot be written: {error.strerror}: free space, or name another folder") from error


def _pack(image: Labelled) -> Arrays:
    size = np.nan if image.pixel_size_m is None else image.pixel_size_m
    arrays = {field.name: getattr(image, field.name) for field in fields(image) if field.name != "name"}
    return {**arrays, "pixel_size_m": np.array([size])}


def _unpack(name: str, truth: Literal["objects", "classes"], arrays: Arrays) -> Labelled:
    kind: type[Objects] | type[Scene] = Objects if truth == "objects" else Scene
    values: dict[str, Any] = {field.name: arrays[field.name].view() for field in fields(kind) if field.name != "name"}
    for array in values.values():
        array.flags.writeable = False
    size = float(values["pixel_size_m"][0])
    return kind(name, **{**values, "pixel_size_m": None if np.isnan(size) else size})


def _count_bytes(image: Labelled) -> int:
    values = (getattr(image, field.name) for field in fields(image))
    return sum(value.nbytes for value in values if isinstance(value, np.ndarray))
