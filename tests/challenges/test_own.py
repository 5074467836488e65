import json
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from overtrace.challenges.challenge import Question
from overtrace.challenges.compare import compare_files
from overtrace.challenges.inspection import Claim
from overtrace.challenges.protocols import check_files, score_files
from overtrace.errors import BadAnswer, BadOption
from tests.support.coco_sets import Json, ask_pycocotools, draw_set

KINDS = {"coco-masks": "segm", "coco-boxes": "bbox"}


def draw(seed: int) -> tuple[Json, list[Json]]:
    """A set whose results all have boxes."""
    while True:
        data, results = draw_set(np.random.default_rng(seed), 4, 2)
        if results and "bbox" in results[0] and any(not row["iscrowd"] for row in data["annotations"]):
            return data, results
        seed += 100


def write(folder: Path, sets: dict[str, tuple[Json, list[Json]]]) -> Question:
    for side, part in (("truth", 0), ("answer", 1)):
        (folder / side).mkdir(parents=True)
        for name, both in sets.items():
            (folder / side / f"{name}.json").write_text(json.dumps(both[part]))
    return Question(folder / "truth", folder / "answer")


def ask(question: Question, **options) -> Question:
    return Question(question.truth, question.answers, **options)


@pytest.mark.parametrize("profile", KINDS)
@pytest.mark.parametrize("seed", range(8))
def test_coco_ranks_by_ap_and_equals_pycocotools(tmp_path, profile, seed):
    sets = {"a": draw(2 * seed), "b": draw(2 * seed + 1)}
    verdict = score_files("own", ask(write(tmp_path, sets), profile=profile))
    expected = [ask_pycocotools(*both, KINDS[profile], [1, 10, 100]).stats for both in sets.values()]
    assert verdict.score == np.mean([stats[0] for stats in expected])
    for part, stats in zip(verdict.parts["data_sets"], expected, strict=True):
        assert list(part["numbers"].values()) == stats.tolist()
    assert (verdict.protocol, verdict.profile) == ("own", profile)
    once = np.ones((1, len(verdict.sample.images)), np.int64)
    assert verdict.sample.settle(once).mean() == pytest.approx(verdict.score, rel=1e-12)


def test_boxes_need_no_masks_and_masks_no_boxes(tmp_path):
    data, results = draw(0)
    for row in [*data["annotations"], *results]:
        del row["segmentation"]
    question = write(tmp_path, {"a": (data, results)})
    assert score_files("own", ask(question, profile="coco-boxes")).score == pytest.approx(
        ask_pycocotools(data, results, "bbox", [1, 10, 100]).stats[0]
    )
    assert not check_files("own", Claim(question.answers, question.truth, profile="coco-boxes")).faults
    with pytest.raises(BadAnswer, match="/annotations/0/segmentation: it is missing"):
        score_files("own", ask(question, profile="coco-masks"))


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ({"bbox": []}, "/0/bbox: it is missing: every one needs it|/0/bbox: found .*: wanted four numbers"),
        ({"bbox": None}, "/0/bbox: found None: wanted four numbers"),
        ({"bbox": [1, 2, 3]}, "/0/bbox: found .1, 2, 3.: wanted four numbers"),
        ({"bbox": [1, 2, 3, "4"]}, "/0/bbox: found .* wanted four numbers"),
    ],
)
def test_what_is_wrong_with_boxes(tmp_path, change, said):
    data, results = draw(0)
    results[0] = {**results[0], **change}
    question = write(tmp_path, {"a": (data, results)})
    with pytest.raises(BadAnswer, match=said):
        score_files("own", ask(question, profile="coco-boxes"))
    (fault,) = check_files("own", Claim(question.answers, question.truth, profile="coco-boxes")).faults
    assert fault.where == "/0/bbox"


def write_maps(folder: Path, truth: list[list[int]], answer: list[list[int]]) -> Question:
    for side, labels in (("truth", truth), ("answer", answer)):
        (folder / side).mkdir(parents=True)
        Image.fromarray(np.array(labels, np.uint8)).save(folder / side / "a.png")
    return Question(folder / "truth", folder / "answer", profile="pixels", classes=3)


def test_pixels_worked_by_hand(tmp_path):
    verdict = score_files("own", write_maps(tmp_path, [[0, 0, 1, 255]], [[0, 1, 1, 2]]))
    # Class 0: 1 of 2. Class 1: 1 of 2. Class 2 is in neither, for nothing counts where truth has no class: 0.
    assert verdict.score == pytest.approx((1 / 2 + 1 / 2 + 0) / 3)
    assert verdict.parts["mean_iou_present"] == pytest.approx(1 / 2)
    assert "mit_semseg" not in verdict.parts


def test_pixels_of_no_class(tmp_path):
    question = write_maps(tmp_path, [[0, 0, 1, 255]], [[0, 3, 1, 255]])
    with pytest.raises(BadAnswer, match="found the label 3: wanted 0 to 2, or 255 for no class"):
        score_files("own", question)
    (fault,) = check_files("own", Claim(question.answers, question.truth, profile="pixels", classes=3)).faults
    assert "found the label 3" in fault.found


def test_answers_are_compared_by_any_rule(tmp_path):
    one, other = draw(0), draw(0)
    for row in other[1]:
        row["bbox"] = [row["bbox"][0] + 3, *row["bbox"][1:]]
    first, second = write(tmp_path / "one", {"a": one}), write(tmp_path / "other", {"a": other})
    found = compare_files("own", ask(first, profile="coco-boxes"), [first.answers, second.answers], 200)
    assert [standing.score for standing in found.standings] == [
        score_files("own", ask(question, profile="coco-boxes")).score for question in (first, second)
    ]


@pytest.mark.parametrize(
    ("options", "said"),
    [
        ({}, "own needs a rule: --profile with one of coco-masks, coco-boxes, pixels, polygons, points"),
        ({"profile": "chess"}, "own has no profile called chess"),
        ({"profile": "pixels"}, "found --classes 0: pixels needs the number of classes, from 1 to 254"),
        ({"profile": "coco-masks", "classes": 3}, "takes its classes from the files"),
        ({"profile": "pixels", "classes": 3, "ignore": Path("a")}, "pixels has no masks of what is ignored"),
    ],
)
def test_options_that_make_no_sense(tmp_path, options, said):
    with pytest.raises(BadOption, match=said):
        score_files("own", Question(tmp_path, tmp_path, **options))
