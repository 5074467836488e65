"""What stands in each proposal: its class, its exact box and its mask.

Source: Girshick, Fast R-CNN, arXiv:1504.08083; He et al., Mask R-CNN, arXiv:1703.06870; numbers and names of the
weights are detectron2's.
"""

from collections.abc import Sequence

import torch
from torch import Tensor, nn
from torch.nn import functional

from overtrace.networks.boxes import area, clip, decode, encode, is_empty
from overtrace.networks.ops import batched_nms, falling, roi_align
from overtrace.networks.rcnn_settings import Settings
from overtrace.networks.rcnn_targets import UNUSED, Target, best_objects, ignored, sample
from overtrace.networks.resnet import STRIDES

WEIGHTS = (10.0, 10.0, 5.0, 5.0)
POOLED_STRIDES = STRIDES[:4]
THINNEST = 1e-3
"""Pixels that a box is widened to; one of no width has no samples, of which OpenVINO takes the mean all the same."""
Detections = tuple[Tensor, Tensor, Tensor, Tensor]


class BoxHead(nn.Module):
    """Two full layers."""

    def __init__(self, settings: Settings) -> None:
        super().__init__()
        self.fc1 = nn.Linear(settings.pyramid_width * settings.box_pooled**2, settings.box_width)
        self.fc2 = nn.Linear(settings.box_width, settings.box_width)
        for layer in (self.fc1, self.fc2):
            nn.init.kaiming_uniform_(layer.weight, a=1)
            nn.init.zeros_(layer.bias)

    def forward(self, pooled: Tensor) -> Tensor:
        """(R, box_width)."""
        return torch.relu(self.fc2(torch.relu(self.fc1(pooled.flatten(1)))))


class BoxPredictor(nn.Module):
    """Logits of the classes, background last, and box steps for each class."""

    def __init__(self, settings: Settings) -> None:
        super().__init__()
        self.cls_score = nn.Linear(settings.box_width, settings.classes + 1)
        self.bbox_pred = nn.Linear(settings.box_width, settings.classes * 4)
        for layer, std in ((self.cls_score, 0.01), (self.bbox_pred, 0.001)):
            nn.init.normal_(layer.weight, std=std)
            nn.init.zeros_(layer.bias)

    def forward(self, x: Tensor) -> tuple[Tensor, Tensor]:
        """(R, classes + 1) and (R, classes, 4), float32."""
        # A length of -1 cannot be worked out where there is no region, and ONNX Runtime refuses to.
        classes = self.cls_score.out_features - 1
        return self.cls_score(x).float(), self.bbox_pred(x).unflatten(1, (classes, 4)).float()


class MaskHead(nn.Sequential):
    """Convolutions, a doubling, and a mask for each class."""

    def __init__(self, settings: Settings) -> None:
        super().__init__()
        width = settings.pyramid_width
        for layer in range(1, settings.mask_layers + 1):
            self.add_module(f"mask_fcn{layer}", nn.Conv2d(width, width, 3, padding=1))
        self.add_module("deconv", nn.ConvTranspose2d(width, width, 2, stride=2))
        for child in self.children():
            assert isinstance(child, nn.Conv2d | nn.ConvTranspose2d)
            assert child.bias is not None
            nn.init.kaiming_normal_(child.weight, mode="fan_out", nonlinearity="relu")
            nn.init.zeros_(child.bias)
        predictor = nn.Conv2d(width, settings.classes, 1)
        assert predictor.bias is not None
        nn.init.normal_(predictor.weight, std=0.001)
        nn.init.zeros_(predictor.bias)
        self.predictor = predictor

    def forward(self, input: Tensor) -> Tensor:
        """(R, classes, 2 * pooled, 2 * pooled) logits, float32."""
        *layers, predictor = self.children()
        for layer in layers:
            input = torch.relu_(layer(input))
        logits: Tensor = predictor(input).float()
        return logits


