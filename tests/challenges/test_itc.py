import gzip
import json
import zipfile

import numpy as np
import pytest

from overtrace.challenges import itc, itc_files
from overtrace.errors import BadAnswer
from tests.support.coco_sets import ask_pycocotools, draw_set

LIMITS = [1, 10, 100]


def drawn(seed: int) -> tuple[dict, list]:
    """A data set whose image ids no other seed has."""
    while True:
        data, results = draw_set(np.random.default_rng(seed), 4, 1)
        if results and any(not row["iscrowd"] for row in data["annotations"]):
            break
        seed += 100
    for row in [*data["annotations"], *results]:
        row["image_id"] += 1000 * seed
    for image in data["images"]:
        image["id"] += 1000 * seed
    return data, results


@pytest.fixture(scope="module")
def contest(tmp_path_factory):
    folder = tmp_path_factory.mktemp("contest")
    parts = {f"Dataset_{seed}": drawn(seed) for seed in (1, 2, 3)}
    (folder / "truth").mkdir()
    for name, (data, _) in parts.items():
        (folder / "truth" / f"{name}.json").write_text(json.dumps(data))
    (folder / "truth" / "validation_img_id.json").write_text(json.dumps({"a.png": 1}))
    return folder, parts


def write_answer(folder, parts, form: str):
    everything = json.dumps([row for _, results in parts.values() for row in results])
    if form == "json":
        (folder / "answer.json").write_text(everything)
    elif form == "json.gz":
        (folder / "answer.json.gz").write_bytes(gzip.compress(everything.encode()))
    else:
        with zipfile.ZipFile(folder / "answer.zip", "w") as archive:
            for name, (_, results) in parts.items():
                archive.writestr(f"my answer/{name}.json", json.dumps(results))
    return folder / f"answer.{form}"


@pytest.mark.parametrize("form", ["json", "json.gz", "zip"])
def test_the_score_is_the_mean_of_what_pycocotools_says(contest, tmp_path, form):
    folder, parts = contest
    truth = itc_files.read_truth(folder / "truth")
    assert [data_set.name for data_set in truth] == list(parts)
    score = itc.score_answer(truth, itc_files.read_answer(write_answer(tmp_path, parts, form), truth))
    expected = [ask_pycocotools(data, results, "segm", LIMITS).stats for data, results in parts.values()]
    for part, stats in zip(score.data_sets, expected, strict=True):
        np.testing.assert_array_equal(part.numbers, stats)
    assert score.score == np.mean([stats[1] for stats in expected])


def test_the_cap_and_what_it_cuts(tmp_path):
    square = [[2, 2, 8, 2, 8, 8, 2, 8]]
    data = {
        "images": [{"id": 1, "height": 10, "width": 2000}],
        "categories": [{"id": 1, "name": "crown"}],
        "annotations": [
            {"id": i + 1, "image_id": 1, "category_id": 1, "area": 36, "iscrowd": 0, "segmentation": shifted(square, i)}
            for i in range(150)
        ],
    }
    results = [
        {"image_id": 1, "category_id": 1, "score": 0.5, "segmentation": row["segmentation"]}
        for row in data["annotations"]
    ]
    (tmp_path / "truth.json").write_text(json.dumps(data))
    (tmp_path / "answer.json").write_text(json.dumps(results))
    truth = itc_files.read_truth(tmp_path / "truth.json")
    answers = itc_files.read_answer(tmp_path / "answer.json", truth)
    (capped,) = itc.score_answer(truth, answers, itc.DEFAULT).data_sets
    assert (capped.objects, capped.detections, capped.detections_cut, capped.objects_beyond_cap) == (150, 150, 50, 50)
    # Recall ends at 100 / 150: 67 of the 101 points are reached, all at a precision of 1.
    assert capped.score == pytest.approx(67 / 101)
    (whole,) = itc.score_answer(truth, answers, itc.UNCAPPED).data_sets
    assert (whole.detections_cut, whole.objects_beyond_cap) == (0, 0)
    assert whole.score == pytest.approx(1)


