"""Drawn buildings of four cities, as rows of SpaceNet-2."""

import csv
from pathlib import Path

import numpy as np
import shapely

from overtrace.challenges.answer_rows import write_row
from overtrace.challenges.footprint_files import COLUMNS, EMPTY, NO_BUILDING
from overtrace.host.examples.drawing import Ring, pack, paint, spoil

CITIES = ("AOI_2_Vegas", "AOI_3_Paris", "AOI_4_Shanghai", "AOI_5_Khartoum")
IMAGES = 6
"""Of each city."""
SIZE = 160
GRID = 3
GROUND = (134, 126, 108)


def draw(folder: Path, phase: str, rng: np.random.Generator) -> None:
    """``data/PHASE.zip`` and ``data/PHASE.txt``; ``truth/PHASE.csv`` and its halves ``boards/PHASE_public.txt`` and
    ``boards/PHASE_private.txt`` unless it is the training's, which everybody gets."""
    names = [f"{city}_img{i}" for city in CITIES for i in range(1, IMAGES + 1)]
    pictures: dict[str, bytes] = {}
    rows = [write_row(*COLUMNS)]
    for name in names:
        rings = _build(rng)
        colours = [(int(grey), int(grey), int(grey)) for grey in rng.integers(170, 250, len(rings))]
        pictures[f"{name}.png"] = paint(SIZE, GROUND, list(zip(rings, colours, strict=True)), rng)
        rows += [write_row(name, n, _write(ring)) for n, ring in enumerate(rings, start=1)]
        rows += [] if rings else [write_row(name, NO_BUILDING, EMPTY)]
    table = "\n".join([*rows, ""])
    given = {"train.csv": table.encode()} if phase == "training" else {}
    pack(folder / "data" / f"{phase}.zip", {**pictures, **given})
    _list(folder / "data" / f"{phase}.txt", names)
    if phase != "training":
        (folder / "truth").mkdir(exist_ok=True)
        (folder / "truth" / f"{phase}.csv").write_text(table)
        half = {f"{city}_img{i + 1}" for city in CITIES for i in rng.permutation(IMAGES)[: IMAGES // 2].tolist()}
        _list(folder / "boards" / f"{phase}_public.txt", [name for name in names if name in half])
        _list(folder / "boards" / f"{phase}_private.txt", [name for name in names if name not in half])


def _list(path: Path, names: list[str]) -> None:
    path.parent.mkdir(exist_ok=True)
    path.write_text("".join(f"{name}\n" for name in names))


def _build(rng: np.random.Generator) -> list[Ring]:
    """Houses in the cells of a grid, or in one of twenty images none."""
    if rng.random() < 0.05:
        return []
    cell = SIZE / GRID
    rings = []
    for place in np.ndindex(GRID, GRID):
        if rng.random() < 0.25:
            continue
        half = rng.uniform(8, 17, 2)
        corners = np.array([[-1, -1], [1, -1], [1, 1], [-1, 1]]) * half
        angle = rng.uniform(0, np.pi / 2)
        turn = np.array([[np.cos(angle), -np.sin(angle)], [np.sin(angle), np.cos(angle)]])
        rings.append(np.round((np.array(place) + 0.5) * cell + corners @ turn, 2))
    return rings


def _write(ring: Ring) -> str:
    text: str = shapely.to_wkt(shapely.Polygon(ring), rounding_precision=2)
    return text.replace(", ", ",")


def answer(truth: Path, place: Path, quality: float, rng: np.random.Generator) -> Path:
    """A row for each footprint, and one for each image without any."""
    houses: dict[str, list[Ring]] = {}
    with truth.open(newline="") as file:
        for row in csv.DictReader(file):
            own = houses.setdefault(row[COLUMNS[0]], [])
            if row[COLUMNS[1]] != NO_BUILDING:
                own.append(shapely.get_coordinates(shapely.from_wkt(row[COLUMNS[2]]))[:-1])
    rows = [write_row(*COLUMNS, "Confidence")]
    for name, rings in houses.items():
        found = spoil(rings, SIZE, quality, rng)
        rows += [write_row(name, n, _write(ring), sure) for n, (ring, sure) in enumerate(found, start=1)]
        rows += [] if found else [write_row(name, NO_BUILDING, EMPTY, 1)]
    path = place.with_suffix(".csv")
    path.write_text("\n".join([*rows, ""]))
    return path
