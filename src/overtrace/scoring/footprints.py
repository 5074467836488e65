"""Buildings found, missed and invented, by the intersection over union of polygons; three codes are called official."""

from dataclasses import dataclass
from typing import Literal

import numpy as np
import shapely
from numba import njit
from numpy.typing import NDArray

from overtrace.scoring.errors import Pairs

Polygons = NDArray[np.object_]


@dataclass(frozen=True, slots=True)
class FootprintRule:
    """Where the codes differ."""

    name: str
    at_least: bool
    """A pair that overlaps by exactly the threshold is a match."""
    truth_area_px: float
    """Smaller true footprints are left out."""
    truth_area_kept: bool
    """Those of exactly that area are kept."""
    answer_area_px: float
    answer_area_kept: bool
    by_confidence: bool
    """The surest footprint chooses first, the first in the file of equally sure ones; else the file's order decides."""
    crossing_truth: Literal["even-odd", "as it is", "never found"]
    """What a true footprint is whose outline crosses itself."""
    crossing_answer: Literal["even-odd", "largest sense"]
    """Likewise for an answer; the largest sense is what a buffer of width 0 leaves of it."""
    plain_overlap: bool = False
    """An overlap counts for nothing if, apart from its area, the outlines touch along a line or in a point."""
    least_iou: float = 0.5


TOPCODER = FootprintRule("spacenet2-topcoder", False, 20, True, 20, True, True, "even-odd", "even-odd")
"""BuildingVisualizer 2.0 of 2017-03-10, the tester of the SpaceNet-2 contest: strictly more than the threshold."""
UTILITIES = FootprintRule("spacenet-utilities", True, 20, False, 0, True, False, "as it is", "largest sense", True)
"""SpaceNetChallenge/utilities, evalTools.py and evaluateScene.py: at least the threshold, in the order of the file."""
SOLARIS = FootprintRule("solaris", False, 20, True, 20, False, True, "never found", "largest sense")
"""solaris 0.4 and cw-eval 1.0; their sort by confidence is not stable, here the first in the file goes first."""
RULES = {rule.name: rule for rule in (TOPCODER, UTILITIES, SOLARIS)}


@dataclass(frozen=True, slots=True)
class FootprintCounts:
    """(images,) counts of each image; they add up."""

    hits: NDArray[np.int64]
    found: NDArray[np.int64]
    true: NDArray[np.int64]


@dataclass(frozen=True, slots=True)
class FootprintMatch:
    """The footprints that count, those of the answer in the order in which they choose, and what they took."""

    rows: NDArray[np.intp]
    """(n,) row in the answer."""
    images: NDArray[np.int64]
    polygons: Polygons
    """(n,) as the rule takes them, mended."""
    areas: NDArray[np.float64]
    true_rows: NDArray[np.intp]
    """(m,) row in the truth."""
    true_images: NDArray[np.int64]
    true_polygons: Polygons
    true_areas: NDArray[np.float64]
    taken: NDArray[np.int64]
    """(n,) which of the m was hit, or -1."""


def count_footprints(
    truth_images: NDArray[np.int64],
    truth: Polygons,
    answer_images: NDArray[np.int64],
    answer: Polygons,
    confidence: NDArray[np.float64],
    images: int,
    rule: FootprintRule = TOPCODER,
) -> FootprintCounts:
    """Match the footprints of all images.

    Args:
        truth_images: (m,) index of the image of each true footprint, from 0 to ``images`` - 1.
        truth: (m,) shapely polygons in pixels.
        answer_images: (n,) likewise for the answer.
        answer: (n,) in the order of the file.
        confidence: (n,) any numbers; larger is surer.
        images: how many images there are.
        rule: which of the codes is followed.
    Source:
        github.com/SpaceNetChallenge/BuildingDetectors_Round2, 2-wleite/src/visualizer/BuildingVisualizer.java, and the
        codes named at the rules. Their overlaps come from other geometry libraries: a pair may fall on the other side
        where its overlap is within rounding of the threshold.
    """
    match = match_footprints(truth_images, truth, answer_images, answer, confidence, rule)
    return FootprintCounts(
        hits=np.bincount(match.images[match.taken >= 0], minlength=images),
        found=np.bincount(match.images, minlength=images),
        true=np.bincount(match.true_images, minlength=images),
    )


