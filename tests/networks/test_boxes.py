import math

import pytest

torch = pytest.importorskip("torch")

from overtrace.networks.boxes import (  # noqa: E402
    area,
    cell_anchors,
    clip,
    decode,
    encode,
    is_empty,
    overlap,
    spread,
)

ONES = (1.0, 1.0, 1.0, 1.0)


def test_overlap_worked_by_hand():
    one = torch.tensor([[0.0, 0, 10, 10]])
    other = torch.tensor([[0.0, 0, 10, 10], [5, 0, 15, 10], [10, 0, 20, 10], [2, 2, 4, 7]])
    # 50 shared of 150; a shared border has no area; 10 shared of 100.
    torch.testing.assert_close(overlap(one, other), torch.tensor([[1, 1 / 3, 0, 0.1]]))


def test_the_overlap_of_two_empty_boxes_is_above_no_threshold():
    empty = torch.zeros(1, 4)
    assert not (overlap(empty, empty) > 0).any()


def test_area_and_emptiness():
    boxes = torch.tensor([[1.0, 2, 4, 7], [3, 3, 3, 9], [5, 5, 4, 6], [0, 0, math.nan, 1]])
    assert area(boxes)[0] == 15
    assert is_empty(boxes).tolist() == [False, True, True, True]


def test_clip_cuts_at_the_borders():
    boxes = torch.tensor([[-3.0, -4, 30, 50], [1, 2, 3, 4]])
    assert clip(boxes, (20, 10)).tolist() == [[0, 0, 10, 20], [1, 2, 3, 4]]


@pytest.mark.parametrize(
    ("weights", "steps"), [(ONES, (0.5, 1, 0, math.log(2))), ((10, 10, 5, 5), (5, 10, 0, math.log(32)))]
)
def test_coding_worked_by_hand(weights, steps):
    anchor, box = torch.tensor([[0.0, 0, 10, 20]]), torch.tensor([[5.0, 10, 15, 50]])
    # Centre from (5, 10) to (10, 30) in a box of 10 x 20; width stays, height doubles.
    torch.testing.assert_close(encode(box, anchor, weights), torch.tensor([steps]))
    torch.testing.assert_close(decode(torch.tensor([steps]), anchor, weights), box)


def test_decoding_undoes_encoding():
    rng = torch.Generator().manual_seed(0)
    anchors, boxes = (torch.rand(200, 4, generator=rng) * 50 for _ in range(2))
    for some in (anchors, boxes):
        some[:, 2:] += some[:, :2] + 1
    torch.testing.assert_close(decode(encode(boxes, anchors, (10, 10, 5, 5)), anchors, (10, 10, 5, 5)), boxes)


def test_a_box_grows_to_62_times_its_anchor_at_most():
    boxes = decode(torch.tensor([[0.0, 0, 50, -50]]), torch.tensor([[-8.0, -8, 8, 8]]), ONES)
    torch.testing.assert_close(boxes, torch.tensor([[-500.0, 0, 500, 0]]), atol=1e-3, rtol=0)


def test_anchors_of_a_cell_have_the_same_area():
    half, root = 16 * math.sqrt(2), 16 / math.sqrt(2)
    wanted = [[-half, -root, half, root], [-16, -16, 16, 16], [-root, -half, root, half]]
    torch.testing.assert_close(cell_anchors(32, (0.5, 1, 2)), torch.tensor(wanted))


def test_anchors_stand_at_the_upper_left_corner_of_cells_row_by_row():
    cell = torch.tensor([[-1.0, -1, 1, 1], [-2, -1, 2, 1]])
    wanted = [(-1, -1, 1, 1), (-2, -1, 2, 1), (3, -1, 5, 1), (2, -1, 6, 1), (-1, 3, 1, 5), (-2, 3, 2, 5)]
    assert spread(cell, (2, 2), 4)[:6].tolist() == [list(box) for box in wanted]
    assert spread(cell, (3, 5), 4).shape == (30, 4)
