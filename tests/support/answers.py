"""A small truth of each protocol, an answer to it that is in order, and ways to write broken ones."""

import gzip
import io
import json
import zipfile
from pathlib import Path

import numpy as np
from PIL import Image

RESULT = {"image_id": 1, "category_id": 1, "score": 0.5, "segmentation": {"size": [2, 3], "counts": [3, 3]}}
COMPRESSED = {**RESULT, "segmentation": {"size": [2, 3], "counts": "33"}}
DRAWN = {**RESULT, "segmentation": [[0, 0, 2, 0, 2, 2]]}
OTHER = {**RESULT, "image_id": 2, "segmentation": {"size": [4, 4], "counts": [8, 8]}}
CSV = b"ImageId,BuildingId,PolygonWKT_Pix,Confidence\n"
SQUARE = '"POLYGON ((0 0,10 0,10 10,0 10,0 0))"'
HOUSES = CSV + f"A_1_B_img1,1,{SQUARE},0.9\nA_1_B_img2,-1,POLYGON EMPTY,1\n".encode()
VOC = (
    b"<annotation><object><bndbox><xmin>0</xmin><ymin>0</ymin><xmax>9</xmax><ymax>9</ymax></bndbox></object>"
    b"</annotation>"
)


def result(**changes) -> dict:
    """A detection that is in order but for what is changed; None leaves a field out."""
    return {name: value for name, value in {**RESULT, **changes}.items() if value is not None}


def rle(counts, size=(2, 3)) -> dict:
    """A detection with this mask."""
    return result(segmentation={"size": list(size), "counts": counts})


def crowns(image: int, height: int, width: int) -> bytes:
    """A data set of one image, whose left half is a crown."""
    row = {"size": [height, width], "counts": [0, height, height * (width - 1)]}
    data = {
        "images": [{"id": image, "height": height, "width": width, "file_name": f"{image}.tif"}],
        "categories": [{"id": 1, "name": "crown"}],
        "annotations": [
            {"id": 1, "image_id": image, "category_id": 1, "area": height, "iscrowd": 0, "segmentation": row}
        ],
    }
    return json.dumps(data).encode()


def png(labels, kind: str = "PNG", **options) -> bytes:
    """An image file."""
    image = labels if isinstance(labels, Image.Image) else Image.fromarray(np.asarray(labels, np.uint8))
    data = io.BytesIO()
    image.save(data, kind, **options)
    return data.getvalue()


def as_zip(files: dict[str, bytes]) -> bytes:
    """An archive."""
    data = io.BytesIO()
    with zipfile.ZipFile(data, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, content in files.items():
            archive.writestr(name, content)
    return data.getvalue()


LABELS = np.array([[0, 1, 2, 150]] * 3)
TRUTH: dict[str, dict[str, bytes]] = {
    "itc": {"North.json": crowns(1, 2, 3), "South.json": crowns(2, 4, 4)},
    "sceneparsing": {"a.png": png(LABELS), "b.png": png(LABELS.T)},
    "deepglobe": {"truth.csv": f"A_1_B_img1,1,{SQUARE},{SQUARE}\nA_1_B_img2,-1,POLYGON EMPTY,POLYGON EMPTY\n".encode()},
    "trees": {"a.csv": b"x,y\n1,2\n", "b.csv": b"x,y\n"},
    "boxes": {"a.csv": b"xmin,ymin,xmax,ymax\n0,0,9,9\n"},
}
ANSWERS: dict[str, dict[str, bytes]] = {
    "itc": {"all.json": json.dumps([RESULT, COMPRESSED, DRAWN, OTHER]).encode()},
    "itc files": {"North.json": json.dumps([RESULT]).encode(), "South.json": json.dumps([OTHER]).encode()},
    "itc zip": {"a.zip": as_zip({"team/North.json": json.dumps([RESULT]).encode(), "team/South.json": b"[]"})},
    "itc gz": {"a.json.gz": gzip.compress(json.dumps([RESULT, OTHER], indent=1).encode(), mtime=0)},
    "sceneparsing": {"a.png": png(LABELS), "b.PNG": png(LABELS.T)},
    "sceneparsing zip": {"a.zip": as_zip({"x/a.png": png(LABELS), "x/b.png": png(LABELS.T)})},
    "deepglobe": {"a.csv": HOUSES},
    "trees": {"a.csv": b"\xef\xbb\xbfx,y\n1,2\n3.5,1e1\n"},
    "trees table": {"all.csv": b"image,x,y,score\na,1,2,0.5\nb.tif,3,4,1\n"},
    "boxes": {"a.xml": VOC},
}
"""In order; the first word is the protocol, ``boxes`` being trees."""


def write(folder: Path, files: dict[str, bytes]) -> Path:
    """The files; the path of the only one, or else of their folder."""
    folder.mkdir(parents=True)
    for name, data in files.items():
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_bytes(data)
    return folder if len(files) > 1 else folder / next(iter(files))


def protocol_of(kind: str) -> str:
    """Its name on the command line."""
    name = kind.split()[0]
    return "trees" if name == "boxes" else name
