"""Objects that a network found one by one: boxes, scores, classes and small masks."""

from collections.abc import Sequence
from dataclasses import dataclass, fields
from typing import Any, Self

import numpy as np
from numpy.typing import NDArray


@dataclass(frozen=True, slots=True)
class Detections:
    """Objects of one image, in the order of ``rank``."""

    boxes: NDArray[np.floating[Any]]
    """(n, 4) left, top, right, bottom in pixels of the view, corner convention; float32 cannot tell the pixels of large
    images apart well, so what comes from a lattice is float64. A box may reach over the edge of the image."""
    scores: NDArray[np.float32]
    """(n,) 0 to 1."""
    classes: NDArray[np.int64]
    """(n,) from 0."""
    masks: NDArray[np.float32]
    """(n, m, m) probabilities over the box."""

    def __len__(self) -> int:
        return len(self.scores)

    def take(self, index: NDArray[Any]) -> Self:
        """Those that an index or a mask chooses, in its order."""
        return type(self)(*(getattr(self, field.name)[index] for field in fields(self)))


NOTHING = Detections(np.zeros((0, 4)), np.zeros(0, np.float32), np.zeros(0, np.int64), np.zeros((0, 1, 1), np.float32))


def concatenate(parts: Sequence[Detections]) -> Detections:
    """All detections of several parts, in order; those that are not empty have masks of one size."""
    found = [part for part in parts if len(part)]
    if not found:
        return NOTHING
    return Detections(*(np.concatenate([getattr(part, f.name) for part in found]) for f in fields(Detections)))


def gather_detections(parts: Sequence[Detections]) -> Detections:
    """The same, sorted."""
    found = concatenate(parts)
    return found.take(rank(found.boxes, found.scores, found.classes))


def rank(
    boxes: NDArray[np.floating[Any]], scores: NDArray[np.float32], classes: NDArray[np.int64]
) -> NDArray[np.int64]:
    """The order of detections: the highest score first, of equals the topmost, leftmost, shortest, narrowest.

    So it depends on what was found alone, not on the blocks that it came in. Two of one score and box keep their order:
    they come from one window, whose network says which is better.

    Returns:
        (n,) indices.
    """
    left, top, right, bottom = boxes.T
    return np.lexsort((classes, right, bottom, left, top, -scores))
