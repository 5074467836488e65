from dataclasses import replace

import numpy as np
import pytest

torch = pytest.importorskip("torch")
from pycocotools import mask as coco_mask  # noqa: E402

from overtrace.networks.mask_rcnn import MaskRcnn, Target  # noqa: E402
from overtrace.networks.ops import paste  # noqa: E402
from tests.support.coco_sets import ask_pycocotools  # noqa: E402
from tests.support.tiny_rcnn import TINY  # noqa: E402

SIDE = 128
STEPS = 60
BATCH = 5


def draw_crowns(rng: np.random.Generator) -> tuple["torch.Tensor", Target]:
    """Some shaded ellipses on soil, which may touch and overlap."""
    y, x = np.mgrid[:SIDE, :SIDE] + 0.5
    image = np.full((3, SIDE, SIDE), 0.4)
    labels = np.zeros((SIDE, SIDE), int)
    for crown in range(1, rng.integers(4, 9)):
        (centre_x, centre_y), axes, turn = rng.uniform(14, SIDE - 14, 2), rng.uniform(8, 18, 2), rng.uniform(0, np.pi)
        along = (x - centre_x) * np.cos(turn) + (y - centre_y) * np.sin(turn)
        across = (y - centre_y) * np.cos(turn) - (x - centre_x) * np.sin(turn)
        radius = np.hypot(along / axes[0], across / axes[1])
        inside = radius <= 1
        if (labels[inside] > 0).mean() <= 0.2:
            labels[inside] = crown
            image[:, inside] = np.array([[0.15], [0.4], [0.12]]) * (1.3 - 0.7 * radius[inside] ** 2)
    image = (image + rng.normal(0, 0.03, image.shape)).clip(0, 1).astype(np.float32)
    masks = np.stack([labels == crown for crown in np.unique(labels[labels > 0])])
    spans = [(np.flatnonzero(mask.any(0)), np.flatnonzero(mask.any(1))) for mask in masks]
    boxes = [(columns[0], rows[0], columns[-1] + 1, rows[-1] + 1) for columns, rows in spans]
    classes = torch.zeros(len(masks), dtype=torch.long)
    return torch.from_numpy(image), Target(torch.tensor(np.float32(boxes)), classes, torch.from_numpy(np.uint8(masks)))


def encode(mask: np.ndarray) -> dict:
    rle = coco_mask.encode(np.asfortranarray(mask, np.uint8))
    return rle | {"counts": rle["counts"].decode()}


def measure_ap50(network: MaskRcnn, images: "torch.Tensor", targets: list[Target]) -> float:
    truth, answers = [], []
    for i, (image, target) in enumerate(zip(images, targets, strict=True), 1):
        for mask in target.masks.numpy():
            facts = {"image_id": i, "category_id": 1, "segmentation": encode(mask), "area": int(mask.sum())}
            truth.append(facts | {"id": len(truth) + 1, "iscrowd": 0})
        with torch.no_grad():
            boxes, scores, _, masks = network(image[None])
        for mask, score in zip(paste(masks, boxes, (SIDE, SIDE)).numpy(), scores.tolist(), strict=True):
            answers.append({"image_id": i, "category_id": 1, "segmentation": encode(mask), "score": score})
    sizes = [{"id": i, "height": SIDE, "width": SIDE} for i in range(1, len(images) + 1)]
    data = {"images": sizes, "annotations": truth, "categories": [{"id": 1}]}
    return ask_pycocotools(data, answers, "segm", [1, 10, 100]).stats[1] if answers else 0.0


def test_ten_images_of_crowns_are_learnt_by_heart():
    # With seeds 1 to 5 for the images and the network, AP50 is above 0.99, too.
    drawn = np.random.default_rng(0)
    crowns = [draw_crowns(drawn) for _ in range(10)]
    images, targets = torch.stack([image for image, _ in crowns]), [target for _, target in crowns]
    torch.manual_seed(0)
    network = MaskRcnn(replace(TINY, classes=1, box_width=128)).train()
    optimiser = torch.optim.AdamW(network.parameters())
    schedule = torch.optim.lr_scheduler.OneCycleLR(optimiser, 4e-3, total_steps=STEPS)
    rng = torch.Generator().manual_seed(0)
    for _ in range(STEPS):
        batch = torch.randperm(len(images), generator=rng)[:BATCH]
        losses = network.losses(images[batch], [targets[i] for i in batch], rng)
        optimiser.zero_grad()
        sum(losses.values()).backward()
        torch.nn.utils.clip_grad_norm_(network.parameters(), 5.0)
        optimiser.step()
        schedule.step()
    assert measure_ap50(network.eval(), images, targets) > 0.9