def shifted(polygons, i):
    return [[number + (12 * i if k % 2 == 0 else 0) for k, number in enumerate(ring)] for ring in polygons]


RESULT = {"image_id": 1, "category_id": 1, "score": 0.5, "segmentation": {"size": [2, 3], "counts": [3, 3]}}


@pytest.mark.parametrize(
    ("answer", "said"),
    [
        ("", "no JSON"),
        ("[{]", r"line 1 column 3: no JSON"),
        ("{}", "holds an object: wanted a list of results"),
        ("[1]", "/0: found a number: wanted an object"),
        ([{**RESULT, "image_id": 9}], "/0/image_id: no image has the id 9"),
        ([{**RESULT, "image_id": "1"}], "/0/image_id: found '1': wanted an integer"),
        ([{**RESULT, "image_id": True}], "/0/image_id: found True: wanted an integer"),
        ([RESULT, {**RESULT, "category_id": 7}], "/1/category_id: no category has the id 7"),
        ([{**RESULT, "score": float("nan")}], "/0/score: found nan: wanted a number"),
        ([{**RESULT, "score": "0.5"}], "/0/score: found '0.5': wanted a number"),
        ([{k: v for k, v in RESULT.items() if k != "score"}], "/0/score: it is missing"),
        ([{k: v for k, v in RESULT.items() if k != "segmentation"}], "/0/segmentation: it is missing"),
        ([{**RESULT, "segmentation": None}], "/0/segmentation: found None"),
        (
            [{**RESULT, "segmentation": {"size": [2, 2], "counts": [4]}}],
            "/0/segmentation/size: found 2 x 2: the image is 2 x 3",
        ),
        ([{**RESULT, "segmentation": {"counts": [6]}}], "/0/segmentation/size"),
        (
            [{**RESULT, "segmentation": {"size": [2, 3], "counts": [3, 2]}}],
            "/0/segmentation: its run lengths do not add up",
        ),
        ([{**RESULT, "segmentation": {"size": [2, 3], "counts": [3, 0, 3]}}], "a run of length 0 between others"),
        ([{**RESULT, "segmentation": {"size": [2, 3], "counts": "!!"}}], "neither COCO's compressed text"),
        ([{**RESULT, "segmentation": [[0, 0, 1, 1]]}], "fewer than three points"),
        ([{**RESULT, "segmentation": []}], "neither COCO's compressed text"),
        ([{**RESULT, "bbox": [1, 2, 3]}], "/0/bbox: found .1, 2, 3.: wanted four numbers"),
        ([{**RESULT, "image_id": 8}, {**RESULT, "image_id": 9}], "and 1 more: overtrace check lists them"),
    ],
)
def test_what_is_wrong_with_an_answer(tmp_path, answer, said):
    data = {
        "images": [{"id": 1, "height": 2, "width": 3}],
        "categories": [{"id": 1, "name": "crown"}],
        "annotations": [{**RESULT, "id": 1, "area": 3, "iscrowd": 0}],
    }
    (tmp_path / "truth.json").write_text(json.dumps(data))
    (tmp_path / "answer.json").write_text(answer if isinstance(answer, str) else json.dumps(answer))
    truth = itc_files.read_truth(tmp_path / "truth.json")
    with pytest.raises(BadAnswer, match=said):
        itc.score_answer(truth, itc_files.read_answer(tmp_path / "answer.json", truth))


@pytest.mark.parametrize(
    ("names", "said"),
    [
        (["Dataset_1", "Dataset_2"], "no file for Dataset_3"),
        (["Dataset_1", "Dataset_2", "Dataset_3", "Dataset_4"], "files that no data set asked for: Dataset_4"),
    ],
)
def test_files_and_data_sets_are_paired_by_name(contest, tmp_path, names, said):
    for name in names:
        (tmp_path / f"{name}.json").write_text("[]")
    with pytest.raises(BadAnswer, match=said):
        itc_files.read_answer(tmp_path, itc_files.read_truth(contest[0] / "truth"))
