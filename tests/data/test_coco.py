import json
import os
import pickle

import numpy as np
import pytest
from PIL import Image
from pycocotools import mask as reference

from overtrace.data.coco import open_coco, open_itc
from overtrace.errors import BadData
from tests.support.coco_sets import draw_set
from tests.support.object_files import SQUARE, annotation, write_coco, write_picture

SQUARE_PIXELS = np.zeros((6, 8), int)
SQUARE_PIXELS[1:3, 2:5] = 1


@pytest.fixture
def itc(tmp_path):
    """Two images: b with a square and a run of pixels, a without a crown."""
    runs = {"size": [6, 8], "counts": [1, 2, 45]}
    return write_coco(tmp_path / "Dataset_1", {7: "b.png", 3: "a.png"}, [annotation(1, 7), annotation(2, 7, runs)])


def test_a_set_of_the_contest(itc):
    data = open_itc(itc, pixel_size_m=0.05)
    assert (data.name, data.truth, data.classes, data.names) == ("Dataset_1", "objects", ("crown",), ("a", "b"))
    assert data.bands == ("red", "green", "blue")
    assert data.notes == ()
    assert data.grounds == data.names
    bare, crowned = data.read(0), data.read(1)
    assert (crowned.name, crowned.pixel_size_m, crowned.image.shape) == ("b", 0.05, (6, 8, 3))
    # The run begins behind the first pixel, and goes down the first column.
    expected = SQUARE_PIXELS.copy()
    expected[1:3, 0] = 2
    np.testing.assert_array_equal(crowned.labels, expected)
    np.testing.assert_array_equal(crowned.centres, [[3, 1.5], [0, 1.5]])
    assert crowned.kinds.tolist() == [0, 0]
    assert crowned.boxes.shape == (0, 4)
    assert not crowned.ignore.any()
    assert not bare.labels.any()
    assert bare.centres.shape == (0, 2)


@pytest.mark.parametrize("seed", range(6))
def test_masks_are_those_of_pycocotools(tmp_path, seed):
    content, _ = draw_set(np.random.default_rng(seed), images=5, categories=3)
    for image in content["images"]:
        image["file_name"] = f"{image['id']}.png"
        write_picture(tmp_path / "images" / image["file_name"], image["height"], image["width"])
    (tmp_path / "all.json").write_text(json.dumps(content))
    data = open_coco(tmp_path, tmp_path / "all.json")
    assert data.classes == ("0", "1", "2")
    for i, name in enumerate(data.names):
        own = [row for row in content["annotations"] if row["image_id"] == int(name)]
        masks = [decode(row["segmentation"], 48) for row in own]
        covered = np.zeros((48, 48), bool)
        crowd = np.zeros((48, 48), bool)
        for row, mask in zip(own, masks, strict=True):
            covered |= mask & (not row["iscrowd"])
            crowd |= mask & bool(row["iscrowd"])
        found = data.read(i)
        np.testing.assert_array_equal(found.labels > 0, covered)
        np.testing.assert_array_equal(found.ignore, crowd & ~covered)
        assert len(found.centres) == len(found.kinds) == found.labels.max()
        cols, rows = np.round(found.centres).astype(int).T
        np.testing.assert_array_equal(found.labels[rows, cols], np.arange(1, len(found.centres) + 1))


def decode(segmentation, side):
    rle = reference.frPyObjects(segmentation, side, side) if not isinstance(segmentation, dict) else segmentation
    rle = reference.merge(rle) if isinstance(rle, list) else rle
    rle = reference.frPyObjects(rle, side, side) if isinstance(rle["counts"], list) else rle
    return reference.decode(rle).astype(bool)


