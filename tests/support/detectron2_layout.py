"""Names and shapes of the weights in detectron2's Mask R-CNN checkpoints, as published.

Source: detectron2 v0.6, COCO-InstanceSegmentation/mask_rcnn_R_{50,101}_FPN_3x.
"""

Shape = tuple[int, ...]
Layout = dict[str, Shape]
DEPTHS = {"R-50": (3, 4, 6, 3), "R-101": (3, 4, 23, 3)}


def layout(depths: tuple[int, ...], classes: int) -> Layout:
    """Every weight and buffer of the network."""
    shapes: Layout = {"pixel_mean": (3, 1, 1), "pixel_std": (3, 1, 1)}
    shapes |= _normed("backbone.bottom_up.stem.conv1", 64, 3, 7)
    for stage, (inputs, width, outputs) in enumerate(
        [(64, 64, 256), (256, 128, 512), (512, 256, 1024), (1024, 512, 2048)], 2
    ):
        shapes |= _normed(f"backbone.bottom_up.res{stage}.0.shortcut", outputs, inputs, 1)
        for block in range(depths[stage - 2]):
            name = f"backbone.bottom_up.res{stage}.{block}"
            shapes |= _normed(f"{name}.conv1", width, outputs if block else inputs, 1)
            shapes |= _normed(f"{name}.conv2", width, width, 3)
            shapes |= _normed(f"{name}.conv3", outputs, width, 1)
        shapes |= _layer(f"backbone.fpn_lateral{stage}", 256, outputs, 1, 1)
        shapes |= _layer(f"backbone.fpn_output{stage}", 256, 256, 3, 3)
    shapes |= {f"proposal_generator.anchor_generator.cell_anchors.{level}": (3, 4) for level in range(5)}
    shapes |= _layer("proposal_generator.rpn_head.conv", 256, 256, 3, 3)
    shapes |= _layer("proposal_generator.rpn_head.objectness_logits", 3, 256, 1, 1)
    shapes |= _layer("proposal_generator.rpn_head.anchor_deltas", 12, 256, 1, 1)
    shapes |= _layer("roi_heads.box_head.fc1", 1024, 256 * 7 * 7)
    shapes |= _layer("roi_heads.box_head.fc2", 1024, 1024)
    shapes |= _layer("roi_heads.box_predictor.cls_score", classes + 1, 1024)
    shapes |= _layer("roi_heads.box_predictor.bbox_pred", classes * 4, 1024)
    for number in range(1, 5):
        shapes |= _layer(f"roi_heads.mask_head.mask_fcn{number}", 256, 256, 3, 3)
    shapes |= _layer("roi_heads.mask_head.deconv", 256, 256, 2, 2)
    return shapes | _layer("roi_heads.mask_head.predictor", classes, 256, 1, 1)


def _layer(name: str, *shape: int) -> Layout:
    return {f"{name}.weight": shape, f"{name}.bias": shape[:1]}


def _normed(name: str, outputs: int, inputs: int, kernel: int) -> Layout:
    norm = {f"{name}.norm.{part}": (outputs,) for part in ("weight", "bias", "running_mean", "running_var")}
    return {f"{name}.weight": (outputs, inputs, kernel, kernel)} | norm
