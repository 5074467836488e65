"""The ISPRS Individual Tree Crown contest: the average over its data sets of COCO's mask AP at an IoU of 0.50.

Source:
    www2.isprs.org, Individual Tree Crown segmentation contest, 2024 and 2026. Its scorer is not public; its sample code
    came from detectron2, whose evaluator keeps 100 detections an image.
"""

from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from overtrace.challenges.challenge import Challenge, Choose, Question, Row, Sample, Verdict
from overtrace.challenges.itc_check import check, choose_images
from overtrace.challenges.itc_files import read
from overtrace.formats.annotations import Annotations
from overtrace.formats.coco_faults import find_mask_faults
from overtrace.formats.coco_files import DataSet
from overtrace.formats.faults import refuse
from overtrace.formats.masks import find_bad_masks
from overtrace.scoring.instances import AREAS, HIT, IGNORED, THRESHOLDS, BadMask, Counts, Rule, count_instances
from overtrace.scoring.precision import Curves, draw_curves, resample_ap, summarise

if TYPE_CHECKING:
    from overtrace.challenges.evidence import Evidence

SOURCE = "https://www2.isprs.org/commissions/comm1/wg8/itc-segmentation/"
NUMBERS = ("AP", "AP50", "AP75", "AP small", "AP medium", "AP large")
RECALL_NUMBERS = ("AR small", "AR medium", "AR large")
AP, AP50 = 0, 1


@dataclass(frozen=True, slots=True)
class Profile:
    """What the contest does not say."""

    name: str
    max_detections: tuple[int, int, int]
    """An image; the last cuts, the others are those at which recall is told."""
    boxes: bool = False
    """Boxes are compared, not masks."""
    number: int = AP50
    """Which of the twelve ranks: AP50, or AP."""


DEFAULT = Profile("itc-default100", (1, 10, 100))
"""Version 1: as detectron2's evaluator does it unless told otherwise."""
UNCAPPED = Profile("itc-uncapped", (10, 100, 10**9))
"""Version 1: nothing is cut."""
PROFILES = {profile.name: profile for profile in (DEFAULT, UNCAPPED)}


@dataclass(frozen=True, slots=True)
class DataSetScore:
    """One data set."""

    name: str
    images: int
    objects: int
    detections: int
    """Those given, those beyond the cap included."""
    detections_cut: int
    objects_beyond_cap: int
    """Objects that cannot be found because their image holds more than the cap."""
    detections_ignored: int
    """At an IoU of 0.50: those that a crowd region took, or ground that nobody labelled."""
    numbers: NDArray[np.float64]
    """(12,) as COCO prints them."""
    score: float
    """That of the numbers which ranks."""
    counts: Counts
    curves: Curves


@dataclass(frozen=True, slots=True)
class ItcScore:
    """All data sets."""

    profile: Profile
    data_sets: tuple[DataSetScore, ...]

    @property
    def score(self) -> float:
        """The plain mean over the data sets."""
        return float(np.mean([part.score for part in self.data_sets]))


def score_answer(
    truth: Sequence[DataSet], answers: Sequence[Annotations], profile: Profile = DEFAULT, workers: int = 1
) -> ItcScore:
    """Score an answer.

    Args:
        truth: the data sets.
        answers: detections for each of them.
        profile: what is cut.
        workers: threads.
    Raises:
        BadAnswer: if a mask cannot be read.
    """
    return ItcScore(
        profile,
        tuple(
            _score_data_set(data_set, answer, profile, workers) for data_set, answer in zip(truth, answers, strict=True)
        ),
    )


def _score_data_set(data_set: DataSet, answer: Annotations, profile: Profile, workers: int) -> DataSetScore:
    rule = Rule(THRESHOLDS, AREAS, profile.max_detections, profile.boxes)
    try:
        counts = count_instances(data_set.annotations, answer, data_set.images, data_set.categories, rule, workers)
    except BadMask as bad:
        side, name = (answer, "answer") if bad.answer else (data_set.annotations, "truth")
        prefix = "" if bad.answer else "/annotations"
        raise refuse(find_mask_faults(side, f"the {name} for {data_set.name}", prefix)) from bad
    # Masks beyond the cap were not read; a file is in order as a whole or not at all, whatever the profile.
    unread = np.ones(len(answer), bool)
    unread[counts.row] = False
    if not profile.boxes and _find_any_bad(answer, np.flatnonzero(unread), workers):
        raise refuse(find_mask_faults(answer, f"the answer for {data_set.name}"))
    curves = draw_curves(counts, workers)
    numbers = summarise(curves, counts)
    objects = counts.objects[:, :, 0]
    cap = profile.max_detections[-1]
    return DataSetScore(
        name=data_set.name,
        images=len(data_set.images),
        objects=int(objects.sum()),
        detections=len(counts.row) + int(counts.cut.sum()),
        detections_cut=int(counts.cut.sum()),
        objects_beyond_cap=int(np.maximum(objects - cap, 0).sum()),
        detections_ignored=int((counts.outcome[0, 0] == IGNORED).sum()),
        numbers=numbers,
        score=float(numbers[profile.number]),
        counts=counts,
        curves=curves,
    )


