"""The contest of ``containers`` as one of scenes, of buildings or of trees: the same images and other answers."""

import csv
import json
import shutil
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image

from tests.support.containers import LIBRARY, SIDE, make_contest

CITIES = {"dark": "AOI_2_Dark", "light": "AOI_3_Light"}
Box = tuple[int, int, int, int]


def make_kind(challenge: str, folder: Path, images: int = 4) -> Path:
    """A contest of sceneparsing, deepglobe or trees; its file."""
    path = make_contest(folder, images)
    boxes = _read_boxes(folder / "truth")
    shutil.rmtree(folder / "truth")
    settings = {
        "sceneparsing": "challenge: sceneparsing",
        "deepglobe": "challenge: deepglobe\nprofile: spacenet2-topcoder",
        "trees": "challenge: trees\npixel_size: 0.5",
    }
    text = path.read_text().replace("challenge: itc", settings[challenge]).replace("name: ap50", "name: score")
    truth = {"sceneparsing": _write_scenes, "deepglobe": _write_buildings, "trees": _write_trees}[challenge]
    path.write_text(text.replace("truth: truth", f"truth: {truth(folder, boxes)}"))
    return path


def _read_boxes(truth: Path) -> dict[str, list[Box]]:
    """Left, top, right and bottom of each crown, by image."""
    found: dict[str, list[Box]] = {}
    for file in sorted(truth.glob("*.json")):
        content: dict[str, Any] = json.loads(file.read_text())
        names = {image["id"]: Path(image["file_name"]).stem for image in content["images"]}
        found |= {name: [] for name in names.values()}
        for crown in content["annotations"]:
            x, y, width, height = crown["bbox"]
            found[names[crown["image_id"]]].append((x, y, x + width, y + height))
    return found


def _write_scenes(folder: Path, boxes: dict[str, list[Box]]) -> str:
    """Crowns are trees (5), the rest is grass (10)."""
    (folder / "truth").mkdir()
    for name, own in boxes.items():
        labels = np.full((SIDE, SIDE), 10, np.uint8)
        for left, top, right, bottom in own:
            labels[top:bottom, left:right] = 5
        Image.fromarray(labels).save(folder / "truth" / f"{name}.png")
    return "truth"


def _write_buildings(folder: Path, boxes: dict[str, list[Box]]) -> str:
    """Crowns are buildings; the images are called as those of SpaceNet-2."""
    rows = [["ImageId", "BuildingId", "PolygonWKT_Pix"]]
    for name, own in boxes.items():
        part, _, number = name.partition("_")
        image = f"{CITIES[part]}_img{int(number) + 1}"
        (folder / "images" / part / f"{name}.png").rename(folder / "images" / part / f"RGB-PanSharpen_{image}.png")
        rings = [f"{a} {b},{c} {b},{c} {d},{a} {d},{a} {b}" for a, b, c, d in own]
        rows += [[image, str(n), f"POLYGON (({ring}))"] for n, ring in enumerate(rings, 1)]
        rows += [] if own else [[image, "-1", "POLYGON EMPTY"]]
    with (folder / "truth.csv").open("w", newline="") as file:
        csv.writer(file).writerows(rows)
    return "truth.csv"


def _write_trees(folder: Path, boxes: dict[str, list[Box]]) -> str:
    """A tree stands in the middle of each crown."""
    rows = [["image", "x", "y"]]
    rows += [[name, (a + c) / 2, (b + d) / 2] for name, own in boxes.items() for a, b, c, d in own]
    with (folder / "truth.csv").open("w", newline="") as file:
        csv.writer(file).writerows(rows)
    return "truth.csv"


FIND = f"""{LIBRARY}
model = weights()[0]
listed = json.load(open(ROOT + "/input/images.json"))
found = {{name: find_boxes(read_png(ROOT + "/input/images/" + name), model) for name in sorted(listed)}}
"""
SCENES = f"""{FIND}
def chunk(kind, data):
    return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))


def write_png(path, rows):
    head = struct.pack(">IIBBBBB", len(rows[0]), len(rows), 8, 0, 0, 0, 0)
    body = zlib.compress(b"".join(b"\\0" + bytes(row) for row in rows))
    with open(path, "wb") as file:
        file.write(b"\\x89PNG\\r\\n\\x1a\\n" + chunk(b"IHDR", head) + chunk(b"IDAT", body) + chunk(b"IEND", b""))


for name, boxes in found.items():
    rows = [[10] * {SIDE} for _ in range({SIDE})]
    for x0, y0, x1, y1 in boxes:
        for y in range(y0, y1):
            rows[y][x0:x1] = [5] * (x1 - x0)
    write_png(ROOT + "/output/" + name, rows)
"""
BUILDINGS = f"""{FIND}
with open(ROOT + "/output/answer.csv", "w") as file:
    file.write("ImageId,BuildingId,PolygonWKT_Pix,Confidence\\n")
    for name, boxes in found.items():
        image = name.removesuffix(".png").removeprefix("RGB-PanSharpen_")
        for n, (a, b, c, d) in enumerate(boxes, 1):
            ring = f"{{a}} {{b}},{{c}} {{b}},{{c}} {{d}},{{a}} {{d}},{{a}} {{b}}"
            file.write(f'{{image}},{{n}},"POLYGON (({{ring}}))",1\\n')
        if not boxes:
            file.write(f"{{image}},-1,POLYGON EMPTY,1\\n")
"""
TREES = f"""{FIND}
with open(ROOT + "/output/answer.csv", "w") as file:
    file.write("x,y,image\\n")
    for name, boxes in found.items():
        for a, b, c, d in boxes:
            file.write(f"{{(a + c) / 2}},{{(b + d) / 2}},{{name}}\\n")
"""
GEOJSON = f"""{FIND}
for name, boxes in found.items():
    features = []
    for a, b, c, d in boxes:
        ring = [[a, b], [c, b], [c, d], [a, d], [a, b]]
        geometry = {{"type": "Polygon", "coordinates": [ring]}}
        features.append({{"type": "Feature", "properties": {{"Confidence": 1}}, "geometry": geometry}})
    image = name.removesuffix(".png").removeprefix("RGB-PanSharpen_")
    with open(ROOT + "/output/" + image + ".geojson", "w") as file:
        json.dump({{"type": "FeatureCollection", "name": image, "crs": None, "features": features}}, file)
"""
EACH_TREES = f"""{FIND}
for name, boxes in found.items():
    with open(ROOT + "/output/" + name.replace(".png", ".csv"), "w") as file:
        file.write("x,y\\n" + "".join(f"{{(a + c) / 2}},{{(b + d) / 2}}\\n" for a, b, c, d in boxes))
"""
PROGRAMS = {"sceneparsing": SCENES, "deepglobe": BUILDINGS, "trees": TREES}
"""That answer by what is found in an image, in the format of a contest."""
