"""``python -m overtrace.host.unmask``: a container's answer under the names of the truth, by a process with limits.

It reads what a stranger's program wrote, so it has limits of memory and time of its own, and nothing to lose: one line
of JSON comes in, files go out, and one line of JSON says what was wrong and what the answer to each image was, as a
digest that does not depend on the order of rows.
"""

import csv
import hashlib
import io
import json
import re
import sys
from collections import defaultdict
from collections.abc import Iterable, Sequence
from pathlib import Path, PurePosixPath
from typing import Any, Literal

from pydantic import Field

from overtrace.challenges.answer_rows import write_row
from overtrace.challenges.footprint_files import EMPTY, NO_BUILDING
from overtrace.challenges.tree_files import IMAGE_COLUMNS
from overtrace.host.contest import Contest, Effort, Frozen
from overtrace.host.outcome import MOST_FAULTS, Flaw
from overtrace.host.scorer import OUT_OF_MEMORY, die_with_parent, limit

Kind = Literal["rows", "labels", "footprints", "trees"]
ANSWER_FILES: dict[Kind, str] = {
    "rows": "answer.json",
    "labels": "a PNG for each image",
    "footprints": "answer.csv",
    "trees": "answer.csv",
}
"""What a container writes to /output."""
EACH: dict[Kind, tuple[str, ...]] = {"labels": (".png",), "footprints": (".geojson",), "trees": (".csv", ".xml")}
"""Endings of the files that may hold the answer to one image, whose name they have."""
BOXES = re.compile(r"<bndbox>.*?</bndbox>", re.DOTALL)


class Name(Frozen):
    """An image: what the container calls it, and what the truth does."""

    stem: str
    number: int
    part: str
    name: str
    true_number: int

    @property
    def key(self) -> str:
        """Of the image, among all."""
        return f"{self.part}/{self.name}"


class Orders(Frozen):
    """What is to be done."""

    kind: Kind
    files: tuple[Path, ...]
    into: Path
    """An empty folder."""
    names: tuple[Name, ...]
    effort: Effort


class Unmasked(Frozen):
    """What came of it."""

    faults: tuple[Flaw, ...] = ()
    answers: dict[str, str] = Field(default_factory=dict)
    """By the key of an image: digest of its answer; an image without an object is not there."""


class _Wrong(Exception):
    """Something that keeps all from being read."""


def find_kind(contest: Contest) -> Kind | None:
    """How answers to a contest are written; None if containers cannot answer it yet."""
    kinds: dict[str, Kind] = {
        "itc": "rows",
        "sceneparsing": "labels",
        "camvid": "labels",
        "deepglobe": "footprints",
        "trees": "trees",
        "coco-masks": "rows",
        "coco-boxes": "rows",
        "pixels": "labels",
    }
    return kinds.get(contest.profile if contest.challenge == "own" else contest.challenge)


def main() -> None:
    """Do what one line of JSON says."""
    die_with_parent()
    orders = Orders.model_validate_json(sys.stdin.readline())
    limit(orders.effort)
    try:
        done = unmask(orders)
    except (MemoryError, RecursionError):
        sys.exit(OUT_OF_MEMORY)
    print(done.model_dump_json())


def unmask(orders: Orders) -> Unmasked:
    """Write the answer under its true names."""
    faults: list[Flaw] = []
    try:
        if orders.kind == "rows":
            answers = _unmask_rows(orders, faults)
        elif orders.kind == "labels" or _find_own(orders):
            answers = _unmask_files(orders, faults)
        else:
            answers = _unmask_table(orders, faults)
    except _Wrong as wrong:
        faults, answers = [wrong.args[0]], {}
    return Unmasked(faults=tuple(faults[:MOST_FAULTS]), answers=answers)


def _flaw(file: str, where: str, found: str, wanted: str) -> Flaw:
    return Flaw(file=file, where=where, found=found, wanted=wanted)


def _only(orders: Orders, suffix: str) -> Path:
    """The one file of an ending."""
    found = [path for path in orders.files if path.suffix.lower() == suffix]
    if len(found) != 1:
        wanted = f"write one, /output/{ANSWER_FILES[orders.kind]}"
        raise _Wrong(_flaw("/output", "", f"it holds {len(found)} files that end in {suffix}", wanted))
    return found[0]


def _find_own(orders: Orders) -> bool:
    """Whether an image has a file of its own."""
    stems = {name.stem for name in orders.names}
    return any(path.stem in stems and path.suffix.lower() in EACH[orders.kind] for path in orders.files)


def _unmask_files(orders: Orders, faults: list[Flaw]) -> dict[str, str]:
    """A file for each image."""
    names = {name.stem: name for name in orders.names}
    found: dict[str, list[str]] = {}
    for path in orders.files:
        name = names.get(path.stem)
        suffix = path.suffix.lower()
        if suffix not in EACH[orders.kind]:
            continue
        if name is None:
            faults.append(_flaw(path.name[:100], "", "no image has the name", "name answers as the images"))
            continue
        data = path.read_bytes()
        (orders.into / f"{name.name}{suffix}").write_bytes(data)
        found[name.key] = _list_objects(data, suffix)
    if orders.kind == "labels":
        missing = [name for name in orders.names if name.key not in found]
        faults += [_flaw(f"{name.stem}.png", "", "it is missing", "answer every image") for name in missing]
    return _digest_all(found)


