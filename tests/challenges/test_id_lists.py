import json

import numpy as np
import pytest

from overtrace.challenges.challenge import Question
from overtrace.challenges.id_lists import read_ids, read_image_list, read_numbers
from overtrace.challenges.protocols import score_files
from overtrace.errors import BadAnswer
from tests.support.answers import OTHER, RESULT, crowns, rle, write

IMAGES = [{"id": 1, "file_name": "d/a.tif"}, {"id": 2, "file_name": "b.png"}]


@pytest.mark.parametrize(
    ("content", "ids", "names"),
    [
        ({"a.tif": 1, "b.tif": 2}, {1, 2}, {"a", "b"}),
        ({"1": "a.tif", "2": "x/b.tif"}, {1, 2}, {"a", "b"}),
        ({"a.tif": {"height": 5}, "b.tif": None}, set(), {"a", "b"}),
        ({"images": IMAGES, "categories": []}, {1, 2}, {"a", "b"}),
        (IMAGES, {1, 2}, {"a", "b"}),
        ([{"name": "a.tif"}], set(), {"a"}),
        ([1, 2, 2], {1, 2}, set()),
        (["a.tif", "b"], set(), {"a", "b"}),
        ("a.tif\n# b\n\nc\n", set(), {"a", "c"}),
        ("\ufeff1\n2\n", {1, 2}, {"1", "2"}),
    ],
)
def test_lists_as_contests_publish_them(tmp_path, content, ids, names):
    (tmp_path / "a").write_text(content if isinstance(content, str) else json.dumps(content), encoding="utf-8")
    found = read_image_list(tmp_path / "a")
    assert (found.ids, found.names) == (ids, names)


@pytest.mark.parametrize("content", ["[[1]]", "[true]", "[1.5]", '[{"a": 1}]', "[null]", "[", '{"images": [[]]}'])
def test_what_is_no_list(tmp_path, content):
    (tmp_path / "a").write_text(content)
    with pytest.raises(BadAnswer, match=r"no list of names of images, nor of ids|no JSON"):
        read_image_list(tmp_path / "a")


def test_contests_that_go_by_names_want_names(tmp_path):
    (tmp_path / "a").write_text("[1]")
    with pytest.raises(BadAnswer, match="no list of names of images: wanted one a line"):
        read_ids(tmp_path / "a")


@pytest.fixture
def contest(tmp_path):
    """Two images in the North, of which the first is found and the second is not, and one in the South, found."""
    first, second = json.loads(crowns(1, 2, 3)), json.loads(crowns(3, 2, 3))
    second["annotations"][0]["id"] = 2
    north = {**first, **{name: first[name] + second[name] for name in ("images", "annotations")}}
    truth = {"North.json": json.dumps(north).encode(), "South.json": crowns(2, 4, 4)}
    found = [
        {**rle([0, 2, 4]), "image_id": 1},
        {**OTHER, "segmentation": {"size": [4, 4], "counts": [0, 4, 12]}},
        {**rle([4, 2]), "image_id": 3, "score": 0.9},
    ]
    answers = write(tmp_path / "answers", {"a.json": json.dumps(found).encode()})
    return tmp_path, write(tmp_path / "truth", truth), answers


def ask(contest, ids):
    folder, truth, answers = contest
    (folder / "ids.json").write_text(json.dumps(ids))
    return score_files("itc", Question(truth, answers, ids=folder / "ids.json"))


def test_only_the_images_of_a_list_are_scored(contest):
    whole, part = ask(contest, [1, 2, 3]), ask(contest, {"a.tif": 1, "b.tif": 2})
    # Of the North's two crowns the second detection finds one: precision 1/2 up to a recall of 1/2, 51 of 101 points.
    assert whole.score == pytest.approx((1 + 51 / 101 / 2) / 2)
    assert part.score == pytest.approx(1)
    assert [(row["data set"], row["images"], row["objects"], row["detections"]) for row in part.table] == [
        ("North", 1, 1, 1),
        ("South", 1, 1, 1),
    ]
    np.testing.assert_array_equal([row["image"] for row in part.images], [1, 2])


@pytest.mark.parametrize("content", [{"d/a.tif": 1, "b.png": 2}, {"1": "a", "2": "b.png"}, IMAGES, {"images": IMAGES}])
def test_ids_by_name(tmp_path, content):
    (tmp_path / "ids.json").write_text(json.dumps(content))
    assert read_numbers(tmp_path / "ids.json") == {"a": 1, "b": 2}


def test_images_without_names_go_by_their_ids(tmp_path):
    (tmp_path / "ids.json").write_text("[7, 8]")
    assert read_numbers(tmp_path / "ids.json") == {"7": 7, "8": 8}


@pytest.mark.parametrize(
    ("content", "said"),
    [(["a.tif"], "has no id for a.tif"), ({"x/a.tif": 1, "y/a.tif": 2}, "has two images called a: give each")],
)
def test_lists_without_an_id_for_each_name(tmp_path, content, said):
    (tmp_path / "ids.json").write_text(json.dumps(content))
    with pytest.raises(BadAnswer, match=said):
        read_numbers(tmp_path / "ids.json")


@pytest.mark.parametrize(
    ("ids", "said"),
    [
        ([1, 2, 8, 9], "has the id 8 and 1 others, of which no data set has an image"),
        ([1, 3], "has no image of South: leave the data set out, or list its images too"),
        (["a.tif"], "has no ids of images: wanted integers"),
    ],
)
def test_a_list_that_does_not_fit(contest, ids, said):
    with pytest.raises(BadAnswer, match=said):
        ask(contest, ids)


def test_an_image_of_the_list_without_an_object(contest, tmp_path):
    data = json.loads(crowns(1, 2, 3))
    data["images"].append({"id": 5, "height": 2, "width": 3})
    truth = write(tmp_path / "one", {"a.json": json.dumps(data).encode()})
    answers = write(tmp_path / "two", {"a.json": json.dumps([RESULT]).encode()})
    with pytest.raises(BadAnswer, match="leaves a without an object to find"):
        ask((tmp_path, truth, answers), [5])
