"""Crowns of Kampala as a model says at 0.6 m, for images of 0.075 m: recipes/trees_more.toml learns them.

    python recipes/kampala_crowns.py DIR

DIR holds fair_kampala/ and trees-first-fp32.onnx, which recipes/trees.toml makes: the model `trees` that is shipped has
learned these crowns. Makes DIR/kampala_crowns/ with crowns.gpkg and images/, a GeoTIFF for each patch.

At 0.6 m `trees` finds broad crowns whole. At 0.3 m, where the only sharp crowns that it has seen are those of conifers,
it cuts them into pieces. So at 0.3 m it learns what it says at 0.6 m. Green outside of crowns may be a tree that it
missed: it is masked in the GeoTIFF, and so nobody knows what it is.
"""

import subprocess
import sys
from collections import defaultdict
from pathlib import Path

import numpy as np
import rasterio
from numpy.typing import NDArray
from PIL import Image
from rasterio.crs import CRS
from rasterio.transform import Affine

from overtrace.data.fair import PATTERN, SIDE, Tile
from overtrace.data.outlines import Outlines, read_outlines

ZOOM, PATCH_ZOOM = 21, 19
MERCATOR = CRS.from_epsg(3857)
COARSER = 8
GREEN = 12
"""Of 255: a pixel that is greener than its mean of red and blue by more may be of a plant."""

Rgb = NDArray[np.uint8]


def main(data: Path) -> None:
    """Makes the folder anew."""
    out = data / "kampala_crowns"
    for name in ("images", "coarse"):
        (out / name).mkdir(parents=True, exist_ok=True)
    patches = read_patches(data / "fair_kampala")
    for tile, picture in patches.items():
        small = Image.fromarray(picture).reduce(COARSER)
        write(out / "coarse" / name_of(tile), np.asarray(small), tile.transform)
    crowns = out / "crowns.gpkg"
    crowns.unlink(missing_ok=True)
    model = str(data / "trees-first-fp32.onnx")
    command = [sys.executable, "-m", "overtrace", "trace", "--mosaic", "first", "--model", model, "--views", "8"]
    coarse = sorted(map(str, (out / "coarse").glob("*.tif")))
    subprocess.run([*command, *coarse, "--out", str(crowns)], check=True)
    outlines = read_outlines(crowns).reproject(MERCATOR)
    for tile, picture in patches.items():
        known = find_known(picture, tile.transform, outlines)
        write(out / "images" / name_of(tile), picture, tile.transform, known)
        print(f"{name_of(tile)}: {known.mean():.0%} of it known")


def read_patches(folder: Path) -> dict[Tile, Rgb]:
    """The patches of one zoom, put together from the tiles of a finer one."""
    side = SIDE << (ZOOM - PATCH_ZOOM)
    patches: dict[Tile, Rgb] = defaultdict(lambda: np.zeros((side, side, 3), np.uint8))
    for path in sorted(folder.glob(f"OAM-*-{ZOOM}.png")):
        match = PATTERN.fullmatch(path.stem)
        assert match is not None
        tile = Tile(ZOOM, int(match[1]), int(match[2]))
        parent = tile.parent(PATCH_ZOOM)
        row, col = (SIDE * (at - (of << (ZOOM - PATCH_ZOOM))) for at, of in ((tile.y, parent.y), (tile.x, parent.x)))
        patches[parent][row : row + SIDE, col : col + SIDE] = np.asarray(Image.open(path).convert("RGB"))
    return dict(patches)


def find_known(picture: Rgb, transform: Affine, outlines: Outlines) -> NDArray[np.bool_]:
    """(H, W) where it is a crown, or not green."""
    red, green, blue = np.moveaxis(picture.astype(np.int32), -1, 0)
    is_crown = outlines.draw(scale(transform, picture), *picture.shape[:2])[0] > 0
    known: NDArray[np.bool_] = is_crown | (2 * green - red - blue <= 2 * GREEN)
    return known


def scale(transform: Affine, picture: Rgb) -> Affine:
    """The transform of a tile of the web map, for a picture of it of any size."""
    return transform * Affine.scale(SIDE / picture.shape[1], SIDE / picture.shape[0])


def write(path: Path, picture: Rgb, transform: Affine, known: NDArray[np.bool_] | None = None) -> None:
    """A GeoTIFF, with its mask inside."""
    height, width, bands = picture.shape
    size = {"height": height, "width": width, "count": bands}
    place = {"crs": MERCATOR, "transform": scale(transform, picture)}
    with (
        rasterio.Env(GDAL_TIFF_INTERNAL_MASK=True),
        rasterio.open(path, "w", "GTiff", dtype="uint8", compress="deflate", photometric="RGB", **size, **place) as to,
    ):
        to.write(np.moveaxis(picture, -1, 0))
        if known is not None:
            to.write_mask(known)


def name_of(tile: Tile) -> str:
    """Of the file of a patch."""
    return f"{tile.zoom}-{tile.x}-{tile.y}.tif"


if __name__ == "__main__":
    main(Path(sys.argv[1]))
