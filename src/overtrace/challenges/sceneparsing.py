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
from functools import partial, reduce
from operator import add
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from overtrace.challenges.challenge import Challenge, Question, Row, Sample, Verdict
from overtrace.challenges.faults import Fault, refuse
from overtrace.challenges.scene_files import Pair, pair_files
from overtrace.errors import BadAnswer
from overtrace.scoring.intervals import multiply
from overtrace.scoring.pixels import PixelCounts, PixelScore, count_classes, count_pairs, score_pixels
from overtrace.scoring.png import LabelMap, read_labels

if TYPE_CHECKING:
    from overtrace.challenges.evidence import Evidence

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
    by_mean_iou: bool = False
    """Mean IoU alone ranks."""

    @property
    def allowed(self) -> NDArray[np.bool_]:
        """(256,) which labels an answer may hold."""
        labels = np.arange(256)
        answer: NDArray[np.bool_] = (self.first <= labels) & (labels < self.first + self.classes)
        answer[self.unlabelled] = True
        return answer


ADE20K = Labels("sceneparsing", 150, 1, 0)
CAMVID = Labels("camvid", 11, 0, 11, by_mean_iou=True)
"""Brostow et al. 2008, in the 11 classes of SegNet; its mean IoU over the classes is what is quoted."""


@dataclass(frozen=True, slots=True)
class SceneScore:
    """A set, and each of its images."""

    labels: Labels
    names: tuple[str, ...]
    images: tuple[PixelCounts, ...]
    whole: PixelScore

    @property
    def score(self) -> float:
        """What ranks: the mean of pixel accuracy and mean IoU, or the latter alone."""
        return self.whole.mean_iou if self.labels.by_mean_iou else self.whole.score


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


def judge(labels: Labels, question: Question) -> Verdict:
    """Score the files of an answer."""
    challenge = next(challenge for challenge in CHALLENGES if challenge.name == labels.protocol)
    profile = challenge.choose_profile(question)
    pairs = pair_files(question.truth, question.answers)
    found = score_pairs(pairs, labels, question.workers)
    total = reduce(add, found.images)
    classes: list[Row] = [
        {
            "class": labels.first + i,
            "IoU": float(found.whole.iou[i]),
            "pixels": int(total.truth[i]),
            "answered": int(total.answer[i]),
            "both": int(total.both[i]),
        }
        for i in range(labels.classes)
    ]
    images: list[Row] = []
    for name, counts in zip(found.names, found.images, strict=True):
        alone = score_pixels(counts)
        images.append(
            {
                "image": name,
                "accuracy": alone.accuracy,
                "mean IoU of its classes": alone.mean_iou_present,
                "pixels": counts.labelled,
            }
        )
    parts = {
        "accuracy": found.whole.accuracy,
        "mean_iou": found.whole.mean_iou,
        "mean_iou_present": found.whole.mean_iou_present,
        "images": len(found.names),
        "classes": classes,
    }
    table = [row for row in classes if row["pixels"]]
    explain = partial(_explain, question, labels, found)
    return Verdict(challenge.name, profile, found.score, parts, table, images, _sample(found), explain)


def _explain(question: Question, labels: Labels, found: SceneScore) -> "Evidence":
    # Only a report needs it.
    from overtrace.challenges import evidence_scenes

    return evidence_scenes.explain(question, labels, found)


def _sample(found: SceneScore) -> Sample:
    both, truth, answer = (
        np.array([getattr(image, name) for image in found.images]) for name in ("both", "truth", "answer")
    )

    def settle(times: NDArray[np.int64]) -> NDArray[np.float64]:
        sums = [multiply(times, counts).astype(np.int64) for counts in (both, truth, answer)]
        wholes = [score_pixels(PixelCounts(b, t, a, int(t.sum()))) for b, t, a in zip(*sums, strict=True)]
        return np.array([[whole.mean_iou if found.labels.by_mean_iou else whole.score] for whole in wholes])

    return Sample(found.names, (found.labels.protocol,), np.zeros(len(found.names), np.int64), settle)


CHALLENGES = tuple(
    Challenge(labels.protocol, source, (labels.protocol,), partial(judge, labels))
    for labels, source in (
        (ADE20K, "https://github.com/CSAILVision/sceneparsing"),
        (CAMVID, "https://doi.org/10.1016/j.patrec.2008.04.005"),
    )
)
