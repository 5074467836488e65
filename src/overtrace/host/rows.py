"""Rows as JSON holds them, the same whichever database they come from or go to."""

import base64
from collections.abc import Mapping
from enum import StrEnum
from typing import Any

from sqlalchemy import Enum, LargeBinary, Table

from overtrace.host.table_base import Instant

Row = dict[str, Any]


def dump_row(table: Table, row: Mapping[str, Any]) -> Row:
    """Values of a row as they are read: times become microseconds since 1970, bytes base 64, states their words."""
    return {name: _dump(table.c[name].type, value) for name, value in row.items()}


def _dump(kind: Any, value: Any) -> Any:
    if isinstance(kind, Instant):
        return kind.process_bind_param(value, None)
    if isinstance(value, StrEnum):
        return value.value
    if isinstance(value, bytes):
        return base64.b64encode(value).decode()
    return value


def load_row(table: Table, row: Mapping[str, Any]) -> Row:
    """Values of a row as they are written.

    Raises:
        KeyError: if the table has no such column.
        ValueError: if a value is none of its column.
    """
    return {name: _load(table.c[name].type, value) for name, value in row.items()}


def _load(kind: Any, value: Any) -> Any:
    if value is None:
        return None
    if isinstance(kind, Instant):
        return kind.process_result_value(int(value), None)
    if isinstance(kind, Enum) and kind.enum_class is not None:
        return kind.enum_class(value)
    if isinstance(kind, LargeBinary):
        return base64.b64decode(value, validate=True)
    return value
