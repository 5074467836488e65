from pathlib import Path

import numpy as np
import pytest

from overtrace.challenges.challenge import Question
from overtrace.challenges.inspection import Claim
from overtrace.challenges.protocols import score_files
from overtrace.challenges.tree_files import BOX, POINT, read_trees
from overtrace.challenges.trees import check, judge, score_trees
from overtrace.errors import BadAnswer
from tests.support.coco_sets import ask_pycocotools


def write(folder: Path, files: dict[str, str]) -> Path:
    folder.mkdir()
    for name, text in files.items():
        (folder / name).write_text(text)
    return folder


VOC = """<annotation><object><name>Tree</name>
<bndbox><xmin>0</xmin><ymin>0</ymin><xmax>10</xmax><ymax>10</ymax></bndbox></object></annotation>"""


def test_points_worked_by_hand(tmp_path):
    truth = read_trees(write(tmp_path / "truth", {"a.csv": "x,y\n0,0\n100,0\n", "b.csv": "x,y\n5,5\n"}))
    answer = read_trees(write(tmp_path / "answer", {"a.csv": "x,y,score\n3,4,0.9\n50,0,0.1\n"}))
    score = score_trees(truth, answer, pixel_size_m=0.6)
    # 5 pixels are 3 m: a hit. 50 pixels are 30 m: none. Tile b was left empty.
    assert (score.whole.hits, score.whole.found, score.whole.true) == (1, 2, 3)
    assert (score.whole.precision, score.whole.recall, score.score) == (1 / 2, 1 / 3, 2 / 5)
    assert score.whole.rmse == pytest.approx(3)
    assert score.names == ("a", "b")


def test_the_reach_belongs_to_it(tmp_path):
    truth = read_trees(write(tmp_path / "truth", {"a.csv": "x,y\n0,0\n"}))
    answer = read_trees(write(tmp_path / "answer", {"a.csv": "x,y\n6,0\n"}))
    assert score_trees(truth, answer).score == 1
    assert score_trees(truth, answer, reach_m=5.9).score == 0


def test_one_table_for_all_images(tmp_path):
    truth = read_trees(
        write(tmp_path / "truth", {"all.csv": "image_path,xmin,ymin,xmax,ymax,label\nd/a.tif,0,0,10,10,Tree\n"})
    )
    answer = read_trees(write(tmp_path / "answer", {"a.xml": VOC.replace("10</xmax>", "4</xmax>")}))
    assert (truth.columns, list(truth.images)) == (BOX, ["a"])
    # 40 of 100 pixels are exactly the least overlap.
    assert score_trees(truth, answer).score == 1
    assert score_trees(truth, answer, least_iou=0.41).score == 0


def test_a_list_of_images_says_what_counts(tmp_path):
    truth = read_trees(write(tmp_path / "truth", {"a.csv": "x,y\n0,0\n", "b.csv": "x,y\n5,5\n"}))
    answer = read_trees(
        write(tmp_path / "answer", {"a.csv": "x,y\n0,0\n", "c.csv": "x,y\n9,9\n", "z.csv": "x,y\n1,1\n"})
    )
    # c is on the list and has no tree: what was found there is false. z is not on it.
    score = score_trees(truth, answer, names=["a", "c"])
    assert (score.whole.hits, score.whole.found, score.whole.true) == (1, 2, 1)


@pytest.mark.parametrize(
    ("files", "said"),
    [
        ({"a.txt": "x"}, "holds no trees"),
        ({"a.csv": "a,b\n1,2\n"}, "line 1: found 'a,b': wanted the columns x,y or xmin,ymin,xmax,ymax"),
        ({"a.csv": ""}, "wanted the columns x,y"),
        ({"a.csv": "x,y\n1,east\n"}, "line 2: found '1,east': wanted numbers"),
        ({"a.csv": "x,y\n1\n"}, "line 2: found '1,None': wanted numbers"),
        ({"a.csv": "x,y\n1,inf\n"}, "line 2: found '1,inf'"),
        ({"a.csv": "xmin,ymin,xmax,ymax\n5,0,1,1\n"}, "wanted left <= right"),
        ({"a.csv": "x,y\n1,2\n", "b.xml": VOC}, "holds points and boxes"),
        ({"a.xml": "<annotation>"}, "no XML"),
        ({"a.xml": "<!DOCTYPE x [<!ENTITY a 'b'>]><annotation/>"}, "declares a document type"),
        ({"a.xml": VOC.replace("<xmin>0</xmin>", "")}, "a bndbox lacks a side"),
        ({"a.xml": VOC}, "holds boxes, the truth points: send points"),
        ({"b.csv": "x,y\n1,2\n"}, "b: the truth has no such image"),
    ],
)
def test_what_is_wrong_with_an_answer(tmp_path, files, said):
    truth = read_trees(write(tmp_path / "truth", {"a.csv": "x,y\n0,0\n"}))
    assert truth.columns == POINT
    with pytest.raises(BadAnswer, match=said):
        score_trees(truth, read_trees(write(tmp_path / "answer", files)))