def _list_objects(data: bytes, suffix: str) -> list[str]:
    """What an image was answered by, without the name that it had in this run; what cannot be read is one object."""
    whole = [hashlib.sha256(data).hexdigest()]
    text = data.decode(errors="replace")
    if suffix == ".csv":
        return [line for line in text.splitlines()[1:] if line.strip()]
    if suffix == ".xml":
        return BOXES.findall(text)
    if suffix != ".geojson":
        return whole
    try:
        return [json.dumps(feature, sort_keys=True) for feature in json.loads(text)["features"]]
    except (ValueError, KeyError, TypeError):
        return whole


def _unmask_rows(orders: Orders, faults: list[Flaw]) -> dict[str, str]:
    path = _only(orders, ".json")
    try:
        rows = json.loads(path.read_bytes())
    except (ValueError, RecursionError) as error:
        raise _Wrong(_flaw(path.name[:100], "", f"no JSON: {str(error)[:100]}", "write COCO results")) from error
    if not isinstance(rows, list):
        raise _Wrong(_flaw(path.name[:100], "", f"found {type(rows).__name__}", "wanted a list of COCO results"))
    names = {name.number: name for name in orders.names}
    parts: dict[str, list[Any]] = {name.part: [] for name in orders.names}
    found: dict[str, list[str]] = defaultdict(list)
    for i, row in enumerate(rows):
        number = row.get("image_id") if isinstance(row, dict) else None
        name = names.get(number) if isinstance(number, int) and not isinstance(number, bool) else None
        if name is None:
            shown = json.dumps(number if isinstance(row, dict) else row)[:40]
            faults.append(_flaw(path.name[:100], f"/{i}/image_id", f"found {shown}", "use the ids of images.json"))
            if len(faults) >= MOST_FAULTS:
                break
            continue
        found[name.key].append(json.dumps({**row, "image_id": 0}, sort_keys=True))
        parts[name.part].append({**row, "image_id": name.true_number})
    for part, own in parts.items():
        (orders.into / f"{part}.json").write_text(json.dumps(own))
    return _digest_all(found)


def _unmask_table(orders: Orders, faults: list[Flaw]) -> dict[str, str]:
    path = _only(orders, ".csv")
    csv.field_size_limit(2**27)
    try:
        rows = list(csv.reader(io.StringIO(path.read_bytes().decode("utf-8-sig"), newline="")))
    except (UnicodeDecodeError, csv.Error) as error:
        raise _Wrong(_flaw(path.name[:100], "", str(error)[:100], "wanted a CSV file")) from error
    column = _find_column(orders.kind, rows, path)
    names = {name.stem: name for name in orders.names}
    found: dict[str, list[str]] = defaultdict(list)
    out = []
    for line, row in enumerate(rows, start=1):
        if orders.kind == "trees" and line == 1:
            out.append(write_row(*row))
            continue
        if not row or row[0].startswith("#") or row[0].strip() == "ImageId":
            continue
        stem = PurePosixPath(row[column].strip()).stem if column < len(row) else ""
        name = names.get(stem)
        if name is None:
            faults.append(_flaw(path.name[:100], f"line {line}", f"found {stem[:40]!r}", "name images as images.json"))
            if len(faults) >= MOST_FAULTS:
                break
            continue
        out.append(write_row(*row[:column], name.name, *row[column + 1 :]))
        if orders.kind == "footprints":
            # The number of a building is no part of what was found, and neither is a row that says there is none.
            found[name.key] += [] if _is_empty(row) else ["\0".join(row[2:])]
        else:
            found[name.key].append("\0".join([*row[:column], *row[column + 1 :]]))
    (orders.into / "answer.csv").write_text("\n".join([*out, ""]))
    return _digest_all(found)


def _is_empty(row: Sequence[str]) -> bool:
    return row[1:2] == [NO_BUILDING] or (row[2:3] or [""])[0].upper().split() == EMPTY.split()


def _find_column(kind: Kind, rows: Sequence[Sequence[str]], path: Path) -> int:
    if kind == "footprints":
        return 0
    header = [name.strip() for name in rows[0]] if rows else []
    column = next((header.index(name) for name in IMAGE_COLUMNS if name in header), None)
    if column is None:
        raise _Wrong(_flaw(path.name[:100], "line 1", "found no column image", "name the image in each row"))
    return column


def _digest_all(found: dict[str, list[str]]) -> dict[str, str]:
    return {key: _digest(sorted(rows)) for key, rows in found.items() if rows}


def _digest(rows: Iterable[str]) -> str:
    digest = hashlib.sha256()
    for row in rows:
        digest.update(row.encode(errors="replace") + b"\n")
    return digest.hexdigest()


if __name__ == "__main__":
    main()
