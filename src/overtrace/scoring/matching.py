"""How many objects were found, missed and invented: counts that add up over images, divided once."""

from dataclasses import dataclass
from typing import Self

import numpy as np
from numpy.typing import NDArray


@dataclass(frozen=True, slots=True)
class Matches:
    """Counts of one image, or of many."""

    hits: int = 0
    found: int = 0
    true: int = 0
    squared_distance: float = 0.0
    """Sum over the hits, where points are matched."""

    def __add__(self, other: Self) -> "Matches":
        return Matches(
            self.hits + other.hits,
            self.found + other.found,
            self.true + other.true,
            self.squared_distance + other.squared_distance,
        )

    @property
    def precision(self) -> float:
        """Share of what was found that is true; 0 where nothing was found."""
        return self.hits / self.found if self.found else 0.0

    @property
    def recall(self) -> float:
        """Share of what is true that was found; 0 where nothing is true."""
        return self.hits / self.true if self.true else 0.0

    @property
    def f1(self) -> float:
        """Harmonic mean of precision and recall."""
        return 2 * self.hits / (self.found + self.true) if self.found + self.true else 0.0

    @property
    def rmse(self) -> float:
        """Root mean square of the distance of the hits; nan without any."""
        return (self.squared_distance / self.hits) ** 0.5 if self.hits else float("nan")


def match_points(found: NDArray[np.float64], truth: NDArray[np.float64], reach: float) -> Matches:
    """Match points one to one so that the most pairs lie within reach, and of those the nearest.

    Args:
        found: (n, 2).
        truth: (m, 2) in the same units.
        reach: the largest distance of a match, inclusive.
    Source:
        Ventura et al., Individual tree detection in large-scale urban environments using high-resolution multispectral
        imagery, IJAEOG 130:103848, 2024: optimal assignment, 6 m
    """
    distance = point_distance(found, truth)
    matched = distance[pair_points(distance, reach)]
    return Matches(len(matched), len(found), len(truth), float((matched**2).sum()))


def point_distance(found: NDArray[np.float64], truth: NDArray[np.float64]) -> NDArray[np.float64]:
    """Distance of each pair: (n, m), from (n, 2) and (m, 2)."""
    distance: NDArray[np.float64] = np.hypot(*(found[:, None] - truth[None]).transpose(2, 0, 1))
    return distance


def pair_points(distance: NDArray[np.float64], reach: float) -> tuple[NDArray[np.intp], NDArray[np.intp]]:
    """The rows and columns of the matches that ``match_points`` counts, from (n, m) distances."""
    # A pair out of reach costs more than any number of pairs within it.
    cost = np.where(distance <= reach, distance, 1 + reach * (1 + min(distance.shape, default=0)))
    rows, columns = _assign(cost)
    within = distance[rows, columns] <= reach
    return rows[within], columns[within]


def match_boxes(found: NDArray[np.float64], truth: NDArray[np.float64], least_iou: float) -> Matches:
    """Match boxes one to one by the largest total intersection over union.

    Args:
        found: (n, 4) left, top, right, bottom.
        truth: (m, 4).
        least_iou: a match has at least this intersection over union.
    Source:
        Weinstein et al., A benchmark dataset for canopy crown detection and delineation (NeonTreeEvaluation), PLOS
        Computational Biology 2021, doi:10.1371/journal.pcbi.1009180: optimal assignment, IoU of 0.4
    """
    rows, _ = pair_boxes(box_iou(found, truth), least_iou)
    return Matches(len(rows), len(found), len(truth))


def pair_boxes(iou: NDArray[np.float64], least_iou: float) -> tuple[NDArray[np.intp], NDArray[np.intp]]:
    """The rows and columns of the matches that ``match_boxes`` counts, from (n, m) overlaps."""
    rows, columns = _assign(-iou)
    enough = iou[rows, columns] >= least_iou
    return rows[enough], columns[enough]


def _assign(cost: NDArray[np.float64]) -> tuple[NDArray[np.intp], NDArray[np.intp]]:
    """Pairs of least total cost."""
    # scipy takes half a second to load, which whoever scores something else need not wait for.
    from scipy.optimize import linear_sum_assignment

    rows, columns = linear_sum_assignment(cost)
    return rows, columns


def box_iou(one: NDArray[np.float64], other: NDArray[np.float64]) -> NDArray[np.float64]:
    """Intersection over union of each pair: (n, m), from (n, 4) and (m, 4)."""
    both = box_overlap(one, other)
    areas = [np.prod(boxes[:, 2:] - boxes[:, :2], axis=-1) for boxes in (one, other)]
    union = areas[0][:, None] + areas[1][None] - both
    iou: NDArray[np.float64] = np.divide(both, union, out=np.zeros_like(both), where=union > 0)
    return iou


def box_overlap(one: NDArray[np.float64], other: NDArray[np.float64]) -> NDArray[np.float64]:
    """Area that each pair shares: (n, m), from (n, 4) and (m, 4)."""
    low = np.maximum(one[:, None, :2], other[None, :, :2])
    high = np.minimum(one[:, None, 2:], other[None, :, 2:])
    both: NDArray[np.float64] = np.prod(np.maximum(high - low, 0), axis=-1)
    return both
