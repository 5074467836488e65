"""Made-up images in a truth: they have objects of another image, turned upside down, and a name or id of their own.

COCO files, tables of buildings and folders of index PNGs can be given some. Each file is written aside and renamed.
"""

import csv
import io
import json
import re
import shutil
from collections import defaultdict
from collections.abc import Callable, Collection, Iterator, Sequence
from pathlib import Path, PurePosixPath
from typing import Any

import numpy as np
import shapely
from numpy.typing import NDArray
from PIL import Image

from overtrace.challenges.footprint_files import COLUMNS, read_footprints
from overtrace.challenges.own import COCO, PIXELS
from overtrace.challenges.scene_files import read_names
from overtrace.challenges.submission import open_answer
from overtrace.challenges.tree_files import read_trees
from overtrace.errors import BadAnswer, BadOption
from overtrace.formats.faults import Fault, parse, refuse
from overtrace.raster.aside import open_aside
from overtrace.scoring.rle import Runs, compress

NEAR = 10
"""A new number is at most so far beyond those that are there."""


def list_images(challenge: str, profile: str, truth: Path) -> frozenset[str]:
    """The ids or names of all images of a truth, as an answer names them; none where files go by themselves.

    Raises:
        BadAnswer: if it cannot be read.
    """
    kind = find_kind(challenge, profile)
    if kind == "coco":
        images = [image for _, content in _read_coco(truth) for image in content["images"]]
        if any(not isinstance(image, dict) or "id" not in image for image in images):
            raise BadAnswer(f"{truth} has an image without an id: give it one")
        return frozenset(str(image["id"]) for image in images)
    if kind == "scenes":
        return frozenset(_read_scenes(truth))
    if kind == "deepglobe":
        return read_footprints(truth, answer=False).named
    return frozenset(read_trees(truth).images) if kind == "trees" else frozenset()


def lay(challenge: str, profile: str, truth: Path, count: int, known: Collection[str], rng: np.random.Generator) -> int:
    """Add canaries to a truth: so many, and of COCO to each data set.

    Args:
        known: ids or names that other images have, besides those of the truth.
    Returns:
        How many there are more than before.
    Raises:
        BadOption: if none are written for this protocol, or for files like these.
        BadOutput: if one cannot be written.
    """
    writers: dict[str, Callable[[Path, int, set[str], np.random.Generator], int]] = {
        "coco": _lay_crowns,
        "deepglobe": _lay_buildings,
        "scenes": _lay_scenes,
    }
    kind = find_kind(challenge, profile)
    if kind not in writers:
        raise BadOption(f"no canaries are written for {profile or challenge}: put some into {truth} by hand")
    return writers[kind](truth, count, {*known, *list_images(challenge, profile, truth)}, rng)


def find_kind(challenge: str, profile: str) -> str:
    """Whose files a truth has: coco, scenes, or those of a challenge of its own."""
    if challenge == "itc" or (challenge == "own" and profile in COCO):
        return "coco"
    if challenge in ("sceneparsing", "camvid") or (challenge == "own" and profile == PIXELS):
        return "scenes"
    return challenge


def _read_coco(truth: Path) -> Iterator[tuple[Path, dict[str, Any]]]:
    """Each data set, and where it lies."""
    for member in open_answer(truth):
        if member.name.endswith(".json"):
            content = parse(member.read(), member.shown)
            if isinstance(content, dict) and "annotations" in content:
                if not isinstance(content.get("images"), list):
                    raise BadAnswer(f"{member.shown} has no list of images: wanted a COCO data set")
                yield _want_plain(member.path, truth), content


def _want_plain(path: Path | None, truth: Path) -> Path:
    if path is None or path.suffix in (".gz", ".zip"):
        raise BadOption(f"{truth} is packed: unpack it")
    return path


def _read_scenes(truth: Path) -> dict[str, Path]:
    faults: list[Fault] = []
    found = read_names(truth, faults)
    if faults:
        raise refuse(faults)
    return {name: _want_plain(member.path, truth) for name, member in found.items()}


def _lay_crowns(truth: Path, count: int, known: set[str], rng: np.random.Generator) -> int:
    laid = 0
    for path, content in _read_coco(truth):
        objects = defaultdict(list)
        for one in content["annotations"]:
            objects[one["image_id"]].append(one)
        donors = [image for image in content["images"] if image["id"] in objects]
        known |= {PurePosixPath(image.get("file_name", "")).stem for image in content["images"]}
        for _ in range(count):
            donor = donors[rng.integers(len(donors))]
            number = _draw_number({int(one) for one in known if one.isdecimal()}, rng)
            known.add(str(number))
            image = {**donor, "id": number}
            if "file_name" in donor:
                path_inside = PurePosixPath(donor["file_name"])
                image["file_name"] = str(path_inside.with_stem(_rename(path_inside.stem, known, rng)))
            content["images"].insert(int(rng.integers(len(content["images"]) + 1)), image)
            first = max(one["id"] for one in content["annotations"]) + 1
            turned = [_turn_object(one, donor["width"], donor["height"]) for one in objects[donor["id"]]]
            content["annotations"] += [
                {**one, "id": i, "image_id": number} for i, one in enumerate(reversed(turned), start=first)
            ]
            laid += 1
        _write(path, json.dumps(content).encode(), path)
    return laid


