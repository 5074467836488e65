"""Region proposals: every cell of the pyramid says of each anchor whether an object is there, and where its box ends.

Source: Ren et al., Faster R-CNN, arXiv:1506.01497; numbers and names of the weights are detectron2's.
"""

from collections.abc import Sequence

import torch
from torch import Tensor, nn

from overtrace.networks.boxes import cell_anchors, clip, decode, encode, is_empty, spread
from overtrace.networks.ops import batched_nms, falling
from overtrace.networks.rcnn_settings import Settings
from overtrace.networks.rcnn_targets import UNUSED, Target, best_objects, ignored, sample
from overtrace.networks.resnet import STRIDES

WEIGHTS = (1.0, 1.0, 1.0, 1.0)


class ProposalHead(nn.Module):
    """One convolution, then objectness and box steps of each anchor."""

    def __init__(self, width: int, anchors: int) -> None:
        super().__init__()
        self.conv = nn.Conv2d(width, width, 3, padding=1)
        self.objectness_logits = nn.Conv2d(width, anchors, 1)
        self.anchor_deltas = nn.Conv2d(width, anchors * 4, 1)
        for layer in (self.conv, self.objectness_logits, self.anchor_deltas):
            assert layer.bias is not None
            nn.init.normal_(layer.weight, std=0.01)
            nn.init.zeros_(layer.bias)

    def forward(self, level: Tensor) -> tuple[Tensor, Tensor]:
        """Logits (N, H * W * A) and steps (N, H * W * A, 4), float32, in the order of ``spread``."""
        x = torch.relu_(self.conv(level))
        logits = self.objectness_logits(x).permute(0, 2, 3, 1).flatten(1)
        steps = self.anchor_deltas(x).unflatten(1, (-1, 4)).permute(0, 3, 4, 1, 2).flatten(1, 3)
        return logits.float(), steps.float()


class Anchors(nn.Module):
    """The anchors of each level; they travel with the weights."""

    def __init__(self, settings: Settings) -> None:
        super().__init__()
        self.cell_anchors = nn.Module()
        for level, size in enumerate(settings.anchor_sizes):
            self.cell_anchors.register_buffer(str(level), cell_anchors(size, settings.anchor_ratios))

    def forward(self, levels: Sequence[Tensor]) -> list[Tensor]:
        """Anchors of each level, in the order of ``spread``."""
        cells = self.cell_anchors.buffers()
        return [
            spread(cell, (int(level.shape[2]), int(level.shape[3])), stride)
            for cell, level, stride in zip(cells, levels, STRIDES, strict=True)
        ]


class ProposalGenerator(nn.Module):
    """Boxes that may hold an object of any class."""

    def __init__(self, settings: Settings) -> None:
        super().__init__()
        self.settings = settings
        self.rpn_head = ProposalHead(settings.pyramid_width, len(settings.anchor_ratios))
        self.anchor_generator = Anchors(settings)

    def forward(self, levels: Sequence[Tensor], size: tuple[int, int]) -> Tensor:
        """Proposals of the one image.

        Args:
            levels: five maps (1, C, h, w).
            size: height and width of the image.
        Returns:
            (n, 4), best first.
        """
        logits, steps = zip(*(self.rpn_head(level) for level in levels), strict=True)
        before, after = self.settings.proposals_before, self.settings.proposals_after
        one = [(logit[0], step[0]) for logit, step in zip(logits, steps, strict=True)]
        return self._propose(one, self.anchor_generator(levels), size, before, after)

    def learn(
        self, levels: Sequence[Tensor], size: tuple[int, int], targets: Sequence[Target], rng: torch.Generator | None
    ) -> tuple[list[Tensor], dict[str, Tensor]]:
        """Proposals of each image, which carry no gradient, and the losses.

        Args:
            levels: five maps (N, C, h, w).
        Returns:
            N of (n, 4); ``rpn_objectness`` and ``rpn_box``.
        """
        settings = self.settings
        logits, steps = zip(*(self.rpn_head(level) for level in levels), strict=True)
        anchors = self.anchor_generator(levels)
        losses = self._losses(torch.cat(logits, 1), torch.cat(steps, 1), torch.cat(anchors), targets, rng)
        proposals = []
        for i in range(len(targets)):
            one = [(logit[i].detach(), step[i].detach()) for logit, step in zip(logits, steps, strict=True)]
            before, after = settings.proposals_before_train, settings.proposals_after_train
            proposals.append(self._propose(one, anchors, size, before, after))
        return proposals, losses

    def _propose(
        self,
        levels: list[tuple[Tensor, Tensor]],
        anchors: list[Tensor],
        size: tuple[int, int],
        before: int,
        after: int,
    ) -> Tensor:
        all_boxes, all_scores = [], []
        for (logits, steps), level_anchors in zip(levels, anchors, strict=True):
            best = falling(logits)[:before]
            boxes = clip(decode(steps[best], level_anchors[best], WEIGHTS), size)
            scores = logits[best].masked_fill(is_empty(boxes), -torch.inf)
            kept = batched_nms(boxes[None], scores[None], self.settings.proposal_nms, -torch.inf, after)[:, 1]
            all_boxes.append(boxes[kept])
            all_scores.append(scores[kept])
        return torch.cat(all_boxes)[falling(torch.cat(all_scores))[:after]]

    def _losses(
        self, logits: Tensor, steps: Tensor, anchors: Tensor, targets: Sequence[Target], rng: torch.Generator | None
    ) -> dict[str, Tensor]:
        objectness, box = logits.sum() * 0, steps.sum() * 0
        for image_logits, image_steps, target in zip(logits, steps, targets, strict=True):
            kinds, which = self._match(anchors, target)
            chosen = sample(kinds, 0, self.settings.anchor_batch, self.settings.anchor_share, rng)
            wanted = kinds[chosen].to(logits)
            objectness = objectness + nn.functional.binary_cross_entropy_with_logits(
                image_logits[chosen], wanted, reduction="sum"
            )
            objects = chosen[kinds[chosen] == 1]
            wanted = encode(target.boxes[which[objects]], anchors[objects], WEIGHTS)
            box = box + (image_steps[objects] - wanted).abs().sum()
        count = self.settings.anchor_batch * len(targets)
        return {"rpn_objectness": objectness / count, "rpn_box": box / count}

    def _match(self, anchors: Tensor, target: Target) -> tuple[Tensor, Tensor]:
        """Kind of each anchor (1 object, 0 background, or ``UNUSED``), and which object."""
        low, high = self.settings.anchor_overlap
        most, which, leads = best_objects(target.boxes, anchors)
        kinds = torch.where(most >= high, 1, torch.where(most < low, 0, UNUSED))
        kinds[(kinds == 0) & ignored(anchors, target.ignore)] = UNUSED
        kinds[leads] = 1
        return kinds, which
