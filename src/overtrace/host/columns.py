"""The numbers of a board beside the score, taken from what a scorer says."""

import math
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from overtrace.errors import BadOption
from overtrace.host.contest import Column

EACH = "*"


def pick_columns(parts: Mapping[str, Any], columns: Sequence[Column]) -> dict[str, float | None]:
    """The columns of a board by their titles; None where the scorer has nothing to say.

    Args:
        parts: of a verdict.
        columns: whose paths lead into them; what is in a list goes by the first thing that it says of itself, which is
            the name of a data set or a city.
    Raises:
        BadOption: if a path leads nowhere, or two columns have one title.
    """
    found: dict[str, float | None] = {}
    for column in columns:
        for names, value in _walk(parts, column.path.split("/"), column.path):
            if value is not None and (isinstance(value, bool) or not isinstance(value, int | float)):
                raise BadOption(
                    f"{column.path} is no number: name one of {', '.join(_members(value)) or 'the numbers'}"
                )
            title = _entitle(column.title, names)
            if title in found:
                raise BadOption(
                    f"two columns are called {title}: write {EACH} into the title where the name shall stand"
                )
            found[title] = None if value is None or not math.isfinite(value) else float(value)
    return found


def _entitle(title: str, names: Sequence[str]) -> str:
    if not names:
        return title
    name = " ".join(names)
    return title.replace(EACH, name) if EACH in title else f"{title} {name}"


def _walk(value: Any, keys: Sequence[str], path: str) -> Iterator[tuple[list[str], Any]]:
    """Each place that a path leads to, by the names that its stars stand for."""
    if not keys:
        yield [], value
        return
    members = _members(value)
    if keys[0] == EACH:
        for name, member in members.items():
            for names, end in _walk(member, keys[1:], path):
                yield [name, *names], end
    elif keys[0] in members:
        yield from _walk(members[keys[0]], keys[1:], path)
    else:
        raise BadOption(f"{path}: the scorer has no {keys[0]} there: wanted one of {', '.join(members) or 'nothing'}")


def _members(value: Any) -> dict[str, Any]:
    if isinstance(value, Mapping):
        return {str(key): member for key, member in value.items()}
    if isinstance(value, Sequence) and not isinstance(value, str):
        return {str(next(iter(member.values()))): member for member in value if isinstance(member, Mapping) and member}
    return {}
