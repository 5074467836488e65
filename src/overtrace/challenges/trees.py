"""Trees as points or as boxes, as urban forestry and the NEON benchmark score them.

Source:
    Points: Ventura et al., Individual tree detection in large-scale urban environments using high-resolution
    multispectral imagery, IJAEOG 130:103848, 2024: optimal one-to-one assignment within 6 m, sums over the set.
    Boxes: Weinstein et al., A benchmark dataset for canopy crown detection and delineation, 2021,
    doi:10.1371/journal.pcbi.1009180 (NeonTreeEvaluation): optimal assignment, IoU of 0.4.
"""

from collections.abc import Collection
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from overtrace.challenges.challenge import Challenge, Choose, Question, Row, Sample, Verdict
from overtrace.challenges.inspection import Claim, Inspection
from overtrace.challenges.tree_files import BOX, POINT, Trees, find_trees, read_trees
from overtrace.errors import BadAnswer
from overtrace.formats.faults import Fault, refuse
from overtrace.formats.id_lists import read_ids
from overtrace.scoring.intervals import multiply
from overtrace.scoring.matching import Matches, match_boxes, match_points

if TYPE_CHECKING:
    from overtrace.challenges.evidence import Evidence

REACH_M = 6.0
LEAST_IOU = 0.4


@dataclass(frozen=True, slots=True)
class TreeScore:
    """A set, and each of its images."""

    columns: tuple[str, ...]
    names: tuple[str, ...]
    images: tuple[Matches, ...]
    whole: Matches

    @property
    def score(self) -> float:
        """F1 over the set, which ranks."""
        return self.whole.f1


def score_trees(
    truth: Trees,
    answer: Trees,
    pixel_size_m: float = 1.0,
    names: Collection[str] | None = None,
    reach_m: float = REACH_M,
    least_iou: float = LEAST_IOU,
) -> TreeScore:
    """Score an answer.

    Args:
        truth: trees of the truth.
        answer: trees of the answer, of the same kind.
        pixel_size_m: metres in a unit of the coordinates.
        names: the images that count; those that the truth names unless told.
        reach_m: of a match of points, inclusive.
        least_iou: of a match of boxes, inclusive.
    Raises:
        BadAnswer: if the answer is of another kind, or names images that do not count.
    """
    if truth.columns != answer.columns:
        raise BadAnswer(f"{answer.shown} holds {_kind(answer)}, the truth {_kind(truth)}: send {_kind(truth)}")
    wanted = sorted(truth.images if names is None else names)
    if not wanted:
        raise BadAnswer(f"{truth.shown} has no image to score: check the list of images")
    faults = [] if names is not None else _find_strangers(answer, wanted, "the truth")
    if faults:
        raise refuse(faults)
    nothing = np.zeros((0, len(truth.columns)))
    images = []
    for name in wanted:
        found, true = (trees.images.get(name, nothing) for trees in (answer, truth))
        if truth.columns == POINT:
            images.append(match_points(found * pixel_size_m, true * pixel_size_m, reach_m))
        else:
            images.append(match_boxes(found, true, least_iou))
    return TreeScore(truth.columns, tuple(wanted), tuple(images), sum(images, Matches()))


def _find_strangers(answer: Trees, wanted: Collection[str], source: str) -> list[Fault]:
    strange = sorted(answer.images.keys() - set(wanted))
    return [Fault(answer.shown, name, f"{source} has no such image", "leave it out") for name in strange]


def _kind(trees: Trees) -> str:
    return "points" if trees.columns == POINT else "boxes"


def judge(question: Question) -> Verdict:
    """Score the files of an answer."""
    profile = TREES.choose_profile(question)
    ids = None if question.ids is None else read_ids(question.ids)
    truth = read_trees(question.truth)
    answer = read_trees(question.answers, columns=truth.columns)
    found = score_trees(truth, answer, question.pixel_size_m, ids)
    whole = found.whole
    row: Row = {
        "precision": whole.precision,
        "recall": whole.recall,
        "F1": whole.f1,
        "trees": whole.true,
        "answered": whole.found,
        "hits": whole.hits,
    }
    if found.columns == POINT:
        row["RMSE, m"] = whole.rmse
    images: list[Row] = [
        {"image": name, "trees": counts.true, "answered": counts.found, "hits": counts.hits}
        for name, counts in zip(found.names, found.images, strict=True)
    ]
    rule = f"points within {REACH_M:g} m" if found.columns == POINT else f"boxes at IoU {LEAST_IOU:g}"
    parts: dict[str, Any] = {**row, "rule": rule, "images": len(found.names)}
    if found.columns == POINT and not whole.hits:
        parts["RMSE, m"] = None
    if found.columns == BOX and answer.scored and whole.true:
        # Its kernels take a while to load, which points need not wait for.
        from overtrace.challenges.tree_boxes import score_box_ap

        parts["coco_boxes"] = score_box_ap(truth, answer, found.names, question.workers)

    def explain(choose: Choose | None = None) -> "Evidence":
        # Only a report needs it.
        from overtrace.challenges import evidence_trees

        return evidence_trees.explain(question, found, [row], choose)

    return Verdict(TREES.name, profile, found.score, parts, [row], images, _sample(found), explain)


def check(claim: Claim) -> Inspection:
    """All that is wrong with the files of an answer: tables, numbers, boxes, and which images it names."""
    faults: list[Fault] = []
    truth = None if claim.truth is None else read_trees(claim.truth)
    answer = find_trees(claim.answers, faults, columns=BOX if truth is None else truth.columns)
    ids = None if claim.ids is None else read_ids(claim.ids)
    if truth is not None:
        if not (truth.images if ids is None else ids):
            raise BadAnswer(f"{claim.truth} has no image to score: check the list of images")
        if (answer.images or not faults) and truth.columns != answer.columns:
            faults.append(
                Fault(answer.shown, "", f"it holds {_kind(answer)}, the truth {_kind(truth)}", f"send {_kind(truth)}")
            )
        faults += [] if ids is not None else _find_strangers(answer, truth.images, "the truth")
    elif ids is not None:
        faults += _find_strangers(answer, ids, "the list")
    trees = sum(map(len, answer.images.values()))
    notes = []
    if trees == 0:
        notes.append(Fault(answer.shown, "", "there is no tree in it", "an empty answer is allowed, and finds none"))
    strangers = frozenset(answer.images).difference(answer.images if ids is None or truth is not None else ids)
    return Inspection(faults, notes, {"images": len(answer.images), "trees": trees}, strangers)


def _sample(found: TreeScore) -> Sample:
    hits, pooled = np.array([(image.hits, image.found + image.true) for image in found.images]).T

    def settle(times: NDArray[np.int64]) -> NDArray[np.float64]:
        return (2 * multiply(times, hits) / np.maximum(multiply(times, pooled), 1))[:, None]

    return Sample(found.names, (TREES.name,), np.zeros(len(found.names), np.int64), settle)


TREES = Challenge("trees", "https://doi.org/10.1016/j.jag.2024.103848", ("trees",), judge, check)
CHALLENGES = (TREES,)
