"""Pixels of each class: counted image by image, summed over the set, divided once."""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import reduce
from operator import add
from typing import Any, Self

import numpy as np
from numba import njit
from numpy.typing import NDArray

ONE, BYTE, LABEL, EVERY = np.uint64(1), np.uint64(8), np.uint64(255), np.uint64(0x0101010101010101)
DE_BRUIJN = np.uint64(0x03F79D71B4CB0A89)
"""Its product with a power of two has in its six highest bits a number that no other power has."""
FIRST_BYTE = np.zeros(64, np.int64)
FIRST_BYTE[[((1 << bit) * int(DE_BRUIJN) & (2**64 - 1)) >> 58 for bit in range(64)]] = np.arange(64) // 8
TRUTH, ANSWER, BOTH, ANYWHERE = range(4)
"""Rows of counts of labels: in truth, in the answer where truth has a class, in both, in the answer."""


@dataclass(frozen=True, slots=True)
class PixelCounts:
    """Of one image, or of many: all fields are sums."""

    both: NDArray[np.int64]
    """(classes,) pixels of a class in truth and answer."""
    truth: NDArray[np.int64]
    """(classes,) pixels of a class in truth."""
    answer: NDArray[np.int64]
    """(classes,) labelled pixels that the answer gives to a class."""
    labelled: int
    """Pixels that have a class in truth."""

    def __add__(self, other: Self) -> "PixelCounts":
        return PixelCounts(
            self.both + other.both,
            self.truth + other.truth,
            self.answer + other.answer,
            self.labelled + other.labelled,
        )


@dataclass(frozen=True, slots=True)
class PixelScore:
    """What scene parsing is ranked by, and its parts."""

    accuracy: float
    """Share of the labelled pixels that are right."""
    iou: NDArray[np.float64]
    """(classes,) intersection over union; 0 for a class that neither truth nor answer holds."""
    mean_iou: float
    """Over all classes."""
    mean_iou_present: float
    """Over the classes that truth or answer holds, as the field often quotes it; nan without any."""
    score: float
    """Mean of accuracy and mean IoU."""


def count_labels(
    truth: NDArray[np.uint8], answer: NDArray[np.uint8], classes: int, first: int = 1
) -> NDArray[np.int64]:
    """Pixels of each label in one image: (4, 256), the rows TRUTH, ANSWER, BOTH and ANYWHERE.

    Where truth is not of a class, the answer counts only for the last of them.

    Args:
        truth: (H, W).
        answer: (H, W).
        classes: how many there are.
        first: label of the first.
    Raises:
        ValueError: if the shapes differ.
    """
    sums = np.zeros((4, 256), np.int64)
    labelled = np.zeros(256, np.bool_)
    labelled[first : first + classes] = True
    _count_labels(*_flatten(truth, answer), labelled, sums)
    return sums


def count_classes(sums: NDArray[np.int64], classes: int, first: int = 1) -> PixelCounts:
    """What counts of the labels of an image.

    Args:
        sums: (4, 256) from ``count_labels``, with the same ``classes`` and ``first``.
    """
    own = slice(first, first + classes)
    return PixelCounts(sums[BOTH, own], sums[TRUTH, own], sums[ANSWER, own], int(sums[TRUTH, own].sum()))


def count_pairs(truth: NDArray[np.uint8], answer: NDArray[np.uint8]) -> NDArray[np.int64]:
    """Pixels of each pair of labels in one image: (256, 256), truth down and answer across.

    Args:
        truth: (H, W).
        answer: (H, W).
    Raises:
        ValueError: if the shapes differ.
    """
    pairs = np.zeros((256, 256), np.int64)
    _count_pairs(*_flatten(truth, answer)[:2], pairs)
    return pairs


def _flatten(
    truth: NDArray[np.uint8], answer: NDArray[np.uint8]
) -> tuple[NDArray[np.uint8], NDArray[np.uint8], NDArray[np.uint64], NDArray[np.uint64]]:
    """Both as rows of pixels, and as rows of eight pixels at a time."""
    if truth.shape != answer.shape:
        raise ValueError(f"answer is {answer.shape} pixels, truth is {truth.shape}")
    one, other = np.ascontiguousarray(truth).ravel(), np.ascontiguousarray(answer).ravel()
    even = len(one) // 8 * 8
    return one, other, one[:even].view(np.uint64), other[:even].view(np.uint64)


