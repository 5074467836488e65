"""A folder as SpaceNet-2 gives it out, with small chips."""

import json
from collections.abc import Sequence
from pathlib import Path

import numpy as np
from rasterio.transform import from_origin

from tests.support.images import write_image

STEP = 2.7e-6
WEST, NORTH = -115.2, 36.2
HEADER = "ImageId,BuildingId,PolygonWKT_Pix,PolygonWKT_Geo"

Ring = Sequence[tuple[float, float]]


def square(left: float, top: float, side: float) -> list[tuple[float, float]]:
    """A closed ring."""
    right, bottom = left + side, top + side
    return [(left, top), (right, top), (right, bottom), (left, bottom), (left, top)]


def write_bands(path: Path, bands: int, side: int = 64, seed: int = 0) -> np.ndarray:
    """A 16-bit GeoTIFF in EPSG:4326; its values."""
    return write_values(path, np.random.default_rng(seed).integers(50, 2200, (bands, side, side)).astype(np.uint16))


def write_values(path: Path, values: np.ndarray) -> np.ndarray:
    """The same with these values."""
    path.parent.mkdir(parents=True, exist_ok=True)
    write_image(path, values, crs="EPSG:4326", transform=from_origin(WEST, NORTH, STEP, STEP))
    return values


def write_chip(area: Path, name: str, side: int = 64, seed: int = 0) -> np.ndarray:
    """Both files of an image; (11, side, side) values."""
    rgb = write_bands(area / "RGB-PanSharpen" / f"RGB-PanSharpen_{name}.tif", 3, side, seed)
    mul = write_bands(area / "MUL-PanSharpen" / f"MUL-PanSharpen_{name}.tif", 8, side, seed + 1)
    return np.concatenate([rgb, mul])


def write_town(area: Path, name: str, side: int, seed: int) -> list[list[Ring]]:
    """Both files of an image with bright roofs on dark ground; its buildings, in streets of one every 36 pixels."""
    rng = np.random.default_rng(seed)
    values = rng.normal(400, 40, (11, side, side))
    buildings: list[list[Ring]] = []
    for top in range(6, side - 28, 36):
        for left in range(6, side - 28, 36):
            length = int(rng.integers(14, 27))
            buildings.append([square(left, top, length)])
            roof = rng.uniform(1100, 1700, (11, 1, 1))
            values[:, top : top + length, left : left + length] = roof + rng.normal(0, 40, (11, length, length))
    values = np.clip(values, 1, 2047).astype(np.uint16)
    write_values(area / "RGB-PanSharpen" / f"RGB-PanSharpen_{name}.tif", values[:3])
    write_values(area / "MUL-PanSharpen" / f"MUL-PanSharpen_{name}.tif", values[3:])
    return buildings


def write_geojson(area: Path, name: str, buildings: Sequence[Sequence[Ring]]) -> Path:
    """The footprints of an image in degrees, the holes of each after its outline."""
    features = [
        {
            "type": "Feature",
            "properties": {"OBJECTID": i},
            "geometry": {
                "type": "Polygon",
                "coordinates": [[(WEST + x * STEP, NORTH - y * STEP, 0.0) for x, y in ring] for ring in rings],
            },
        }
        for i, rings in enumerate(buildings)
    ]
    path = area / "geojson" / "buildings" / f"buildings_{name}.geojson"
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(json.dumps({"type": "FeatureCollection", "features": features}))
    return path


def write_solutions(area: Path, images: dict[str, Sequence[Sequence[Ring]]]) -> Path:
    """The CSV of an area, with the third coordinate that the owners write."""
    lines = [HEADER]
    for name, buildings in images.items():
        if not buildings:
            lines.append(f"{name},-1,POLYGON EMPTY,POLYGON EMPTY")
        for number, rings in enumerate(buildings, start=1):
            text = ",".join("(" + ",".join(f"{x} {y} 0" for x, y in ring) + ")" for ring in rings)
            lines.append(f'{name},{number},"POLYGON ({text})","POLYGON EMPTY"')
    path = area / "summaryData" / f"{area.name}_Building_Solutions.csv"
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text("\n".join(lines) + "\n")
    return path
