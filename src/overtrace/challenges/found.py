"""What a model finds in one image that is held in memory whole, in the pixels of the image itself."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from overtrace.challenges.shapes import cut_labels, find_point
from overtrace.decode.detections import paste, suppress
from overtrace.decode.instances import decode_image, score
from overtrace.decode.parameters import Parameters
from overtrace.decode.ternaus import decode_ternaus, score_instances
from overtrace.models.detections import predict_detections
from overtrace.models.planes import predict_planes, predict_probabilities
from overtrace.models.runtime import Network
from overtrace.models.view import lay_windows
from overtrace.raster.lattice import Block
from overtrace.raster.view import View
from overtrace.scoring.rle import Part

Labels = NDArray[np.int32]


@dataclass(frozen=True, slots=True)
class Found:
    """The objects of an image."""

    height: int
    width: int
    parts: Sequence[Part]
    """One an object; none is empty. Those of a detector may overlap."""
    points: NDArray[np.float64]
    """(n, 2) x and y of the middle of each, or of its peak where seeds are peaks; the centre of the first pixel is at
    (0, 0)."""
    classes: NDArray[np.int64]
    """(n,) from 0."""
    scores: NDArray[np.float32]
    """(n,) from 0 to 1."""


def find_objects(view: View, network: Network, min_score: float = 0.0) -> Found:
    """The objects of an image, as ``trace`` finds them.

    Args:
        view: of the model.
        network: that answers planes or detections; its card says what is made of them.
        min_score: objects that score less are left out.
    """
    (block,) = lay_windows(network.card).blocks(view.grid, max(view.grid.height, view.grid.width))
    if network.card.task == "detections":
        return _find_detections(view, network, block, min_score)
    parameters = Parameters(**network.card.decode.model_dump())
    return _find_instances(view, network, block, parameters, min_score)


def are_large(areas: NDArray[np.int64], view: View, parameters: Parameters) -> NDArray[np.bool_]:
    """Whether instances of so many pixels are answered."""
    large: NDArray[np.bool_] = areas >= parameters.min_area_px
    if parameters.min_area_m2 > 0 and view.grid.pixel_size_m is not None:
        large &= areas * (view.grid.pixel_size_m[0] * view.grid.pixel_size_m[1]) >= parameters.min_area_m2
    return large


def _find_instances(view: View, network: Network, block: Block, parameters: Parameters, min_score: float) -> Found:
    labels, scores, peaks = _label(view, network, block, parameters)
    areas = np.bincount(labels.ravel(), minlength=len(scores) + 1)[1:]
    kept = (scores >= min_score) & are_large(areas, view, parameters)
    height, width = view.raster.grid.height, view.raster.grid.width
    parts = {label - 1: part for label, part in cut_labels(resize_labels(labels, height, width)).items()}
    chosen = [i for i in parts if kept[i]]
    points = np.array([find_point(parts[i]) for i in chosen]).reshape(-1, 2) if peaks is None else peaks[chosen]
    return Found(height, width, [parts[i] for i in chosen], points, np.zeros(len(chosen), np.int64), scores[chosen])


def _label(
    view: View, network: Network, block: Block, parameters: Parameters
) -> tuple[Labels, NDArray[np.float32], NDArray[np.float64] | None]:
    """Labels from 1 to n in the pixels of the view, the score of each, and where its peak is in those of the image."""
    if network.card.decode_rule == "growth":
        labels, sums, first = decode_image(predict_planes(view, network, block, parameters.peak_px), parameters)
        rows, cols = np.divmod(first, labels.shape[1])
        peaks = (np.stack([cols, rows], axis=1) + 0.5) * view.scale - 0.5
        return labels, score(sums, parameters.scorer), peaks if parameters.peak_px else None
    names = network.card.planes
    border = network.card.margin
    planes = predict_probabilities(view, network, block, border)[[names.index("interior"), names.index("touch")]]
    labels = decode_ternaus(planes, border)
    interior = planes[0, border : border + labels.shape[0], border : border + labels.shape[1]]
    return labels, score_instances(labels, interior), None


def resize_labels(labels: Labels, height: int, width: int) -> Labels:
    """For each pixel of another size the label in which its centre lies."""
    if labels.shape == (height, width):
        return labels
    rows, cols = (
        (2 * np.arange(length) + 1) * seen // (2 * length)
        for length, seen in zip((height, width), labels.shape, strict=True)
    )
    resized: Labels = labels[rows[:, None], cols]
    return resized


def _find_detections(view: View, network: Network, block: Block, min_score: float) -> Found:
    rule = network.card.detect
    found = suppress(predict_detections(view, network, block), rule.overlap)
    height, width = view.raster.grid.height, view.raster.grid.width
    parts = {}
    for i in np.flatnonzero(found.scores >= max(min_score, rule.min_score)).tolist():
        part = paste(found, i, (height, width), view.scale, rule.mask)
        if part[0].any():
            parts[i] = part
    chosen = list(parts)
    # A box may reach over the edge.
    corners = np.clip(found.boxes[chosen].reshape(-1, 2, 2), 0, (view.grid.width, view.grid.height))
    points = corners.mean(axis=1) * view.scale - 0.5
    return Found(height, width, list(parts.values()), points, found.classes[chosen], found.scores[chosen])
