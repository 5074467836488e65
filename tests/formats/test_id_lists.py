import json

import pytest

from overtrace.errors import BadAnswer
from overtrace.formats.id_lists import read_ids, read_image_list

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
