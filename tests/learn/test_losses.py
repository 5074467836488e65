import math

import numpy as np
import pytest

torch = pytest.importorskip("torch")

from overtrace.learn.losses import planes_loss  # noqa: E402
from overtrace.learn.networks import compute_losses  # noqa: E402
from overtrace.learn.recipe import PlaneWeights  # noqa: E402
from tests.support.recipes import make_recipe  # noqa: E402

NAMES = ("interior", "touch", "distance")
USUAL = PlaneWeights()


def truth_of(interior: float, touch: float, distance: float) -> tuple["torch.Tensor", "torch.Tensor"]:
    planes = torch.tensor([interior, touch, distance], dtype=torch.float32).view(1, 3, 1, 1).expand(1, 3, 4, 4)
    return planes, torch.ones(1, 3, 4, 4)


def test_knowing_nothing_of_nothing_worked_by_hand():
    # Cross-entropy ln 2 of each plane, the distance twice; 8 of 16 pixels found and none true: Dice 1 - 1 / 9.
    loss = planes_loss(torch.zeros(1, 3, 4, 4), NAMES, *truth_of(0, 0, 0), USUAL)
    assert loss.item() == pytest.approx(4 * math.log(2) + 2 * 0.5 * (1 - 1 / 9), rel=1e-5)


def test_the_right_answer_costs_nothing():
    logits = torch.tensor([40.0, -40.0, math.log(0.3 / 0.7)]).view(1, 3, 1, 1).expand(1, 3, 4, 4)
    assert planes_loss(logits, NAMES, *truth_of(1, 0, 0.3), USUAL).item() == pytest.approx(0, abs=1e-5)


def test_of_a_truth_between_0_and_1_the_least_costs_the_truth_itself():
    planes, known = truth_of(0.7, 0.3, 0)
    costs = []
    for inside, touch in [(0.7, 0.3), (0.99, 0.3), (0.5, 0.3), (0.7, 0.1), (0.7, 0.6)]:
        logits = torch.tensor([inside, touch]).logit().view(1, 2, 1, 1).expand(1, 2, 4, 4)
        costs.append(planes_loss(logits, NAMES[:2], planes, known, USUAL).item())
    assert costs[0] == min(costs)
    # Dice alone: of what is said and what is true, all is shared.
    entropy = [-(p * math.log(p) + (1 - p) * math.log(1 - p)) for p in (0.7, 0.3)]
    assert costs[0] == pytest.approx(sum(entropy), rel=1e-5)


def test_what_nobody_knows_costs_nothing():
    planes, known = truth_of(1, 0, 0.5)
    known[..., 2:] = 0
    logits = torch.randn(1, 3, 4, 4, generator=torch.Generator().manual_seed(0))
    wild = logits.clone()
    wild[..., 2:] = 30
    torch.testing.assert_close(
        planes_loss(logits, NAMES, planes, known, USUAL), planes_loss(wild, NAMES, planes, known, USUAL)
    )


def test_each_plane_is_known_by_itself():
    planes, known = truth_of(1, 0, 0.5)
    known[:, 2] = 0
    logits = torch.zeros(1, 3, 4, 4, requires_grad=True)
    planes_loss(logits, NAMES, planes, known, USUAL).backward()
    assert logits.grad[0, :2].all()
    assert not logits.grad[0, 2].any()


def test_a_batch_that_nobody_knows_has_no_slope():
    planes, known = truth_of(1, 1, 1)
    known[:] = 0
    logits = torch.zeros(1, 3, 4, 4, requires_grad=True)
    planes_loss(logits, NAMES, planes, known, USUAL).backward()
    assert not logits.grad.any()


@pytest.mark.parametrize(("plane", "weight"), [(1, USUAL.border), (2, USUAL.peak)])
def test_borders_and_peaks_pull_harder(plane, weight):
    planes = torch.zeros(1, 3, 1, 2)
    planes[0, plane, 0, 0] = 1
    logits = torch.zeros(1, 3, 1, 2, requires_grad=True)
    planes_loss(logits, NAMES, planes, torch.ones(1, 3, 1, 2), USUAL).backward()
    slope = logits.grad[0, plane, 0].abs()
    # Dice moves the touch plane as well.
    assert slope[0] / slope[1] == pytest.approx(1 + weight, rel=0.5)