def test_the_smaller_of_two_lies_above_and_what_is_covered_is_no_object(tmp_path):
    whole = [[0, 0, 8, 0, 8, 6, 0, 6]]
    rows = [annotation(1, 1, SQUARE, category_id=5), annotation(2, 1, whole), annotation(3, 1, SQUARE)]
    folder = write_coco(tmp_path, {1: "a.png"}, rows, categories=[{"id": 5, "name": "oak"}, {"id": 1, "name": "ash"}])
    data = open_coco(folder, folder / "train.json")
    assert data.classes == ("ash", "oak")
    found = data.read(0)
    np.testing.assert_array_equal(found.labels, 1 + SQUARE_PIXELS)
    assert found.kinds.tolist() == [0, 0]


def test_a_crowd_is_ignored_where_no_object_is(tmp_path):
    crowd = {"size": [6, 8], "counts": [0, 24, 24]}
    folder = write_coco(tmp_path, {1: "a.png"}, [annotation(1, 1, crowd, iscrowd=1), annotation(2, 1)])
    found = open_coco(folder, folder / "train.json").read(0)
    np.testing.assert_array_equal(found.labels, SQUARE_PIXELS)
    np.testing.assert_array_equal(found.ignore, (np.indices((6, 8))[1] < 4) & (SQUARE_PIXELS == 0))
    assert found.kinds.tolist() == [0]


def test_a_file_that_is_not_in_order_is_read_as_it_was_meant(itc):
    content = json.loads((itc / "train.json").read_text())
    content["annotations"][0] |= {"iscrowd": False, "bbox": []}
    (itc / "train.json").write_text(json.dumps(content))
    assert open_itc(itc).read(1).labels.max() == 2


def test_images_in_folders_keep_them_in_their_names(tmp_path):
    folder = write_coco(tmp_path, {1: "north/a.png", 2: "south/a.png"}, [annotation(1, 2)])
    data = open_coco(folder / "images", folder / "train.json", name="plots")
    assert (data.name, data.names) == ("plots", ("north/a", "south/a"))
    assert [data.read(i).labels.max() for i in range(2)] == [0, 1]


def test_what_has_no_partner_is_named(itc):
    (itc / "images" / "a.png").unlink()
    for name in ("x", "y", "z", "w"):
        write_picture(itc / "images" / f"{name}.png")
    data = open_itc(itc)
    assert data.names == ("b",)
    assert data.notes == (
        "1 images of train.json without a picture are left out: a.png",
        "4 pictures that train.json does not name are left out: images/w.png, images/x.png, images/y.png and 1 more",
    )


@pytest.mark.parametrize(
    ("listed", "names", "notes"),
    [
        ([7], ("b",), ()),
        (["b.png"], ("b",), ()),
        ({"b.png": 7, "c.png": 3}, ("b",), ("1 images of ids.json are not of Dataset_1",)),
        ([{"id": 3, "file_name": "a.png"}, {"id": 7, "file_name": "b.png"}], ("a", "b"), ()),
    ],
)
def test_only_listed_images_are_opened(itc, listed, names, notes):
    ids = itc.parent / "ids.json"
    ids.write_text(json.dumps(listed))
    data = open_itc(itc, ids=ids)
    assert (data.names, data.notes) == (names, notes)
    assert data.read(len(data) - 1).labels.max() == 2


@pytest.mark.parametrize("listed", [[7], ["b.png"], {"b.png": 7, "c.png": 9}])
def test_images_that_are_to_be_answered_are_left_out(itc, listed):
    (itc / "ids.json").write_text(json.dumps(listed))
    assert open_itc(itc, apart_from=itc / "ids.json").names == ("a",)
    with pytest.raises(BadData, match="ids and apart_from both say which images are opened: tell one of them"):
        open_itc(itc, ids=itc / "ids.json", apart_from=itc / "ids.json")
    (itc / "ids.json").write_text("[3, 7]")
    with pytest.raises(BadData, match=r"ids.json lists all 2 images of Dataset_1: find the right list"):
        open_itc(itc, apart_from=itc / "ids.json")


def test_a_list_to_leave_out_may_be_of_other_sets(itc):
    (itc / "ids.json").write_text("[8]")
    data = open_itc(itc, apart_from=itc / "ids.json")
    assert (data.names, data.notes) == (("a", "b"), ("1 images of ids.json are not of Dataset_1",))


