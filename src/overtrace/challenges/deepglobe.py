"""Buildings of SpaceNet-2 and DeepGlobe 2018: F1 at a polygon IoU of 0.5, for each city, and the plain mean of them.

Source:
    SpaceNet-2 (topcoder 16892) and DeepGlobe 2018 (CodaLab 18544); the codes called official differ, see
    ``overtrace.scoring.footprints``. The tester of topcoder leaves out images that an answer does not name, which gives
    their buildings away for nothing: here every image must be answered.
"""

from collections.abc import Collection
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from overtrace.challenges.challenge import Challenge, Choose, Question, Row, Sample, Verdict
from overtrace.challenges.footprint_files import Footprints, find_footprints, read_footprints
from overtrace.challenges.inspection import Claim, Inspection
from overtrace.errors import BadAnswer
from overtrace.formats.faults import Fault, refuse
from overtrace.formats.id_lists import read_ids
from overtrace.scoring.footprints import RULES, TOPCODER, FootprintCounts, FootprintRule, count_footprints, f1
from overtrace.scoring.intervals import multiply

if TYPE_CHECKING:
    from overtrace.challenges.evidence import Evidence

CITY_TOKENS = 3


@dataclass(frozen=True, slots=True)
class CityScore:
    """One city."""

    name: str
    images: int
    hits: int
    found: int
    true: int
    f1: float


@dataclass(frozen=True, slots=True)
class BuildingScore:
    """All cities."""

    rule: FootprintRule
    cities: tuple[CityScore, ...]
    images: tuple[str, ...]
    counts: FootprintCounts
    """Of each image."""

    @property
    def score(self) -> float:
        """The plain mean of the cities' F1, which ranks."""
        return float(np.mean([city.f1 for city in self.cities]))


def city_of(image: str) -> str:
    """``AOI_2_Vegas`` of ``AOI_2_Vegas_img5979``."""
    return "_".join(image.split("_")[:CITY_TOKENS])


def pair_images(truth: Footprints, answer: Footprints) -> None:
    """Make sure that the answer is one to the truth.

    Raises:
        BadAnswer: if it leaves out an image, names another, or has other coordinates.
    """
    faults = [*_find_name_faults(answer, truth.named, "the truth"), *_find_other_system(answer, truth)]
    if faults:
        raise refuse(faults)


def _find_name_faults(answer: Footprints, wanted: frozenset[str], source: str) -> list[Fault]:
    remedy = f"answer every image, an empty one by {answer.empty}"
    missing, extra = sorted(wanted - answer.named), sorted(answer.named - wanted)
    return [
        *(Fault(answer.shown, image, "the image is missing", remedy) for image in missing),
        *(Fault(answer.shown, image, f"{source} has no such image", "leave it out") for image in extra),
    ]


def _find_other_system(answer: Footprints, truth: Footprints) -> list[Fault]:
    if answer.system == truth.system or not (len(answer.images) and len(truth.images)):
        return []
    found = f"its coordinates are of the kind {answer.system}, those of the truth {truth.system}"
    return [Fault(answer.shown, "", found, "write them like the truth")]


def score_footprints(
    truth: Footprints, answer: Footprints, rule: FootprintRule = TOPCODER, images: Collection[str] | None = None
) -> BuildingScore:
    """Score an answer.

    Args:
        truth: all images of the contest.
        answer: all of them answered.
        rule: which of the official codes is followed.
        images: the part of them that is scored, as a board may show a public one.
    Raises:
        BadAnswer: if the answer leaves out an image, or names another.
    """
    pair_images(truth, answer)
    names = sorted(truth.named if images is None else truth.named & frozenset(images))
    if not names:
        raise BadAnswer(f"{truth.shown} has no image to score: check the list of images")
    index = {name: i for i, name in enumerate(names)}
    true, found = (_index(part.images, index) for part in (truth, answer))
    counts = count_footprints(
        true[true >= 0],
        truth.polygons[true >= 0],
        found[found >= 0],
        answer.polygons[found >= 0],
        answer.confidence[found >= 0],
        len(names),
        rule,
    )
    cities = np.array([city_of(name) for name in names])
    return BuildingScore(
        rule, tuple(_score_city(city, cities == city, counts) for city in np.unique(cities)), tuple(names), counts
    )


def _index(images: NDArray[np.str_], index: dict[str, int]) -> NDArray[np.int64]:
    return np.array([index.get(image, -1) for image in images.tolist()], np.int64)


