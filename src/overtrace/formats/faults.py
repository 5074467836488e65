"""What is wrong with an answer: where, what was found, what is wanted."""

import json
import re
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from reprlib import Repr
from typing import Any

from overtrace.errors import BadAnswer

MOST_FAULTS = 1000
"""Of one file; a file that is wrong throughout is not better described by more of them."""
MOST_SHOWN = 60
"""Letters of a value."""


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
        return "".join(map(_printable, f"{place}: {self.found}: {self.wanted}"))


class Refused(BadAnswer):
    """An answer that is not in order, and all that is known to be wrong with it."""

    def __init__(self, faults: list[Fault]) -> None:
        self.faults = tuple(faults)
        more = f" (and {len(faults) - 1:,} more: overtrace check lists them)" if len(faults) > 1 else ""
        super().__init__(f"{faults[0]}{more}")


def refuse(faults: list[Fault]) -> BadAnswer:
    """The error that names the first fault and how many more there are."""
    return Refused(faults)


@contextmanager
def gather(faults: list[Fault], file: str) -> Iterator[None]:
    """Whatever is refused within is added to the faults.

    Args:
        faults: added to.
        file: what errors call the file that is read.
    """
    try:
        yield
    except Refused as error:
        faults.extend(error.faults)
    except BadAnswer as error:
        text = str(error)
        found, _, wanted = (f"it {text[len(file) + 1 :]}" if text.startswith(f"{file} ") else text).rpartition(": ")
        faults.append(Fault(file, "", found, wanted))


def in_order(faults: list[Fault]) -> list[Fault]:
    """Faults by file, and by their place in it; at most MOST_FAULTS of one."""
    files: dict[str, list[Fault]] = {}
    for fault in faults:
        files.setdefault(fault.file, []).append(fault)
    return [fault for file in sorted(files) for fault in sorted(files[file], key=_place)[:MOST_FAULTS]]


def _place(fault: Fault) -> int:
    """The row or line; names, and what is wrong with the whole file, come first."""
    number = re.match(r"(?:/annotations)?/(\d+)|line (\d+)", fault.where)
    return int(number[1] or number[2]) if number else -1


def show(value: object) -> str:
    """A value as it was found, cut to a readable length."""
    text = _SHORT.repr(value)
    return text if len(text) <= MOST_SHOWN else f"{text[: MOST_SHOWN - 3]}..."


class Members(dict[str, Any]):
    """A JSON object that knows which of its names were given twice."""

    repeated: frozenset[str] = frozenset()


def parse(data: bytes, shown: str) -> Any:
    """Any JSON; objects are ``Members``.

    Raises:
        BadAnswer: with line and column, if it is none.
    """
    try:
        return json.loads(data.decode(), object_pairs_hook=_note_repeated)
    except json.JSONDecodeError as error:
        place = f"line {error.lineno} column {error.colno}"
        wanted = "write it as UTF-8 without a mark" if "BOM" in error.msg else "write it with a JSON library"
        raise refuse([Fault(shown, place, f"no JSON: {error.msg}", wanted)]) from error
    except UnicodeDecodeError as error:
        raise refuse([Fault(shown, f"byte {error.start}", "no UTF-8", "write the file as UTF-8")]) from error
    except RecursionError as error:
        raise refuse([Fault(shown, "", "no JSON that is read: it is nested too deep", "send a flat list")]) from error
    except ValueError as error:
        raise refuse([Fault(shown, "", f"no JSON: {error}", "write it with a JSON library")]) from error


def _note_repeated(pairs: list[tuple[str, Any]]) -> Members:
    members = Members(pairs)
    if len(members) < len(pairs):
        names = [name for name, _ in pairs]
        members.repeated = frozenset(name for name in members if names.count(name) > 1)
    return members


def _printable(letter: str) -> str:
    """Names come from strangers: what would move the cursor, or cannot be written at all, is spelt out."""
    return letter if letter.isprintable() else ascii(letter)[1:-1]


class _Short(Repr):
    """Never deep, and never long."""

    def repr_Members(self, value: Members, level: int) -> str:
        return self.repr_dict(value, level)


_SHORT = _Short()
_SHORT.maxlevel, _SHORT.maxlist, _SHORT.maxdict = 3, 8, 8
_SHORT.maxstring = _SHORT.maxlong = _SHORT.maxother = MOST_SHOWN
