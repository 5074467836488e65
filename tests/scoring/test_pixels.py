import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from overtrace.scoring.pixels import ANYWHERE, PixelCounts, count_classes, count_labels, count_pairs, score_pixels


def count_pixels(truth: np.ndarray, answer: np.ndarray, classes: int) -> PixelCounts:
    return count_classes(count_labels(truth, answer, classes), classes)


def ask_the_kit(pairs: list[tuple[np.ndarray, np.ndarray]], classes: int) -> tuple[float, float]:
    """Pixel accuracy and mean IoU, the formulas of the development kit written out for one set of images."""
    eps = np.finfo(float).eps
    correct = labelled = 0
    inter, union = np.zeros((len(pairs), classes)), np.zeros((len(pairs), classes))
    for i, (truth, answer) in enumerate(pairs):
        valid = truth > 0
        correct += (valid & (truth == answer)).sum()
        labelled += valid.sum()
        answer = answer * valid
        same = answer * (answer == truth)
        edges = np.arange(classes + 2)
        count = [np.histogram(labels, edges)[0][1:].astype(float) for labels in (same, answer, truth)]
        # numpy's last bin holds its upper edge too: labels beyond the classes.
        inter[i], union[i] = count[0], count[1] + count[2] - count[0]
    iou = inter.sum(axis=0) / (eps + union).sum(axis=0)
    return correct / labelled, iou.mean()


@given(
    st.integers(0, 2**32 - 1), st.integers(1, 4), st.integers(1, 30), st.integers(1, 30), st.sampled_from([1, 5, 150])
)
def test_equal_to_the_development_kit(seed, images, height, width, classes):
    rng = np.random.default_rng(seed)
    pairs = []
    for _ in range(images):
        truth = np.repeat(rng.integers(0, classes + 1, (height, width), dtype=np.uint8), 9, axis=1)
        wrong = rng.random(truth.shape) < rng.random()
        answer = np.where(wrong, rng.integers(0, classes + 1, truth.shape, dtype=np.uint8), truth)
        pairs.append((truth, answer))
    if not any(truth.any() for truth, _ in pairs):
        return
    counts = [count_pixels(truth, answer, classes) for truth, answer in pairs]
    found = score_pixels(sum(counts[1:], counts[0]))
    accuracy, mean_iou = ask_the_kit(pairs, classes)
    assert found.accuracy == accuracy
    assert found.mean_iou == pytest.approx(mean_iou, rel=1e-15)
    assert found.score == (found.accuracy + found.mean_iou) / 2


def test_counts_worked_by_hand():
    truth = np.array([[0, 1, 1], [2, 2, 2]], np.uint8)
    answer = np.array([[1, 1, 2], [2, 0, 9]], np.uint8)
    counts = count_pixels(truth, answer, classes=3)
    # Where truth is 0 nothing counts; 0 and 9 are misses of class 2 and in no class.
    np.testing.assert_array_equal(counts.both, [1, 1, 0])
    np.testing.assert_array_equal(counts.truth, [2, 3, 0])
    np.testing.assert_array_equal(counts.answer, [1, 2, 0])
    assert counts.labelled == 5
    score = score_pixels(counts)
    np.testing.assert_array_equal(score.iou, [1 / 2, 1 / 4, 0])
    assert score.accuracy == 2 / 5
    assert score.mean_iou == 0.25
    assert score.mean_iou_present == 0.375
    assert score.score == pytest.approx(0.325)


def test_classes_may_begin_at_0():
    truth = np.array([[0, 1, 2, 11]], np.uint8)
    counts = count_classes(count_labels(truth, np.array([[0, 2, 11, 1]], np.uint8), 3, first=0), classes=3, first=0)
    np.testing.assert_array_equal(counts.both, [1, 0, 0])
    np.testing.assert_array_equal(counts.truth, [1, 1, 1])
    np.testing.assert_array_equal(counts.answer, [1, 0, 1])


@given(st.integers(0, 2**32 - 1), st.integers(1, 40))
def test_pairs_are_those_of_a_plain_count(seed, width):
    rng = np.random.default_rng(seed)
    truth, answer = (np.repeat(rng.integers(0, 256, (3, 9), dtype=np.uint8), width, axis=1) for _ in range(2))
    expected = np.bincount(truth.ravel().astype(int) * 256 + answer.ravel(), minlength=2**16).reshape(256, 256)
    np.testing.assert_array_equal(count_pairs(truth, answer), expected)


@given(st.integers(0, 2**32 - 1), st.integers(1, 40), st.integers(0, 3))
def test_labels_are_those_of_the_pairs(seed, width, first):
    rng = np.random.default_rng(seed)
    truth, answer = (np.repeat(rng.integers(0, 9, (3, 9), dtype=np.uint8), width, axis=1) for _ in range(2))
    sums, pairs = count_labels(truth, answer, 5, first), count_pairs(truth, answer)
    own = slice(first, first + 5)
    np.testing.assert_array_equal(sums[ANYWHERE], pairs.sum(axis=0))
    counts = count_classes(sums, 5, first)
    np.testing.assert_array_equal(counts.truth, pairs[own].sum(axis=1))
    np.testing.assert_array_equal(counts.answer, pairs[own, own].sum(axis=0))
    np.testing.assert_array_equal(counts.both, np.diagonal(pairs)[own])
    assert counts.labelled == pairs[own].sum()


def test_a_class_that_is_absent_counts_as_nothing():
    truth = np.repeat(np.arange(1, 16, dtype=np.uint8), 4).reshape(6, 10)
    score = score_pixels(count_pixels(truth, truth, classes=150))
    # The readme of the kit: 15 of 150 classes, all right, are 0.1 and 1.0, and 0.55 in the end.
    assert (score.mean_iou, score.accuracy, score.score) == (pytest.approx(0.1), 1.0, pytest.approx(0.55))


def test_nothing_labelled_is_no_score():
    nothing = np.zeros((3, 3), np.uint8)
    score = score_pixels(count_pixels(nothing, nothing, classes=2))
    assert (score.accuracy, score.mean_iou, score.score) == (0, 0, 0)
    assert np.isnan(score.mean_iou_present)


def test_shapes_that_differ_are_no_pair():
    with pytest.raises(ValueError, match=r"answer is \(2, 3\) pixels, truth is \(3, 2\)"):
        count_pairs(np.zeros((3, 2), np.uint8), np.zeros((2, 3), np.uint8))
