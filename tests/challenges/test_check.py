"""Every fault of a broken answer is listed with its place, none twice, and scoring refuses exactly what has one."""

import gzip
import io
import json
import os
import stat
import struct
import zipfile
import zlib

import numpy as np
import pytest
from PIL import Image

from overtrace.challenges.challenge import Question
from overtrace.challenges.inspection import Claim
from overtrace.challenges.protocols import check_files, score_files
from overtrace.errors import BadAnswer, BadOption
from overtrace.formats.faults import MOST_FAULTS
from tests.support.answers import (
    ANSWERS,
    COMPRESSED,
    CSV,
    HOUSES,
    LABELS,
    OTHER,
    RESULT,
    SQUARE,
    TRUTH,
    VOC,
    as_zip,
    crowns,
    png,
    protocol_of,
    result,
    rle,
    write,
)

R = json.dumps(RESULT)


def itc(*rows, name="all.json") -> dict[str, bytes]:
    return {name: json.dumps([*rows, OTHER]).encode()}


def text(written: str) -> dict[str, bytes]:
    return {"all.json": written.encode()}


def twice(name: str, value: str) -> dict[str, bytes]:
    return text(f"[{R[:-1]}, {json.dumps(name)}: {value}}}]")


def scenes(**changes) -> dict[str, bytes]:
    maps = {"a.png": png(LABELS), "b.png": png(LABELS.T)} | {name + ".png": data for name, data in changes.items()}
    return {name: data for name, data in maps.items() if data is not None}


def houses(*rows: str) -> dict[str, bytes]:
    return {"a.csv": HOUSES + "".join(f"{row}\n" for row in rows).encode()}


def link() -> bytes:
    data = io.BytesIO()
    with zipfile.ZipFile(data, "w") as archive:
        info = zipfile.ZipInfo("b.json")
        info.external_attr = (stat.S_IFLNK | 0o777) << 16
        archive.writestr(info, "/etc/passwd")
        archive.writestr("../../c.json", "[]")
        archive.writestr("d.json", "[")
    return data.getvalue()


def encrypted() -> bytes:
    data = bytearray(as_zip({"a.json": b"[]"}))
    for mark, at in ((b"PK\x03\x04", 6), (b"PK\x01\x02", 8)):
        data[data.index(mark) + at] |= 1
    return bytes(data)


LONG = "9" * 400
FIELDS = ("image_id", "category_id", "score", "segmentation")
UNFILLED, ZERO, SHORT = "do not add up", "a run of length 0 between others", "fewer than three points"
NEITHER = "neither COCO's compressed text"
WHOLE = "POLYGON ((0 0,1 0,1 1,0 0))"

