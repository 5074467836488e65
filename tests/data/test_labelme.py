import json

import numpy as np
import pytest

from overtrace.data.labelme import open_labelme
from overtrace.errors import BadData
from tests.support.object_files import shape, write_labelme, write_picture

SQUARE = [[2, 1], [5, 1], [5, 3], [2, 3]]


def draw(rows: slice, cols: slice) -> np.ndarray:
    labels = np.zeros((6, 8), int)
    labels[rows, cols] = 1
    return labels


@pytest.mark.parametrize(
    ("drawn", "expected"),
    [
        (shape(SQUARE), draw(np.s_[1:3], np.s_[2:5])),
        (shape([[5, 3], [2, 1]], "rectangle"), draw(np.s_[1:3], np.s_[2:5])),
        # A circle of radius 1.1 around a corner of four pixels, whose centres are 0.71 away.
        (shape([[4, 3], [5.1, 3]], "circle"), draw(np.s_[2:4], np.s_[3:5])),
        (shape([[2, 1], [5, 1], [5, 9], [2, 9]]), draw(np.s_[1:6], np.s_[2:5])),
    ],
)
def test_shapes_as_labelme_writes_them(tmp_path, drawn, expected):
    write_labelme(tmp_path, "frame_1", [drawn])
    found = open_labelme(tmp_path, pixel_size_m=0.03).read(0)
    np.testing.assert_array_equal(found.labels, expected)
    assert (found.name, found.pixel_size_m, found.image.shape) == ("frame_1", 0.03, (6, 8, 3))


def test_parts_of_a_group_are_one_object(tmp_path):
    parts = [shape([[x, 0], [x + 2, 0], [x + 2, 2], [x, 2]], group=4) for x in (0, 4)]
    write_labelme(tmp_path, "a", [*parts, shape([[0, 4], [2, 4], [2, 6], [0, 6]])])
    found = open_labelme(tmp_path).read(0)
    assert found.labels[[0, 0, 5], [0, 5, 0]].tolist() == [1, 1, 2]
    assert len(found.centres) == 2


def test_an_image_without_shapes_has_no_object(tmp_path):
    write_labelme(tmp_path, "a", [])
    assert not open_labelme(tmp_path).read(0).labels.any()


@pytest.mark.parametrize(
    ("classes", "kept", "kinds", "notes"),
    [
        (None, ("car", "house"), [1, 0], ()),
        (("house",), ("house",), [0], ("1 labels that are no class are left out: 1 car",)),
    ],
)
def test_labels_are_classes(tmp_path, classes, kept, kinds, notes):
    write_labelme(tmp_path, "a", [shape(SQUARE, label="house"), shape([[0, 4], [2, 5]], "rectangle", label="car")])
    data = open_labelme(tmp_path, classes=classes)
    assert (data.classes, data.notes) == (kept, notes)
    assert data.read(0).kinds.tolist() == kinds


def test_what_is_left_out_is_named(tmp_path):
    write_labelme(tmp_path, "b", [shape([[0, 0], [1, 1]], "line")])
    write_labelme(tmp_path, "a", [])
    write_labelme(tmp_path, "c", [])
    write_picture(tmp_path / "d.jpg")
    (tmp_path / "c.png").unlink()
    data = open_labelme(tmp_path)
    assert data.names == ("a", "b")
    assert data.notes == (
        "1 .json files without their image are left out: c.json",
        "1 images without a .json are left out: d.jpg",
        "1 kinds of shapes are left out: 1 line",
    )


def test_the_image_is_the_one_that_the_json_names(tmp_path):
    write_labelme(tmp_path, "a", [shape(SQUARE)], imagePath="..\\photos\\b.png")
    write_picture(tmp_path / "b.png")
    data = open_labelme(tmp_path)
    assert data.names == ("b",)
    assert data.notes == ("1 images without a .json are left out: a.png",)


def test_a_picture_made_smaller_with_its_shapes_is_believed(tmp_path):
    write_labelme(tmp_path, "a", [shape(SQUARE)], imageHeight=12, imageWidth=16)
    data = open_labelme(tmp_path)
    assert data.notes == ("1 images are not of the size that their .json says: a.png",)
    np.testing.assert_array_equal(data.read(0).labels, draw(np.s_[1:3], np.s_[2:5]))


def test_a_picture_made_smaller_without_its_shapes_is_refused(tmp_path):
    write_labelme(tmp_path, "a", [shape([[2, 1], [12, 1], [12, 3]])], imageHeight=12, imageWidth=16)
    with pytest.raises(BadData, match=r"a.png is 6 x 8 pixels .*, its labels are for 12 x 16: find the right image"):
        open_labelme(tmp_path).read(0)


def test_a_picture_that_cannot_be_read(tmp_path):
    write_labelme(tmp_path, "a", [])
    (tmp_path / "a.png").write_bytes(b"")
    with pytest.raises(BadData, match=r"a.png cannot be read as a picture: .*: get the file again"):
        open_labelme(tmp_path).read(0)


def test_folders_in_which_nothing_belongs_together(tmp_path):
    write_picture(tmp_path / "a.png")
    with pytest.raises(
        BadData, match=r"holds 1 pictures and 0 .json files, of which none belong together: wanted X.jpg"
    ):
        open_labelme(tmp_path)
    write_labelme(tmp_path, "a", [])
    write_labelme(tmp_path, "b", [], imagePath="a.png")
    with pytest.raises(BadData, match=r"b.json and a.json are both of a.png: keep one of them"):
        open_labelme(tmp_path)


@pytest.mark.parametrize(
    ("content", "said"),
    [
        ("[", "a.json cannot be read as JSON: .*: write it anew"),
        ("[]", "a.json is no file of labelme .*: wanted imagePath, its size and shapes"),
        ({"shapes": []}, r"a.json is no file of labelme \(KeyError\('imagePath'\)\): wanted imagePath"),
        ({"shapes": [shape([[1, 1], [2, 2]])]}, "a polygon labelled building has 2 points"),
        (
            {"shapes": [shape([[1, 1], [2, float("nan")], [3, 3]])]},
            "a polygon labelled building has a point that is no",
        ),
        ({"shapes": [{"label": "x"}]}, r"KeyError\('points'\)"),
    ],
)
def test_a_json_that_is_not_labelmes(tmp_path, content, said):
    size = {"imagePath": "a.png", "imageHeight": 6, "imageWidth": 8}
    if isinstance(content, dict) and content["shapes"]:
        content = {**content, **size}
    write_picture(tmp_path / "a.png")
    (tmp_path / "a.json").write_text(content if isinstance(content, str) else json.dumps(content))
    with pytest.raises(BadData, match=said):
        open_labelme(tmp_path)
