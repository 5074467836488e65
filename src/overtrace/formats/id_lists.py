"""Lists of the images that count, as contests publish them."""

from dataclasses import dataclass
from pathlib import Path
from typing import Any

from overtrace.errors import BadAnswer
from overtrace.formats.faults import parse, show

Pair = tuple[int | None, str | None]
"""Id and name of an image."""


@dataclass(frozen=True, slots=True)
class ImageList:
    """Images by their ids, by their names, or by both."""

    ids: frozenset[int]
    """Empty if the list has none."""
    names: frozenset[str]
    """Without folders and extensions; empty if the list has none."""


def read_ids(path: Path) -> list[str]:
    """The names of a list of images, for contests that go by names.

    Raises:
        BadAnswer: if the list cannot be read, or has no names.
    """
    names = read_image_list(path).names
    if not names:
        raise BadAnswer(f"{path} is no list of names of images: wanted one a line, or JSON")
    return sorted(names)


def read_image_list(path: Path) -> ImageList:
    """A list of images: text with a name or an id a line; or JSON, which may be

    - a list of names, of ids, or of objects with ``file_name`` or ``name``, and ``id``;
    - a COCO data set, or any object whose ``images`` are such a list;
    - a mapping from name to id, from id to name, or from name to anything.

    An ``.odgt`` file, as ADE20K's development kit has it, holds an object with ``fpath_img`` a line.

    Raises:
        BadAnswer: if it is none of these.
    """
    pairs = _read_pairs(path)
    ids = frozenset(number for number, _ in pairs if number is not None)
    return ImageList(ids, frozenset(Path(name).stem for _, name in pairs if name is not None))


def read_numbers(path: Path) -> dict[str, int]:
    """The id of each image of a list, by its name without folders and extension; one without a name goes by its id.

    Raises:
        BadAnswer: if the list cannot be read, an image has no id, or two share a name.
    """
    numbers: dict[str, int] = {}
    for number, name in _read_pairs(path):
        if number is None:
            raise BadAnswer(f"{path} has no id for {name}: wanted names with integers, as in validation_img_id.json")
        stem = str(number) if name is None else Path(name).stem
        if numbers.setdefault(stem, number) != number:
            raise BadAnswer(f"{path} has two images called {stem}: give each a list and an answer of its own")
    return numbers


def _read_pairs(path: Path) -> list[Pair]:
    try:
        text = path.read_bytes().decode("utf-8-sig")
    except (OSError, UnicodeDecodeError) as error:
        raise BadAnswer(f"{path} cannot be read as a list of images: {error}") from error
    lines = [line.strip() for line in text.splitlines() if line.strip() and not line.startswith("#")]
    if not text.lstrip().startswith(("[", "{")):
        numbers = all(map(_is_number, lines))
        return [(int(line) if numbers else None, line) for line in lines]
    as_lines = path.suffix.lower() == ".odgt"
    content = parse((f"[{','.join(lines)}]" if as_lines else text).encode(), str(path))
    if isinstance(content, dict) and isinstance(content.get("images"), list):
        content = content["images"]
    pairs = _pair_members(content) if isinstance(content, dict) else [_pair(row) for row in content]
    if any(pair == (None, None) for pair in pairs):
        raise BadAnswer(f"{path} is no list of names of images, nor of ids: found {show(content)}")
    return pairs


def _pair_members(content: dict[str, Any]) -> list[Pair]:
    """Of a mapping; keys are ids if all of them are numbers and what they stand for are names."""
    if content and all(_is_number(key) and isinstance(value, str) for key, value in content.items()):
        return [(int(key), value) for key, value in content.items()]
    return [(_integer(value), key) for key, value in content.items()]


def _pair(row: object) -> Pair:
    if isinstance(row, dict):
        name = row.get("file_name", row.get("name", row.get("fpath_img")))
        return _integer(row.get("id")), name if isinstance(name, str) else None
    return _integer(row), row if isinstance(row, str) else None


def _integer(value: object) -> int | None:
    return value if isinstance(value, int) and not isinstance(value, bool) and abs(value) < 2**62 else None


def _is_number(text: str) -> bool:
    return text.isdecimal() and text.isascii() and len(text) < 19
