"""Every number of a Mask R-CNN in one value."""

from dataclasses import dataclass
from typing import Literal

Norm = Literal["frozen", "batch", "group"]


@dataclass(frozen=True, slots=True)
class Settings:
    """The defaults are those of detectron2's COCO-InstanceSegmentation/mask_rcnn_R_50_FPN_3x.

    R-101 is ``blocks=(3, 4, 23, 3)``. A network trained from scratch wants ``norm="group"`` and ``frozen_stages=0``;
    crowns want smaller anchors and more detections.
    """

    classes: int = 80
    """Classes of objects, background not counted."""

    pixel_mean: tuple[float, ...] = (103.53, 116.28, 123.675)
    """Of each band, 0 to 255, in the order that the weights were trained with."""
    pixel_std: tuple[float, ...] = (1.0, 1.0, 1.0)
    bgr: bool = True
    """Whether the weights were trained with blue first; the image comes with red first all the same."""

    blocks: tuple[int, int, int, int] = (3, 4, 6, 3)
    """Residual blocks of the stages at strides 4, 8, 16 and 32."""
    width: int = 64
    """Channels of the stem; the stages have 4, 8, 16 and 32 times as many."""
    norm: Norm = "frozen"
    """Frozen batch norm with the checkpoint's statistics, batch norm, or group norm."""
    frozen_stages: int = 2
    """Leading parts of the bottom-up (stem, res2, ...) whose weights do not learn."""
    stride_in_1x1: bool = True
    """Whether a block halves the map in its first layer (MSRA's weights) or in its 3x3 one (torchvision's)."""
    pyramid_width: int = 256
    """Channels of each level of the pyramid, of the proposal head and of the mask head."""
    box_width: int = 1024
    """Channels of the two full layers of the box head."""
    mask_layers: int = 4
    """3x3 convolutions of the mask head."""

    anchor_sizes: tuple[float, float, float, float, float] = (32, 64, 128, 256, 512)
    """Square root of the area in pixels, at strides 4, 8, 16, 32 and 64."""
    anchor_ratios: tuple[float, ...] = (0.5, 1.0, 2.0)
    """Height over width."""
    anchor_overlap: tuple[float, float] = (0.3, 0.7)
    """An anchor that overlaps objects less than the first is background; as much as the second, it is an object."""
    anchor_batch: int = 256
    """Anchors of an image that the proposal loss looks at."""
    anchor_share: float = 0.5
    """Largest share of objects among them."""
    proposals_before_train: int = 2000
    """Best boxes of each level that go into suppression."""
    proposals_before: int = 1000
    proposals_after_train: int = 1000
    """Best boxes of an image that come out of it."""
    proposals_after: int = 1000
    proposal_nms: float = 0.7

    region_overlap: float = 0.5
    """A proposal that overlaps an object by this is that object."""
    region_batch: int = 512
    """Proposals of an image that the losses of the heads look at."""
    region_share: float = 0.25
    """Largest share of objects among them."""
    box_pooled: int = 7
    """Bins along each axis that the box head sees."""
    mask_pooled: int = 14
    """The same for the mask head; masks are twice this."""
    sampling: int = 0
    """Samples along each axis of a bin; 0 adapts to the box."""
    canonical_size: float = 224
    """A box of this size is pooled from the level with stride 16."""

    score_least: float = 0.05
    """Detections must score more."""
    detection_nms: float = 0.5
    detections: int = 100
    """Most detections of an image."""


R50 = Settings()
R101 = Settings(blocks=(3, 4, 23, 3))
IMAGENET = Settings(
    pixel_mean=(123.675, 116.28, 103.53), pixel_std=(58.395, 57.12, 57.375), bgr=False, stride_in_1x1=False
)
"""What torchvision's ImageNet weights were trained with."""