BROKEN = {
    # JSON
    "nothing": ("itc", text(""), ["line 1 column 1: no JSON"]),
    "cut": ("itc", text(f"[{R},\n{R[:-3]}"), ["line 2 column"]),
    "no list": ("itc", text(R), ["all.json: it holds an object: wanted a list"]),
    "a number": ("itc", text("7"), ["it holds a number"]),
    "null": ("itc", text("null"), ["it holds null"]),
    "more after the end": ("itc", text(f"[{R}] [{R}]"), ["no JSON: Extra data"]),
    "a comma too many": ("itc", text(f"[{R},]"), ["no JSON"]),
    "a comma too many in a row": ("itc", text(f"[{R[:-1]},}}]"), ["no JSON"]),
    "a number with a leading zero": ("itc", text(f"[{R.replace('0.5', '00.5')}]"), ["no JSON"]),
    "an id with a leading zero": ("itc", text(f"[{R.replace(': 1,', ': 01,')}]"), ["no JSON"]),
    "no JSON where nobody looks": ("itc", text(f'[{R[:-1]}, "note": tru}}]'), ["no JSON"]),
    "brackets that do not match": ("itc", text(f'[{R[:-1]}, "note": [1}}]'), ["no JSON"]),
    "an escape that JSON does not have": ("itc", text(f'[{R[:-1]}, "note": "\\q"}}]'), ["no JSON: Invalid"]),
    "UTF-16": ("itc", {"all.json": f"[{R}]".encode("utf-16")}, ["byte 0: no UTF-8: write"]),
    "a mark": ("itc", {"all.json": b"\xef\xbb\xbf" + f"[{R}]".encode()}, ["no JSON: Unexpected UTF-8 BOM"]),
    "Latin-1 where nobody looks": ("itc", {"all.json": f'[{R[:-1]}, "n": "\xe9"}}]'.encode("latin-1")}, ["no UTF-8"]),
    "nested too deep": ("itc", text("[" * 100_000 + "]" * 100_000), ["nested too deep"]),
    "nested too deep where nobody looks": (
        "itc",
        text(f'[{R[:-1]}, "n": {"[" * 100_000 + "]" * 100_000}}}]'),
        ["nested too deep"],
    ),
    "a mask nested too deep": ("itc", itc(result(segmentation=json.loads("[" * 50 + "]" * 50))), ["/0/segmentation/0"]),
    "an integer of 5,000 digits": ("itc", text(f"[{R.replace(': 1,', ': ' + '9' * 5000 + ',', 1)}]"), ["no JSON"]),
    # rows
    "rows that are no objects": ("itc", text(f"[1, {R}, null, [2]]"), ["/0: found a number", "/2: found", "/3: found"]),
    "an object without a field": ("itc", text("[{}]"), [f"/0/{name}: it is missing" for name in FIELDS]),
    "an id as text": ("itc", itc(result(image_id="1")), ["/0/image_id: found '1': wanted an integer"]),
    "an id as a boolean": ("itc", itc(result(image_id=True)), ["/0/image_id: found True"]),
    "an id with a point": ("itc", itc(result(image_id=1.0)), ["/0/image_id: found 1.0"]),
    "an id of 400 digits": ("itc", text(f"[{R.replace(': 1,', f': {LONG},', 1)}]"), ["/0/image_id: found 9999"]),
    "an image that nobody has": ("itc", itc(result(image_id=7)), ["/0/image_id: no image has the id 7"]),
    "a category that nobody has": ("itc", itc(result(category_id=0)), ["/0/category_id: no category has the id 0"]),
    "a score as text": ("itc", itc(result(score="0.5")), ["/0/score: found '0.5': wanted a number"]),
    "a score that is NaN": ("itc", itc(result(score=float("nan"))), ["/0/score: found nan"]),
    "a score without end": ("itc", itc(result(score=float("-inf"))), ["/0/score: found -inf"]),
    "a score that is too large": ("itc", text(f"[{R.replace('0.5', '1e999')}]"), ["/0/score: it is no finite number"]),
    "a score of 400 digits": ("itc", text(f"[{R.replace('0.5', LONG)}]"), ["/0/score:"]),
    "a box of three": ("itc", itc(result(bbox=[1, 2, 3])), ["/0/bbox: found [1, 2, 3]: wanted four numbers"]),
    "a box with NaN": ("itc", itc(result(bbox=[1, 2, 3, float("nan")])), ["/0/bbox: found [1, 2, 3, nan]"]),
    "a box without end": ("itc", text(f'[{R[:-1]}, "bbox": [1, 2, 3, 1e999]}}]'), ["/0/bbox: a number of it"]),
    "a score given twice": ("itc", twice("score", "0.9"), ["/0/score: it is given twice: give it once"]),
    "an image given twice": ("itc", twice("image_id", "1"), ["/0/image_id: it is given twice"]),
    "a mask given twice": ("itc", twice("segmentation", "[]"), ["/0/segmentation: it is given twice", NEITHER]),
    "a box given twice": ("itc", twice("bbox", '[], "bbox": []'), ["/0/bbox: it is given twice"]),
    "a crowd given twice": ("itc", twice("iscrowd", '0, "iscrowd": 1'), ["/0/iscrowd: it is given twice"]),
    "given twice under an escaped name": ("itc", text(f'[{R[:-1]}, "sc\\u006fre": 1}}]'), ["/0/score: it is given"]),
    "a size given twice": (
        "itc",
        text(f"[{R.replace('}}', ', ' + chr(34) + 'size' + chr(34) + ': [2, 3]}}')}]"),
        ["/0/segmentation/size: it is given twice"],
    ),
    # masks
    "no mask": ("itc", itc({**RESULT, "segmentation": None}), ["/0/segmentation: found None"]),
    "counts that fill too little": ("itc", itc(rle([3, 2])), [f"/0/segmentation: its run lengths {UNFILLED}"]),
    "counts that fill too much": ("itc", itc(rle([3, 4])), ["they fill 7 of 6 pixels"]),
    "no counts": ("itc", itc(rle([])), ["they fill 0 of 6 pixels"]),
    "a run of 0": ("itc", itc(rle([3, 0, 3])), [ZERO]),
    "a negative run": ("itc", itc(rle([7, -1])), ["/0/segmentation/counts/1: its run lengths"]),
    "a run with a point": ("itc", itc(rle([3, 3.0])), ["/0/segmentation/counts/1:"]),
    "a run of 400 digits": ("itc", text(f"[{R.replace('[3, 3]', f'[3, {LONG}]')}]"), [NEITHER]),
    "a comma too many in counts": ("itc", text(f"[{R.replace('[3, 3]', '[3, 3,]')}]"), ["it is no JSON"]),
    "letters that nobody writes": ("itc", itc(rle("3~3")), ["/0/segmentation/counts: its segmentation is neither"]),
    "letters with an escape": ("itc", text(f"[{json.dumps(COMPRESSED).replace('33', chr(92) + 'u00333')}]"), [NEITHER]),
    "compressed text that is cut": ("itc", itc(rle("3o")), [NEITHER]),
    "compressed text that fills too little": ("itc", itc(rle("32")), [UNFILLED]),
    "no size": ("itc", itc(result(segmentation={"counts": [6]})), ["/0/segmentation/size: it is missing"]),
    "a size that is turned round": ("itc", itc(rle([6], (3, 2))), ["/size: found 3 x 2: the image is 2 x 3 (height"]),
    "a size that is none": ("itc", itc(rle([0], (0, 0))), ["/size: found 0 x 0"]),
    "a size beyond bounds": ("itc", itc(rle([6], (2**40, 2**40))), ["/0/segmentation/size: found 1099511627776"]),
    "a size of three": ("itc", itc(rle([6], (2, 3, 1))), ["/0/segmentation/size: found [2, 3, 1]"]),
    "no polygon": ("itc", itc(result(segmentation=[])), [NEITHER]),
    "a polygon with an odd number": ("itc", itc(result(segmentation=[[0, 0, 2, 0, 2, 2, 1]])), ["found 7 numbers"]),
    "a polygon of two points": ("itc", itc(result(segmentation=[[0, 0, 1, 1]])), [SHORT]),
    "a polygon with NaN": (
        "itc",
        itc(result(segmentation=[[0, 0, 2, 0, 2, 2], [0, 0, float("nan"), 1, 1, 1]])),
        ["/0/segmentation/1/2:"],
    ),
    "a polygon far away": ("itc", itc(result(segmentation=[[0, 0, 2, 0, 1e9, 2]])), ["/0/segmentation/0/4:"]),
    "a polygon with a comma too many": (
        "itc",
        text(f"[{json.dumps(result(segmentation=[[0] * 6]))}]".replace("0]]", "0,]]")),
        ["no JSON"],
    ),
    "polygons with a comma too many": (
        "itc",
        text(f"[{json.dumps(result(segmentation=[[0] * 6]))}]".replace("0]]", "0],]")),
        ["no JSON"],
    ),
    "polygons without a comma": (
        "itc",
        text(f"[{json.dumps(result(segmentation=[[0] * 6] * 2))}]".replace("0], [", "0] [")),
        ["no JSON"],
    ),
    # files of the crown contest
    "no such file": ("itc", {}, ["it does not exist"]),
    "a gzip that is cut": ("itc", {"a.json.gz": gzip.compress(b"[]")[:-6]}, ["it cannot be unpacked"]),
    "a zip that is cut": ("itc", {"a.zip": as_zip({"a.json": b"[]"})[:-30]}, ["it holds no .json file"]),
    "a zip of nothing": ("itc", {"a.zip": as_zip({})}, ["it holds no file"]),
    "an encrypted zip": ("itc", {"a.zip": encrypted()}, ["a.zip/a.json: it is encrypted"]),
    "a zip full of faults": (
        "itc",
        {"a.zip": link()},
        ["c.json: it leads out of the archive", "b.json: it is a link", "d.json line 1 column 2: no JSON"],
    ),
    "no JSON in a zip": ("itc", {"a.zip": as_zip({"a.txt": b"[]"})}, ["it holds no .json file: wanted COCO results"]),
    "a file too few": (
        "itc",
        {"North.json": b"[]", "East.json": b"[]"},
        ["it has no file for South: send North.json, South.json", "files that no data set asked for: East"],
    ),
    "a file too many": ("itc", ANSWERS["itc files"] | {"East.json": b"[]"}, ["no data set asked for: East"]),
    "two files for one data set": (
        "itc",
        ANSWERS["itc files"] | {"North/a.json": b"[]", "South.json": b"[1]"},
        ["two files for one data set", "South.json /0: found a number"],
    ),
    # scenes
    "16 bits": ("sceneparsing", scenes(a=png(Image.fromarray(np.ones((3, 4), np.uint16)))), ["a.png: it is a 16-bit"]),
    "colours": ("sceneparsing", scenes(a=png(np.zeros((3, 4, 3)))), ["a.png: it is a colour (RGB) PNG"]),
    "colours with opacity": ("sceneparsing", scenes(b=png(np.zeros((4, 3, 4)))), ["b.png: it is a colour (RGBA) PNG"]),
    "a PNG that is cut": ("sceneparsing", scenes(a=png(LABELS)[:-9]), ["a.png: it is damaged"]),
    "a PNG that claims to be enormous": (
        "sceneparsing",
        scenes(a=png(LABELS)[:16] + struct.pack(">II", 2**31 - 1, 2**31 - 1) + png(LABELS)[24:]),
        ["a.png: it is damaged"],
    ),
    "another size": ("sceneparsing", scenes(a=png(LABELS.T)), ["a.png: found 3 x 4: the image is 4 x 3 pixels"]),
    "a label above 150": ("sceneparsing", scenes(a=png(LABELS + 1)), ["a.png: found the label 151: wanted 1 to 150"]),
    "labels above 150 in another size": (
        "sceneparsing",
        scenes(a=png([[151, 200, 151]])),
        ["a.png: found the labels 151, 200: wanted", "a.png: found 3 x 1: the image is"],
    ),
    "a JPEG": ("sceneparsing", scenes(a=png(LABELS, "JPEG")), ["a.png: it is no PNG: send labels as 8-bit PNG"]),
    "an image too few": ("sceneparsing", scenes(b=None, c=None), ["a.png b.png: it is missing"]),
    "an image too many": ("sceneparsing", scenes(c=png(LABELS)), ["c.png: no image has the name: leave it out"]),
    "two images of one name": ("sceneparsing", scenes() | {"x/a.png": png(LABELS)}, ["a.png: it has the name of"]),
    "no image": ("sceneparsing", {"a.jpg": b"", "b.jpg": b""}, ["holds no .png", "a.png: it is", "b.png: it is"]),
    # buildings
    "two columns": ("deepglobe", houses("A_1_B_img1,2"), ["line 4: found 2 columns: wanted ImageId,BuildingId"]),
    "no confidence": ("deepglobe", houses(f"A_1_B_img1,2,{SQUARE}"), ["line 4: found 3 columns"]),
    "a confidence that is NaN": (
        "deepglobe",
        houses(f"A_1_B_img1,2,{SQUARE},nan"),
        ["line 4: found the confidence 'n"],
    ),
    "a polygon that ends early": ("deepglobe", houses('A_1_B_img1,2,"POLYGON ((0 0",1'), ["line 4: found 'POLYGON (("]),
    "many polygons": ("deepglobe", houses(f'A_1_B_img1,2,"MULTI{WHOLE}",1'), ["line 4: found 'MULTIPOLYGON"]),
    "collections within each other": (
        "deepglobe",
        houses('A_1_B_img1,2,"' + "GEOMETRYCOLLECTION(" * 100_000 + '",1'),
        ["line 4: found 'GEOMETRYCOLLECTION"],
    ),
    "a corner that is no number": (
        "deepglobe",
        houses(
            'A_1_B_img1,2,"POLYGON ((nan nan,1 0,1 1,nan nan))",1', 'A_1_B_img1,3,"POLYGON ((0 0,1 0,1 1e99,0 0))",1'
        ),
        ["line 4: found 'POLYGON ((nan nan", "line 5: a coordinate is no number, or beyond"],
    ),
    "an image that is empty and is not": (
        "deepglobe",
        houses("A_1_B_img1,2,POLYGON EMPTY,1", "A_1_B_img1,-1,,1"),
        ["line 4: A_1_B_img1 is empty here, and has buildings", "line 5: A_1_B_img1 is empty here"],
    ),
    "images too few and too many": (
        "deepglobe",
        {"a.csv": CSV + f"A_1_B_img1,1,{SQUARE},1\nA_1_B_img9,-1,,1\n".encode()},
        ["A_1_B_img2: the image is missing: answer every image", "A_1_B_img9: the truth has no such image"],
    ),
    "a row without an image": ("deepglobe", houses(f" ,1,{SQUARE},1"), ["line 4: found no image"]),
    "no text": ("deepglobe", {"a.csv": b"\xff\xfe\x00\x01\n"}, ["it is no text", "img1: the image", "img2: the image"]),
    "bytes": ("deepglobe", houses() | {"b.csv": bytes(range(256))}, ["b.csv: it is no text"]),
    # trees
    "other columns": ("trees", {"a.csv": b"a,b\n1,2\n"}, ["line 1: found 'a,b': wanted the columns x,y"]),
    "no numbers": ("trees", {"a.csv": b"x,y\n1,east\n\n,2\n"}, ["line 2: found '1,east'", "line 4: found ',2'"]),
    "numbers without end": (
        "trees",
        {"a.csv": b"x,y\n1,inf\nnan,2\n1e300,1\n"},
        ["line 2:", "line 3:", "line 4: found"],
    ),
    "boxes turned round": (
        "boxes",
        {"a.csv": b"xmin,ymin,xmax,ymax\n5,0,1,1\n0,9,1,1\n"},
        ["line 2: found the box", "line 3:"],
    ),
    "a box turned round in XML": (
        "boxes",
        {"a.xml": VOC.replace(b"<xmax>9", b"<xmax>-9")},
        ["bndbox 1: found the box"],
    ),
    "a box without a side": ("boxes", {"a.xml": VOC.replace(b"<xmin>0</xmin>", b"")}, ["lacks a side: xmin"]),
    "points and boxes": (
        "trees",
        {"a.csv": b"x,y\n1,2\n", "b.xml": VOC},
        ["points and boxes"],
    ),
    "boxes for points": ("trees", {"a.xml": VOC}, ["it holds boxes, the truth points: send points"]),
    "a tree of no image": ("trees", {"c.csv": b"x,y\n1,2\n"}, ["c: the truth has no such image"]),
    "a tree without an image": ("trees", {"all.csv": b"image,x,y\n,1,2\n"}, ["line 2: found no image"]),
    "XML that is cut": ("boxes", {"a.xml": VOC[:-9]}, ["no XML"]),
    "XML with entities": ("boxes", {"a.xml": b'<!DOCTYPE x [<!ENTITY a "b">]>' + VOC}, ["declares a document type"]),
    "XML with entities in UTF-16": (
        "boxes",
        {"a.xml": ('<?xml version="1.0"?><!DOCTYPE x [<!ENTITY a "b">]>' + VOC.decode()).encode("utf-16")},
        ["no UTF-8"],
    ),
    "no trees": ("trees", {"a.txt": b"x"}, ["it holds no trees: wanted .csv files"]),
}


