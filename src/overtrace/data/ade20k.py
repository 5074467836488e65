"""ADE20K as the scene parsing challenge of 2016 gave it out: scenes of every kind, a class at every pixel.

Coverage: 22,210 photos of many sizes (20,210 ``training``, 2,000 ``validation``); the short side is 512 at most.
Truth: PNG maps of the size of the image, 0 something else, 1 to 150 the classes of ``objectInfo150``.
Files: ``ADEChallengeData2016/images/SPLIT/NAME.jpg`` with ``annotations/SPLIT/NAME.png``; ``objectInfo150.txt`` (with
tabs) or ``.csv``; the development kit and others list images in ``SPLIT.odgt``, a line of JSON each.
Licence: images for non-commercial research and education; the development kit BSD-3.
Source: Zhou et al., Scene parsing through ADE20K dataset, CVPR 2017, doi:10.1109/CVPR.2017.544;
http://sceneparsing.csail.mit.edu
"""

import csv
import json
import re
from functools import partial
from pathlib import Path, PurePosixPath

from overtrace.data.class_names import ADE20K_NAMES
from overtrace.data.index_maps import Numbering, choose, pair_files, read_scene, tell_facts
from overtrace.data.labelled import DataSet
from overtrace.errors import BadData

ROOT = "ADEChallengeData2016"
SPLITS = ("training", "validation")
NUMBERING = Numbering(len(ADE20K_NAMES), first=1, void=0)


def open_ade20k(folder: Path, split: str, listing: Path | None = None) -> DataSet:
    """One split, in the order of a list, or of the names of its images.

    Args:
        folder: ``ADEChallengeData2016``, or what holds it.
        split: ``training`` or ``validation``.
        listing: an ``.odgt`` file; only the images that it names are used. Their sizes are checked as they are read.
    Raises:
        BadData: if the split is unknown, its folders do not hold images with their maps, or the list does not fit.
    """
    if split not in SPLITS:
        raise BadData(f"ADE20K has no split {split}: wanted {' or '.join(SPLITS)}")
    root = folder / ROOT if (folder / ROOT).is_dir() else folder
    pairs, notes = pair_files(root / "images" / split, root / "annotations" / split)
    if listing is not None:
        pairs = choose(pairs, read_odgt(listing, split), listing)
    return DataSet(
        name=f"ADE20K {split}",
        truth="classes",
        classes=_find_names(root),
        bands=("red", "green", "blue"),
        names=tuple(pair.name for pair in pairs),
        read=partial(read_scene, pairs, NUMBERING),
        notes=notes,
        facts=tell_facts(pairs, split),
    )


def read_odgt(path: Path, split: str) -> list[tuple[str, tuple[int, int]]]:
    """Name, and width and height, of each image of a list.

    Raises:
        BadData: if it is no such list, or one of another split.
    """
    try:
        lines = path.read_text(encoding="utf-8").splitlines()
    except (OSError, ValueError) as error:
        raise BadData(f"{path} cannot be read: {error}: wanted a list such as {split}.odgt") from error
    found = []
    for number, line in enumerate(lines, start=1):
        if not line.strip():
            continue
        try:
            entry = json.loads(line)
            image, size = PurePosixPath(entry["fpath_img"]), (int(entry["width"]), int(entry["height"]))
        except (ValueError, KeyError, TypeError) as error:
            raise BadData(f"{path} line {number} is no JSON with fpath_img, width and height: get it again") from error
        if image.parent.name != split:
            raise BadData(f"{path} line {number} names {image}, which is not of {split}: use the list of that split")
        found.append((image.stem, size))
    return found


def _find_names(root: Path) -> tuple[str, ...]:
    """Of the file that stands beside the images; without one, the names that this project knows."""
    for path in (root / "objectInfo150.csv", root / "objectInfo150.txt"):
        if path.is_file():
            return read_names(path)
    return ADE20K_NAMES


def read_names(path: Path) -> tuple[str, ...]:
    """The first name of each class of an ``objectInfo150`` file.

    Raises:
        BadData: if it does not list 150 classes in order.
    """
    try:
        with open(path, encoding="utf-8-sig", newline="") as file:
            table = csv.reader(file, delimiter="\t" if path.suffix == ".txt" else ",")
            # The number comes first and the name last; some copies leave columns between them empty.
            rows = [cells for row in table if (cells := [cell.strip() for cell in row if cell.strip()])][1:]
        numbers = [int(row[0]) for row in rows]
    except (OSError, ValueError, csv.Error) as error:
        raise BadData(f"{path} is no table of numbers and names of classes: get it again, or remove it") from error
    if numbers != list(range(1, NUMBERING.classes + 1)):
        raise BadData(
            f"{path} lists {len(numbers)} classes: wanted 1 to {NUMBERING.classes}: get it again, or remove it"
        )
    return tuple(re.split("[;,]", row[-1])[0].strip() for row in rows)
