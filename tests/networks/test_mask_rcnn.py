import math
from dataclasses import replace

import pytest

torch = pytest.importorskip("torch")

from overtrace.networks.mask_rcnn import R50, R101, MaskRcnn, Settings  # noqa: E402
from overtrace.networks.resnet import STRIDES  # noqa: E402
from overtrace.networks.roi_heads import POOLED_STRIDES, crop_masks, level_of, pool  # noqa: E402
from tests.support.detectron2_layout import DEPTHS, layout  # noqa: E402
from tests.support.tiny_rcnn import TINY, build, build_decided, draw_image, no_objects, rectangles  # noqa: E402

LOSSES = ["boxes", "classes", "masks", "rpn_box", "rpn_objectness"]


@pytest.mark.parametrize(("settings", "depth"), [(R50, "R-50"), (R101, "R-101"), (replace(R101, classes=1), "R-101")])
def test_weights_have_the_names_and_shapes_of_detectron2(settings, depth):
    with torch.device("meta"):
        weights = MaskRcnn(settings).state_dict()
    assert {name: tuple(value.shape) for name, value in weights.items()} == layout(DEPTHS[depth], settings.classes)


# torchvision publishes 44,401,393 for its R-50 with 91 outputs, where this one has 81 classes, 80 boxes and 80 masks.
# R-101 has 17 blocks more of 1024 x 256, 256 x 256 x 9 and 256 x 1024.
@pytest.mark.parametrize(
    ("settings", "count"),
    [(R50, 44_401_393 - 10 * 1025 - 11 * 4 * 1025 - 11 * 257), (R101, 44_343_216 + 17 * 1_114_112)],
)
def test_count_of_parameters(settings, count):
    with torch.device("meta"):
        assert sum(parameter.numel() for parameter in MaskRcnn(settings).parameters()) == count


def test_anchors_travel_with_the_weights():
    weights = build(replace(TINY, anchor_sizes=(8, 16, 32, 64, 96))).state_dict()
    anchors = [weights[f"proposal_generator.anchor_generator.cell_anchors.{level}"] for level in range(5)]
    assert [anchor.tolist() for anchor in anchors] == [[[-s, -s, s, s]] for s in (4, 8, 16, 32, 48)]


@pytest.mark.parametrize(("height", "width"), [(128, 128), (75, 130)])
def test_detections_are_what_the_contract_says(height, width):
    boxes, scores, classes, masks = build_decided()(draw_image(0, height, width))
    assert 0 < len(boxes) == len(scores) == len(classes) == len(masks) <= TINY.detections
    assert (boxes[:, :2] >= 0).all()
    assert (boxes[:, 2:] > boxes[:, :2]).all()
    assert (boxes[:, 2:] <= torch.tensor([width, height])).all()
    assert (scores.diff() <= 0).all()
    assert (scores > TINY.score_least).all()
    assert classes.dtype == torch.int64
    assert set(classes.tolist()) <= {0, 1}
    assert masks.shape[1:] == (28, 28)
    assert (masks >= 0).all()
    assert (masks <= 1).all()


def test_the_number_of_detections_is_a_setting():
    network = build_decided()
    more, fewer = network(draw_image(0)), build_decided(replace(TINY, detections=3))(draw_image(0))
    torch.testing.assert_close(fewer[0], more[0][:3])
    assert len(build_decided(replace(TINY, score_least=1.0))(draw_image(0))[0]) == 0


def test_several_images_are_refused():
    with pytest.raises(ValueError, match="2 images came"):
        build()(torch.zeros(2, 3, 64, 64))


def test_weights_for_blue_first_see_the_image_turned_round():
    red_first, blue_first = (build_decided(replace(TINY, bgr=bgr)) for bgr in (False, True))
    for one, other in zip(red_first(draw_image(1)), blue_first(draw_image(1).flip(1)), strict=True):
        torch.testing.assert_close(one, other)


@pytest.mark.parametrize(
    ("side", "stride"), [(1, 4), (111, 4), (112, 8), (223, 8), (224, 16), (447, 16), (448, 32), (3000, 32)]
)
def test_levels_of_boxes(side, stride):
    boxes = torch.tensor([[10.0, 10, 10 + side, 10 + side], [0, 0, side * 2, side / 2]])
    assert [POOLED_STRIDES[level] for level in level_of(boxes, Settings())] == [stride, stride]


