"""Several files of the same pixels as one image of all their bands."""

import os
from collections.abc import Mapping, Sequence
from dataclasses import replace
from xml.etree import ElementTree

from rasterio.dtypes import dtype_rev, typename_fwd

from overtrace.errors import BadImage
from overtrace.raster.handles import is_address
from overtrace.raster.source import Raster, open_raster


def stack(parts: Sequence[Raster], roles: Mapping[str, int]) -> Raster:
    """The bands of all files, one after the other; it lies where the first one does, and is called as that is.

    Args:
        parts: without palette, alpha and masks.
        roles: role to band number, from 1, in the whole.
    Raises:
        BadImage: if their sizes differ.
    """
    first = parts[0]
    for part in parts[1:]:
        if (part.grid.height, part.grid.width) != (first.grid.height, first.grid.width):
            sizes = [f"{raster.grid.height} x {raster.grid.width}" for raster in (part, first)]
            raise BadImage(f"{part.name} is {sizes[0]} pixels, {first.name} {sizes[1]}: find files of the same pixels")
    return replace(open_raster(_describe(parts)), name=first.name, roles=dict(roles))


def _describe(parts: Sequence[Raster]) -> str:
    """The whole in the words of GDAL's virtual format, which opens as a file does.

    Source:
        https://gdal.org/en/stable/drivers/raster/vrt.html
    """
    grid = parts[0].grid
    root = ElementTree.Element("VRTDataset", rasterXSize=str(grid.width), rasterYSize=str(grid.height))
    if grid.crs is not None:
        ElementTree.SubElement(root, "SRS").text = grid.crs.to_wkt()
        ElementTree.SubElement(root, "GeoTransform").text = ", ".join(map(repr, grid.transform.to_gdal()))
    sources = [(part, number) for part in parts for number in range(1, part.band_count + 1)]
    for place, (part, number) in enumerate(sources, start=1):
        kind = typename_fwd[dtype_rev[part.dtype]]
        band = ElementTree.SubElement(root, "VRTRasterBand", dataType=kind, band=str(place))
        nodata = part.nodata[number - 1]
        if nodata is not None:
            ElementTree.SubElement(band, "NoDataValue").text = repr(nodata)
        source = ElementTree.SubElement(band, "SimpleSource")
        path = part.path if is_address(part.path) else os.path.abspath(part.path)
        ElementTree.SubElement(source, "SourceFilename", relativeToVRT="0").text = path
        ElementTree.SubElement(source, "SourceBand").text = str(number)
    return ElementTree.tostring(root, encoding="unicode")