def _turn_object(one: dict[str, Any], width: int, height: int) -> dict[str, Any]:
    """An annotation of an image that is turned upside down."""
    turned = dict(one)
    if "bbox" in one:
        left, top, wide, high = one["bbox"]
        turned["bbox"] = [width - left - wide, height - top - high, wide, high]
    mask = one.get("segmentation")
    if isinstance(mask, list):
        turned["segmentation"] = [
            [side - value for side, value in zip([width, height] * (len(ring) // 2), ring, strict=True)]
            for ring in mask
        ]
    elif mask is not None:
        turned["segmentation"] = {**mask, "counts": _turn_runs(mask["counts"], height, width)}
    return turned


def _turn_runs(counts: str | list[int], height: int, width: int) -> str | list[int]:
    """Run lengths of a mask whose pixels come in the opposite order, in the form in which they came."""
    runs = (decompress(counts) if isinstance(counts, str) else counts)[::-1]
    # The first run is background, and none but it may be empty.
    runs = ([0] if len(runs) % 2 == 0 else []) + runs
    runs = runs[:-1] if len(runs) > 1 and runs[-1] == 0 else runs
    if not isinstance(counts, str):
        return runs
    return compress(Runs(height, width, np.array(runs, np.int64), np.array([0, len(runs)])))[0]


def decompress(text: str) -> list[int]:
    """The run lengths of COCO's compressed text, which ``rle.compress`` writes."""
    runs: list[int] = []
    value = shift = 0
    for letter in text.encode():
        bits = letter - 48
        value |= (bits & 31) << shift
        shift += 5
        if bits & 32:
            continue
        value -= (bits & 16) << (shift - 4)
        runs.append(value + (runs[-2] if len(runs) > 2 else 0))
        value = shift = 0
    return runs


def _lay_buildings(truth: Path, count: int, known: set[str], rng: np.random.Generator) -> int:
    tables = [member.path for member in open_answer(truth) if member.name.lower().endswith(".csv")]
    if not tables:
        raise BadOption(f"{truth} holds no .csv file: canaries are written into {','.join(COLUMNS)}")
    path = _want_plain(tables[0], truth)
    text = path.read_bytes().decode("utf-8-sig")
    csv.field_size_limit(2**27)
    rows: dict[str, list[list[str]]] = defaultdict(list)
    for row in csv.reader(io.StringIO(text, newline="")):
        if row[2:] and not row[0].startswith("#") and "((" in row[2]:
            rows[row[0]].append(row)
    end = "\r\n" if "\r\n" in text else "\n"
    added = io.StringIO()
    writer = csv.writer(added, lineterminator=end)
    for _ in range(count):
        donor = rows[sorted(rows)[rng.integers(len(rows))]]
        name = _rename(donor[0][0], known, rng)
        outlines = zip(
            *(_turn_outlines(column) for column in zip(*(row[2:] for row in donor), strict=True)), strict=True
        )
        writer.writerows([name, row[1], *cells] for row, cells in zip(donor, outlines, strict=True))
    _write(path, (text.rstrip("\r\n") + end + added.getvalue()).encode(), path)
    return count


def _turn_outlines(texts: Sequence[str]) -> Sequence[str]:
    """A column of outlines, turned about the middle of them all; another column as it is."""
    if not all("((" in text for text in texts):
        return texts
    shapes = shapely.from_wkt(list(texts))
    left, top, right, bottom = shapely.total_bounds(shapes)
    ends = np.array([left + right, top + bottom])

    def turn(corners: NDArray[np.float64]) -> NDArray[np.float64]:
        return np.column_stack([ends - corners[:, :2], corners[:, 2:]])

    deep = bool(shapely.has_z(shapes).any())
    return list(shapely.to_wkt(shapely.transform(shapes, turn, include_z=deep), 12, output_dimension=2 + deep))


def _lay_scenes(truth: Path, count: int, known: set[str], rng: np.random.Generator) -> int:
    scenes = _read_scenes(truth)
    for _ in range(count):
        donor = scenes[sorted(scenes)[rng.integers(len(scenes))]]
        with Image.open(donor) as image:
            turned = io.BytesIO()
            image.transpose(Image.Transpose.ROTATE_180).save(turned, "PNG")
        _write(donor.with_stem(_rename(donor.stem, known, rng)), turned.getvalue(), donor)
    return count


def _rename(name: str, known: set[str], rng: np.random.Generator) -> str:
    """A name like that of an image, with another last number; it is then known."""
    match = re.fullmatch(r"(.*?)(\d*)(\D*)", name, re.DOTALL)
    assert match is not None
    head, digits, tail = match.groups()
    alike = re.compile(re.escape(head) + r"(\d+)" + re.escape(tail))
    numbers = {int(found[1]) for found in map(alike.fullmatch, known | {name}) if found}
    fresh = f"{head}{_draw_number(numbers or {0}, rng):0{len(digits)}d}{tail}"
    known.add(fresh)
    return fresh


def _draw_number(used: set[int], rng: np.random.Generator) -> int:
    """Among those that are used, or little beyond."""
    while True:
        number = int(rng.integers(min(used), max(used) + NEAR + 1))
        if number not in used:
            return number


def _write(path: Path, data: bytes, like: Path) -> None:
    """A file that the same users may read as another one."""
    aside = open_aside(path)
    with aside.guard():
        aside.path.write_bytes(data)
        shutil.copymode(like, aside.path)
    aside.commit()
