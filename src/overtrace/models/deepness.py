"""The metadata keys by which the QGIS plugin Deepness opens a model file of ours.

Deepness 0.7 reads each value as JSON, gives the network pixels from 0 to 1 (as ours wants them), and then:

- ``Segmentor`` sets what is below ``seg_thresh`` to 0 and draws, for each pixel, the channel with the highest value;
  where all are 0 that is channel 0. This suits *classes* models. It also suits *planes* models whose first plane is
  not the interior, channel 0 then standing for the background: touching objects come out apart, without identity.
- ``Regressor`` writes channel 0 as a raster. A *planes* model whose first plane is the interior is announced as this,
  as the background would be drawn as interior otherwise: one sees where crowns are, but gets no polygons.

It makes no instances from planes: touch and distance are not used, and *detections* models do not open there.

Source:
    PUTvision/qgis-plugin-deepness, docs/source/creators/creators_add_metadata_to_model.rst and
    src/deepness/processing/models/model_base.py. The former names ``tiles_size``, the latter reads ``tile_size``.
"""

import json
import math
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from overtrace.models.card import Card


UNKNOWN_M = (0.1, 0.1)
"""Deepness resamples every image to one pixel size: for a model that takes any, something must stand there."""


def deepness_entries(card: "Card") -> dict[str, str]:
    """Keys and values as Deepness reads them; none for a model that it cannot open.

    Resolutions are in centimetres: the geometric middle of the range, as Deepness resamples every image to one size.
    """
    if card.task == "detections":
        return {}
    channels = card.planes if card.task == "planes" else card.classes
    values: dict[str, Any] = {
        "model_type": "Regressor" if channels[0] == "interior" else "Segmentor",
        "class_names": {str(i): name for i, name in enumerate(channels)},
        "resolution": round(100 * math.sqrt(math.prod(card.pixel_size_m or UNKNOWN_M)), 1),
        "tiles_size": card.window,
        "tile_size": card.window,
        "tiles_overlap": round(100 * 2 * card.margin / card.window),
        "seg_thresh": round(card.decode.interior / 255, 3),
        "seg_small_segment": card.decode.min_area_px,
        "reg_output_scaling": 1.0,
        "standardization_mean": [0.0] * len(card.bands),
        "standardization_std": [1.0] * len(card.bands),
    }
    return {key: json.dumps(value) for key, value in values.items()}