def look(kind, folder, files, **options):
    """An inspection, and the truth it was made against."""
    truth = write(folder / "truth", TRUTH[kind.split()[0]])
    answers = write(folder / "answers", files) if files else folder / "nothing"
    return check_files(protocol_of(kind), Claim(answers, truth, **options)), Question(truth, answers, **options)


@pytest.mark.parametrize("case", BROKEN)
def test_each_fault_is_listed_with_its_place(tmp_path, case):
    kind, files, expected = BROKEN[case]
    found, question = look(kind, tmp_path, files)
    faults = [str(fault) for fault in found.faults]
    assert len(faults) == len(expected), faults
    for fault, part in zip(faults, expected, strict=True):
        assert part in fault
        assert fault.isprintable()
        assert len(fault) < 800
    with pytest.raises(BadAnswer) as refused:
        score_files(protocol_of(kind), question)
    more = f" (and {len(faults) - 1} more: overtrace check lists them)" if len(faults) > 1 else ""
    assert str(refused.value) == faults[0] + more


NEEDS_TRUTH = (
    "nobody has",
    "turned round",
    "a size that is none",
    "too few",
    "too many",
    "another size",
    "boxes for points",
    "a tree of no image",
)


@pytest.mark.parametrize("case", [case for case in BROKEN if not case.endswith(NEEDS_TRUTH)])
def test_without_truth_what_can_be_known_is_found(tmp_path, case):
    kind, files, _ = BROKEN[case]
    assert check_files(protocol_of(kind), Claim(write(tmp_path / "a", files) if files else tmp_path / "b")).faults


