import math

import pytest

torch = pytest.importorskip("torch")

from overtrace.learn.losses import TOUCH_WEIGHT, planes_loss  # noqa: E402
from overtrace.learn.networks import compute_losses  # noqa: E402
from tests.support.recipes import make_recipe  # noqa: E402

NAMES = ("interior", "touch", "distance")


def truth_of(interior: float, touch: float, distance: float) -> tuple["torch.Tensor", "torch.Tensor"]:
    planes = torch.tensor([interior, touch, distance], dtype=torch.float32).view(1, 3, 1, 1).expand(1, 3, 4, 4)
    return planes, torch.ones(1, 3, 4, 4)


def test_knowing_nothing_of_nothing_worked_by_hand():
    # Cross-entropy ln 2 of each plane, the distance twice; 8 of 16 pixels found and none true: Dice 1 - 1 / 9.
    loss = planes_loss(torch.zeros(1, 3, 4, 4), NAMES, *truth_of(0, 0, 0))
    assert loss.item() == pytest.approx(4 * math.log(2) + 2 * 0.5 * (1 - 1 / 9), rel=1e-5)


def test_the_right_answer_costs_nothing():
    logits = torch.tensor([40.0, -40.0, math.log(0.3 / 0.7)]).view(1, 3, 1, 1).expand(1, 3, 4, 4)
    assert planes_loss(logits, NAMES, *truth_of(1, 0, 0.3)).item() == pytest.approx(0, abs=1e-5)


def test_of_a_truth_between_0_and_1_the_least_costs_the_truth_itself():
    planes, known = truth_of(0.7, 0.3, 0)
    costs = []
    for inside, touch in [(0.7, 0.3), (0.99, 0.3), (0.5, 0.3), (0.7, 0.1), (0.7, 0.6)]:
        logits = torch.tensor([inside, touch]).logit().view(1, 2, 1, 1).expand(1, 2, 4, 4)
        costs.append(planes_loss(logits, NAMES[:2], planes, known).item())
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
    torch.testing.assert_close(planes_loss(logits, NAMES, planes, known), planes_loss(wild, NAMES, planes, known))


def test_each_plane_is_known_by_itself():
    planes, known = truth_of(1, 0, 0.5)
    known[:, 2] = 0
    logits = torch.zeros(1, 3, 4, 4, requires_grad=True)
    planes_loss(logits, NAMES, planes, known).backward()
    assert logits.grad[0, :2].all()
    assert not logits.grad[0, 2].any()


def test_a_batch_that_nobody_knows_has_no_slope():
    planes, known = truth_of(1, 1, 1)
    known[:] = 0
    logits = torch.zeros(1, 3, 4, 4, requires_grad=True)
    planes_loss(logits, NAMES, planes, known).backward()
    assert not logits.grad.any()


@pytest.mark.parametrize(("plane", "weight"), [(1, TOUCH_WEIGHT), (2, 4.0)])
def test_borders_and_peaks_pull_harder(plane, weight):
    planes = torch.zeros(1, 3, 1, 2)
    planes[0, plane, 0, 0] = 1
    logits = torch.zeros(1, 3, 1, 2, requires_grad=True)
    planes_loss(logits, NAMES, planes, torch.ones(1, 3, 1, 2)).backward()
    slope = logits.grad[0, plane, 0].abs()
    # Dice moves the touch plane as well.
    assert slope[0] / slope[1] == pytest.approx(1 + weight, rel=0.5)


def test_a_network_of_two_planes_learns_those():
    logits = torch.zeros(1, 2, 4, 4)
    both = planes_loss(logits, ("touch", "interior"), *truth_of(0, 0, 1))
    # As above without the distance.
    assert both.item() == pytest.approx(2 * math.log(2) + 2 * 0.5 * (1 - 1 / 9), rel=1e-5)


