"""A user's own polygons or points, scored over all files together."""

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
import shapely
from numpy.typing import NDArray

from overtrace.challenges.challenge import Challenge, Choose, Explain, Question, Row, Sample, Verdict
from overtrace.challenges.deepglobe import BuildingScore, CityScore
from overtrace.challenges.footprint_files import Footprints
from overtrace.challenges.inspection import Claim, Inspection
from overtrace.challenges.own_vector_files import (
    POINTS,
    POLYGONS,
    Kinds,
    Pair,
    VectorFile,
    find_answers,
    find_name_faults,
    find_pairs,
    read_pairs,
)
from overtrace.challenges.tree_files import POINT, Trees
from overtrace.challenges.trees import REACH_M, score_trees
from overtrace.errors import BadOption
from overtrace.formats.faults import Fault
from overtrace.formats.id_lists import read_ids
from overtrace.scoring.footprints import FootprintRule, count_footprints
from overtrace.scoring.intervals import multiply
from overtrace.scoring.matching import Matches

if TYPE_CHECKING:
    from overtrace.challenges.evidence import Evidence

RULE = FootprintRule("polygons", True, 0, True, 0, True, True, "even-odd", "even-odd")
"""IoU of at least 0.5, whatever the area; the surest chooses first."""
SET = "all"
"""The one part of a set."""


def judge_polygons(challenge: Challenge, question: Question) -> Verdict:
    """Score polygons of any kind: F1 at an IoU of at least 0.5.

    A feature is one object, however many parts it has; an outline that crosses itself is taken as even-odd.

    Args:
        challenge: whose name the verdict bears.
        question: ``truth`` and ``answers`` as ``own_vector_files`` says; ``ids`` are names of files.
    Raises:
        BadAnswer: if truth or answer are not in order.
    """
    pairs = _read(question, POLYGONS)
    truth, answer = _outline(pairs, true=True), _outline(pairs, true=False)
    names = [pair.name for pair in pairs]
    place = [np.searchsorted(names, side.images) for side in (truth, answer)]
    counts = count_footprints(place[0], truth.polygons, place[1], answer.polygons, answer.confidence, len(names), RULE)
    numbers = zip(counts.hits.tolist(), counts.found.tolist(), counts.true.tolist(), strict=True)
    files = [Matches(*row) for row in numbers]
    unit = _name_area(pairs)

    def explain(choose: Choose | None = None) -> "Evidence":
        # Only a report needs it.
        from overtrace.challenges import evidence_deepglobe

        again = _read(question, POLYGONS)
        whole = sum(files, Matches())
        part = CityScore(SET, len(names), whole.hits, whole.found, whole.true, whole.f1)
        score = BuildingScore(RULE, (part,), tuple(names), counts)
        table = _tabulate(names, files)
        return evidence_deepglobe.tell(
            _outline(again, true=True), _outline(again, true=False), score, table, lambda _: SET, "set", unit, choose
        )

    rule = f"polygons at an IoU of at least {RULE.least_iou:g}"
    return _conclude(challenge, RULE.name, names, files, rule, explain)


def judge_points(challenge: Challenge, question: Question) -> Verdict:
    """Score points: F1 of one-to-one matches within 6 m.

    Args:
        challenge: whose name the verdict bears.
        question: ``truth`` and ``answers`` as ``own_vector_files`` says; ``ids`` are names of files;
            ``pixel_size_m`` is metres in a unit of the coordinates of the truth.
    Raises:
        BadAnswer: if truth or answer are not in order.
        BadOption: if the unit of the truth is not the metre, and nothing says how long it is.
    """
    pairs = _read(question, POINTS)
    for pair in pairs:
        _check_unit(pair.truth, question.pixel_size_m)
    names = [pair.name for pair in pairs]
    score = score_trees(_locate(pairs, true=True), _locate(pairs, true=False), question.pixel_size_m, names)
    files = list(score.images)

    def explain(choose: Choose | None = None) -> "Evidence":
        # Only a report needs it.
        from overtrace.challenges import evidence_trees

        again = _read(question, POINTS)
        truth, answer = _locate(again, true=True), _locate(again, true=False)
        return evidence_trees.tell(truth, answer, score, _tabulate(names, files), question.pixel_size_m, choose)

    return _conclude(challenge, "points", names, files, f"points within {REACH_M:g} m", explain)


def check_polygons(claim: Claim) -> Inspection:
    """All that is wrong with an answer of polygons."""
    return _check(claim, POLYGONS)


def check_points(claim: Claim) -> Inspection:
    """All that is wrong with an answer of points."""
    return _check(claim, POINTS)