@pytest.mark.parametrize("kind", ANSWERS)
def test_an_answer_in_order_has_no_fault(tmp_path, kind):
    found, question = look(kind, tmp_path, ANSWERS[kind])
    assert found.faults == []
    assert check_files(protocol_of(kind), Claim(question.answers)).faults == []
    score_files(protocol_of(kind), question)


@pytest.mark.parametrize(
    ("kind", "counts"),
    [
        ("itc files", {"files": 2, "images": 2, "detections": 2}),
        ("sceneparsing", {"files": 2, "images": 2}),
        ("deepglobe", {"images": 2, "buildings": 1}),
        ("trees table", {"images": 2, "trees": 2}),
    ],
)
def test_what_was_looked_at_is_counted(tmp_path, kind, counts):
    assert look(kind, tmp_path, ANSWERS[kind])[0].counts == counts


@pytest.mark.parametrize(
    ("kind", "files"),
    [
        ("itc", {"all.json": b"[]"}),
        ("itc", {"North.json": b" [ ] ", "South.json": json.dumps([OTHER]).encode()}),
        ("deepglobe", {"a.csv": CSV + b"A_1_B_img1,-1,,1\nA_1_B_img2,1,POLYGON EMPTY,1\n"}),
        ("trees", {"a.csv": b"x,y\n"}),
    ],
)
def test_an_empty_answer_is_a_note_and_no_fault(tmp_path, kind, files):
    found, question = look(kind, tmp_path, files)
    assert found.faults == []
    (note,) = found.notes
    assert "an empty answer is allowed" in str(note)
    score_files(protocol_of(kind), question)