def test_a_recipe_says_what_a_peak_weighs():
    planes, known = torch.zeros(1, 3, 1, 2), torch.ones(1, 3, 1, 2)
    planes[0, 2, 0, 0] = 1
    logits = torch.zeros(1, 3, 1, 2, requires_grad=True)
    recipe = make_recipe(network={"kind": "mini", "peak_weight": 9.0})
    batch = {"image": torch.zeros(1, 3, 1, 2), "planes": planes, "known": known}
    compute_losses(recipe, lambda image: logits, batch)["planes"].backward()
    assert logits.grad[0, 2, 0, 0] / logits.grad[0, 2, 0, 1] == pytest.approx(-10)


@pytest.mark.parametrize("focus", [0, 1, 2])
def test_the_worst_pixels_of_a_plane_in_focus_count_most(focus):
    # Far wrong (0.9) and nearly right (0.1), both 0 in truth.
    logits = torch.tensor([0.9, 0.1]).logit().view(1, 1, 1, 2).repeat(1, 3, 32, 32).requires_grad_()
    truth, known = torch.zeros(1, 3, 32, 64), torch.ones(1, 3, 32, 64)
    planes_loss(logits, NAMES, truth, known, focus=focus).backward()
    far, near = logits.grad[0, 2, 0, :2].tolist()
    assert far / near == pytest.approx(9 * (0.92 / 0.12) ** focus, rel=1e-4)


def test_pixels_of_the_interior_weigh_what_they_are_said_to():
    logits, known = torch.zeros(1, 1, 1, 2, requires_grad=True), torch.ones(1, 3, 1, 2)
    truth = torch.zeros(1, 3, 1, 2)
    planes_loss(logits, NAMES[:1], truth, known, inside_weight=torch.tensor([[[5.0, 1.0]]])).backward()
    dice = torch.zeros(1, 1, 1, 2, requires_grad=True)
    planes_loss(dice, NAMES[:1], truth, known, inside_weight=torch.ones(1, 1, 2)).backward()
    # Of cross-entropy alone, 0.5 x 5 / 6 and 0.5 x 1 / 6 instead of a half of 0.5 each.
    torch.testing.assert_close(
        logits.grad - dice.grad, torch.tensor([[[[0.5 * (5 / 6 - 1 / 2), 0.5 * (1 / 6 - 1 / 2)]]]])
    )


def test_the_lack_of_iou_worked_by_hand():
    # One of two true pixels is found for sure, nothing else: the IoU is 1 / 2. Nobody knows the last.
    logits = torch.tensor([40.0, -40.0, -40.0, 40.0]).view(1, 1, 1, 4)
    planes, known = torch.zeros(1, 3, 1, 4), torch.ones(1, 3, 1, 4)
    planes[..., :2], known[..., 3] = 1, 0
    plain, more = (planes_loss(logits, NAMES[:1], planes, known, region=region) for region in (False, True))
    assert (more - plain).item() == pytest.approx(0.5)
    # An image without an object lacks nothing.
    nothing = torch.zeros_like(planes)
    plain, more = (planes_loss(logits, NAMES[:1], nothing, known, region=region) for region in (False, True))
    assert torch.equal(plain, more)


@pytest.mark.parametrize(("share", "lacks"), [(0.5, 0), (0.51, 1), (1.0, 1)])
def test_the_lack_of_iou_counts_from_a_share_of_the_schedule_on(share, lacks):
    logits, known = torch.full((1, 3, 1, 2), -40.0), torch.ones(1, 3, 1, 2)
    batch = {"image": torch.zeros(1, 3, 1, 2), "planes": torch.zeros(1, 3, 1, 2), "known": known}
    batch["planes"][:, 0] = 1
    late, never = (make_recipe(network={"kind": "mini", **more}) for more in ({"lovasz_from": 0.5}, {}))
    losses = [compute_losses(recipe, lambda image: logits, batch, share)["planes"] for recipe in (late, never)]
    assert (losses[0] - losses[1]).item() == pytest.approx(lacks)
