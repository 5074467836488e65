"""Scene parsing: an index PNG for each image, scored by the mean of pixel accuracy and mean IoU.

Source:
    ADE20K, MIT Scene Parsing Challenge 2016 (ILSVRC'16); github.com/CSAILVision/sceneparsing: README, evaluationCode.
    Where truth is 0 nothing counts. Intersections and unions are summed over the set and divided once; a class that
    neither truth nor answer holds counts as 0. Three things that the kit lets pass are refused here: a value above 150
    (MATLAB's ``hist`` puts it into class 150, the Python code drops it), an answer of another size (the kit resizes it
    bicubically), and a missing answer (the kit goes on without it).
"""

from collections.abc import Collection, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace
from functools import partial, reduce
from operator import add
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from overtrace.challenges.challenge import Challenge, Choose, Question, Row, Sample, Verdict
from overtrace.challenges.devkit import count_like_devkit, read_any
from overtrace.challenges.inspection import Claim, Inspection
from overtrace.challenges.scene_files import Pair, find_name_faults, keep_listed, pair_files, read_names
from overtrace.challenges.submission import Member
from overtrace.errors import BadAnswer, BadOption
from overtrace.formats.faults import Fault, gather, refuse
from overtrace.formats.id_lists import read_ids
from overtrace.scoring.intervals import multiply
from overtrace.scoring.pixels import (
    ANYWHERE,
    PixelCounts,
    PixelScore,
    count_classes,
    count_labels,
    score_like_devkit,
    score_like_mit_semseg,
    score_pixels,
)
from overtrace.scoring.png import LabelMap, read_labels

if TYPE_CHECKING:
    from overtrace.challenges.evidence import Evidence

DEVKIT = "devkit-matlab"
MOST_LABELS = 8
"""Of those that no class has, named in one fault."""


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

    def count(pair: Pair) -> PixelCounts | list[Fault]:
        return _count(pair, labels, allowed)

    with ThreadPoolExecutor(workers) as pool:
        counted = list(pool.map(count, pairs))
    faults = [fault for found in counted if isinstance(found, list) for fault in found]
    if faults:
        raise refuse(faults)
    images = tuple(found for found in counted if isinstance(found, PixelCounts))
    return SceneScore(labels, tuple(pair.name for pair in pairs), images, score_pixels(reduce(add, images)))


def _count(pair: Pair, labels: Labels, allowed: NDArray[np.bool_]) -> PixelCounts | list[Fault]:
    faults: list[Fault] = []
    true = read_labels(pair.truth.read(), pair.truth.shown)
    with gather(faults, pair.answer.shown):
        answer = read_labels(pair.answer.read(), pair.answer.shown)
        faults += _find_size_faults(answer, true, pair.answer)
        if not faults:
            sums = count_labels(true.labels, answer.labels, labels.classes, labels.first)
            faults += _find_label_faults(sums[ANYWHERE], labels, allowed, pair.answer)
    return faults or count_classes(sums, labels.classes, labels.first)


def _find_size_faults(answer: LabelMap, true: LabelMap, member: Member) -> list[Fault]:
    if answer.labels.shape == true.labels.shape:
        return []
    return [Fault(member.shown, "", f"found {_size(answer)}", f"the image is {_size(true)} pixels (width x height)")]


def _find_label_faults(
    pixels: NDArray[np.int64], labels: Labels, allowed: NDArray[np.bool_], member: Member
) -> list[Fault]:
    """Labels that no class has, by (256,) how many pixels have each."""
    strange = np.flatnonzero((pixels > 0) & ~allowed).tolist()
    if not strange:
        return []
    found = f"found the label {strange[0]}" if len(strange) == 1 else f"found the labels {_list(strange)}"
    last = labels.first + labels.classes - 1
    wanted = f"wanted {labels.first} to {last}, or {labels.unlabelled} for no class"
    return [Fault(member.shown, "", found, wanted)]


def _list(values: list[int]) -> str:
    more = f" and {len(values) - MOST_LABELS} others" if len(values) > MOST_LABELS else ""
    return ", ".join(map(str, values[:MOST_LABELS])) + more


def _size(labels: LabelMap) -> str:
    height, width = labels.labels.shape
    return f"{width} x {height}"


def choose_pairs(pairs: Sequence[Pair], path: Path) -> list[Pair]:
    """The pairs of the images of a list.

    Raises:
        BadAnswer: if the list names another image, or none.
    """
    names = _read_list(path, {pair.name for pair in pairs})
    return [pair for pair in pairs if pair.name in names]


def _read_list(path: Path, known: Collection[str]) -> set[str]:
    names = set(read_ids(path))
    strange = sorted(names - set(known))
    if strange:
        raise BadAnswer(f"{path} names {strange[0]}, which is no image of the truth: check the list")
    return names


def score_pairs_like_devkit(pairs: Sequence[Pair], labels: Labels = ADE20K, workers: int = 1) -> SceneScore:
    """Score an answer as the MATLAB kit does, with what it lets pass."""
    kept, images = count_like_devkit(pairs, labels.classes, workers)
    return SceneScore(labels, tuple(pair.name for pair in kept), tuple(images), score_like_devkit(images))