def test_a_network_of_two_planes_learns_those():
    logits = torch.zeros(1, 2, 4, 4)
    both = planes_loss(logits, ("touch", "interior"), *truth_of(0, 0, 1), USUAL)
    # As above without the distance.
    assert both.item() == pytest.approx(2 * math.log(2) + 2 * 0.5 * (1 - 1 / 9), rel=1e-5)


def test_each_plane_has_its_weight():
    logits = torch.randn(1, 3, 4, 4, generator=torch.Generator().manual_seed(0))

    def lose(**weights):
        return planes_loss(logits, NAMES, *truth_of(1, 0, 0.5), PlaneWeights(**weights)).item()

    none = {"interior": 0, "touch": 0, "distance": 0}
    assert lose(**none) == 0
    alone = [lose(**{**none, name: 1}) for name in none]
    assert min(alone) > 0
    assert lose(interior=3, touch=5, distance=7) == pytest.approx(np.dot([3, 5, 7], alone), rel=1e-5)


def test_focus_weighs_a_pixel_by_its_error():
    truth = torch.zeros(1, 3, 1, 2)
    logits = torch.tensor([2.0, -2.0]).expand(1, 3, 1, 2).clone().requires_grad_()
    planes_loss(logits, NAMES, truth, torch.ones(1, 3, 1, 2), PlaneWeights(interior=0, touch=0, focus=1)).backward()
    error = torch.sigmoid(torch.tensor([2.0, -2.0]))
    # Half of twice the slope of the cross-entropy, which is the error, times the error; the weight has no slope.
    torch.testing.assert_close(logits.grad[0, 2, 0], error * (error + 0.02))


def test_pixels_of_the_interior_weigh_what_they_are_said_to():
    logits, known = torch.zeros(1, 1, 1, 2, requires_grad=True), torch.ones(1, 3, 1, 2)
    truth = torch.zeros(1, 3, 1, 2)
    planes_loss(logits, NAMES[:1], truth, known, USUAL, inside_weight=torch.tensor([[[5.0, 1.0]]])).backward()
    dice = torch.zeros(1, 1, 1, 2, requires_grad=True)
    planes_loss(dice, NAMES[:1], truth, known, USUAL, inside_weight=torch.ones(1, 1, 2)).backward()
    # Of cross-entropy alone, 0.5 x 5 / 6 and 0.5 x 1 / 6 instead of a half of 0.5 each.
    torch.testing.assert_close(
        logits.grad - dice.grad, torch.tensor([[[[0.5 * (5 / 6 - 1 / 2), 0.5 * (1 / 6 - 1 / 2)]]]])
    )


def test_the_lack_of_iou_worked_by_hand():
    # One of two true pixels is found for sure, nothing else: the IoU is 1 / 2. Nobody knows the last.
    logits = torch.tensor([40.0, -40.0, -40.0, 40.0]).view(1, 1, 1, 4)
    planes, known = torch.zeros(1, 3, 1, 4), torch.ones(1, 3, 1, 4)
    planes[..., :2], known[..., 3] = 1, 0
    plain, more = (planes_loss(logits, NAMES[:1], planes, known, USUAL, region=region) for region in (False, True))
    assert (more - plain).item() == pytest.approx(0.5)
    # An image without an object lacks nothing.
    nothing = torch.zeros_like(planes)
    plain, more = (planes_loss(logits, NAMES[:1], nothing, known, USUAL, region=region) for region in (False, True))
    assert torch.equal(plain, more)


@pytest.mark.parametrize(("share", "lacks"), [(0.5, 0), (0.51, 1), (1.0, 1)])
def test_the_lack_of_iou_counts_from_a_share_of_the_schedule_on(share, lacks):
    logits, known = torch.full((1, 3, 1, 2), -40.0), torch.ones(1, 3, 1, 2)
    batch = {"image": torch.zeros(1, 3, 1, 2), "planes": torch.zeros(1, 3, 1, 2), "known": known}
    batch["planes"][:, 0] = 1
    late, never = (make_recipe(planes=more) for more in ({"lovasz_from": 0.5}, {}))
    losses = [compute_losses(recipe, lambda image: logits, batch, share)["planes"] for recipe in (late, never)]
    assert (losses[0] - losses[1]).item() == pytest.approx(lacks)
