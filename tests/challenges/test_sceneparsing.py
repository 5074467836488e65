import zipfile
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from overtrace.challenges.challenge import Question
from overtrace.challenges.protocols import score_files
from overtrace.challenges.scene_files import pair_files
from overtrace.challenges.sceneparsing import ADE20K, CAMVID, score_pairs
from overtrace.errors import BadAnswer


def write_maps(folder: Path, maps: dict[str, np.ndarray]) -> Path:
    folder.mkdir(parents=True, exist_ok=True)
    for name, labels in maps.items():
        Image.fromarray(labels).save(folder / f"{name}.png")
    return folder


TRUTH = {"ADE_val_1": np.array([[0, 1, 1], [2, 2, 2]], np.uint8), "ADE_val_2": np.full((4, 5), 3, np.uint8)}


@pytest.fixture
def truth(tmp_path):
    return write_maps(tmp_path / "truth", TRUTH)


@pytest.mark.parametrize("packed", [True, False])
def test_sums_are_divided_once(tmp_path, truth, packed):
    answer = write_maps(tmp_path / "answer", {**TRUTH, "ADE_val_1": np.array([[5, 1, 2], [2, 0, 2]], np.uint8)})
    if packed:
        with zipfile.ZipFile(tmp_path / "answer.zip", "w") as archive:
            for path in answer.iterdir():
                archive.write(path, f"release/{path.name}")
        answer = tmp_path / "answer.zip"
    score = score_pairs(pair_files(truth, answer), workers=2)
    # Right: 1 of class 1, 2 of class 2, 20 of class 3, of 25 labelled. IoU: 1 / 2, 2 / 4, 1, and 147 times 0.
    assert score.whole.accuracy == 23 / 25
    assert score.whole.mean_iou == pytest.approx(2 / 150)
    assert score.score == pytest.approx((23 / 25 + 2 / 150) / 2)
    assert score.names == ("ADE_val_1", "ADE_val_2")
    assert [image.labelled for image in score.images] == [5, 20]


def test_the_same_answer_has_the_best_score(truth):
    assert score_pairs(pair_files(truth, truth)).whole.accuracy == 1


def test_camvid_begins_at_0_and_has_its_own_void(tmp_path):
    truth = write_maps(tmp_path / "truth", {"a": np.array([[0, 1, 10, 11]], np.uint8)})
    answer = write_maps(tmp_path / "answer", {"a": np.array([[0, 11, 10, 0]], np.uint8)})
    score = score_pairs(pair_files(truth, answer), CAMVID)
    assert score.whole.mean_iou == 2 / 11
    assert score.whole.mean_iou_present == pytest.approx(2 / 3)


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ({"ADE_val_2": None}, "ADE_val_2.png: it is missing: answer every image"),
        ({"extra": TRUTH["ADE_val_1"]}, "extra.png: no image has the name"),
        ({"ADE_val_2": TRUTH["ADE_val_1"]}, r"found 3 x 2: the image is 5 x 4 pixels \(width x height\)"),
        ({"ADE_val_2": np.full((4, 5), 151, np.uint8)}, "found the label 151: wanted 1 to 150, or 0 for no class"),
        ({"ADE_val_2": np.full((4, 5), 3, np.uint16)}, "is a 16-bit PNG"),
        ({"ADE_val_2": np.zeros((4, 5, 3), np.uint8)}, "is a colour"),
        ({"ADE_val_1": None, "ADE_val_2": None, "x": TRUTH["ADE_val_1"]}, "and 2 more"),
    ],
)
def test_what_is_wrong_with_an_answer(tmp_path, truth, change, said):
    maps = {name: labels for name, labels in {**TRUTH, **change}.items() if labels is not None}
    answer = write_maps(tmp_path / "answer", maps)
    with pytest.raises(BadAnswer, match=said):
        score_pairs(pair_files(truth, answer))


def test_a_list_of_images_is_a_part_of_the_set(tmp_path, truth):
    answer = write_maps(tmp_path / "answer", {**TRUTH, "ADE_val_1": np.array([[5, 1, 2], [2, 0, 2]], np.uint8)})
    (tmp_path / "ids.txt").write_text("ADE_val_2.jpg\n")
    verdict = score_files("sceneparsing", Question(truth, answer, ids=tmp_path / "ids.txt"))
    assert verdict.score == (1 + 1 / 150) / 2
    assert [row["image"] for row in verdict.images] == ["ADE_val_2"]
    assert verdict.explain().images == [{"wrong pixels": 0}]
    (tmp_path / "ids.txt").write_text("ADE_val_3\n")
    with pytest.raises(BadAnswer, match=r"ids.txt names ADE_val_3, which is no image of the truth"):
        score_files("sceneparsing", Question(truth, answer, ids=tmp_path / "ids.txt"))


def test_labels_that_an_answer_may_hold():
    assert np.flatnonzero(ADE20K.allowed).tolist() == list(range(151))
    assert np.flatnonzero(CAMVID.allowed).tolist() == list(range(12))
