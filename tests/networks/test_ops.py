import math

import numpy as np
import pytest

torch = pytest.importorskip("torch")

from overtrace.networks import ops  # noqa: E402
from overtrace.networks.ops import batched_nms, nms, paste, roi_align  # noqa: E402

ONE_IMAGE = torch.zeros(1, dtype=torch.long)


def draw_boxes(seed: int, count: int, side: float, largest: float) -> "torch.Tensor":
    rng = torch.Generator().manual_seed(seed)
    corner = torch.rand(count, 2, generator=rng) * side
    return torch.cat((corner, corner + torch.rand(count, 2, generator=rng) * largest), 1)


def slow_nms(boxes: np.ndarray, scores: np.ndarray, threshold: float) -> list[int]:
    kept: list[int] = []
    for i in sorted(range(len(boxes)), key=lambda i: (-scores[i], i)):
        for j in kept:
            width = min(boxes[i, 2], boxes[j, 2]) - max(boxes[i, 0], boxes[j, 0])
            height = min(boxes[i, 3], boxes[j, 3]) - max(boxes[i, 1], boxes[j, 1])
            shared = max(width, 0) * max(height, 0)
            areas = [(boxes[k, 2] - boxes[k, 0]) * (boxes[k, 3] - boxes[k, 1]) for k in (i, j)]
            if shared > threshold * (sum(areas) - shared):
                break
        else:
            kept.append(i)
    return kept


def slow_roi_align(features, boxes, images, size, scale, sampling):
    """The published rule, sample by sample."""
    height, width = features.shape[2:]

    def value(feature, y, x):
        if y < -1 or y > height or x < -1 or x > width:
            return np.zeros(len(feature))
        y, x = min(max(y, 0), height - 1), min(max(x, 0), width - 1)
        top, left = int(y), int(x)
        bottom, right = min(top + 1, height - 1), min(left + 1, width - 1)
        upper = feature[:, top, left] * (1 - x + left) + feature[:, top, right] * (x - left)
        lower = feature[:, bottom, left] * (1 - x + left) + feature[:, bottom, right] * (x - left)
        return upper * (1 - y + top) + lower * (y - top)

    pooled = np.zeros((len(boxes), features.shape[1], size, size))
    for r, (box, image) in enumerate(zip(boxes * scale - 0.5, images, strict=True)):
        bins = (box[2:] - box[:2]) / size
        columns, rows = (sampling, sampling) if sampling else (math.ceil(length) for length in bins)
        for i, j, y, x in np.ndindex(size, size, rows, columns):
            at = box[1] + (i + (y + 0.5) / rows) * bins[1], box[0] + (j + (x + 0.5) / columns) * bins[0]
            pooled[r, :, i, j] += value(features[image], *at) / (rows * columns)
    return pooled


def test_nms_worked_by_hand():
    boxes = torch.tensor([[0.0, 0, 10, 10], [0, 0, 10, 8], [0, 0, 10, 5], [20, 0, 30, 10]])
    scores = torch.tensor([0.8, 0.9, 0.7, 0.1])
    # The second is best and overlaps the first by 0.8 and the third by 0.625.
    assert nms(boxes, scores, 0.7).tolist() == [1, 2, 3]
    assert nms(boxes, scores, 0.5).tolist() == [1, 3]


def test_a_box_that_went_suppresses_nothing():
    boxes = torch.tensor([[0.0, 0, 10, 1], [4, 0, 14, 1], [8, 0, 18, 1]])
    assert nms(boxes, torch.tensor([0.9, 0.8, 0.7]), 0.3).tolist() == [0, 2]


def test_an_overlap_at_the_threshold_stays():
    boxes = torch.tensor([[0.0, 0, 2, 2], [0, 0, 2, 1]])
    assert nms(boxes, torch.tensor([0.9, 0.8]), 0.5).tolist() == [0, 1]


def test_of_equal_scores_the_first_stays():
    boxes = torch.tensor([[0.0, 0, 10, 10]]).repeat(3000, 1)
    assert nms(boxes, torch.ones(3000), 0.5).tolist() == [0]


def test_nms_of_nothing():
    assert nms(torch.zeros(0, 4), torch.zeros(0), 0.5).tolist() == []


@pytest.mark.parametrize("threshold", [0.1, 0.5, 0.7])
@pytest.mark.parametrize("block", [1, 7, 512])
def test_nms_equals_the_slow_loop(threshold, block, monkeypatch):
    monkeypatch.setattr(ops, "BLOCK", block)
    boxes = draw_boxes(1, 250, side=60, largest=30)
    scores = torch.randint(0, 40, (250,), generator=torch.Generator().manual_seed(2)) / 40
    assert nms(boxes, scores, threshold).tolist() == slow_nms(boxes.numpy(), scores.numpy(), threshold)


def test_groups_do_not_suppress_each_other():
    boxes = torch.tensor([[0.0, 0, 10, 10], [0, 0, 10, 9], [50, 0, 60, 10]]).expand(3, 3, 4)
    scores = torch.tensor([[0.8, 0.9, 0.1], [0.1, 0.1, 0.1], [0.9, 0.2, 0.95]])
    assert batched_nms(boxes, scores, 0.5, least=0.1, most=9).tolist() == [[0, 1], [2, 2], [2, 0]]
    assert batched_nms(boxes, scores, 0.5, least=0.1, most=1).tolist() == [[0, 1], [2, 2]]
    assert batched_nms(boxes, scores, 0.5, least=1, most=1).shape == (0, 2)