class RoiHeads(nn.Module):
    """Detections from proposals."""

    def __init__(self, settings: Settings) -> None:
        super().__init__()
        self.settings = settings
        self.box_head = BoxHead(settings)
        self.box_predictor = BoxPredictor(settings)
        self.mask_head = MaskHead(settings)

    def forward(self, levels: Sequence[Tensor], proposals: Tensor, size: tuple[int, int]) -> Detections:
        """Detections of the one image, as ``MaskRcnn`` gives them.

        Args:
            levels: maps (1, C, h, w) at strides 4, 8, 16 and 32.
            proposals: (n, 4).
            size: height and width of the image.
        """
        settings = self.settings
        logits, steps = self.box_predictor(self.box_head(self._pool(levels, [proposals], settings.box_pooled)))
        boxes = clip(decode(steps, proposals[:, None], WEIGHTS), size).transpose(0, 1)
        scores = logits.softmax(1)[:, :-1].T.masked_fill(is_empty(boxes), 0)
        kept = batched_nms(boxes, scores, settings.detection_nms, settings.score_least, settings.detections)
        kept = kept[falling(scores[kept[:, 0], kept[:, 1]])[: settings.detections]]
        classes, regions = kept[:, 0], kept[:, 1]
        boxes, scores = boxes[classes, regions], scores[classes, regions]
        masks = self.mask_head(self._pool(levels, [boxes], settings.mask_pooled))
        own = classes[:, None, None, None].expand(-1, 1, masks.shape[2], masks.shape[3])
        return boxes, scores, classes, masks.gather(1, own)[:, 0].sigmoid()

    def learn(
        self,
        levels: Sequence[Tensor],
        proposals: Sequence[Tensor],
        targets: Sequence[Target],
        rng: torch.Generator | None,
    ) -> dict[str, Tensor]:
        """Losses ``classes``, ``boxes`` and ``masks``.

        Args:
            levels: maps (N, C, h, w) at strides 4, 8, 16 and 32.
            proposals: N of (n, 4).
        """
        settings, background = self.settings, self.settings.classes
        drawn = [self._draw(boxes, target, rng) for boxes, target in zip(proposals, targets, strict=True)]
        boxes, kinds, whiches = zip(*drawn, strict=True)
        kind = torch.cat(kinds)
        logits, steps = self.box_predictor(self.box_head(self._pool(levels, boxes, settings.box_pooled)))
        losses = {"classes": functional.cross_entropy(logits, kind) if len(kind) else logits.sum()}
        objects = (kind != background).nonzero()[:, 0]
        of_image = [each != background for each in kinds]
        wanted = [
            encode(target.boxes[which[is_object]], box[is_object], WEIGHTS)
            for target, which, box, is_object in zip(targets, whiches, boxes, of_image, strict=True)
        ]
        off = steps[objects, kind[objects]] - torch.cat(wanted)
        losses["boxes"] = off.abs().sum() / max(1, len(kind))
        regions = [box[is_object] for box, is_object in zip(boxes, of_image, strict=True)]
        masks = self.mask_head(self._pool(levels, regions, settings.mask_pooled))[
            torch.arange(len(objects), device=objects.device), kind[objects]
        ]
        truths = [
            crop_masks(target.masks, which[is_object], box, masks.shape[-1])
            for target, which, is_object, box in zip(targets, whiches, of_image, regions, strict=True)
        ]
        difference = functional.binary_cross_entropy_with_logits(masks, torch.cat(truths).to(masks), reduction="sum")
        return losses | {"masks": difference / max(1, masks.numel())}

    def _draw(self, proposals: Tensor, target: Target, rng: torch.Generator | None) -> tuple[Tensor, Tensor, Tensor]:
        """Boxes of one image that the losses look at, their class or the background after them, which objects."""
        settings, background = self.settings, self.settings.classes
        boxes = torch.cat((proposals, target.boxes))
        most, which, _ = best_objects(target.boxes, boxes)
        kinds = torch.full_like(which, background)
        is_object = most >= settings.region_overlap
        kinds[is_object] = target.classes[which[is_object]]
        kinds[~is_object & ignored(boxes, target.ignore)] = UNUSED
        chosen = sample(kinds, background, settings.region_batch, settings.region_share, rng)
        return boxes[chosen], kinds[chosen], which[chosen]

    def _pool(self, levels: Sequence[Tensor], boxes: Sequence[Tensor], size: int) -> Tensor:
        """The part of the pyramid in each box: (R, C, size, size)."""
        flat = torch.cat(list(boxes))
        counts = [torch.full_like(box[:, 0], i, dtype=torch.long) for i, box in enumerate(boxes)]
        images = torch.cat(counts)
        return pool(levels, flat, images, size, self.settings)


def level_of(boxes: Tensor, settings: Settings) -> Tensor:
    """Which level (n,) each box is pooled from: 0 at stride 4 to 3 at stride 32."""
    levels = torch.floor(4 + torch.log2(area(boxes).sqrt() / settings.canonical_size + 1e-8))
    return levels.clamp(2, 5).long() - 2


def pool(levels: Sequence[Tensor], boxes: Tensor, images: Tensor, size: int, settings: Settings) -> Tensor:
    """ROI align from the level that suits each box: (R, C, size, size)."""
    level = level_of(boxes, settings)
    boxes = torch.cat((boxes[:, :2], torch.maximum(boxes[:, 2:], boxes[:, :2] + THINNEST)), 1)
    if torch.onnx.is_in_onnx_export():
        return _pool_everywhere(levels, boxes, images, level, size, settings.sampling)
    pooled, where = [], []
    for i, (features, stride) in enumerate(zip(levels, POOLED_STRIDES, strict=True)):
        here = (level == i).nonzero()[:, 0]
        where.append(here)
        pooled.append(roi_align(features, boxes[here], images[here], size, 1 / stride, settings.sampling))
    return torch.cat(pooled)[torch.cat(where).argsort()]


def _pool_everywhere(
    levels: Sequence[Tensor], boxes: Tensor, images: Tensor, level: Tensor, size: int, sampling: int
) -> Tensor:
    """The same by a sum over all levels, as a file wants it: where a box does not belong, one far outside gives 0."""
    nowhere = boxes.new_tensor([-999.0, -999.0, -998.0, -998.0])
    pooled = [
        roi_align(features, torch.where((level == i)[:, None], boxes, nowhere), images, size, 1 / stride, sampling)
        for i, (features, stride) in enumerate(zip(levels, POOLED_STRIDES, strict=True))
    ]
    return pooled[0] + pooled[1] + pooled[2] + pooled[3]


def crop_masks(masks: Tensor, which: Tensor, boxes: Tensor, size: int) -> Tensor:
    """Each box's part of its object's mask, by half: (R, size, size) bool.

    Args:
        masks: (n, H, W) uint8.
        which: (R,) int64, the object of each box.
        boxes: (R, 4).
    """
    crops = torch.zeros((len(boxes), size, size), dtype=torch.bool, device=boxes.device)
    for i in torch.unique(which).tolist():
        own = (which == i).nonzero()[:, 0]
        crop = roi_align(masks[i][None, None].to(boxes), boxes[own], torch.zeros_like(own), size, 1.0)
        crops[own] = crop[:, 0] >= 0.5
    return crops