@pytest.mark.parametrize("listed", [[8, 9], ["c.png"], {"c.png": 7}])
def test_a_list_of_another_set(itc, listed):
    (itc / "validation_img_id.json").write_text(json.dumps(listed))
    with pytest.raises(
        BadData, match=r"validation_img_id.json lists \d images, of which Dataset_1 has 0: find the list"
    ):
        open_itc(itc, ids=itc / "validation_img_id.json")


def test_a_list_must_fit_a_set_that_stands_alone(itc):
    (itc / "ids.json").write_text("[7, 8]")
    with pytest.raises(BadData, match=r"ids.json lists 2 images, of which mine has 1: find the list for it"):
        open_coco(itc, itc / "train.json", ids=itc / "ids.json", name="mine")
    (itc / "ids.json").write_text("[true]")
    with pytest.raises(BadData, match="no list of names of images, nor of ids"):
        open_coco(itc, itc / "train.json", ids=itc / "ids.json")


def test_order_is_that_of_names(tmp_path):
    folder = write_coco(tmp_path, {1: "c.png", 2: "a.png", 3: "b.png"}, [annotation(1, 1), annotation(2, 3)])
    data = open_coco(folder, folder / "train.json")
    assert data.names == ("a", "b", "c")
    assert [data.read(i).labels.max() for i in range(3)] == [0, 1, 1]


def test_a_data_set_goes_to_another_process(itc):
    data = pickle.loads(pickle.dumps(open_itc(itc)))
    assert data.read(1).labels.max() == 2


def test_facts_change_with_the_files_and_options(itc):
    facts = {open_itc(itc).facts, open_itc(itc, pixel_size_m=0.1).facts}
    os.utime(itc / "images" / "a.png", (1, 1))
    assert len({open_itc(itc).facts, *facts}) == 3
    assert open_itc(itc).facts == open_itc(itc).facts


def damage(itc, what):
    if what == "picture":
        (itc / "images" / "b.png").write_bytes(b"no picture")
    elif what == "size":
        write_picture(itc / "images" / "b.png", 6, 9)
    elif what == "deep":
        Image.fromarray(np.zeros((6, 8), np.uint16)).save(itc / "images" / "b.png")
    elif what == "gone":
        (itc / "images" / "b.png").unlink()
    elif what == "json":
        (itc / "train.json").write_text("{}")


@pytest.mark.parametrize(
    ("what", "said"),
    [
        ("picture", r"b.png cannot be read as a picture: .*: get the file again"),
        ("size", r"b.png is 6 x 9 pixels \(height x width\), its labels are for 6 x 8: find the right image"),
        ("deep", "b.png has more than eight bits a band: convert it to eight"),
        ("gone", "b.png does not exist: put it back, or open the data set anew"),
        ("json", "train.json was written anew since it was opened: open the data set again"),
    ],
)
def test_files_that_fail_when_they_are_read(itc, what, said):
    data = open_itc(itc)
    damage(itc, what)
    with pytest.raises(BadData, match=said):
        data.read(1)


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({"segmentation": {"size": [6, 9], "counts": [54]}}, r"segmentation/size: found 6 x 9: the image is 6 x 8"),
        ({"image_id": 4}, r"train.json /annotations/0/image_id: no image has the id 4"),
        ({"category_id": 4}, "no category has the id 4"),
        ({"segmentation": None}, "segmentation: found None: wanted"),
    ],
)
def test_rows_that_do_not_fit_fail_when_the_set_is_opened(tmp_path, changes, said):
    write_coco(tmp_path, {1: "a.png"}, [annotation(1, 1, **{"segmentation": SQUARE, **changes})])
    with pytest.raises(BadData, match=said):
        open_itc(tmp_path)


