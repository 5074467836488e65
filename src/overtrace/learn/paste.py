"""Objects or classes of one crop laid into another, without what stands around them."""

from collections.abc import Iterator, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage

Parts = dict[str, NDArray[Any]]
"""``image`` (H, W, bands) float32, ``labels``, ``peaks``, ``ignore`` (H, W), and whatever else there is of a pixel."""
Window = tuple[slice, slice]

MOST_HIDDEN = 0.3
"""Share of a pasted object that may lie over others, and of each of those that it may hide."""
TRIES = 8
RIM_PX = 1.0
"""Standard deviation by which the mask is softened to mix its pixels in."""
REACH_PX = 12
"""Pixels around an object to which its hill in the distance plane may reach."""


def paste_objects(crop: Parts, donor: Parts, count: int, hills: bool, rng: np.random.Generator) -> Parts:
    """A crop with objects of another one of the same size, at places drawn anew; those without a place are left out.

    Args:
        count: of objects.
        hills: whether peaks are hills around points, of which the higher one counts; else they are of crowns, which
            hide each other.
    """
    pasted = {name: part.copy() for name, part in crop.items()}
    for source, mask, hill in _cut_objects(donor, count, rng):
        for _ in range(TRIES):
            target = _choose_place(mask.shape, pasted["labels"].shape, rng)
            if _hides_little(pasted["labels"], target, mask):
                _lay(
                    pasted, target, {name: part[source] for name, part in donor.items()}, mask, hill if hills else None
                )
                break
    return pasted


def paste_classes(crop: Parts, donor: Parts, classes: Sequence[int]) -> Parts:
    """A crop with all pixels of some classes of another one of the same size, where they are.

    Args:
        crop, donor: ``image`` (H, W, bands) float32 and ``classes`` (H, W).
    """
    mask = np.isin(donor["classes"], classes)
    return {
        "image": crop["image"] + _soften(mask) * (donor["image"] - crop["image"]),
        "classes": np.where(mask, donor["classes"], crop["classes"]),
    }


def _cut_objects(
    donor: Parts, count: int, rng: np.random.Generator
) -> Iterator[tuple[Window, NDArray[np.bool_], NDArray[np.uint8]]]:
    """Where they lie with what is around them, their masks, and their peaks as far as no other object is nearer."""
    labels = donor["labels"]
    edges = np.concatenate([labels[0], labels[-1], labels[:, 0], labels[:, -1], labels[donor["ignore"] > 0]])
    whole = np.setdiff1d(labels, np.append(edges, 0))
    if not len(whole) or not count:
        return
    nearest = labels[tuple(ndimage.distance_transform_edt(labels == 0, return_distances=False, return_indices=True))]
    boxes = ndimage.find_objects(labels)
    for label in rng.permutation(whole)[:count].tolist():
        rows, cols = boxes[label - 1]
        source = (_widen(rows, labels.shape[0]), _widen(cols, labels.shape[1]))
        yield source, labels[source] == label, np.where(nearest[source] == label, donor["peaks"][source], 0)


def _widen(span: slice, length: int) -> slice:
    return slice(max(span.start - REACH_PX, 0), min(span.stop + REACH_PX, length))


def _choose_place(shape: tuple[int, ...], within: tuple[int, ...], rng: np.random.Generator) -> Window:
    row, col = (int(rng.integers(0, side - part + 1)) for part, side in zip(shape, within, strict=True))
    return slice(row, row + shape[0]), slice(col, col + shape[1])


def _hides_little(labels: NDArray[np.int32], target: Window, mask: NDArray[np.bool_]) -> bool:
    hidden = labels[target][mask]
    if np.count_nonzero(hidden) > MOST_HIDDEN * len(hidden):
        return False
    found, counts = np.unique(hidden[hidden > 0], return_counts=True)
    return all(
        part <= MOST_HIDDEN * np.count_nonzero(labels == label) for label, part in zip(found, counts, strict=True)
    )


def _lay(crop: Parts, target: Window, parts: Parts, mask: NDArray[np.bool_], hill: NDArray[np.uint8] | None) -> None:
    """One object into a crop, in place; its rim is mixed with what was there."""
    before = crop["peaks"][target].copy()
    crop["image"][target] += _soften(mask) * (parts["image"] - crop["image"][target])
    new = crop["labels"].max() + 1
    for name, part in parts.items():
        if name != "image":
            crop[name][target][mask] = part[mask]
    crop["labels"][target][mask] = new
    if hill is not None:
        crop["peaks"][target] = np.maximum(before, hill)


def _soften(mask: NDArray[np.bool_]) -> NDArray[np.float32]:
    """(H, W, 1) the share of what is pasted in each pixel."""
    share: NDArray[np.float32] = ndimage.gaussian_filter(mask.astype(np.float32), RIM_PX)[..., None]
    return share
