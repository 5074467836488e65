"""Ground that nobody labelled: detections there are neither right nor wrong.

Crowns are hardly ever labelled without gaps, and whatever an answer finds in the gaps counts against it. A mask for an
image is an 8-bit PNG, 0 where labels are complete and anything else where they are not; it joins the truth as one of
COCO's crowd regions, so a detection that hits no crown is left out if the share of it that lies there reaches the
threshold of the IoU.
"""

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path, PurePosixPath

import numpy as np
from numpy.typing import NDArray

from overtrace.challenges.submission import Member, open_answer
from overtrace.formats.annotations import (
    AREA,
    CATEGORY,
    COUNTS,
    CROWD,
    HEIGHT,
    ID,
    IMAGE,
    KIND,
    SEEN,
    SEEN_MASK,
    SENTINEL,
    START,
    STOP,
    WIDTH,
    Annotations,
)
from overtrace.formats.coco_files import DataSet
from overtrace.formats.faults import Fault, refuse
from overtrace.scoring.png import read_labels

Labels = NDArray[np.uint8]


def add_ignored(truth: Sequence[DataSet], path: Path) -> list[DataSet]:
    """The data sets with the regions of their masks, where they have any.

    Args:
        truth: the data sets.
        path: folder or archive of PNGs, each named as the file of its image; in folders named as the data sets where
            these share names.
    Raises:
        BadAnswer: if a mask belongs to no image, or has another size.
    """
    masks = {_key(member.name): member for member in open_answer(path) if member.name.lower().endswith(".png")}
    faults: list[Fault] = []
    if not masks:
        faults.append(Fault(str(path), "", "it holds no .png file", "wanted a mask for each image that has gaps"))
    known = set()
    marked = []
    for data_set in truth:
        own: dict[int, Labels] = {}
        for i, file in enumerate(data_set.files):
            key = next((key for key in _keys(data_set.name, file) if key in masks), None)
            if key is not None:
                known.add(key)
                own[i] = _read(masks[key], data_set, i, faults)
        marked.append(_mark(data_set, own))
    faults += [
        Fault(masks[key].shown, "", "no image has the name", "name it as the file of its image")
        for key in sorted(masks.keys() - known)
    ]
    if faults:
        raise refuse(faults)
    return marked


def _key(name: str) -> str:
    return PurePosixPath(name).with_suffix("").as_posix()


def _keys(data_set: str, file: str) -> list[str]:
    """What the mask of an image may be called."""
    key = _key(file) if file else ""
    return [f"{data_set}/{PurePosixPath(key).name}", key, PurePosixPath(key).name]


def _read(member: Member, data_set: DataSet, i: int, faults: list[Fault]) -> Labels:
    mask = read_labels(member.read(), member.shown).labels
    shape = int(data_set.heights[i]), int(data_set.widths[i])
    if mask.shape != shape:
        found = f"found {mask.shape[1]} x {mask.shape[0]}"
        faults.append(Fault(member.shown, "", found, f"the image is {shape[1]} x {shape[0]} pixels (width x height)"))
        return np.zeros(shape, np.uint8)
    return mask


def _mark(data_set: DataSet, masks: dict[int, Labels]) -> DataSet:
    """A data set with a crowd region for each mask and category."""
    old = data_set.annotations
    masks = {i: mask for i, mask in masks.items() if mask.any()}
    count = len(masks) * len(data_set.categories)
    whole, real = np.zeros((count, old.whole.shape[1]), np.int64), np.zeros((count, old.real.shape[1]))
    at, parts = len(old.text) - SENTINEL, []
    for n, (i, mask) in enumerate(masks.items()):
        written = str(_count_runs(mask)).encode()
        rows = slice(n * len(data_set.categories), (n + 1) * len(data_set.categories))
        whole[rows, CATEGORY] = data_set.categories
        for column, value in (
            (IMAGE, data_set.images[i]),
            (CROWD, 1),
            (KIND, COUNTS),
            (START, at),
            (STOP, at + len(written)),
            (HEIGHT, mask.shape[0]),
            (WIDTH, mask.shape[1]),
            (SEEN, SEEN_MASK),
        ):
            whole[rows, column] = value
        real[rows, AREA] = np.count_nonzero(mask)
        parts.append(np.frombuffer(written, np.uint8))
        at += len(written)
    whole[:, ID] = old.whole[:, ID].max(initial=0) + 1 + np.arange(count)
    text = np.concatenate([old.text[: len(old.text) - SENTINEL], *parts, np.zeros(SENTINEL, np.uint8)])
    joined = Annotations(text, np.concatenate([old.whole, whole]), np.concatenate([old.real, real]))
    return replace(data_set, annotations=joined)


def _count_runs(mask: Labels) -> list[int]:
    """Run lengths down the columns, of what is not ignored first."""
    flat = (mask != 0).ravel(order="F")
    ends = np.concatenate([np.flatnonzero(flat[1:] != flat[:-1]) + 1, [len(flat)]])
    runs: list[int] = np.diff(ends, prepend=0).tolist()
    return [0, *runs] if flat[0] else runs