@njit(cache=True, nogil=True)
def _count_labels(
    truth: NDArray[np.uint8],
    answer: NDArray[np.uint8],
    truth_words: NDArray[np.uint64],
    answer_words: NDArray[np.uint64],
    labelled: NDArray[np.bool_],
    sums: NDArray[np.int64],
) -> None:
    """Runs of one pair of labels, eight pixels at a time; within eight, from one change to the next."""
    run = 0
    last_truth, last_answer = np.uint64(0), np.uint64(0)
    even_truth, even_answer = np.uint64(0), np.uint64(0)
    for i in range(len(truth_words)):
        one, other = truth_words[i], answer_words[i]
        if one == even_truth and other == even_answer:
            run += 8
            continue
        # A byte is not 0 where a pixel differs from the one before; the first pixel is in the lowest byte.
        changes = (one ^ (one << BYTE | last_truth)) | (other ^ (other << BYTE | last_answer))
        begin = 0
        while changes:
            lowest = changes & (~changes + ONE)
            at = FIRST_BYTE[(lowest * DE_BRUIJN) >> np.uint64(58)]
            _add(sums, last_truth, last_answer, run + at - begin, labelled)
            run, begin, shift = 0, at, np.uint64(8 * at)
            last_truth, last_answer = one >> shift & LABEL, other >> shift & LABEL
            changes &= ~(LABEL << shift)
        run += 8 - begin
        even_truth, even_answer = last_truth * EVERY, last_answer * EVERY
    _add(sums, last_truth, last_answer, run, labelled)
    for p in range(8 * len(truth_words), len(truth)):
        _add(sums, truth[p], answer[p], 1, labelled)


@njit(cache=True, nogil=True)
def _add(sums: NDArray[np.int64], truth: Any, answer: Any, pixels: int, labelled: NDArray[np.bool_]) -> None:
    sums[TRUTH, truth] += pixels
    sums[ANYWHERE, answer] += pixels
    if labelled[truth]:
        sums[ANSWER, answer] += pixels
        if truth == answer:
            sums[BOTH, answer] += pixels


@njit(cache=True, nogil=True)
def _count_pairs(truth: NDArray[np.uint8], answer: NDArray[np.uint8], pairs: NDArray[np.int64]) -> None:
    for p in range(len(truth)):
        pairs[truth[p], answer[p]] += 1


def score_like_devkit(images: Sequence[PixelCounts]) -> PixelScore:
    """Settle a set to the last bit as the MATLAB kit does: ``sum(intersection, 2) ./ sum(eps + union, 2)``.

    Source:
        github.com/CSAILVision/sceneparsing, demoEvaluation.m
    """
    total = reduce(add, images)
    eps = np.finfo(np.float64).eps
    union = np.zeros(len(total.both))
    for image in images:
        union += eps + (image.truth + image.answer - image.both)
    return _settle(total, total.both / union)


def score_like_mit_semseg(images: Sequence[PixelCounts]) -> tuple[float, float]:
    """Pixel accuracy and mean IoU as the PyTorch kit prints them, with its 1e-10 where it divides.

    Source:
        github.com/CSAILVision/semantic-segmentation-pytorch, mit_semseg/utils.py (accuracy, intersectionAndUnion) and
        eval.py
    """
    total = reduce(add, images)
    iou = total.both / (total.truth + total.answer - total.both + 1e-10)
    accuracy = sum(image.both.sum() / (image.labelled + 1e-10) * image.labelled for image in images)
    return float(accuracy / total.labelled) if total.labelled else 0.0, float(iou.mean())


def score_pixels(counts: PixelCounts) -> PixelScore:
    """Settle a set.

    Source:
        github.com/CSAILVision/sceneparsing, evaluationCode/intersectionAndUnion.m and demoEvaluation.m. The kit adds
        2.2e-16 to each image's union, so that an absent class is 0 and not undefined; beyond that it changes only the
        last bit of a class whose union is a single pixel, and is left out.
    """
    union = counts.truth + counts.answer - counts.both
    return _settle(counts, np.divide(counts.both, union, out=np.zeros(len(union)), where=union > 0))


def _settle(counts: PixelCounts, iou: NDArray[np.float64]) -> PixelScore:
    present = counts.truth + counts.answer > 0
    accuracy = counts.both.sum() / counts.labelled if counts.labelled else 0.0
    mean_iou = float(iou.mean())
    return PixelScore(
        accuracy=float(accuracy),
        iou=iou,
        mean_iou=mean_iou,
        mean_iou_present=float(iou[present].mean()) if present.any() else float("nan"),
        score=(float(accuracy) + mean_iou) / 2,
    )