def _check(claim: Claim, kinds: Kinds) -> Inspection:
    faults: list[Fault] = []
    ids = None if claim.ids is None else read_ids(claim.ids)
    if claim.truth is not None:
        pairs = find_pairs(claim.truth, claim.answers, kinds, faults, ids)
        files = {pair.name: pair.answer for pair in pairs}
    else:
        files = find_answers(claim.answers, kinds, faults)
        if ids is not None and files:
            faults += find_name_faults(claim.answers, files, ids, "the list")
    objects = sum(len(file.shapes) for file in files.values())
    notes = []
    if objects == 0:
        found, wanted = "there is nothing in it", "an empty answer is allowed, and finds nothing"
        notes.append(Fault(str(claim.answers), "", found, wanted))
    return Inspection(faults, notes, {"files": len(files), "objects": objects})


def _read(question: Question, kinds: Kinds) -> list[Pair]:
    ids = None if question.ids is None else read_ids(question.ids)
    return read_pairs(question.truth, question.answers, kinds, ids)


def _check_unit(truth: VectorFile, metres: float) -> None:
    """A unit that is no metre needs its length in metres."""
    if truth.crs is None or len(truth.shapes) == 0:
        return
    if truth.crs.is_geographic:
        raise BadOption(
            f"{truth.shown} is in degrees, which distances cannot be told in: "
            "bring it into metres, with ogr2ogr -t_srs and the UTM zone"
        )
    unit = truth.crs.axis_info[0]
    if unit.unit_conversion_factor != 1 and metres == 1:
        raise BadOption(
            f"{truth.shown} is in {unit.unit_name}: say so with --pixel-size {unit.unit_conversion_factor:.10g}"
        )


def _name_area(pairs: Sequence[Pair]) -> str:
    """The unit of areas, if they have the same one that can be named."""
    units = set()
    for pair in pairs:
        crs = pair.truth.crs
        plane = crs is not None and not crs.is_geographic and crs.axis_info[0].unit_conversion_factor == 1
        units.add("px²" if crs is None else "m²" if plane else "")
    return units.pop() if len(units) == 1 else ""


def _face_north(file: VectorFile) -> NDArray[np.object_]:
    """Shapes as pictures have them, y down."""
    if file.crs is None:
        return file.shapes
    shapes: NDArray[np.object_] = shapely.transform(file.shapes, lambda corners: corners * (1, -1))
    return shapes


def _outline(pairs: Sequence[Pair], *, true: bool) -> Footprints:
    """The polygons of one side, by file."""
    files = [pair.truth if true else pair.answer for pair in pairs]
    polygons = np.concatenate([_face_north(file) for file in files])
    crossing = ~shapely.is_valid(polygons)
    # Areas must be those of what is compared; the buffer drops the lines that are left of a polygon.
    polygons[crossing] = shapely.buffer(shapely.make_valid(polygons[crossing], method="linework"), 0)
    images = np.repeat([pair.name for pair in pairs], [len(file.shapes) for file in files])
    confidence = np.concatenate([file.confidence for file in files])
    return Footprints("truth" if true else "answer", images, polygons, confidence, frozenset(images.tolist()))


def _locate(pairs: Sequence[Pair], *, true: bool) -> Trees:
    """The points of one side, by file; each of a feature with several is one."""
    files = {pair.name: pair.truth if true else pair.answer for pair in pairs}
    points = {name: shapely.get_coordinates(_face_north(file)) for name, file in files.items()}
    return Trees("truth" if true else "answer", POINT, points)


def _tabulate(names: Sequence[str], files: Sequence[Matches]) -> list[Row]:
    return [
        {
            "file": name,
            "precision": file.precision,
            "recall": file.recall,
            "F1": file.f1,
            "objects": file.true,
            "answered": file.found,
            "hits": file.hits,
        }
        for name, file in zip(names, files, strict=True)
    ]


def _conclude(
    challenge: Challenge,
    profile: str,
    names: Sequence[str],
    files: Sequence[Matches],
    rule: str,
    explain: Explain,
) -> Verdict:
    whole, table = sum(files, Matches()), _tabulate(names, files)
    parts: dict[str, Any] = {**_tabulate([""], [whole])[0], "rule": rule, "files": table}
    del parts["file"]
    images: list[Row] = [
        {"image": name, "objects": file.true, "answered": file.found, "hits": file.hits}
        for name, file in zip(names, files, strict=True)
    ]
    return Verdict(challenge.name, profile, whole.f1, parts, table, images, _sample(challenge, names, files), explain)


def _sample(challenge: Challenge, names: Sequence[str], files: Sequence[Matches]) -> Sample:
    hits, pooled = np.array([(file.hits, file.found + file.true) for file in files]).T

    def settle(times: NDArray[np.int64]) -> NDArray[np.float64]:
        return (2 * multiply(times, hits) / np.maximum(multiply(times, pooled), 1))[:, None]

    return Sample(tuple(names), (challenge.name,), np.zeros(len(names), np.int64), settle)
