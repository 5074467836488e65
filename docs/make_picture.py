"""Draw what ``trees`` finds in a part of an image: ``make_picture.py IMAGE PIXEL_SIZE_M LEFT,TOP,SIDE OUT``."""

import sys
from pathlib import Path
from tempfile import TemporaryDirectory

import numpy as np
import pyogrio
import rasterio
import shapely
from PIL import Image, ImageDraw
from rasterio.windows import Window

from overtrace.trace.options import Options
from overtrace.trace.pipeline import trace

SIDE_PX = 720
OUTLINE = (255, 214, 10)
# Lines are drawn this much larger and then reduced, which makes them smooth.
FINER = 3


def main() -> None:
    """Trace, crop, draw."""
    image, pixel_size_m, place, out = sys.argv[1:]
    left, top, side = map(int, place.split(","))
    with TemporaryDirectory() as folder:
        table = Path(folder) / "crowns.gpkg"
        trace([image], [table], Options(pixel_size_m=float(pixel_size_m)))
        _, _, geometry, _ = pyogrio.raw.read(table)
    with rasterio.open(image) as source:
        pixels = np.moveaxis(source.read([1, 2, 3], window=Window(left, top, side, side)), 0, -1)
    scale = FINER * SIDE_PX / side
    picture = Image.fromarray(pixels).resize((FINER * SIDE_PX,) * 2, Image.Resampling.BICUBIC)
    pen = ImageDraw.Draw(picture)
    for polygon in shapely.from_wkb(geometry):
        for ring in (polygon.exterior, *polygon.interiors):
            corners = (np.array(ring.coords) - (left, top)) * scale
            pen.line([tuple(corner) for corner in corners], fill=OUTLINE, width=2 * FINER, joint="curve")
    picture.resize((SIDE_PX, SIDE_PX), Image.Resampling.LANCZOS).save(out, quality=88)


if __name__ == "__main__":
    main()