def test_of_several_faults_the_first_is_told(tmp_path):
    write_coco(tmp_path, {1: "a.png"}, [annotation(1, 4), annotation(2, 5)])
    with pytest.raises(BadData, match=r"/0/image_id: no image has the id 4: use those of the data set \(and 1 more\)$"):
        open_itc(tmp_path)


@pytest.mark.parametrize(
    ("segmentation", "said"),
    [
        (
            [[1, 2, 3]],
            r"train.json /annotations/1/segmentation/0: a polygon of it has fewer .*: found 3 numbers: wanted",
        ),
        ({"size": [6, 8], "counts": [1, 2]}, "run lengths do not add up to height x width: they fill 3 of 48 pixels"),
        ([], "segmentation is neither COCO's compressed text, nor"),
    ],
)
def test_a_mask_that_cannot_be_read_fails_when_it_is_read(tmp_path, segmentation, said):
    data = open_itc(write_coco(tmp_path, {1: "a.png"}, [annotation(1, 1), annotation(2, 1, segmentation)]))
    with pytest.raises(BadData, match=said):
        data.read(0)


def test_folders_that_are_no_set_of_the_contest(itc, tmp_path):
    with pytest.raises(BadData, match="nowhere is no folder: name the one that holds the data set"):
        open_itc(tmp_path / "nowhere")
    (tmp_path / "empty").mkdir()
    with pytest.raises(BadData, match="empty holds no COCO file: wanted one, with images"):
        open_itc(tmp_path / "empty")
    (itc / "more.json").write_text((itc / "train.json").read_text())
    with pytest.raises(BadData, match=r"Dataset_1 holds 2 COCO files \(more.json, train.json\): wanted one"):
        open_itc(itc)


def test_images_that_cannot_be_told_apart(tmp_path):
    folder = write_coco(tmp_path, {1: "n/a.png", 2: "s/a.png"}, [])
    content = json.loads((folder / "train.json").read_text())
    content["images"] = [{"id": 1, "file_name": "a.png", "height": 6, "width": 8}]
    (folder / "one.json").write_text(json.dumps(content))
    with pytest.raises(
        BadData, match=r"holds 2 pictures for a.png \(images/n/a.png, images/s/a.png\): name the folder"
    ):
        open_coco(folder, folder / "one.json")
    (folder / "images" / "s" / "a.png").unlink()
    with pytest.raises(BadData, match=r"several images for which .*n/a.png is the one picture: keep their folders"):
        open_coco(folder, folder / "train.json")
    content["images"] *= 2
    content["images"][1] = {**content["images"][0], "id": 2, "file_name": "n/a.png"}
    del content["images"][0]["file_name"]
    (folder / "one.json").write_text(json.dumps(content))
    with pytest.raises(BadData, match=r"one.json has images without a file_name: each needs the name of its file"):
        open_coco(folder, folder / "one.json")


def test_two_images_of_one_name(tmp_path):
    folder = write_coco(tmp_path, {1: "a.png", 2: "a.jpg"}, [])
    with pytest.raises(BadData, match="has 2 images named a: names must differ, rename one"):
        open_coco(folder, folder / "train.json")


def test_a_json_of_other_images(tmp_path):
    folder = write_coco(tmp_path / "set", {1: "a.png"}, [])
    write_picture(tmp_path / "others" / "b.png")
    with pytest.raises(
        BadData, match=r"others holds none of the 1 images of train.json, such as a.png: name the folder"
    ):
        open_coco(tmp_path / "others", folder / "train.json")
    with pytest.raises(BadData, match=r"no.json cannot be read: .*: check the path"):
        open_coco(folder, folder / "no.json")


def test_many_objects_are_held_as_numbers(tmp_path):
    files = {i: f"{i:03d}.png" for i in range(200)}
    folder = write_coco(tmp_path, files, [annotation(i + 1, i % 200) for i in range(10_000)])
    data = open_coco(folder, folder / "train.json")
    # Five numbers of eight bytes an object, and some 300 bytes an image.
    assert len(pickle.dumps(data)) < 10_000 * 40 + 200 * 400