def _find_any_bad(answer: Annotations, rows: NDArray[np.int64], workers: int) -> bool:
    if len(rows) == 0:
        return False
    with ThreadPoolExecutor(workers) as pool:
        parts = pool.map(partial(find_bad_masks, answer.text, answer.whole), np.array_split(rows, workers))
        return any(part.any() for part in parts)


def read_question(question: Question, *, boxes: bool = False) -> tuple[list[DataSet], list[Annotations]]:
    """Truth and answer; of the truth what counts."""
    truth, answers = read(question.truth, question.answers, boxes=boxes)
    if question.ids is not None:
        truth = choose_images(truth, question.ids)
    if question.ignore is not None:
        # It reads images, which takes a while to load.
        from overtrace.challenges.itc_ignore import add_ignored

        truth = add_ignored(truth, question.ignore)
    return truth, answers


def judge(question: Question) -> Verdict:
    """Score the files of an answer."""
    return judge_profile(ITC.name, PROFILES[ITC.choose_profile(question)], question)


def judge_profile(protocol: str, profile: Profile, question: Question) -> Verdict:
    """Score the files of an answer by any profile."""
    truth, answers = read_question(question, boxes=profile.boxes)
    score = score_answer(truth, answers, profile, question.workers)
    names = [*NUMBERS, *(f"AR {limit}" for limit in profile.max_detections), *RECALL_NUMBERS]
    parts = [
        {
            "name": part.name,
            "score": part.score,
            "images": part.images,
            "objects": part.objects,
            "detections": part.detections,
            "detections_cut": part.detections_cut,
            "objects_beyond_cap": part.objects_beyond_cap,
            "detections_ignored": part.detections_ignored,
            "numbers": dict(zip(names, part.numbers.tolist(), strict=True)),
        }
        for part in score.data_sets
    ]
    table: list[Row] = [
        {
            "data set": part.name,
            "AP50": float(part.numbers[AP50]),
            "AP": float(part.numbers[AP]),
            "images": part.images,
            "objects": part.objects,
            "detections": part.detections,
            "cut": part.detections_cut,
            "objects beyond cap": part.objects_beyond_cap,
            "ignored": part.detections_ignored,
        }
        for part in score.data_sets
    ]
    images = [row for part in score.data_sets for row in _images_of(part)]

    def explain(choose: Choose | None = None) -> "Evidence":
        # Only a report needs it, and it takes a while to load.
        from overtrace.challenges import evidence_itc

        return evidence_itc.explain(question, score, table, choose)

    name = profile.name if question.ignore is None else f"{profile.name}+ignore"
    return Verdict(protocol, name, score.score, {"data_sets": parts}, table, images, _sample(score), explain)


def _images_of(part: DataSetScore) -> list[Row]:
    """Objects, detections and hits at an IoU of 0.50 of each image."""
    counts = part.counts
    hits = np.bincount(counts.image[counts.outcome[0, 0] == HIT], minlength=len(counts.images))
    kept = np.bincount(counts.image, minlength=len(counts.images))
    objects, cut = counts.objects[:, :, 0].sum(axis=0), counts.cut.sum(axis=0)
    return [
        {
            "data set": part.name,
            "image": int(image),
            "objects": int(objects[i]),
            "detections": int(kept[i] + cut[i]),
            "cut": int(cut[i]),
            "hits at 0.50": int(hits[i]),
        }
        for i, image in enumerate(counts.images)
    ]


def _sample(score: ItcScore) -> Sample:
    counts = [part.counts for part in score.data_sets]
    names = tuple(f"{part.name}/{image}" for part in score.data_sets for image in part.counts.images.tolist())
    part = np.repeat(np.arange(len(counts)), [len(one.images) for one in counts])

    def settle(times: NDArray[np.int64]) -> NDArray[np.float64]:
        return np.stack([_resample(one, score.profile, times[:, part == p]) for p, one in enumerate(counts)], axis=1)

    return Sample(names, tuple(one.name for one in score.data_sets), part, settle)


def _resample(counts: Counts, profile: Profile, times: NDArray[np.int64]) -> NDArray[np.float64]:
    thresholds = range(len(THRESHOLDS)) if profile.number == AP else [0]
    found: NDArray[np.float64] = np.mean([resample_ap(counts, times, t) for t in thresholds], axis=0)
    return found


ITC = Challenge("itc", SOURCE, tuple(PROFILES), judge, check)
CHALLENGES = (ITC,)