@pytest.mark.parametrize(
    "row",
    [
        result(bbox=[]),
        result(bbox=[0, 0, 1, 1], area=None, id="a", iscrowd=False),
        result(id=1, area=float("nan"), note=float("nan")),
        result(note={"a": [1, {"b": [True, None, "\u00e9\\n", -1.5e-3]}], "c": {}, "d": []}),
        result(segmentation={"size": [2, 3], "counts": [0, 6]}),
        result(segmentation={"counts": [6, 0], "size": [2, 3]}),
        result(segmentation={"size": [2, 3], "counts": [6], "more": 1}),
        result(score=-1e300),
        result(score=3),
    ],
)
@pytest.mark.parametrize("ascii_only", [True, False])
def test_rows_that_are_let_pass(tmp_path, row, ascii_only):
    data = json.dumps([row, row, OTHER], ensure_ascii=ascii_only, indent=2).encode()
    found, question = look("itc", tmp_path, {"a.json": data})
    assert found.faults == []
    score_files("itc", question)


def interlaced(labels) -> bytes:
    """Of 1 x 1 pixel, whose only pass holds it all."""
    data = bytearray(png(labels))
    data[28] = 1
    data[29:33] = struct.pack(">I", zlib.crc32(data[12:29]))
    return bytes(data)