def match_footprints(
    truth_images: NDArray[np.int64],
    truth: Polygons,
    answer_images: NDArray[np.int64],
    answer: Polygons,
    confidence: NDArray[np.float64],
    rule: FootprintRule = TOPCODER,
) -> FootprintMatch:
    """The matches that ``count_footprints`` counts."""
    truth_areas, answer_areas = shapely.area(truth), shapely.area(answer)
    kept = _is_kept(truth_areas, rule.truth_area_px, rule.truth_area_kept)
    true_rows = np.flatnonzero(kept)
    truth_images, truth, truth_areas = truth_images[kept], truth[kept], truth_areas[kept]
    kept = _is_kept(answer_areas, rule.answer_area_px, rule.answer_area_kept)
    order = np.flatnonzero(kept)
    if rule.by_confidence:
        order = order[np.argsort(-confidence[order], kind="stable")]
    answer_images, answer, answer_areas = answer_images[order], answer[order], answer_areas[order]
    sound, sound_answer = _mend(truth, rule.crossing_truth), _mend(answer, rule.crossing_answer)
    if rule.crossing_answer == "largest sense":
        answer_areas = shapely.area(sound_answer)
    i, j = _near(answer_images, sound_answer, truth_images, sound)
    both = answer_areas[i] + truth_areas[j]
    # The smaller of two shapes bounds what they can share; a little is left for rounding.
    most = np.minimum(shapely.area(sound_answer)[i], shapely.area(sound)[j])
    close = most * (1 + rule.least_iou) >= both * rule.least_iou * 0.999999
    i, j, both = i[close], j[close], both[close]
    iou = _iou(sound_answer[i], sound[j], both, rule.plain_overlap)
    enough = iou >= rule.least_iou if rule.at_least else iou > rule.least_iou
    i, j, iou = i[enough], j[enough], iou[enough]
    in_order = np.lexsort((j, i))
    taken = _choose(i[in_order], j[in_order], iou[in_order], len(answer), len(truth))
    return FootprintMatch(
        order, answer_images, sound_answer, answer_areas, true_rows, truth_images, sound, truth_areas, taken
    )


def overlap_footprints(match: FootprintMatch) -> Pairs:
    """All footprints that share ground with a true one of their image, and how much."""
    i, j = _near(match.images, match.polygons, match.true_images, match.true_polygons)
    shared = shapely.area(shapely.intersection(match.polygons[i], match.true_polygons[j]))
    some = shared > 0
    return Pairs(i[some].astype(np.int64), j[some].astype(np.int64), shared[some])


def _is_kept(areas: NDArray[np.float64], least: float, equal: bool) -> NDArray[np.bool_]:
    kept: NDArray[np.bool_] = (areas >= least) if equal else (areas > least)
    return kept


def _mend(polygons: Polygons, crossing: str) -> Polygons:
    """What polygons are taken for whose outlines cross."""
    sound = polygons.copy()
    bad = ~shapely.is_valid(polygons)
    if crossing == "even-odd":
        sound[bad] = shapely.make_valid(polygons[bad], method="linework")
    elif crossing == "largest sense":
        sound[bad] = shapely.buffer(polygons[bad], 0)
    elif crossing == "never found":
        sound[bad] = shapely.Polygon()
    else:
        # GEOS cannot intersect these; what crosses is taken as the outline encloses it.
        sound[bad] = shapely.make_valid(polygons[bad], method="structure", keep_collapsed=False)
    return sound


def _near(
    images: NDArray[np.int64], polygons: Polygons, other_images: NDArray[np.int64], others: Polygons
) -> tuple[NDArray[np.intp], NDArray[np.intp]]:
    """Pairs of one image whose boxes meet."""
    bounds, other_bounds = shapely.bounds(polygons), shapely.bounds(others)
    every = np.concatenate([bounds, other_bounds])
    finite = every[np.isfinite(every).all(axis=1)]
    if len(finite) == 0:
        return np.zeros(0, np.intp), np.zeros(0, np.intp)
    # Images are laid side by side, so that one tree holds them all.
    stride = 2 * (finite[:, 2].max() - finite[:, 0].min()) + 1
    boxes, other_boxes = (_boxes(b, stride * at) for b, at in ((bounds, images), (other_bounds, other_images)))
    i, j = shapely.STRtree(other_boxes).query(boxes)
    same = images[i] == other_images[j]
    return i[same], j[same]


def _boxes(bounds: NDArray[np.float64], shift: NDArray[np.float64]) -> Polygons:
    boxes: Polygons = shapely.box(bounds[:, 0] + shift, bounds[:, 1], bounds[:, 2] + shift, bounds[:, 3])
    return boxes


def _iou(polygons: Polygons, others: Polygons, both: NDArray[np.float64], plain: bool) -> NDArray[np.float64]:
    """IoU by the areas that are stated; above 1, or infinite, where an outline that crosses itself encloses more."""
    shared = shapely.intersection(polygons, others)
    overlap = shapely.area(shared)
    if plain:
        overlap[shapely.get_type_id(shared) == shapely.GeometryType.GEOMETRYCOLLECTION] = 0
    with np.errstate(divide="ignore", invalid="ignore"):
        iou: NDArray[np.float64] = overlap / (both - overlap)
    return iou


@njit(cache=True, nogil=True)
def _choose(
    i: NDArray[np.intp], j: NDArray[np.intp], iou: NDArray[np.float64], answers: int, truths: int
) -> NDArray[np.int64]:
    """Each answer in turn takes the truth of largest overlap that is left, the first of equal ones; -1 for none."""
    match = np.full(answers, -1, np.int64)
    taken = np.zeros(truths, np.bool_)
    pair = 0
    while pair < len(i):
        answer, best = i[pair], 0.0
        while pair < len(i) and i[pair] == answer:
            if iou[pair] > best and not taken[j[pair]]:
                best, match[answer] = iou[pair], j[pair]
            pair += 1
        if match[answer] >= 0:
            taken[match[answer]] = True
    return match


def f1(counts: FootprintCounts) -> float:
    """F1 of all images pooled; 0 where nothing is true and nothing was found."""
    pooled = counts.found.sum() + counts.true.sum()
    return float(2 * counts.hits.sum() / pooled) if pooled else 0.0