def judge(labels: Labels, question: Question) -> Verdict:
    """Score the files of an answer."""
    challenge = next(challenge for challenge in CHALLENGES if challenge.name == labels.protocol)
    return judge_labels(labels, challenge.choose_profile(question), question)


def judge_labels(labels: Labels, profile: str, question: Question) -> Verdict:
    """Score the files of an answer in any classes."""
    lenient = profile == DEVKIT
    pairs = pair_files(question.truth, question.answers, lenient=lenient, listed=question.listed)
    if question.ids is not None:
        pairs = choose_pairs(pairs, question.ids)
    found = (score_pairs_like_devkit if lenient else score_pairs)(pairs, labels, question.workers)
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
    parts: dict[str, Any] = {
        "accuracy": found.whole.accuracy,
        "mean_iou": found.whole.mean_iou,
        "mean_iou_present": found.whole.mean_iou_present,
        "images": len(found.names),
        "classes": classes,
    }
    if labels is ADE20K:
        accuracy, mean_iou = score_like_mit_semseg(found.images)
        parts["mit_semseg"] = {"accuracy": accuracy, "mean_iou": mean_iou, "score": (accuracy + mean_iou) / 2}
    table = [row for row in classes if row["pixels"]]
    explain = partial(_explain, question, labels, found, lenient)
    return Verdict(labels.protocol, profile, found.score, parts, table, images, _sample(found), explain)


def _explain(
    question: Question, labels: Labels, found: SceneScore, lenient: bool, choose: Choose | None = None
) -> "Evidence":
    if lenient:
        raise BadOption(f"there is no report of {DEVKIT}, which scores what is not in order: report without it")
    # Only a report needs it.
    from overtrace.challenges import evidence_scenes

    return evidence_scenes.explain(question, labels, found, choose)


def check(labels: Labels, claim: Claim) -> Inspection:
    """All that is wrong with the files of an answer: names, kinds, sizes and labels of all images."""
    faults: list[Fault] = []
    found = read_names(claim.answers, faults)
    listed = found.keys() if claim.ids is None or claim.truth is not None else read_ids(claim.ids)
    strangers = frozenset(found).difference(listed)
    if claim.profile == DEVKIT:
        return replace(_check_like_devkit(claim, found, faults), strangers=strangers)
    true: dict[str, Member] = {}
    if claim.truth is not None:
        broken: list[Fault] = []
        true = keep_listed(read_names(claim.truth, broken), claim.listed)
        if broken:
            raise refuse(broken)
        if claim.ids is not None:
            _read_list(claim.ids, true)
        faults += find_name_faults(claim.answers, found, true)
    elif claim.ids is not None:
        faults += find_name_faults(claim.answers, found, listed)
    allowed = labels.allowed
    for name, member in sorted(found.items()):
        truth = read_labels(true[name].read(), true[name].shown) if name in true else None
        with gather(faults, member.shown):
            answer = read_labels(member.read(), member.shown)
            faults += _find_label_faults(np.bincount(answer.labels.ravel(), minlength=256), labels, allowed, member)
            faults += [] if truth is None else _find_size_faults(answer, truth, member)
    return Inspection(faults, [], {"files": len(found), "images": len(found)}, strangers)


def _check_like_devkit(claim: Claim, found: dict[str, Member], faults: list[Fault]) -> Inspection:
    """The kit lets all pass that is an image, if one of them is of the truth."""
    kept = 0
    for member in found.values():
        with gather(faults, member.shown):
            kept += read_any(member) is not None
    true = set(found) if claim.truth is None else keep_listed(read_names(claim.truth, faults), claim.listed).keys()
    if not faults and not (kept and true & found.keys()):
        faults.append(
            Fault(str(claim.answers), "", "no map of one band is of an image of the truth", "send index PNGs")
        )
    return Inspection(faults, [], {"files": len(found), "images": len(found)})


def _sample(found: SceneScore) -> Sample:
    both, truth, answer = (
        np.array([getattr(image, name) for image in found.images]) for name in ("both", "truth", "answer")
    )

    def settle(times: NDArray[np.int64]) -> NDArray[np.float64]:
        # The same as score_pixels, for all choices at once.
        hits, true, answered = (multiply(times, counts) for counts in (both, truth, answer))
        union = true + answered - hits
        score: NDArray[np.float64] = np.divide(hits, union, out=np.zeros_like(union), where=union > 0).mean(axis=1)
        if not found.labels.by_mean_iou:
            score = (hits.sum(axis=1) / np.maximum(true.sum(axis=1), 1) + score) / 2
        return score[:, None]

    return Sample(found.names, (found.labels.protocol,), np.zeros(len(found.names), np.int64), settle)


CHALLENGES = tuple(
    Challenge(labels.protocol, source, profiles, partial(judge, labels), partial(check, labels))
    for labels, source, profiles in (
        (ADE20K, "https://github.com/CSAILVision/sceneparsing", ("sceneparsing", DEVKIT)),
        (CAMVID, "https://doi.org/10.1016/j.patrec.2008.04.005", ("camvid",)),
    )
)