@pytest.mark.parametrize("make", ["palette", "interlaced", "upper case"])
def test_images_that_are_let_pass(tmp_path, make):
    image = Image.fromarray(np.full((1, 1), 7, np.uint8))
    image.putpalette([9, 8, 7] * 256)
    files = {"palette": {"a.png": png(image)}, "interlaced": {"a.png": interlaced([[7]])}}
    answers = write(tmp_path / "answers", files.get(make, {"a.PNG": png([[7]])}))
    truth = write(tmp_path / "truth", {"a.png": png([[7]])})
    assert check_files("sceneparsing", Claim(answers, truth)).faults == []
    assert score_files("sceneparsing", Question(truth, answers)).parts["accuracy"] == 1


def test_all_faults_of_all_files_are_listed(tmp_path):
    north = [result(score="x", segmentation={"size": [2, 3], "counts": [5]}), RESULT, result(image_id=9), rle([1, 1])]
    files = {"North.json": json.dumps(north).encode(), "South.json": json.dumps([OTHER, rle([6]), 1]).encode()}
    found, _ = look("itc", tmp_path, files)
    assert [(os.path.basename(fault.file), fault.where) for fault in found.faults] == [
        ("North.json", "/0/score"),
        ("North.json", "/0/segmentation"),
        ("North.json", "/2/image_id"),
        ("North.json", "/3/segmentation"),
        ("South.json", "/1/image_id"),
        ("South.json", "/2"),
    ]


