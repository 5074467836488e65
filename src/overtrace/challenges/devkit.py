"""The MATLAB development kit of scene parsing as it is, with what it lets pass: the profile ``devkit-matlab``.

Images that only one side has are left out, and so are answers in colour. An answer of another size is resized as an
image, which makes labels of other classes at every edge. A label above 150 counts as an answer of class 150.

Source:
    github.com/CSAILVision/sceneparsing, demoEvaluation.m (1e49ded) and evaluationCode/intersectionAndUnion.m (4d4bf55):
    ``hist(labels, 0:150)``, whose last bin is open, ``imresize(imPred, size(imAnno))``, ``eps`` added to each image's
    union.
"""

import io
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from overtrace.challenges.scene_files import Pair
from overtrace.challenges.submission import Member
from overtrace.errors import BadAnswer
from overtrace.scoring.imresize import resize_bicubic
from overtrace.scoring.pixels import ANSWER, PixelCounts, count_classes, count_labels
from overtrace.scoring.png import read_labels


def count_like_devkit(pairs: Sequence[Pair], classes: int, workers: int = 1) -> tuple[list[Pair], list[PixelCounts]]:
    """The pairs that the kit would count, and what it would count of them.

    Args:
        pairs: images that both sides have.
        classes: how many there are, from 1.
        workers: threads.
    Raises:
        BadAnswer: if the truth cannot be read, or nothing is left.
    """

    def count(pair: Pair) -> PixelCounts | None:
        return _count(pair, classes)

    with ThreadPoolExecutor(workers) as pool:
        counted = list(pool.map(count, pairs))
    kept = [(pair, counts) for pair, counts in zip(pairs, counted, strict=True) if counts is not None]
    if not kept:
        raise BadAnswer("the answer holds no map of one band for an image of the truth: send index PNGs")
    return [pair for pair, _ in kept], [counts for _, counts in kept]


def _count(pair: Pair, classes: int) -> PixelCounts | None:
    truth = read_labels(pair.truth.read(), pair.truth.shown).labels
    answer = read_any(pair.answer)
    if answer is None:
        return None
    if answer.shape != truth.shape:
        answer = resize_bicubic(answer, *truth.shape)
    sums = count_labels(truth, np.minimum(answer, 255).astype(np.uint8), classes)
    sums[ANSWER, classes] += sums[ANSWER, classes + 1 :].sum()
    return count_classes(sums, classes)


def read_any(member: Member) -> NDArray[np.uint8] | None:
    """Labels of 8 or 16 bits; None for colour.

    Raises:
        BadAnswer: if it is no image that can be read.
    """
    data = member.read()
    try:
        return read_labels(data, member.shown).labels
    except BadAnswer:
        try:
            with Image.open(io.BytesIO(data)) as image:
                return np.asarray(image).astype(np.uint16) if image.mode.startswith("I") else None
        except (OSError, ValueError, SyntaxError) as error:
            raise BadAnswer(f"{member.shown} is damaged: {error}: send it again") from error