def test_boxes_have_the_ap_of_coco(tmp_path):
    rng = np.random.default_rng(5)
    data = {"images": [], "categories": [{"id": 1, "name": "crown"}], "annotations": []}
    results, true_rows, found_rows = [], ["image,xmin,ymin,xmax,ymax"], ["image,xmin,ymin,xmax,ymax,score"]
    for image in range(3):
        data["images"].append({"id": image, "height": 500, "width": 500})
        corners = rng.integers(0, 400, (150, 2))
        sides = rng.integers(5, 90, (150, 2))
        for (x, y), (w, h) in zip(corners.tolist(), sides.tolist(), strict=True):
            box = {"image_id": image, "category_id": 1, "bbox": [x, y, w, h]}
            data["annotations"].append({**box, "id": len(true_rows), "area": w * h, "iscrowd": 0})
            true_rows.append(f"{image}.tif,{x},{y},{x + w},{y + h}")
            left, score = x + int(rng.integers(-8, 9)), round(float(rng.random()), 2)
            results.append({**box, "bbox": [left, y, w, h], "score": score})
            found_rows.append(f"{image}.tif,{left},{y},{left + w},{y + h},{score}")
    (tmp_path / "truth.csv").write_text("\n".join(true_rows))
    (tmp_path / "answer.csv").write_text("\n".join(found_rows))
    parts = score_files("trees", Question(tmp_path / "truth.csv", tmp_path / "answer.csv")).parts
    capped = ask_pycocotools(data, results, "bbox", [1, 10, 100])
    assert [parts["coco_boxes"][name] for name in ("AP", "AP50")] == capped.stats[:2].tolist()
    whole = ask_pycocotools(data, results, "bbox", [1, 100, 1000])
    assert parts["coco_boxes"]["AP50 uncapped"] == whole.stats[1]
    assert parts["coco_boxes"]["AP uncapped"] == pytest.approx(whole.eval["precision"][:, :, 0, 0, 2].mean())
    assert parts["coco_boxes"]["AP"] < parts["coco_boxes"]["AP uncapped"]


def test_without_scores_there_is_no_ap(tmp_path):
    truth = write(tmp_path / "truth", {"a.csv": "xmin,ymin,xmax,ymax\n0,0,9,9\n"})
    assert "coco_boxes" not in score_files("trees", Question(truth, truth)).parts
    answer = write(tmp_path / "answer", {"a.csv": "xmin,ymin,xmax,ymax,score\n0,0,9,9,sure\n"})
    with pytest.raises(BadAnswer, match=r"a.csv line 2: found the score 'sure': wanted a number"):
        score_files("trees", Question(truth, answer))


@pytest.mark.parametrize("columns", [POINT, BOX])
def test_an_answer_of_both_is_scored_by_what_the_truth_is(tmp_path, columns):
    rows = {POINT: "x,y\n30,40\n", BOX: "xmin,ymin,xmax,ymax\n0,0,10,10\n"}
    truth = write(tmp_path / "truth", {"a.csv": rows[columns]})
    # The point is right and the box is right, but not of the same tree.
    answer = write(tmp_path / "answer", {"a.csv": "x,y,xmin,ymin,xmax,ymax,score\n30,40,0,0,10,10,0.9\n"})
    verdict = judge(Question(truth, answer))
    assert verdict.score == 1
    assert verdict.parts["rule"].startswith("points" if columns == POINT else "boxes")
    assert check(Claim(answer, truth)).faults == []
    assert read_trees(answer).columns == BOX
