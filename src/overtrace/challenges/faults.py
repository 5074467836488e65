"""What is wrong with an answer: where, what was found, what is wanted."""

import json
from dataclasses import dataclass
from typing import Any

from overtrace.errors import BadAnswer


@dataclass(frozen=True, slots=True)
class Fault:
    """One fault."""

    file: str
    where: str
    """JSON pointer, or line; empty for the whole file."""
    found: str
    wanted: str

    def __str__(self) -> str:
        place = f"{self.file} {self.where}".strip()
        return f"{place}: {self.found}: {self.wanted}"


def refuse(faults: list[Fault]) -> BadAnswer:
    """The error that names the first fault and how many more there are."""
    more = f" (and {len(faults) - 1:,} more: overtrace check lists them)" if len(faults) > 1 else ""
    return BadAnswer(f"{faults[0]}{more}")


def show(value: object) -> str:
    """A value as it was found, cut to a readable length."""
    text = repr(value)
    return text if len(text) <= 60 else f"{text[:57]}..."


def parse(data: bytes, shown: str) -> Any:
    """Any JSON.

    Raises:
        BadAnswer: with line and column, if it is none.
    """
    try:
        return json.loads(data)
    except json.JSONDecodeError as error:
        raise BadAnswer(f"{shown} line {error.lineno} column {error.colno}: no JSON: {error.msg}") from error
    except (UnicodeDecodeError, RecursionError, ValueError) as error:
        raise BadAnswer(f"{shown} is no JSON: {error}") from error