def test_roi_align_of_a_slope_is_the_slope_at_the_bins_centres():
    slope = torch.arange(8.0).expand(1, 1, 8, 8)
    pooled = roi_align(slope, torch.tensor([[2.0, 1, 6, 5]]), ONE_IMAGE, size=2, scale=1)
    # Bins are 2 to 4 and 4 to 6; pixel i has its centre at i + 0.5.
    torch.testing.assert_close(pooled, torch.tensor([[[[2.5, 4.5], [2.5, 4.5]]]]))


def test_roi_align_of_one_pixel_is_that_pixel():
    feature = torch.arange(16.0).view(1, 1, 4, 4)
    assert roi_align(feature, torch.tensor([[16.0, 8, 24, 16]]), ONE_IMAGE, size=1, scale=1 / 8).item() == 6


def test_roi_align_of_a_point_is_nothing():
    assert roi_align(torch.ones(1, 1, 4, 4), torch.tensor([[1.0, 1, 1, 3]]), ONE_IMAGE, size=2, scale=1).sum() == 0


def test_roi_align_of_no_boxes():
    assert roi_align(torch.ones(1, 3, 4, 4), torch.zeros(0, 4), ONE_IMAGE[:0], size=7, scale=1).shape == (0, 3, 7, 7)


@pytest.mark.parametrize("sampling", [0, 1, 2])
@pytest.mark.parametrize("samples", [1, 1 << 25])
def test_roi_align_equals_the_slow_loop(sampling, samples, monkeypatch):
    monkeypatch.setattr(ops, "SAMPLES", samples)
    rng = torch.Generator().manual_seed(3)
    features = torch.randn(2, 3, 9, 13, generator=rng)
    # Some reach far outside the 52 x 36 pixels.
    boxes = torch.cat((draw_boxes(4, 30, side=40, largest=30), draw_boxes(5, 10, side=90, largest=80) - 40))
    images = torch.randint(0, 2, (40,), generator=rng)
    pooled = roi_align(features, boxes, images, size=3, scale=0.25, sampling=sampling)
    wanted = slow_roi_align(features.double().numpy(), boxes.double().numpy(), images, 3, 0.25, sampling)
    np.testing.assert_allclose(pooled, wanted, atol=2e-5)


def test_gradients_of_roi_align():
    boxes, images = draw_boxes(6, 5, side=20, largest=15).double(), torch.tensor([0, 1, 1, 0, 1])
    features = torch.randn(2, 2, 6, 5, generator=torch.Generator().manual_seed(7), dtype=torch.double)
    assert torch.autograd.gradcheck(lambda x: roi_align(x, boxes, images, 2, 0.25), features.requires_grad_())


def test_a_full_mask_fills_its_box():
    pasted = paste(torch.ones(1, 28, 28), torch.tensor([[2.0, 1, 6, 4]]), (5, 8))
    assert pasted.sum() == 4 * 3
    assert pasted[0, 1:4, 2:6].all()


def test_a_pixel_takes_the_mask_at_its_centre():
    mask = torch.tensor([[[1.0, 0.0]]])
    # Between cell centres at 2 and 6 the mask falls from 1 to 0; pixels 0 to 3 have their centres left of 4.
    assert paste(mask, torch.tensor([[0.0, 0, 8, 1]]), (1, 8)).int().tolist() == [[[1, 1, 1, 1, 0, 0, 0, 0]]]


def test_paste_outside_the_image():
    boxes = torch.tensor([[-4.0, -4, 2, 2], [6, 6, 9, 9], [9, 9, 20, 20], [3, 3, 3, 5], [-9, -9, -1, -1]])
    assert paste(torch.ones(5, 4, 4), boxes, (8, 8)).sum((1, 2)).tolist() == [4, 4, 0, 0, 0]
    assert paste(torch.ones(0, 4, 4), boxes[:0], (8, 8)).shape == (0, 8, 8)


@pytest.mark.parametrize("seed", range(5))
def test_paste_equals_the_slow_loop(seed):
    rng = np.random.default_rng(seed)
    mask, box = rng.random((1, 5, 5)), np.float64([3.3, -1.7, 18.2, 12.9]) + rng.random(4)
    wanted = np.zeros((1, 16, 20))
    padded = np.pad(mask[0], 1)
    for y, x in np.ndindex(16, 20):
        # In cells, counted from the centre of the padding's first one.
        v = (y + 0.5 - box[1]) / (box[3] - box[1]) * 5 + 0.5
        u = (x + 0.5 - box[0]) / (box[2] - box[0]) * 5 + 0.5
        if 0 <= u < 6 and 0 <= v < 6:
            i, j = int(v), int(u)
            down, across = np.float64([1 - v + i, v - i]), np.float64([1 - u + j, u - j])
            wanted[0, y, x] = down @ padded[i : i + 2, j : j + 2] @ across
    pasted = paste(torch.from_numpy(mask), torch.from_numpy(box[None]), (16, 20))
    np.testing.assert_array_equal(pasted, wanted >= 0.5)
