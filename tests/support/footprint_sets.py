"""Footprints of four cities as SpaceNet-2 wrote them, with everything on which the official codes may disagree.

Corners are whole pixels or hundredths, so that an IoU of exactly 0.5 and an area of exactly 20 can be meant.
"""

from collections.abc import Callable
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

CITIES = ("AOI_2_Vegas", "AOI_3_Paris", "AOI_4_Shanghai", "AOI_5_Khartoum")
CELL_PX = 100
SIDE_CELLS = 6
SURE = (0.2, 0.5, 0.5, 0.9, 1.0)
"""Few values, so that many are tied."""

Ring = list[tuple[float, float]]
Polygon = list[Ring]
"""The outline, then the holes."""
Cell = tuple[list[Polygon], list[Polygon]]
"""True footprints and those of the answer."""


def box(x: float, y: float, wide: float, tall: float) -> Ring:
    """A closed ring."""
    return [(x, y), (x + wide, y), (x + wide, y + tall), (x, y + tall), (x, y)]


def draw_house(rng: np.random.Generator) -> Cell:
    """A turned house, L-shaped or not; it is found well, badly or not at all, or something else is."""
    wide, tall, notch = rng.uniform(8, 40, 3)
    corners = np.array(
        [(0, 0), (wide, 0), (wide, tall / 2), (wide - notch % wide, tall / 2), (wide - notch % wide, tall), (0, tall)]
    )
    angle = rng.uniform(0, 2 * np.pi)
    turn = np.array([[np.cos(angle), -np.sin(angle)], [np.sin(angle), np.cos(angle)]])
    corners = (corners - corners.mean(axis=0)) @ turn + 50
    moved = (corners - 50) * rng.uniform(0.7, 1.2, 2) + 50 + rng.normal(0, 2, 2)
    truth, answer = ([close(points)] for points in (corners, moved[:: rng.choice([-1, 1])]))
    seen = rng.random()
    return ([truth] if seen < 0.9 else []), ([answer] if seen > 0.15 else [])


def close(points: NDArray[np.float64]) -> Ring:
    """A ring of hundredths of a pixel."""
    ring = [(float(x), float(y)) for x, y in np.round(points, 2)]
    return [*ring, ring[0]]


def draw_hole(rng: np.random.Generator) -> Cell:
    """A house around a court; the answer has a court too, or none, or another."""
    side = int(rng.integers(24, 50))
    court = int(rng.integers(4, side - 4))
    truth = [box(10, 10, side, side), box(12, 12, court, court)]
    shift = int(rng.integers(0, 3))
    answers = [[box(10, 10, side, side)], [box(10, 10, side, side), box(12 + shift, 11, court, court)]]
    return [truth], [answers[rng.integers(2)]]


def draw_half(rng: np.random.Generator) -> Cell:
    """An IoU of exactly 0.5, or of a hundredth of a pixel more or less."""
    wide, tall = (int(side) for side in rng.integers(5, 20, 2))
    more = float(rng.choice([0, 0, 0, 0.01, -0.01]))
    truth = [box(20, 20, wide, tall)]
    answer = [box(20, 20, wide, 2 * tall + more)]
    if rng.random() < 0.3:
        answer = [[(20, 20), (20 + 2 * wide, 20), (20, 20 + 2 * tall), (20, 20)]]
    return [truth], [answer]


def draw_tiny(rng: np.random.Generator) -> Cell:
    """An area of 20 pixels, or about that."""
    tall = float(rng.choice([4.99, 5, 5, 5, 5.01]))
    truth, answer = ([box(30, 30, 4, tall)] for _ in range(2))
    if rng.random() < 0.4:
        answer = [box(30, 30, 4, float(rng.choice([5, 6, 7, 12])))]
    return [truth], [answer]


def draw_sliver(rng: np.random.Generator) -> Cell:
    """Next to no area, or none."""
    return [[box(5, 5, 60, 0.01)]], [[box(5, 5, 60, float(rng.choice([0, 0.01])))]]


def draw_wide(rng: np.random.Generator) -> Cell:
    """An answer that reaches over two houses, one of which may have an answer of its own."""
    left, right = (int(side) for side in rng.integers(8, 20, 2))
    right = left if rng.random() < 0.4 else right
    truths = [[box(10, 10, left, 20)], [box(10 + left, 10, right, 20)]]
    answers = [[box(10, 10, left + right, 20)], [box(10, 10, left, 20)], [box(10 + left, 10, right, 19)]]
    return truths, [answers[i] for i in rng.permutation(3)[: rng.integers(1, 4)]]


