"""A Mask R-CNN small enough to train and to export in a test."""

from dataclasses import asdict

import torch

from overtrace.networks.mask_rcnn import R50, MaskRcnn, Settings, Target

TINY = Settings(
    classes=2,
    pixel_std=(58.0, 58.0, 58.0),
    blocks=(1, 1, 1, 1),
    width=16,
    norm="group",
    frozen_stages=0,
    pyramid_width=32,
    box_width=64,
    mask_layers=2,
    anchor_sizes=(16, 32, 64, 128, 256),
    anchor_ratios=(1.0,),
    anchor_batch=64,
    region_batch=64,
    proposals_before_train=200,
    proposals_before=200,
    proposals_after_train=100,
    proposals_after=100,
)
TOLD = {name: value for name, value in asdict(TINY).items() if value != getattr(R50, name) and name != "classes"}
TINY_CHOICE = {"kind": "mask_rcnn", "settings": TOLD}
"""The same network as a recipe has it; its classes are those of the data."""


def build(settings: Settings = TINY, seed: int = 0) -> MaskRcnn:
    """A network ready to detect, whose weights are drawn by chance."""
    torch.manual_seed(seed)
    return MaskRcnn(settings).eval()


def build_decided(settings: Settings = TINY, seed: int = 0) -> MaskRcnn:
    """One that holds some things for objects and others not, as a trained one does."""
    network = build(settings, seed)
    head, heads = network.proposal_generator.rpn_head, network.roi_heads
    with torch.no_grad():
        head.objectness_logits.weight *= 100
        head.anchor_deltas.weight *= 20
        heads.box_predictor.cls_score.weight *= 20
        heads.box_predictor.bbox_pred.weight *= 200
        heads.mask_head.predictor.weight *= 200
    return network


def draw_image(seed: int, height: int = 128, width: int = 128) -> torch.Tensor:
    """(1, 3, height, width) with coarse and fine structure."""
    rng = torch.Generator().manual_seed(seed)
    fine = torch.rand(1, 3, height, width, generator=rng)
    coarse = torch.nn.functional.interpolate(torch.rand(1, 3, 6, 6, generator=rng), (height, width), mode="bilinear")
    return fine * 0.3 + coarse * 0.7


def no_objects(height: int, width: int, ignore: torch.Tensor | None = None) -> Target:
    """The target of an image without objects."""
    masks = torch.zeros(0, height, width, dtype=torch.uint8)
    return Target(torch.zeros(0, 4), torch.zeros(0, dtype=torch.long), masks, ignore)


def rectangles(height: int, width: int, *corners: tuple[int, int, int, int]) -> Target:
    """A target of full boxes, all of class 1."""
    masks = torch.zeros(len(corners), height, width, dtype=torch.uint8)
    for mask, (left, top, right, bottom) in zip(masks, corners, strict=True):
        mask[top:bottom, left:right] = 1
    return Target(torch.tensor(corners, dtype=torch.float32), torch.ones(len(corners), dtype=torch.long), masks)
