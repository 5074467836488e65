"""Files of weights with their numbers shuffled: to see whether a program's answers come from them.

Shapes, names, types and the numbers themselves stay, so that a program loads the file as before and its values keep
their range; only what was learnt is gone. Known are ONNX, safetensors, PyTorch's archives, NumPy's npy and npz, and zip
archives of these.
"""

import io
import json
import struct
import zipfile
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

LEAST_BYTES = 64
"""Of a tensor: scales, zero points and the like are left, unless all are so small."""
TRIES = 8
MOST_DEPTH = 2
"""Of archives in archives."""
VARINT, FIXED64, BYTES, FIXED32 = 0, 1, 2, 5
ONNX_SIZES = {1: 4, 2: 1, 3: 1, 10: 2, 11: 8, 16: 2}
"""Bytes of a number by the type of a tensor; integers that may be shapes and indices are not among them."""
SAFE_SIZES = {"F64": 8, "F32": 4, "F16": 2, "BF16": 2, "I8": 1, "U8": 1, "F8_E4M3": 1, "F8_E5M2": 1}
TORCH_SIZE = 4
"""Its archives say in a pickle what type a number has: halves move in pairs then, and doubles are not kept whole."""


class UnknownWeights(Exception):
    """A file whose numbers cannot be found."""


@dataclass(frozen=True, slots=True)
class Span:
    """Where the numbers of a tensor lie."""

    start: int
    length: int
    size: int
    """Bytes of a number."""


def shuffle(
    data: bytes, rng: np.random.Generator, first: float = 0.0, last: float = 1.0, *, zero: bool = False
) -> bytes:
    """The file with the numbers of each tensor shuffled.

    Args:
        data: of the file.
        first, last: which of the tensors, as shares of all their bytes in the order of the file.
        zero: put zeros in their place.
    Raises:
        UnknownWeights: if it holds no tensor that is known.
    """
    counted = _Counter(count_bytes(data), first, last, zero)
    return _change(data, rng, counted, 0)


def count_bytes(data: bytes) -> int:
    """How many bytes of tensors a file holds.

    Raises:
        UnknownWeights: if it holds none.
    """
    total = _count(data, 0)
    if total == 0:
        raise UnknownWeights("its tensors cannot be found: wanted ONNX, safetensors, PyTorch, npz, or a zip of these")
    return total


@dataclass(slots=True)
class _Counter:
    total: int
    first: float
    last: float
    zero: bool
    seen: int = 0

    def take(self, length: int) -> bool:
        """Whether a tensor is to be changed: its middle decides."""
        middle = (self.seen + length / 2) / self.total
        self.seen += length
        return self.first <= middle < self.last


def _count(data: bytes, depth: int) -> int:
    if zipfile.is_zipfile(io.BytesIO(data)):
        with zipfile.ZipFile(io.BytesIO(data)) as archive:
            return sum(_count_member(archive, info, depth) for info in archive.infolist())
    return sum(span.length for span in find_spans(data))


def _count_member(archive: zipfile.ZipFile, info: zipfile.ZipInfo, depth: int) -> int:
    if _is_torch(info):
        return info.file_size
    return _count(archive.read(info), depth + 1) if depth < MOST_DEPTH else 0


def _is_torch(info: zipfile.ZipInfo) -> bool:
    """A storage of PyTorch: ``NAME/data/NUMBER``."""
    parts = info.filename.split("/")
    return len(parts) >= 3 and parts[-2] == "data" and parts[-1].isdigit()


def _change(data: bytes, rng: np.random.Generator, counter: _Counter, depth: int) -> bytes:
    if not zipfile.is_zipfile(io.BytesIO(data)):
        return _change_spans(data, find_spans(data), rng, counter)
    out = io.BytesIO()
    with zipfile.ZipFile(io.BytesIO(data)) as archive, zipfile.ZipFile(out, "w") as made:
        for info in archive.infolist():
            member = archive.read(info)
            if _is_torch(info):
                whole = len(member) - len(member) % TORCH_SIZE
                member = _change_spans(member, [Span(0, whole, TORCH_SIZE)] * (whole > 0), rng, counter)
            elif depth < MOST_DEPTH:
                member = _change(member, rng, counter, depth + 1)
            made.writestr(info, member, info.compress_type)
    return out.getvalue()


def _change_spans(data: bytes, spans: Sequence[Span], rng: np.random.Generator, counter: _Counter) -> bytes:
    changed = bytearray(data)
    for span in spans:
        if not counter.take(span.length):
            continue
        end = span.start + span.length
        if counter.zero:
            changed[span.start : end] = bytes(span.length)
        else:
            rows = np.frombuffer(data[span.start : end], np.uint8).reshape(-1, span.size)
            changed[span.start : end] = _shuffle_rows(rows, rng).tobytes()
    return bytes(changed)


