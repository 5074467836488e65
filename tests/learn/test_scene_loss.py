import math

import pytest

torch = pytest.importorskip("torch")

from overtrace.data.labelled import VOID  # noqa: E402
from overtrace.learn.scene_loss import scene_loss  # noqa: E402

OVERS = ("image", "batch")
# Two classes; three parts in four for class 1, nine in ten for class 0.
THREE_QUARTERS, NINE_TENTHS = math.log(3), -math.log(9)


def two_pixels():
    """One image of two pixels, both of class 1: the first is 3/4 sure of it, the second 1/10."""
    logits = torch.zeros(1, 2, 1, 2)
    logits[0, 1, 0] = torch.tensor([THREE_QUARTERS, NINE_TENTHS])
    return logits, torch.ones(1, 1, 2, dtype=torch.uint8)


def test_cross_entropy_worked_by_hand():
    total, weight = scene_loss(*two_pixels())
    torch.testing.assert_close(total, torch.tensor(math.log(4 / 3) + math.log(10)))
    assert weight == 2


def test_a_class_weighs():
    total, weight = scene_loss(*two_pixels(), weights=torch.tensor([1.0, 3.0]))
    torch.testing.assert_close(total, torch.tensor(3 * (math.log(4 / 3) + math.log(10))))
    assert weight == 6


@pytest.mark.parametrize("region", ["none", "iou", "lovasz"])
def test_void_counts_for_nothing(region):
    logits, truth = two_pixels()
    truth[0, 0, 1] = VOID
    total, weight = scene_loss(logits, truth, region=region)
    alone = scene_loss(logits[..., :1], truth[..., :1], region=region)
    torch.testing.assert_close((total, weight), alone)
    assert weight == 1


@pytest.mark.parametrize("region", ["none", "iou", "lovasz"])
def test_an_image_of_nothing_but_void(region):
    logits = torch.zeros(1, 2, 2, 2, requires_grad=True)
    total, weight = scene_loss(logits, torch.full((1, 4, 4), VOID, dtype=torch.uint8), region=region)
    total.backward()
    assert total == weight == 0
    assert not logits.grad.any()


def test_soft_iou_worked_by_hand():
    # Both pixels are of class 1, found 0.75 and 0.1: (0.75 + 0.1) / 2 is the IoU; it counts for two pixels.
    total, _ = scene_loss(*two_pixels(), region="iou")
    torch.testing.assert_close(total - scene_loss(*two_pixels())[0], torch.tensor(2 * (1 - 0.85 / 2)))


def test_lovasz_worked_by_hand():
    # Errors 0.9 and 0.25; each true pixel that is missed costs half of the IoU.
    total, _ = scene_loss(*two_pixels(), region="lovasz")
    torch.testing.assert_close(total - scene_loss(*two_pixels())[0], torch.tensor(2 * (0.9 / 2 + 0.25 / 2)))


@pytest.mark.parametrize("wrong", range(5))
def test_lovasz_of_sure_answers_is_what_the_iou_lacks(wrong):
    truth = torch.tensor([[[0, 0, 1, 1]]])
    found = truth.clone()
    found.view(-1)[:wrong] = 1 - found.view(-1)[:wrong]
    logits = 1000.0 * torch.nn.functional.one_hot(found, 2).permute(0, 3, 1, 2)
    total, weight = scene_loss(logits, truth, region="lovasz")
    ious = [((found == k) & (truth == k)).sum() / ((found == k) | (truth == k)).sum() for k in (0, 1)]
    lack = (total - scene_loss(logits, truth)[0]) / weight
    torch.testing.assert_close(lack, 1 - sum(ious) / 2)


@pytest.mark.parametrize("region", ["none", "iou", "lovasz"])
def test_parts_of_a_batch_add_up(region):
    generator = torch.Generator().manual_seed(0)
    logits = torch.randn(4, 5, 6, 8, generator=generator)
    truth = torch.randint(0, 6, (4, 24, 32), generator=generator)
    truth[truth == 5] = VOID
    weights = torch.rand(5, generator=generator)
    whole = scene_loss(logits, truth, weights, region)
    parts = [scene_loss(logits[i], truth[i], weights, region) for i in (slice(0, 1), slice(1, 4))]
    torch.testing.assert_close(whole, tuple(a + b for a, b in zip(*parts, strict=True)))


@pytest.mark.parametrize("region", ["iou", "lovasz"])
def test_a_batch_is_held_against_what_it_lacks_all_together(region):
    generator = torch.Generator().manual_seed(0)
    logits = torch.randn(3, 4, 8, 8, generator=generator)
    truth = torch.zeros(3, 8, 8, dtype=torch.uint8)
    truth[1], truth[2, :4], truth[2, 4:] = 1, 2, VOID
    total, weight = scene_loss(logits, truth, region=region, over="batch")
    one = scene_loss(torch.cat(list(logits), dim=1)[None], torch.cat(list(truth))[None], region=region)
    torch.testing.assert_close((total, weight), one)


def test_a_class_that_an_image_does_not_hold_is_told_by_the_batch():
    truth = torch.tensor([[[0, 0]], [[0, 1]]])
    found = torch.tensor([[[1, 0]], [[0, 1]]])
    logits = 1000.0 * torch.nn.functional.one_hot(found, 2).permute(0, 3, 1, 2)
    entropy, weight = scene_loss(logits, truth)
    lack = {over: (scene_loss(logits, truth, region="lovasz", over=over)[0] - entropy) / weight for over in OVERS}
    # Alone, the first image lacks half of class 0 and says nothing of class 1.
    torch.testing.assert_close(lack["image"], torch.tensor((1 / 2 + 0) / 2))
    torch.testing.assert_close(lack["batch"], torch.tensor((1 / 3 + 1 / 2) / 2))