def _score_city(city: str, own: NDArray[np.bool_], counts: FootprintCounts) -> CityScore:
    part = FootprintCounts(counts.hits[own], counts.found[own], counts.true[own])
    hits, found, true = (int(numbers.sum()) for numbers in (part.hits, part.found, part.true))
    return CityScore(str(city), int(own.sum()), hits, found, true, f1(part))


def judge(question: Question) -> Verdict:
    """Score the files of an answer."""
    name = DEEPGLOBE.choose_profile(question)
    truth = read_footprints(question.truth, answer=False, pixel_size=question.pixel_size_m)
    truth = keep_listed(truth, question.listed)
    answer = read_footprints(question.answers, answer=True, pixel_size=question.pixel_size_m)
    ids = None if question.ids is None else _read_list(question.ids, truth)
    found = score_footprints(truth, answer, RULES[name], ids)
    cities: list[Row] = [
        {
            "city": city.name,
            "F1": city.f1,
            "images": city.images,
            "buildings": city.true,
            "answered": city.found,
            "hits": city.hits,
        }
        for city in found.cities
    ]
    images: list[Row] = [
        {
            "image": image,
            "buildings": int(found.counts.true[i]),
            "answered": int(found.counts.found[i]),
            "hits": int(found.counts.hits[i]),
        }
        for i, image in enumerate(found.images)
    ]

    def explain(choose: Choose | None = None) -> "Evidence":
        # Only a report needs it.
        from overtrace.challenges import evidence_deepglobe

        return evidence_deepglobe.explain(question, found, cities, choose)

    return Verdict(DEEPGLOBE.name, name, found.score, {"cities": cities}, cities, images, _sample(found), explain)


def keep_listed(truth: Footprints, listed: Path | None) -> Footprints:
    """The images of a list; all without one."""
    if listed is None:
        return truth
    names = _read_list(listed, truth)
    kept = np.isin(truth.images, names)
    parts = {name: getattr(truth, name)[kept] for name in ("images", "polygons", "confidence")}
    return replace(truth, named=frozenset(names), **parts)


def _read_list(path: Path, truth: Footprints) -> list[str]:
    """The images that count, all of which the truth has."""
    names = read_ids(path)
    strange = sorted(set(names) - truth.named)
    if strange:
        raise BadAnswer(f"{path} names {strange[0]}, which is no image of the truth: check the list")
    return names


def check(claim: Claim) -> Inspection:
    """All that is wrong with the files of an answer: rows, polygons, confidences, and which images it names."""
    faults: list[Fault] = []
    strangers: frozenset[str] = frozenset()
    answer = find_footprints(claim.answers, faults, answer=True)
    if claim.truth is not None:
        truth = keep_listed(read_footprints(claim.truth, answer=False), claim.listed)
        if not truth.named:
            raise BadAnswer(f"{claim.truth} has no image to score: name one in each row")
        if claim.ids is not None:
            _read_list(claim.ids, truth)
        faults += [*_find_name_faults(answer, truth.named, "the truth"), *_find_other_system(answer, truth)]
    elif claim.ids is not None:
        listed = frozenset(read_ids(claim.ids))
        strangers = answer.named - listed
        faults += _find_name_faults(answer, listed, "the list")
    elif not answer.named and not faults:
        faults.append(Fault(answer.shown, "", "it names no image", "answer every image"))
    notes = []
    if len(answer.images) == 0:
        notes.append(
            Fault(answer.shown, "", "there is no building in it", "an empty answer is allowed, and finds none")
        )
    counts = {"images": len(answer.named), "buildings": len(answer.images)}
    return Inspection(faults, notes, counts, strangers)


def _sample(found: BuildingScore) -> Sample:
    cities = tuple(city.name for city in found.cities)
    part = np.searchsorted(cities, [city_of(image) for image in found.images])
    pooled = found.counts.found + found.counts.true

    def settle(times: NDArray[np.int64]) -> NDArray[np.float64]:
        own = [times * (part == p) for p in range(len(cities))]
        sums = [(multiply(one, found.counts.hits), multiply(one, pooled)) for one in own]
        return np.stack([2 * hits / np.maximum(pooled, 1) for hits, pooled in sums], axis=1)

    return Sample(found.images, cities, part, settle)


DEEPGLOBE = Challenge(
    "deepglobe", "https://github.com/SpaceNetChallenge/BuildingDetectors_Round2", tuple(RULES), judge, check
)
CHALLENGES = (DEEPGLOBE,)
