"""How the objects of an image are made, by the task of its model."""

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from overtrace.models.runtime import Network
from overtrace.raster.lattice import Block
from overtrace.trace import detections, planes
from overtrace.trace.assemble import Measures
from overtrace.trace.draw import Labelled
from overtrace.trace.job import Job


@dataclass(frozen=True, slots=True)
class Method:
    """The steps from an image to labels; the blocks of the first and the last are worked on in any order."""

    predict: Callable[[Job, Network, Block], None]
    """Keep what the network says of a block under ``Job.answer``."""
    settle: Callable[[Job, int, int], None]
    """Look at what is kept of what a node (layer, index) holds and keep which ids that has under ``Job.node``; the
    groups, layer 1, come first, the single node of the last layer last."""
    label: Callable[[Job, Block], Labelled]
    """The instances of a block."""
    measures: Measures


METHODS = {
    "planes": Method(
        planes.predict_block,
        planes.settle_seeds,
        planes.label_block,
        Measures({"area": np.add, "interior": np.add, "peak": np.maximum}, planes.rate_instances),
    ),
    "detections": Method(
        detections.predict_block,
        detections.settle_detections,
        detections.label_block,
        Measures({"area": np.add, "score": np.maximum, "class": np.maximum}, detections.rate_instances),
    ),
}
