"""What the score of scenes hides: each class, which classes are taken for which, the worst images."""

from concurrent.futures import ThreadPoolExecutor
from functools import reduce
from operator import add

import numpy as np
from numpy.typing import NDArray

from overtrace.challenges.challenge import Choose, Question, Row
from overtrace.challenges.evidence import Evidence, LabelPicture, Table, worst
from overtrace.challenges.scene_files import Pair, pair_files
from overtrace.challenges.sceneparsing import Labels, SceneScore, choose_pairs
from overtrace.data.class_names import ADE20K_NAMES, CAMVID_NAMES
from overtrace.scoring.pixels import count_pairs
from overtrace.scoring.png import read_labels

MOST_CONFUSIONS = 25
LONGEST_PX = 640
"""Of a picture; larger ones are thinned out."""


def explain(question: Question, labels: Labels, score: SceneScore, choose: Choose | None = None) -> Evidence:
    """Read the files once more, and tell what was taken for what.

    Args:
        question: as it was scored.
        labels: which numbers stand for what.
        score: its outcome.
        choose: which images are drawn.
    """
    pairs = pair_files(question.truth, question.answers, listed=question.listed)
    if question.ids is not None:
        pairs = choose_pairs(pairs, question.ids)
    names = name_classes(labels)
    with ThreadPoolExecutor(question.workers) as pool:
        counts: NDArray[np.int64] = reduce(add, pool.map(_count, pairs))
    right = np.array([image.both.sum() for image in score.images])
    labelled = np.array([image.labelled for image in score.images])
    share = np.divide(right, labelled, out=np.ones(len(right)), where=labelled > 0)
    images: list[Row] = [{"wrong pixels": int(wrong)} for wrong in labelled - right]
    return Evidence(
        notes=(_tell_score(labels, score), _tell_unlabelled(labels, counts)),
        parts=_rows_of_classes(counts, labels, names),
        shares=("IoU", "recall", "precision"),
        images=images,
        tables=(_find_confusions(counts, labels, names),),
        label_pictures=tuple(_draw(pairs[i], i, float(share[i]), labels) for i in (choose or worst)(1 - share)),
        class_names=names,
        class_colours={
            label: colour_of(0 if label == labels.unlabelled else label - labels.first + 1) for label in names
        },
    )


def name_classes(labels: Labels) -> dict[int, str]:
    """The name of each label."""
    numbers = tuple(str(labels.first + i) for i in range(labels.classes))
    known = {"sceneparsing": ADE20K_NAMES, "camvid": CAMVID_NAMES}.get(labels.protocol, numbers)
    return {labels.unlabelled: "no class"} | {labels.first + i: name for i, name in enumerate(known)}


def _count(pair: Pair) -> NDArray[np.int64]:
    true, answer = (read_labels(member.read(), member.shown).labels for member in (pair.truth, pair.answer))
    return count_pairs(true, answer)


def _tell_score(labels: Labels, score: SceneScore) -> str:
    whole, totals = score.whole, reduce(add, score.images)
    present = int(((totals.truth + totals.answer) > 0).sum())
    return (
        f"Pixel accuracy {whole.accuracy:.4f}; mean IoU {whole.mean_iou:.4f} over all {labels.classes} classes, in "
        f"which an absent class counts as 0, and {whole.mean_iou_present:.4f} over the {present} that occur."
    )


def _tell_unlabelled(labels: Labels, counts: NDArray[np.int64]) -> str:
    own = slice(labels.first, labels.first + labels.classes)
    none, total = int(counts.sum() - counts[own].sum()), int(counts.sum())
    silent = int(counts[own, labels.unlabelled].sum())
    return (
        f"{none:,} of {total:,} pixels have no class in the truth and count nowhere. On {silent:,} of the others the "
        "answer says no class: they are wrong."
    )


def _rows_of_classes(counts: NDArray[np.int64], labels: Labels, names: dict[int, str]) -> list[Row]:
    """The classes that truth or answer hold, worst first."""
    own = slice(labels.first, labels.first + labels.classes)
    known = counts[own, own]
    both, truth, answer = np.diagonal(known), counts[own].sum(axis=1), known.sum(axis=0)
    rows: list[Row] = [
        {
            "class": labels.first + i,
            "name": names[labels.first + i],
            "IoU": float(both[i] / (truth[i] + answer[i] - both[i])),
            "recall": float(both[i] / max(truth[i], 1)),
            "precision": float(both[i] / max(answer[i], 1)),
            "share of pixels": float(truth[i] / max(truth.sum(), 1)),
            "pixels": int(truth[i]),
            "answered": int(answer[i]),
        }
        for i in range(labels.classes)
        if truth[i] + answer[i] > 0
    ]
    return sorted(rows, key=lambda row: row["IoU"])


def _find_confusions(counts: NDArray[np.int64], labels: Labels, names: dict[int, str]) -> Table:
    """The pairs of classes that cost the most pixels."""
    own = slice(labels.first, labels.first + labels.classes)
    wrong = np.zeros_like(counts)
    wrong[own] = counts[own]
    np.fill_diagonal(wrong, 0)
    labelled, mistaken = int(counts[own].sum()), max(int(wrong.sum()), 1)
    rows: list[Row] = []
    for place in np.argsort(-wrong, axis=None, kind="stable")[:MOST_CONFUSIONS].tolist():
        truth, answer = divmod(place, wrong.shape[1])
        pixels = int(wrong[truth, answer])
        if pixels == 0:
            break
        rows.append(
            {
                "truth": names[truth],
                "answer": names[answer],
                "share of all errors": pixels / mistaken,
                "share of the class": pixels / int(counts[truth].sum()),
                "share of labelled pixels": pixels / max(labelled, 1),
                "pixels": pixels,
            }
        )
    note = "Pixels of one class that were given to another, the most frequent first."
    return Table("Most frequent confusions", note, rows, ("share of all errors", "share of the class"))


def _draw(pair: Pair, row: int, share: float, labels: Labels) -> LabelPicture:
    true, answer = (read_labels(member.read(), member.shown).labels for member in (pair.truth, pair.answer))
    step = -(-max(true.shape) // LONGEST_PX)
    true, answer = true[::step, ::step], answer[::step, ::step]
    counts = labels.allowed[true] & (true != labels.unlabelled)
    wrong = np.where(counts, 1 + (true != answer), 0).astype(np.uint8)
    return LabelPicture(pair.name, row, f"{share:.1%} of its pixels are right", true, answer, wrong)


def colour_of(number: int) -> tuple[int, int, int]:
    """A colour for each number, neighbours far apart; 255 of them differ, and 0 is black.

    Source:
        The map of Pascal VOC, VOCdevkit, VOClabelcolormap.m: the bits of the number become the high bits of
        the channels.
    """
    bits = [[number >> (3 * place + channel) & 1 for place in range(3)] for channel in range(3)]
    red, green, blue = (sum(bit << (7 - place) for place, bit in enumerate(channel)) for channel in bits)
    return red, green, blue
