"""Metadata of an ONNX file, read and replaced without the onnx package and without parsing the weights.

An ONNX file is a protobuf message, a row of fields: a tag, and then a number or a length and that many bytes.
The graph is one field and is stepped over; each entry of ``metadata_props`` is a field of its own.

Source:
    onnx.proto (ModelProto: ir_version = 1, graph = 7, metadata_props = 14; StringStringEntryProto: key = 1, value = 2);
    protobuf encoding, https://protobuf.dev/programming-guides/encoding/
"""

import os
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from hashlib import sha256
from mmap import ACCESS_READ, mmap
from pathlib import Path

from overtrace.errors import BadModel

IR_VERSION, GRAPH, METADATA_PROPS = 1, 7, 14
KEY, VALUE = 1, 2
VARINT, FIXED64, LENGTH, FIXED32 = 0, 1, 2, 5
VARINT_BYTES = 10


@dataclass(frozen=True, slots=True)
class Field:
    """Where a field lies: its tag from ``start``, its payload from ``payload`` to ``stop``."""

    number: int
    start: int
    payload: int
    stop: int


def read_metadata(path: str | Path) -> dict[str, str]:
    """The metadata of an ONNX file.

    Raises:
        BadModel: if the file is missing, cut short, or no ONNX file.
    """
    with _mapped(path) as data:
        fields = _model_fields(path, data)
        return dict(_entry(data, field) for field in fields if field.number == METADATA_PROPS)


def digest_network(path: str | Path) -> str:
    """The sha256 of an ONNX file without its metadata: the same whatever its card says.

    Raises:
        BadModel: as ``read_metadata``.
    """
    digest = sha256()
    with _mapped(path) as data:
        for field in _model_fields(path, data):
            if field.number != METADATA_PROPS:
                digest.update(data[field.start : field.stop])
    return digest.hexdigest()


def write_metadata(source: str | Path, entries: Mapping[str, str], target: str | Path) -> None:
    """Copy an ONNX file with some of its metadata replaced or added; the rest stays byte for byte.

    ``target`` may be ``source``: the copy is written aside and then renamed.

    Raises:
        BadModel: if ``source`` is no ONNX file.
    """
    target = Path(target)
    aside = target.with_name(f".{target.name}.{os.getpid()}.part")
    try:
        with _mapped(source) as data, aside.open("wb") as copy:
            for field in _model_fields(source, data):
                if field.number != METADATA_PROPS or _entry(data, field)[0] not in entries:
                    copy.write(data[field.start : field.stop])
            for key, value in entries.items():
                entry = _encode(KEY, key.encode()) + _encode(VALUE, value.encode())
                copy.write(_encode(METADATA_PROPS, entry))
        aside.replace(target)
    finally:
        aside.unlink(missing_ok=True)


def _mapped(path: str | Path) -> mmap:
    try:
        with open(path, "rb") as file:
            return mmap(file.fileno(), 0, access=ACCESS_READ)
    except ValueError:
        raise BadModel(f"{path} is empty: wanted an ONNX file") from None
    except OSError as error:
        raise BadModel(f"{path} cannot be read: {error.strerror}") from error


def _model_fields(path: str | Path, data: mmap) -> list[Field]:
    try:
        fields = list(_fields(data))
        numbers = {field.number for field in fields}
    except (ValueError, IndexError) as error:
        raise BadModel(f"{path} is no ONNX file, or one that was cut short: copy or download it again") from error
    if not {IR_VERSION, GRAPH} <= numbers:
        raise BadModel(f"{path} is no ONNX file: it holds no graph")
    return fields


def _entry(data: mmap, field: Field) -> tuple[str, str]:
    """Key and value of one entry of the metadata."""
    entry = data[field.payload : field.stop]
    parts = {part.number: entry[part.payload : part.stop].decode("utf-8", "replace") for part in _fields(entry)}
    return parts.get(KEY, ""), parts.get(VALUE, "")


def _fields(data: bytes | mmap) -> Iterator[Field]:
    """The fields of a message; ValueError or IndexError where it is none."""
    position = 0
    while position < len(data):
        start = position
        tag, position = _varint(data, position)
        payload, stop = _payload(data, position, tag & 7)
        if stop > len(data) or tag >> 3 == 0:
            raise ValueError("not a protobuf message")
        yield Field(tag >> 3, start, payload, stop)
        position = stop


def _payload(data: bytes | mmap, position: int, wire_type: int) -> tuple[int, int]:
    """First byte of a payload and the one after its last."""
    if wire_type == VARINT:
        return position, _varint(data, position)[1]
    if wire_type == LENGTH:
        length, begin = _varint(data, position)
        return begin, begin + length
    if wire_type in (FIXED32, FIXED64):
        return position, position + (4 if wire_type == FIXED32 else 8)
    raise ValueError(f"wire type {wire_type} is not in use")


def _varint(data: bytes | mmap, position: int) -> tuple[int, int]:
    """A number in groups of seven bits, lowest first, and the position after it."""
    number = 0
    for shift in range(0, 7 * VARINT_BYTES, 7):
        byte = data[position]
        position += 1
        number |= (byte & 127) << shift
        if byte < 128:
            return number, position
    raise ValueError("a number without an end")


def _encode(number: int, payload: bytes) -> bytes:
    """A field with a length."""
    return _encode_varint(number << 3 | LENGTH) + _encode_varint(len(payload)) + payload


def _encode_varint(number: int) -> bytes:
    groups = bytearray()
    while number > 127:
        groups.append(number & 127 | 128)
        number >>= 7
    return bytes([*groups, number])
