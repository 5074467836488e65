import json
import zipfile
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from overtrace.challenges.challenge import Question
from overtrace.challenges.itc_files import read_truth
from overtrace.challenges.itc_ignore import add_ignored
from overtrace.challenges.protocols import score_files
from overtrace.errors import BadAnswer, BadOption
from tests.support.coco_sets import SIDE, ask_pycocotools, draw_set


def box(left: int, top: int, right: int, bottom: int) -> list[list[int]]:
    return [[left, top, right, top, right, bottom, left, bottom]]


def write(folder: Path, found: list[list[list[int]]]) -> Question:
    """One crown, and detections of falling score."""
    data = {
        "images": [{"id": 1, "height": 20, "width": 40, "file_name": "plots/a.tif"}],
        "categories": [{"id": 1, "name": "crown"}],
        "annotations": [
            {"id": 1, "image_id": 1, "category_id": 1, "area": 64, "iscrowd": 0, "segmentation": box(2, 2, 10, 10)}
        ],
    }
    results = [
        {"image_id": 1, "category_id": 1, "score": 0.9 - i / 10, "segmentation": mask} for i, mask in enumerate(found)
    ]
    (folder / "truth.json").write_text(json.dumps(data))
    (folder / "answer.json").write_text(json.dumps(results))
    return Question(folder / "truth.json", folder / "answer.json", ignore=folder / "masks")


def write_mask(folder: Path, name: str = "a", shape: tuple[int, int] = (20, 40)) -> None:
    (folder / "masks").mkdir(exist_ok=True, parents=True)
    mask = np.zeros(shape, np.uint8)
    mask[:, 20:] = 255
    Image.fromarray(mask).save(folder / "masks" / f"{name}.png")


@pytest.mark.parametrize(("left", "ap50", "ignored"), [(30, 1, 1), (16, 1, 1), (15, 0.5, 0), (12, 0.5, 0)])
def test_detections_on_ignored_ground_do_not_count(tmp_path, left, ap50, ignored):
    # Of a box of 8 pixels across from 16 on, half lies on the ignored ground, which begins at 20.
    question = write(tmp_path, [box(left, 2, left + 8, 10), box(2, 2, 10, 10)])
    write_mask(tmp_path)
    verdict = score_files("itc", question)
    assert verdict.score == pytest.approx(ap50)
    assert verdict.profile == "itc-default100+ignore"
    assert verdict.parts["data_sets"][0]["detections_ignored"] == ignored
    assert verdict.parts["data_sets"][0]["objects"] == 1
    without = score_files("itc", Question(question.truth, question.answers))
    assert (without.score, without.profile) == (pytest.approx(0.5), "itc-default100")


def test_a_mask_is_a_crowd_region_of_coco(tmp_path):
    """The same set with the regions written into the truth by hand has the same score, and that is pycocotools'."""
    rng = np.random.default_rng(11)
    data, results = draw_set(rng, 4, 2)
    crowds = []
    (tmp_path / "masks").mkdir()
    for i, image in enumerate(data["images"]):
        image["file_name"] = f"{i}.png"
        mask = np.zeros((SIDE, SIDE), np.uint8)
        mask[: 8 + 9 * i, ::2] = 1
        Image.fromarray(mask).save(tmp_path / "masks" / f"{i}.png")
        ends = np.flatnonzero(np.diff(mask.ravel(order="F"), prepend=0)).tolist()
        counts = np.diff([0, *ends, mask.size]).tolist()
        for category in data["categories"]:
            region = {"segmentation": {"size": [SIDE, SIDE], "counts": counts}, "iscrowd": 1, "area": int(mask.sum())}
            crowds.append({"id": 1000 + len(crowds), "image_id": image["id"], "category_id": category["id"], **region})
    (tmp_path / "truth.json").write_text(json.dumps(data))
    (tmp_path / "answer.json").write_text(json.dumps(results))
    verdict = score_files("itc", Question(tmp_path / "truth.json", tmp_path / "answer.json", ignore=tmp_path / "masks"))
    for row in crowds:
        row["bbox"] = [0, 0, 1, 1]
    expected = ask_pycocotools({**data, "annotations": data["annotations"] + crowds}, results, "segm", [1, 10, 100])
    assert list(verdict.parts["data_sets"][0]["numbers"].values()) == expected.stats.tolist()
    assert verdict.score != score_files("itc", Question(tmp_path / "truth.json", tmp_path / "answer.json")).score


def test_masks_in_an_archive_and_in_folders_of_data_sets(tmp_path):
    write(tmp_path, [box(2, 2, 10, 10)])
    write_mask(tmp_path, "a")
    with zipfile.ZipFile(tmp_path / "masks.zip", "w") as archive:
        archive.write(tmp_path / "masks" / "a.png", "masks/truth/a.png")
        archive.write(tmp_path / "masks" / "a.png", "masks/plots/a.png")
    truth = read_truth(tmp_path / "truth.json")
    with pytest.raises(BadAnswer, match=r"plots/a\.png: no image has the name"):
        add_ignored(truth, tmp_path / "masks.zip")
    (marked,) = add_ignored(truth, tmp_path / "masks")
    assert len(marked.annotations) == 2
    assert len(truth[0].annotations) == 1


@pytest.mark.parametrize(
    ("name", "shape", "said"),
    [
        ("b", (20, 40), "b.png: no image has the name"),
        ("a", (40, 20), r"found 20 x 40: the image is 40 x 20 pixels \(width x height\)"),
    ],
)
def test_masks_that_fit_no_image(tmp_path, name, shape, said):
    question = write(tmp_path, [box(2, 2, 10, 10)])
    write_mask(tmp_path, name, shape)
    with pytest.raises(BadAnswer, match=said):
        score_files("itc", question)


def test_a_folder_without_masks_is_a_mistake(tmp_path):
    question = write(tmp_path, [box(2, 2, 10, 10)])
    (tmp_path / "masks").mkdir()
    (tmp_path / "masks" / "readme.txt").write_text("none yet")
    with pytest.raises(BadAnswer, match=r"it holds no .png file"):
        score_files("itc", question)


def test_other_protocols_have_none(tmp_path):
    with pytest.raises(BadOption, match="trees has no masks of what is ignored"):
        score_files("trees", Question(tmp_path, tmp_path, ignore=tmp_path))
