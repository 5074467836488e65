"""Learn what an instance shall score: how likely a true object overlaps it by half, by logistic regression.

The score orders the answers to a contest of average precision; the masks stay the same.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from overtrace.challenges.found import are_large, resize_labels
from overtrace.data.labelled import Labels, Objects
from overtrace.decode.instances import Sums, decode_image, features, score
from overtrace.decode.parameters import Parameters
from overtrace.learn.validate import Held
from overtrace.models.planes import predict_planes
from overtrace.models.runtime import Network
from overtrace.models.view import lay_windows, view_image
from overtrace.raster.source import open_raster

FOLDS = 5
LEAST_IOU = 0.5
RIDGE = 0.1
ROUNDS = 50


@dataclass(frozen=True, slots=True)
class Judged:
    """The instances that were found in one image."""

    sums: Sums
    true: NDArray[np.bool_]
    """(n,) whether a true object overlaps it enough."""
    objects: int
    """True ones."""


def learn_scorer(pairs: Sequence[tuple[Network, Held]], say: Callable[[str], None]) -> tuple[float, ...]:
    """Weights of ``decode.instances.features``; none if they are no better than none.

    They are judged on images that were left out when they were learned: a fifth at a time.

    Args:
        pairs: networks of planes, whose cards say how instances are made, each with a set that it did not learn.
    """
    judged = [judge(network, held) for network, held in pairs]
    images = [image for group in judged for image in group]
    rows = np.concatenate([features(image.sums) for image in images])
    true = np.concatenate([image.true for image in images])
    if true.all() or not true.any():
        say("the score is not learned: all instances are true, or none")
        return ()
    fold = np.repeat(np.arange(len(images)) % FOLDS, [len(image.true) for image in images])
    learned = np.zeros(len(true))
    for left_out in range(min(FOLDS, len(images))):
        learned[fold == left_out] = rows[fold == left_out] @ fit_logistic(
            rows[fold != left_out], true[fold != left_out]
        )
    plain = np.concatenate([score(image.sums) for image in images])
    before, after = _mean_precision(judged, plain), _mean_precision(judged, learned)
    say(f"score of instances: average precision {before:.4f} by the planes, {after:.4f} learned, on images left out")
    return tuple(fit_logistic(rows, true).tolist()) if after > before else ()


def judge(network: Network, held: Held) -> list[Judged]:
    """What is found in each image of a set; instances that lie by half where nobody knows are left out."""
    paths = sorted(held.files.images.iterdir())
    return [_judge(network, held, number, str(path)) for number, path in enumerate(paths)]


def _judge(network: Network, held: Held, number: int, path: str) -> Judged:
    labelled = held.group.data.read(number)
    assert isinstance(labelled, Objects)
    card, parameters = network.card, Parameters(**network.card.decode.model_dump())
    view = view_image(open_raster(path, bands=held.files.bands, pixel_size_m=held.files.pixel_size_m), card)
    (block,) = lay_windows(card).blocks(view.grid, max(view.grid.height, view.grid.width))
    labels, sums, _ = decode_image(predict_planes(view, network, block, parameters.peak_px), parameters)
    found = resize_labels(labels, *labelled.labels.shape)
    count = len(sums.area)
    true = best_overlap(found, labelled.labels, count) >= LEAST_IOU
    pixels = np.bincount(found.ravel(), minlength=count + 1)[1:]
    unknown = np.bincount(found[labelled.ignore], minlength=count + 1)[1:]
    kept = are_large(sums.area, view, parameters) & (pixels > 0) & (true | (2 * unknown < pixels))
    objects = len(np.unique(labelled.labels[labelled.labels > 0]))
    return Judged(Sums(sums.area[kept], sums.interior[kept], sums.peak[kept]), true[kept], objects)


def best_overlap(found: Labels, true: Labels, count: int) -> NDArray[np.float64]:
    """(count,) of each found instance the highest IoU with a true one.

    Args:
        found: (H, W) from 1 to ``count``.
        true: (H, W).
    """
    both = (found > 0) & (true > 0)
    pairs, shared = np.unique(np.stack([found[both], true[both]]), axis=1, return_counts=True)
    found_px = np.bincount(found.ravel(), minlength=count + 1)
    union = found_px[pairs[0]] + np.bincount(true.ravel())[pairs[1]] - shared
    best = np.zeros(count + 1)
    np.maximum.at(best, pairs[0], shared / union)
    return best[1:]


def fit_logistic(rows: NDArray[np.float64], true: NDArray[np.bool_]) -> NDArray[np.float64]:
    """Weights of ridge regression by Newton's method; the first column, of ones, is not held back.

    Args:
        rows: (n, k).
        true: (n,).
    """
    ridge = RIDGE * np.eye(rows.shape[1])
    ridge[0, 0] = 1e-9
    weights = np.zeros(rows.shape[1])
    for _ in range(ROUNDS):
        likely = 1 / (1 + np.exp(-(rows @ weights)))
        slope = rows.T @ (likely - true) + ridge @ weights
        step = np.linalg.solve((rows.T * (likely * (1 - likely))) @ rows + ridge, slope)
        weights = weights - step
        if np.abs(step).max() < 1e-9:
            break
    return weights


def average_precision(scores: NDArray[np.float64], true: NDArray[np.bool_], objects: int) -> float:
    """The area under the curve of precision over recall, where precision is the best of this recall or a higher one.

    Args:
        scores, true: (n,).
        objects: that could be found.
    """
    hit = true[np.argsort(-scores, kind="stable")]
    precision = np.cumsum(hit) / np.arange(1, len(hit) + 1)
    best = np.maximum.accumulate(precision[::-1])[::-1]
    return float(best[hit].sum() / max(objects, 1))


def _mean_precision(judged: Sequence[Sequence[Judged]], scores: NDArray[np.float64]) -> float:
    """Over the sets; the scores are those of all images, one after the other."""
    each, start = [], 0
    for images in judged:
        true = np.concatenate([image.true for image in images])
        objects = sum(image.objects for image in images)
        each.append(average_precision(scores[start : start + len(true)], true, objects))
        start += len(true)
    return float(np.mean(each))