def test_rows_of_one_file_for_several_data_sets_keep_their_numbers(tmp_path):
    files = itc(OTHER, rle([5]), OTHER, {**OTHER, "category_id": 2})
    assert [fault.where for fault in look("itc", tmp_path, files)[0].faults] == ["/1/segmentation", "/3/category_id"]


@pytest.mark.parametrize("case", ["no type is right", "no mask is right", "no image is right"])
def test_at_most_so_many_faults_of_a_file(tmp_path, case):
    row = {"no type is right": result(score=""), "no mask is right": rle([1]), "no image is right": result(image_id=5)}
    files = {"North.json": json.dumps([row[case]] * 3000).encode(), "South.json": b"[7]"}
    faults = look("itc", tmp_path, files)[0].faults
    assert len(faults) == MOST_FAULTS + 1
    assert faults[-1].file.endswith("South.json")


def test_masks_beyond_the_cap_are_read_too(tmp_path):
    found, question = look("itc", tmp_path, itc(*[result(score=0.9)] * 100, rle([1])))
    assert [fault.where for fault in found.faults] == ["/100/segmentation"]
    with pytest.raises(BadAnswer, match="/100/segmentation: its run lengths do not add up"):
        score_files("itc", question)


def test_a_bomb_is_not_unpacked(tmp_path):
    space = b" " * 2**24
    with (
        zipfile.ZipFile(tmp_path / "a.zip", "w", zipfile.ZIP_DEFLATED) as archive,
        archive.open("a.json", "w") as file,
    ):
        for _ in range(20):
            file.write(space)
    with gzip.open(tmp_path / "a.json.gz", "wb", compresslevel=6) as file:
        for _ in range(20):
            file.write(space)
    for name in ("a.zip", "a.json.gz"):
        (fault,) = check_files("itc", Claim(tmp_path / name)).faults
        assert "bytes: at most 268,435,456 are read" in str(fault)


