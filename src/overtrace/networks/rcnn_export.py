"""Mask R-CNN as an ONNX file."""

import warnings
from pathlib import Path

import torch

from overtrace.networks.mask_rcnn import MaskRcnn

OPSET = 17
OUTPUTS = ("boxes", "scores", "classes", "masks")


def export_mask_rcnn(network: MaskRcnn, window: int, path: str | Path) -> None:
    """Write a network that takes ``image`` (1, C, window, window) and gives ``OUTPUTS`` as its ``forward`` does.

    The first axis of the outputs is the number of detections, which may be 0. Suppression and pooling are the operators
    NonMaxSuppression and RoiAlign, so that ONNX Runtime and OpenVINO run the file by themselves.
    """
    learns = network.training
    device = network.pixel_mean.device
    image = torch.zeros(1, len(network.settings.pixel_mean), window, window, device=device)
    network.eval()
    try:
        with warnings.catch_warnings():
            # Sizes of maps become constants, as they should with a fixed window, and the exporter warns of each.
            warnings.simplefilter("ignore")
            torch.onnx.export(
                network,
                (image,),
                str(path),
                input_names=["image"],
                output_names=list(OUTPUTS),
                dynamic_axes={name: {0: "detections"} for name in OUTPUTS},
                opset_version=OPSET,
                dynamo=False,
            )
    finally:
        network.train(learns)
