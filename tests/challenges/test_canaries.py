"""Made-up images in a truth."""

import csv
import json
import shutil
from pathlib import Path

import numpy as np
import pytest
from pycocotools import mask as coco

from overtrace.challenges.canaries import decompress, lay, list_images
from overtrace.challenges.challenge import Question
from overtrace.challenges.protocols import score_files
from overtrace.errors import BadOption
from overtrace.host.examples import make_answer, make_example

EXAMPLES = {"itc": "testing", "sceneparsing": "testing", "deepglobe": "final"}


@pytest.fixture(scope="module")
def examples(tmp_path_factory):
    folder = tmp_path_factory.mktemp("examples")
    return {name: make_example(name, folder / name).parent for name in EXAMPLES}


@pytest.fixture
def example(request, examples, tmp_path):
    name = request.param
    folder = shutil.copytree(examples[name], tmp_path / name)
    truth = {"itc": "testing", "sceneparsing": "testing", "deepglobe": "final.csv"}[name]
    ids = {"itc": "testing_img_id.json", "sceneparsing": "testing.txt", "deepglobe": "final.txt"}[name]
    return name, folder, folder / "truth" / truth, folder / "data" / ids


@pytest.mark.parametrize("example", EXAMPLES, indirect=True)
def test_what_is_laid_is_read_and_never_scored(example):
    name, folder, truth, ids = example
    answer = make_answer(folder, EXAMPLES[name], 0.7, np.random.default_rng(1))
    before = score_files(name, Question(truth, answer))
    images = list_images(name, "", truth)
    sets = len(list(truth.glob("*.json"))) if name == "itc" else 1
    assert lay(name, "", truth, 2, images, np.random.default_rng(2)) == 2 * sets
    canaries = list_images(name, "", truth) - images
    assert len(canaries) == 2 * sets
    files = list(truth.iterdir()) if truth.is_dir() else [truth]
    assert {path.stat().st_mode for path in files} == {files[0].stat().st_mode}
    after = score_files(name, Question(truth, answer, ids=ids, listed=ids))
    assert (after.score, after.parts, after.images) == (before.score, before.parts, before.images)


@pytest.mark.parametrize("example", ["itc"], indirect=True)
def test_crowns_of_a_canary_are_those_of_an_image_turned_upside_down(example):
    _, _, truth, _ = example
    path = sorted(truth.glob("*.json"))[0]
    before = json.loads(path.read_text())
    lay("itc", "", path, 1, (), np.random.default_rng(3))
    after = json.loads(path.read_text())
    known = {image["id"] for image in before["images"]}
    (canary,) = [image for image in after["images"] if image["id"] not in known]
    size = canary["height"], canary["width"]

    def draw(content, image):
        rows = [one["segmentation"] for one in content["annotations"] if one["image_id"] == image]
        return sum(coco.decode(coco.merge(coco.frPyObjects(rings, *size))).astype(int) for rings in rows)

    turned = draw(after, canary["id"])[::-1, ::-1]
    # An edge through the middle of a pixel may fall to the other side.
    assert min((turned != draw(before, image)).mean() for image in known) < 0.02
    assert len({one["id"] for one in after["annotations"]}) == len(after["annotations"])


@pytest.mark.parametrize("seed", range(8))
def test_run_lengths_are_turned_as_pixels_are(seed, tmp_path):
    rng = np.random.default_rng(seed)
    pixels = np.asfortranarray(rng.random((7, 300)) < rng.choice([0.01, 0.5, 1.0]), np.uint8)
    counts = coco.encode(pixels)["counts"].decode()
    flat = pixels.ravel("F")
    assert np.repeat(np.arange(len(decompress(counts))) % 2, decompress(counts)).tolist() == flat.tolist()
    image = {"id": 5, "height": 7, "width": 300, "file_name": "a_5.png"}
    one = {"id": 1, "image_id": 5, "category_id": 1, "iscrowd": 0, "area": 1, "bbox": [0, 0, 2, 3]}
    one["segmentation"] = {"size": [7, 300], "counts": counts}
    path = tmp_path / "a.json"
    path.write_text(json.dumps({"images": [image], "categories": [{"id": 1, "name": "tree"}], "annotations": [one]}))
    lay("itc", "", path, 1, (), rng)
    (turned,) = [one for one in json.loads(path.read_text())["annotations"] if one["image_id"] != 5]
    assert turned["segmentation"]["counts"] == coco.encode(np.asfortranarray(pixels[::-1, ::-1]))["counts"].decode()
    assert turned["bbox"] == [298, 4, 2, 3]


@pytest.mark.parametrize("example", ["deepglobe"], indirect=True)
def test_a_canary_has_a_name_like_the_others_and_rows_of_their_form(example):
    _, _, truth, _ = example
    before = truth.read_text()
    lay("deepglobe", "", truth, 1, (), np.random.default_rng(4))
    after = truth.read_text()
    assert after.startswith(before.rstrip("\n"))
    rows = list(csv.reader(after.splitlines()))
    assert {len(row) for row in rows} == {len(rows[0])}
    names = {row[0] for row in csv.reader(before.splitlines())}
    (canary,) = {row[0] for row in rows} - names
    assert canary.rstrip("0123456789") in {name.rstrip("0123456789") for name in names}


def test_what_cannot_be_given_canaries_is_left_as_it_is(tmp_path):
    (tmp_path / "a.csv").write_text('ImageId,BuildingId,PolygonWKT_Pix\nb_1,1,"POLYGON ((0 0, 9 0, 9 9, 0 0))"\n')
    with pytest.raises(BadOption, match="no canaries are written for trees"):
        lay("trees", "", tmp_path, 1, (), np.random.default_rng(5))
    packed = Path(shutil.make_archive(str(tmp_path.parent / "truth"), "zip", tmp_path))
    before = packed.read_bytes()
    with pytest.raises(BadOption, match=r"truth\.zip is packed: unpack it"):
        lay("deepglobe", "", packed, 1, (), np.random.default_rng(6))
    assert packed.read_bytes() == before