def draw_twice(rng: np.random.Generator) -> Cell:
    """The same footprint again, on either side."""
    house, like = [box(15, 15, 30, 20)], [box(15, 15, 30, 16)]
    return [house] * int(rng.integers(1, 3)), [[house, like][rng.integers(2)] for _ in range(rng.integers(1, 4))]


def draw_nested(rng: np.random.Generator) -> Cell:
    """A house within a house, and answers of sizes between."""
    truths = [[box(10, 10, 40, 40)], [box(15, 15, int(rng.integers(20, 34)), 30)]]
    answers = [[box(12, 12, side, side)] for side in rng.integers(26, 38, rng.integers(1, 3)).tolist()]
    return [truths[i] for i in rng.permutation(2)], answers


def draw_rivals(rng: np.random.Generator) -> Cell:
    """Two houses on one another, of which one answer may take either and the other only one: the order decides."""
    low = int(rng.integers(8, 13))
    high = low + int(rng.integers(6, 10))
    truths = [[box(10, 10, 20, low)], [box(10, 10, 20, high)]]
    answers = [[box(10, 10, 20, int((low * high) ** 0.5))], [box(10, 10, 20, int(rng.integers(low // 2 + 1, low)))]]
    return [truths[i] for i in rng.permutation(2)], answers


def draw_touching(rng: np.random.Generator) -> Cell:
    """The answer covers one wing of a house and may, apart from that, touch the other along a line or in a point."""
    gap, tall = (int(side) for side in rng.integers([2, 20], [8, 40]))
    across = 50 + gap
    house = [(10, 10), (across + 5, 10), (across + 5, 50), (across, 50), (across, 15), (50, 15), (50, 50), (10, 50)]
    reach = across - int(rng.integers(2))
    straight = box(10, 50 - tall, reach - 10, tall)
    pointed = [(10, 50 - tall), (50, 50 - tall), (reach, 40), (50, 50), (10, 50), (10, 50 - tall)]
    return [[[*house, house[0]]]], [[[straight, pointed][rng.integers(2)]]]


def draw_crossing_answer(rng: np.random.Generator) -> Cell:
    """The outline of the answer crosses itself: a bow tie, a star, a spike, an eight, or a scrawl."""
    left, right = (int(side) for side in rng.integers(6, 40, 2))
    bow = [(10, 50 - left), (10, 50 + left), (10 + left + right, 50 - right), (10 + left + right, 50 + right)]
    lobe = [(10, 50 - left), (10, 50 + left), (10 + left, 50)]
    star = [(30, 5), (45, 50), (6, 22), (54, 22), (15, 50)]
    heart = [(24.41, 22), (35.59, 22), (39.29, 33.28), (30, 40), (20.71, 33.28)]
    tips = [(30, 5), (54, 22), (45, 50), (15, 50), (6, 22)]
    filled = [corner for pair in zip(tips, heart[1:] + heart[:1], strict=True) for corner in pair]
    low = int(rng.integers(20, 50))
    spike = [(10, 10), (50, 10), (50, low), (80, low), (50, low), (10, low)]
    eight = [(10, 10), (40, 10), (40, low), (60, low), (60, 60), (40, 60), (40, low), (10, low)]
    house: list[tuple[float, float]] = [(10, 10), (50, 10), (50, 40), (10, 40)]
    scrawl = rng.integers(5, 70, (int(rng.integers(5, 8)), 2))
    middle = scrawl - scrawl.mean(axis=0)
    around = scrawl[np.argsort(np.arctan2(middle[:, 1], middle[:, 0]))]
    pairs = [(bow, lobe), (star, filled), (star, heart), (spike, house), (eight, house)]
    if rng.random() < 0.5:
        return [[close(around)]], [[close(scrawl)]]
    answer, truth = pairs[rng.integers(len(pairs))]
    return [[[*truth, truth[0]]]], [[[*answer, answer[0]]]]


def draw_crossing_truth(rng: np.random.Generator) -> Cell:
    """The other way round, and crossing outlines on both sides."""
    answers, truths = draw_crossing_answer(rng)
    return truths, answers if rng.random() < 0.7 else truths


CELLS: tuple[Callable[[np.random.Generator], Cell], ...] = (
    draw_house, draw_house, draw_house, draw_hole, draw_half, draw_half, draw_tiny, draw_sliver, draw_wide, draw_wide,
    draw_twice, draw_nested, draw_rivals, draw_rivals, draw_touching, draw_crossing_answer, draw_crossing_answer,
)  # fmt: skip


def write_footprints(
    folder: Path, *, crossing_truth: bool, images: int = 60, seed: int = 20171121
) -> tuple[Path, Path]:
    """Write ``truth.csv`` and ``answer.csv``.

    Args:
        crossing_truth: some true outlines cross themselves; without, they are left out and all else is the same.
        seed: of the sets that are recorded; with another, a scrawl may cross itself on the wrong side.
    """
    rng = np.random.default_rng(seed)
    truth_rows: list[str] = []
    answer_rows: list[str] = []
    for number in range(images):
        image = f"{CITIES[number % len(CITIES)]}_img{number + 1}"
        truths, answers = draw_image(rng, crossing_truth)
        truth_rows += [f'{image},{i + 1},"{wkt(polygon)}","{wkt(polygon)}"' for i, polygon in enumerate(truths)]
        answer_rows += [f'{image},{i + 1},"{wkt(polygon)}",{rng.choice(SURE)}' for i, polygon in enumerate(answers)]
        if not truths:
            truth_rows.append(f"{image},-1,POLYGON EMPTY,POLYGON EMPTY")
        if not answers:
            answer_rows.append(f"{image},-1,POLYGON EMPTY,1")
    return write_rows(folder, truth_rows, answer_rows)


def write_oddities(folder: Path) -> tuple[Path, Path]:
    """Write ``truth.csv`` and ``answer.csv`` of rows that the codes read in different ways, one way in an image."""
    house, left, right = (wkt([box(x, 10, wide, 30)]) for x, wide in ((60, 30), (10, 10), (20, 10)))
    court = wkt([box(10, 10, 30, 30), box(12, 12, 26, 26)])
    wide = wkt([box(10, 10, 20, 30)])
    images = {
        "plain": ([(1, house)], [(1, house)]),
        "minus_one": ([(-1, house)], [(1, house)]),
        "minus_one_answered": ([(1, house)], [(-1, house)]),
        "numbered_empty": ([(1, house)], [(1, "POLYGON EMPTY")]),
        "court": ([(1, court)], [(1, court)]),
        "spaced_court": ([(1, court.replace("),(", "), ("))], [(1, court)]),
        "two_halves": ([(1, house), (2, left), (3, right)], [(1, house), (2, wide), (3, left)]),
    }
    truth_rows, answer_rows = (
        [f'AOI_2_Vegas_{image},{i},"{text}","{text}"' for image, pair in images.items() for i, text in pair[0]],
        [f'AOI_2_Vegas_{image},{i},"{text}",1' for image, pair in images.items() for i, text in pair[1]],
    )
    return write_rows(folder, truth_rows, answer_rows)


def write_rows(folder: Path, truth_rows: list[str], answer_rows: list[str]) -> tuple[Path, Path]:
    """Both files, with their heads."""
    paths = folder / "truth.csv", folder / "answer.csv"
    for path, rows, last in zip(paths, (truth_rows, answer_rows), ("PolygonWKT_Geo", "Confidence"), strict=True):
        path.write_text("\n".join([f"ImageId,BuildingId,PolygonWKT_Pix,{last}", *rows]) + "\n")
    return paths


def draw_image(rng: np.random.Generator, crossing_truth: bool) -> Cell:
    """Cells side by side; some images are empty on one side or both. The answer is shuffled."""
    truths: list[Polygon] = []
    answers: list[Polygon] = []
    for cell in rng.permutation(SIDE_CELLS**2)[: rng.integers(0, 16)].tolist():
        draw = draw_crossing_truth if rng.random() < 0.15 else CELLS[rng.integers(len(CELLS))]
        true, found = draw(rng)
        shift = CELL_PX * (cell % SIDE_CELLS), CELL_PX * (cell // SIDE_CELLS)
        if draw is not draw_crossing_truth or crossing_truth:
            truths += [move(polygon, *shift) for polygon in true]
        answers += [move(polygon, *shift) for polygon in found]
    order = rng.permutation(len(answers))
    kept = rng.random(2) > 0.08
    return (truths if kept[0] else []), ([answers[i] for i in order] if kept[1] else [])


def move(polygon: Polygon, x: int, y: int) -> Polygon:
    """Shift by whole pixels."""
    return [[(round(a + x, 2), round(b + y, 2)) for a, b in ring] for ring in polygon]


def wkt(polygon: Polygon) -> str:
    """Well-known text as the contest wrote it, with a third coordinate."""
    return "POLYGON (" + ",".join("(" + ",".join(f"{x:g} {y:g} 0" for x, y in ring) + ")" for ring in polygon) + ")"
