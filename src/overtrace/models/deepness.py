"""The metadata keys by which the QGIS plugin Deepness opens a model file of ours."""

import json
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from overtrace.models.card import Card


def deepness_entries(card: "Card") -> dict[str, str]:
    """Keys and values as Deepness reads them, each value as JSON."""
    entries = {
        "model_type": "Segmentor",
        "class_names": {str(i): name for i, name in enumerate(card.planes or card.classes)},
        "resolution": round(100 * card.pixel_size_m[0], 3),
        "tiles_size": card.window,
        "tile_size": card.window,
        "tiles_overlap": round(100 * 2 * card.margin / card.window),
        "seg_thresh": round(card.decode.interior / 255, 3),
        "seg_small_segment": card.decode.min_area_px,
    }
    return {key: json.dumps(value) for key, value in entries.items()}