def _shuffle_rows(rows: NDArray[np.uint8], rng: np.random.Generator) -> NDArray[np.uint8]:
    """In another order; of a few numbers, the first may be the old one."""
    for _ in range(TRIES):
        shuffled = rows[rng.permutation(len(rows))]
        if not np.array_equal(shuffled, rows):
            break
    return shuffled


def find_spans(data: bytes) -> list[Span]:
    """The tensors of a file that is no archive; none if it is not known."""
    for find in (_find_npy, _find_safetensors, _find_onnx):
        try:
            spans = list(find(data))
        except (struct.error, ValueError, IndexError, KeyError, TypeError, AttributeError, RecursionError):
            continue
        if spans:
            least = min(LEAST_BYTES, max(span.length for span in spans))
            return sorted((span for span in spans if span.length >= least), key=lambda span: span.start)
    return []


def _find_npy(data: bytes) -> Iterator[Span]:
    if not data.startswith(b"\x93NUMPY"):
        return
    file = io.BytesIO(data)
    version = np.lib.format.read_magic(file)
    read = np.lib.format.read_array_header_1_0 if version == (1, 0) else np.lib.format.read_array_header_2_0
    _, _, kind = read(file)
    if kind.kind == "f" or kind.itemsize == 1:
        yield Span(file.tell(), len(data) - file.tell(), kind.itemsize)


def _find_safetensors(data: bytes) -> Iterator[Span]:
    (length,) = struct.unpack_from("<Q", data)
    if length > len(data) - 8 or data[8:9] != b"{":
        return
    for name, tensor in json.loads(data[8 : 8 + length]).items():
        if name == "__metadata__" or tensor["dtype"] not in SAFE_SIZES:
            continue
        first, last = tensor["data_offsets"]
        if not 0 <= first <= last <= len(data) - 8 - length:
            raise ValueError("a tensor lies beyond the file")
        if last > first:
            yield Span(8 + length + first, last - first, SAFE_SIZES[tensor["dtype"]])


def _find_onnx(data: bytes) -> Iterator[Span]:
    """The initializers of a graph, and constants among its nodes: the fields of onnx.proto by their numbers."""
    for number, start, end in _read_fields(data, 0, len(data)):
        if number == 7:
            yield from _find_graph(data, start, end)


def _find_graph(data: bytes, start: int, end: int) -> Iterator[Span]:
    for number, first, last in _read_fields(data, start, end):
        if number == 5:
            yield from _find_tensor(data, first, last)
        elif number == 1:
            for field, begin, stop in _read_fields(data, first, last):
                if field == 5:
                    for part, left, right in _read_fields(data, begin, stop):
                        if part == 5:
                            yield from _find_tensor(data, left, right)


def _find_tensor(data: bytes, start: int, end: int) -> Iterator[Span]:
    fields = list(_read_fields(data, start, end, numbers=True))
    kind = next((first for number, first, last in fields if number == 2 and last < 0), 0)
    for number, first, last in fields:
        if number in (4, 9, 10) and last > first:
            size = {4: 4, 10: 8}.get(number, ONNX_SIZES.get(kind, 0))
            if size and (last - first) % size == 0:
                yield Span(first, last - first, size)


def _read_fields(data: bytes, place: int, end: int, *, numbers: bool = False) -> Iterator[tuple[int, int, int]]:
    """Number, start and end of each field that has a length; with ``numbers`` also value and -1 of plain ones."""
    while place < end:
        key, place = _read_varint(data, place)
        kind = key & 7
        if kind == BYTES:
            length, place = _read_varint(data, place)
            if length > end - place:
                raise ValueError("a field is longer than what holds it")
            yield key >> 3, place, place + length
            place += length
        elif kind == VARINT:
            value, place = _read_varint(data, place)
            if numbers:
                yield key >> 3, value, -1
        elif kind in (FIXED32, FIXED64):
            place += 4 if kind == FIXED32 else 8
        else:
            raise ValueError("no protocol buffer")
    if place != end:
        raise ValueError("a field is longer than what holds it")


def _read_varint(data: bytes, place: int) -> tuple[int, int]:
    value = shift = 0
    while True:
        byte = data[place]
        value |= (byte & 127) << shift
        place += 1
        if byte < 128:
            return value, place
        shift += 7
        if shift > 63:
            raise ValueError("no protocol buffer")
