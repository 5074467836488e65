import numpy as np
import pytest

pytest.importorskip("torch")

from overtrace.learn.agreement import compare
from overtrace.models.runtime import Network
from tests.support.networks import conv_card

WINDOW = np.zeros((3, 64, 64), np.float32)


def answering(task, *parts):
    planes = ("interior", "touch", "distance") if task == "planes" else ()
    card = conv_card(task=task, planes=planes)
    return Network(card, lambda: lambda window: tuple(np.asarray(part) for part in parts))


def test_planes_worked_by_hand():
    one, other = np.full((1, 3, 2, 2), 0.4, np.float32), np.full((1, 3, 2, 2), 0.4, np.float32)
    other[0, 0, 0, 0] = 0.7
    # One of 12 values differs, by 0.3, and one of 4 interior pixels changes sides.
    assert compare(answering("planes", one), answering("planes", other), [WINDOW]) == {
        "greatest difference of planes": pytest.approx(0.3),
        "mean difference of planes": pytest.approx(0.3 / 12),
        "share of pixels with the same interior": 0.75,
    }


def test_classes_worked_by_hand():
    one = np.zeros((1, 2, 1, 4), np.float32)
    one[0, 1] = [[1, 1, -1, -1]]
    other = one.copy()
    other[0, 1, 0, 0] = -2
    found = compare(answering("classes", one), answering("classes", other), [WINDOW])
    assert found == {"share of pixels with the same class": 0.75}


def test_detections_worked_by_hand():
    boxes = np.array([[0, 0, 10, 10], [20, 20, 30, 30], [40, 40, 50, 50]], np.float32)
    scores = np.array([0.9, 0.5, 0.1], np.float32)
    rest = (np.zeros(3, np.int64), np.zeros((3, 2, 2), np.float32))
    one = answering("detections", boxes, scores, *rest)
    # The first is half a pixel wider (IoU 100 / 105), the second is gone, the third is not sure enough to count.
    moved = boxes[:1] + np.array([[0, 0, 0.5, 0]], np.float32)
    other = answering("detections", moved, scores[:1], rest[0][:1], rest[1][:1])
    assert compare(one, other, [WINDOW, WINDOW]) == {
        "detections that score 0.3": 4,
        "share of them found again at IoU 0.9": 0.5,
        "greatest shift of their boxes in pixels": 0.5,
    }


def test_where_nothing_is_found_nothing_is_lost():
    nothing = [np.zeros(shape, np.float32) for shape in ((0, 4), (0,), (0,), (0, 2, 2))]
    found = compare(answering("detections", *nothing), answering("detections", *nothing), [WINDOW])
    assert list(found.values()) == [0, 1, 0]