def test_boxes_are_pooled_from_their_level_in_their_order():
    levels = [torch.full((2, 1, 512 // stride, 512 // stride), float(stride)) for stride in POOLED_STRIDES]
    for level in levels:
        level[1] += 100
    boxes = torch.tensor([[0.0, 0, 500, 500], [9, 9, 19, 19], [0, 0, 300, 300], [0, 0, 500, 500]])
    pooled = pool(levels, boxes, torch.tensor([0, 1, 1, 1]), 2, Settings())
    assert pooled.mean((1, 2, 3)).tolist() == [32, 104, 116, 132]


def test_masks_are_cropped_to_the_box_by_half():
    masks = torch.zeros(2, 8, 8, dtype=torch.uint8)
    masks[1, :, :3] = 1
    crops = crop_masks(masks, torch.tensor([1, 0, 1]), torch.tensor([[0.0, 0, 8, 8], [0, 0, 8, 8], [2, 2, 4, 4]]), 4)
    # Bins of two pixels: the second holds one pixel in and one out.
    assert crops.int()[:, 0].tolist() == [[1, 1, 0, 0], [0, 0, 0, 0], [1, 1, 0, 0]]


def test_losses_before_any_training():
    torch.manual_seed(0)
    losses = build().train().losses(draw_image(0), [rectangles(128, 128, (10, 20, 50, 60), (70, 70, 100, 110))])
    assert sorted(losses) == LOSSES
    # A network that knows nothing of two answers loses log 2, whatever the image.
    assert losses["rpn_objectness"].item() == pytest.approx(math.log(2), abs=0.05)
    assert losses["masks"].item() == pytest.approx(math.log(2), abs=0.05)
    assert all(loss.isfinite() and loss > 0 for loss in losses.values())


@pytest.mark.parametrize("settings", [TINY, replace(TINY, norm="batch"), replace(TINY, norm="frozen")])
def test_every_weight_learns(settings):
    network = build(settings).train()
    sum(network.losses(draw_image(0), [rectangles(128, 128, (10, 20, 50, 60))]).values()).backward()
    assert [name for name, weight in network.named_parameters() if weight.grad is None] == []


def test_the_proposal_loss_is_shared_out_over_the_batch_asked_for():
    # 64 x 64 pixels have 16 x 16 + 8 x 8 + 4 x 4 + 2 x 2 + 1 anchors, fewer than were asked for.
    network = build(replace(TINY, anchor_batch=5000))
    torch.nn.init.zeros_(network.proposal_generator.rpn_head.objectness_logits.weight)
    losses = network.losses(draw_image(0, 64, 64).repeat(2, 1, 1, 1), [no_objects(64, 64)] * 2)
    assert losses["rpn_objectness"].item() == pytest.approx(math.log(2) * 341 / 5000, rel=1e-4)


def test_an_image_without_objects_is_all_background():
    network = build().train()
    losses = network.losses(draw_image(0), [no_objects(128, 128)])
    sum(losses.values()).backward()
    assert [losses[name].item() for name in ("boxes", "masks", "rpn_box")] == [0, 0, 0]
    assert losses["rpn_objectness"] > 0
    assert losses["classes"] > 0
    assert all(weight.grad is not None and weight.grad.isfinite().all() for weight in network.parameters())


def test_images_with_and_without_objects_learn_together():
    targets = [no_objects(128, 128), rectangles(128, 128, (10, 20, 50, 60)), no_objects(128, 128)]
    losses = build().losses(torch.cat([draw_image(seed) for seed in range(3)]), targets)
    assert all(loss.isfinite() and loss > 0 for loss in losses.values())


def test_nothing_is_learnt_where_everything_is_ignored():
    network = build()
    # Anchors that do not reach outside the image.
    cells = {str(level): torch.tensor([[0.0, 0, stride, stride]]) for level, stride in enumerate(STRIDES)}
    network.proposal_generator.anchor_generator.cell_anchors.load_state_dict(cells)
    losses = network.losses(draw_image(0), [no_objects(128, 128, ignore=torch.ones(128, 128, dtype=torch.bool))])
    assert [losses[name].item() for name in LOSSES] == [0, 0, 0, 0, 0]


def test_an_object_is_learnt_where_everything_is_ignored():
    target = rectangles(128, 128, (10, 20, 50, 60))
    ignored = replace(target, ignore=torch.ones(128, 128, dtype=torch.bool))
    losses = build().losses(draw_image(0), [ignored])
    assert all(loss > 0 for loss in losses.values())


def test_a_seed_repeats_the_losses():
    network, target = build(), rectangles(128, 128, (10, 20, 50, 60), (60, 20, 100, 60))

    def losses(seed: int) -> list[float]:
        rng = torch.Generator().manual_seed(seed)
        return [loss.item() for loss in network.losses(draw_image(0), [target], rng).values()]

    assert losses(1) == losses(1)
    assert losses(1) != losses(2)


def test_mixed_precision_changes_little():
    network, target = build(), rectangles(128, 128, (10, 20, 50, 60), (60, 20, 100, 60))
    exact = network.losses(draw_image(0), [target], torch.Generator().manual_seed(0))
    with torch.autocast("cpu", torch.bfloat16):
        mixed = network.losses(draw_image(0), [target], torch.Generator().manual_seed(0))
        assert {array.dtype for array in network(draw_image(0))} == {torch.float32, torch.int64}
    torch.testing.assert_close(mixed, exact, rtol=0.1, atol=0.01)


def test_as_many_targets_as_images():
    with pytest.raises(ValueError, match="1 images and 0 targets"):
        build().losses(draw_image(0), [])