def test_a_polygon_that_asks_for_all_memory(tmp_path):
    zigzag = [value for i in range(60_000) for value in (i % 2 * 1e7, i % 7)]
    data = {
        "images": [{"id": 1, "height": 9, "width": 20_000}],
        "categories": [{"id": 1}],
        "annotations": [
            {"id": 1, "image_id": 1, "category_id": 1, "area": 1, "iscrowd": 0, "segmentation": [[0, 0, 9, 0, 9, 9]]}
        ],
    }
    truth = write(tmp_path / "truth", {"a.json": json.dumps(data).encode()})
    answers = write(tmp_path / "answers", {"a.json": json.dumps([result(segmentation=[zigzag])]).encode()})
    (fault,) = check_files("itc", Claim(answers, truth)).faults
    assert "more than 16 million columns" in str(fault)


def test_names_from_strangers_are_spelt_out(tmp_path):
    answers = write(tmp_path / "answers", {"a\n\x1b[31m.json": b"[1]", "b.json": b"[]"})
    (fault,) = check_files("itc", Claim(answers)).faults
    assert str(fault).isprintable()
    assert r"a\n\x1b[31m.json /0: found a number" in str(fault)


def test_a_list_of_ids_stands_in_for_truth(tmp_path):
    answers = write(tmp_path / "answers", itc(RESULT))
    (tmp_path / "ids.json").write_text('{"a.tif": 1}')
    (fault,) = check_files("itc", Claim(answers, ids=tmp_path / "ids.json")).faults
    assert str(fault).endswith("/1/image_id: no image has the id 2: use those of the list")


@pytest.mark.parametrize(
    ("kind", "listed", "expected"),
    [
        ("sceneparsing", "a\nc\n", ["c.png: it is missing", "b.png: no image has the name"]),
        ("deepglobe", "A_1_B_img1\nA_1_B_img3\n", ["img3: the image is missing", "img2: the list has no such image"]),
        ("trees table", "a\nc\n", ["b: the list has no such image"]),
    ],
)
def test_a_list_of_names_stands_in_for_truth(tmp_path, kind, listed, expected):
    (tmp_path / "ids.txt").write_text(listed)
    answers = write(tmp_path / "answers", ANSWERS[kind])
    faults = check_files(protocol_of(kind), Claim(answers, ids=tmp_path / "ids.txt")).faults
    assert len(faults) == len(expected)
    for fault, part in zip(faults, expected, strict=True):
        assert part in str(fault)


@pytest.mark.parametrize(("kind", "known"), [("sceneparsing", "a"), ("deepglobe", "A_1_B_img1")])
def test_a_list_that_names_no_image_of_the_truth_is_no_fault_of_the_answer(tmp_path, kind, known):
    truth, answers = write(tmp_path / "truth", TRUTH[kind]), write(tmp_path / "answers", ANSWERS[kind])
    ids = tmp_path / "ids.txt"
    ids.write_text(f"{known}\n")
    assert check_files(kind, Claim(answers, truth, ids)).faults == []
    assert score_files(kind, Question(truth, answers, ids=ids)).score > 0
    ids.write_text(f"{known}\nelsewhere\n")
    said = r"ids.txt names elsewhere, which is no image of the truth: check the list"
    with pytest.raises(BadAnswer, match=said):
        check_files(kind, Claim(answers, truth, ids))
    with pytest.raises(BadAnswer, match=said):
        score_files(kind, Question(truth, answers, ids=ids))


@pytest.mark.parametrize(
    ("data", "said"),
    [
        (b"{", r"a\.json line 1 column 2: no JSON"),
        (crowns(1, 2, 3).replace(b"[0, 2, 4]", b"[0, 2, 5]"), "the truth for a /annotations/0/segmentation: its run"),
    ],
)
def test_a_truth_that_is_broken_is_no_fault_of_the_answer(tmp_path, data, said):
    truth, answers = write(tmp_path / "truth", {"a.json": data}), write(tmp_path / "answers", {"b.json": b"[]"})
    with pytest.raises(BadAnswer, match=said):
        check_files("itc", Claim(answers, truth))
    with pytest.raises(BadAnswer, match=said):
        score_files("itc", Question(truth, answers))


def test_a_profile_that_nobody_has(tmp_path):
    with pytest.raises(BadOption, match="has no profile called x"):
        check_files("itc", Claim(tmp_path, profile="x"))
