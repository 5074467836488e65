"""Scene parsing: an index PNG for each image, scored by the mean of pixel accuracy and mean IoU.

Source:
    ADE20K, MIT Scene Parsing Challenge 2016 (ILSVRC'16); github.com/CSAILVision/sceneparsing: README, evaluationCode.
    Where truth is 0 nothing counts. Intersections and unions are summed over the set and divided once; a class that
    neither truth nor answer holds counts as 0. Three things that the kit lets pass are refused here: a value above 150
    (MATLAB's ``hist`` puts it into class 150, the Python code drops it), an answer of another size (the kit resizes it
    bicubically), and a missing answer (the kit goes on without it).
"""

from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from functools import reduce
from operator import add
from pathlib import Path, PurePosixPath

import numpy as np
from numpy.typing import NDArray

from overtrace.challenges.faults import Fault, refuse
from overtrace.challenges.submission import Limits, Member, open_answer
from overtrace.errors import BadAnswer
from overtrace.scoring.pixels import PixelCounts, PixelScore, count_classes, count_pairs, score_pixels
from overtrace.scoring.png import LabelMap, read_labels

MOST_FAULTS = 1000


@dataclass(frozen=True, slots=True)
class Labels:
    """Which numbers stand for what."""

    protocol: str
    classes: int
    first: int
    """Label of the first class; the others follow."""
    unlabelled: int
    """Label of pixels that have no class."""

    @property
    def allowed(self) -> NDArray[np.bool_]:
        """(256,) which labels an answer may hold."""
        labels = np.arange(256)
        answer: NDArray[np.bool_] = (self.first <= labels) & (labels < self.first + self.classes)
        answer[self.unlabelled] = True
        return answer


ADE20K = Labels("sceneparsing", 150, 1, 0)
CAMVID = Labels("camvid", 11, 0, 11)
"""Brostow et al. 2008, in the 11 classes of SegNet; its mean IoU over the classes is what is quoted."""


@dataclass(frozen=True, slots=True)
class Pair:
    """An image of the truth, and the answer to it."""

    name: str
    truth: Member
    answer: Member


@dataclass(frozen=True, slots=True)
class SceneScore:
    """A set, and each of its images."""

    labels: Labels
    names: tuple[str, ...]
    images: tuple[PixelCounts, ...]
    whole: PixelScore

    @property
    def score(self) -> float:
        """The mean of pixel accuracy and mean IoU, which ranks."""
        return self.whole.score


def pair_files(truth: Path, answer: Path, limits: Limits | None = None) -> list[Pair]:
    """The PNGs of truth and answer, by name.

    Raises:
        BadAnswer: if one has no partner.
    """
    true, found = (_by_name(path, limits) for path in (truth, answer))
    if not true:
        raise BadAnswer(f"{truth} holds no .png file: wanted one index PNG for each image")
    faults = [
        *(
            Fault(str(answer), f"{name}.png", "it is missing", "answer every image")
            for name in sorted(true - found.keys())
        ),
        *(
            Fault(str(answer), f"{name}.png", "no image has the name", "leave it out")
            for name in sorted(found.keys() - true)
        ),
    ]
    if faults:
        raise refuse(faults)
    return [Pair(name, true[name], found[name]) for name in sorted(true)]


def _by_name(path: Path, limits: Limits | None) -> dict[str, Member]:
    members: dict[str, Member] = {}
    for member in open_answer(path, limits):
        place = PurePosixPath(member.name)
        if place.suffix.lower() != ".png":
            continue
        if place.stem in members:
            raise BadAnswer(
                f"{member.shown} and {members[place.stem].shown} have one name: send one PNG for each image"
            )
        members[place.stem] = member
    return members


def score_pairs(pairs: Sequence[Pair], labels: Labels = ADE20K, workers: int = 1) -> SceneScore:
    """Score an answer.

    Args:
        pairs: from ``pair_files``.
        labels: which numbers stand for what.
        workers: threads.
    Raises:
        BadAnswer: that names the first fault, and says how many more there are.
    """
    allowed = labels.allowed

    def count(pair: Pair) -> PixelCounts | Fault:
        return _count(pair, labels, allowed)

    with ThreadPoolExecutor(workers) as pool:
        counted = list(pool.map(count, pairs))
    faults = [found for found in counted if isinstance(found, Fault)]
    if faults:
        raise refuse(faults[:MOST_FAULTS])
    images = tuple(found for found in counted if isinstance(found, PixelCounts))
    return SceneScore(labels, tuple(pair.name for pair in pairs), images, score_pixels(reduce(add, images)))


def _count(pair: Pair, labels: Labels, allowed: NDArray[np.bool_]) -> PixelCounts | Fault:
    true = read_labels(pair.truth.read(), pair.truth.shown)
    try:
        answer = read_labels(pair.answer.read(), pair.answer.shown)
    except BadAnswer as error:
        return Fault(pair.answer.shown, "", str(error).removeprefix(f"{pair.answer.shown} "), "send an 8-bit index PNG")
    if answer.labels.shape != true.labels.shape:
        return Fault(
            pair.answer.shown, "", f"found {_size(answer)}", f"the image is {_size(true)} pixels (width x height)"
        )
    counts = count_pairs(true.labels, answer.labels)
    strange = np.flatnonzero(counts.sum(axis=0)[~allowed])
    if len(strange):
        value = int(np.flatnonzero(~allowed)[strange[0]])
        last = labels.first + labels.classes - 1
        wanted = f"wanted {labels.first} to {last}, or {labels.unlabelled} for no class"
        return Fault(pair.answer.shown, "", f"found the label {value}", wanted)
    return count_classes(counts, labels.classes, labels.first)


def _size(labels: LabelMap) -> str:
    height, width = labels.labels.shape
    return f"{width} x {height}"
