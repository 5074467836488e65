"""How several images are seen as one."""

from enum import StrEnum
from typing import TYPE_CHECKING

from overtrace.errors import BadOption

if TYPE_CHECKING:
    from overtrace.raster.mosaic import MosaicRule


class OverlapName(StrEnum):
    """Which image is seen where several have data."""

    first = "first"
    newest = "newest"


def make_rule(mosaic: OverlapName | None, crs: str, pixel: float | None) -> "MosaicRule | None":
    """How images become one; None where they do not.

    Raises:
        BadOption: for a grid without a mosaic.
    """
    from overtrace.raster.mosaic import MosaicRule

    if mosaic is not None:
        return MosaicRule(mosaic.value, crs or None, pixel)
    if crs or pixel is not None:
        raise BadOption("--mosaic-crs and --mosaic-pixel are of a mosaic: say --mosaic first, or newest, too")
    return None
