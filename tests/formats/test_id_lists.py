import json

import pytest

from overtrace.errors import BadAnswer
from overtrace.formats.id_lists import read_ids, read_image_list, read_numbers

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


def test_the_list_of_the_scene_parsing_kit(tmp_path):
    lines = ['{"fpath_img": "images/validation/a.jpg", "width": 3}', '{"fpath_img": "images/validation/b.jpg"}', ""]
    (tmp_path / "validation.odgt").write_text("\n".join(lines))
    assert read_ids(tmp_path / "validation.odgt") == ["a", "b"]
    (tmp_path / "validation.odgt").write_text(lines[0])
    assert read_ids(tmp_path / "validation.odgt") == ["a"]


@pytest.mark.parametrize("content", ["[[1]]", "[true]", "[1.5]", '[{"a": 1}]', "[null]", "[", '{"images": [[]]}'])
def test_what_is_no_list(tmp_path, content):
    (tmp_path / "a").write_text(content)
    with pytest.raises(BadAnswer, match=r"no list of names of images, nor of ids|no JSON"):
        read_image_list(tmp_path / "a")


def test_contests_that_go_by_names_want_names(tmp_path):
    (tmp_path / "a").write_text("[1]")
    with pytest.raises(BadAnswer, match="no list of names of images: wanted one a line"):
        read_ids(tmp_path / "a")


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
