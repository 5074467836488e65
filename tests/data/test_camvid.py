import pickle
import re

import numpy as np
import pytest
from PIL import Image

from overtrace.data.camvid import open_camvid
from overtrace.data.class_names import CAMVID_NAMES
from overtrace.data.labelled import VOID
from overtrace.errors import BadData

NAMES = ("0001TP_006690", "0016E5_07959")


def write_frame(folder, name, values, split="train", size=None):
    """A frame and its map, under the names that SegNet's copy has."""
    values = np.asarray(values, np.uint8)
    for kind in (split, f"{split}annot"):
        (folder / kind).mkdir(exist_ok=True)
    rgb = np.full((*values.shape, 3), (10, 20, 30), np.uint8)
    Image.fromarray(rgb).resize(size or values.shape[::-1]).save(folder / split / f"{name}.png")
    Image.fromarray(values).save(folder / f"{split}annot" / f"{name}.png")


@pytest.fixture
def folder(tmp_path):
    for name in NAMES:
        write_frame(tmp_path, name, [[0, 10, 11], [3, 3, 3]])
    return tmp_path


def test_what_the_files_hold(folder):
    found = open_camvid(folder, "train")
    assert (found.truth, found.classes, found.names, found.notes) == ("classes", CAMVID_NAMES, NAMES, ())
    scene = found.read(0)
    assert (scene.name, scene.pixel_size_m) == (NAMES[0], None)
    np.testing.assert_array_equal(scene.image, np.full((2, 3, 3), (10, 20, 30)))
    np.testing.assert_array_equal(scene.classes, [[0, 10, VOID], [3, 3, 3]])
    assert scene.image.dtype == scene.classes.dtype == np.uint8


def test_it_can_be_pickled(folder):
    again = pickle.loads(pickle.dumps(open_camvid(folder, "train")))
    np.testing.assert_array_equal(again.read(1).classes, [[0, 10, VOID], [3, 3, 3]])


def test_what_has_no_partner_is_left_out_and_named(folder):
    (folder / "trainannot" / f"{NAMES[1]}.png").unlink()
    Image.new("L", (3, 2)).save(folder / "trainannot" / "other.png")
    (folder / "train" / "Thumbs.db").touch()
    (folder / "train" / ".DS_Store").touch()
    found = open_camvid(folder, "train")
    assert found.names == NAMES[:1]
    assert found.notes == (
        f"1 of {folder / 'train'} that are no .jpg or .jpeg or .png left out: Thumbs.db",
        f"1 of {folder / 'train'} without a map left out: {NAMES[1]}",
        f"1 of {folder / 'trainannot'} without an image left out: other",
    )


def test_many_without_a_partner_are_counted(folder):
    for i in range(5):
        Image.new("RGB", (3, 2)).save(folder / "train" / f"{i}.png")
    assert open_camvid(folder, "train").notes == (
        f"5 of {folder / 'train'} without a map left out: 0, 1, 2 and 2 more",
    )


def complain(folder, split="train"):
    """The one line that opening a split and reading its first image ends with."""
    with pytest.raises(BadData) as caught:
        open_camvid(folder, split).read(0)
    assert "\n" not in str(caught.value)
    return str(caught.value).replace(f"{folder}/", "")


def test_a_split_that_there_is_not(folder):
    assert complain(folder, "training") == "CamVid has no split training: wanted train, val, test"
    assert complain(folder, "val") == "val is no folder: unpack the data set as its owners publish it"


def test_nothing_pairs(folder):
    for name in NAMES:
        (folder / "train" / f"{name}.png").rename(folder / "train" / f"{name}_rgb.png")
    assert complain(folder) == (
        "none of the 2 images of train has a map of its name among the 2 of trainannot: a.jpg goes with a.png"
    )


def test_two_images_of_one_name(folder):
    Image.new("RGB", (3, 2)).save(folder / "train" / f"{NAMES[0]}.jpg")
    assert complain(folder) == f"train/{NAMES[0]}.png and {NAMES[0]}.jpg have one name: keep one of them"


@pytest.mark.parametrize("kind", ["train", "trainannot"])
@pytest.mark.parametrize("kept", [0, 40])
def test_a_file_that_cannot_be_read(folder, kind, kept):
    path = folder / kind / f"{NAMES[0]}.png"
    path.write_bytes(path.read_bytes()[:kept])
    assert re.fullmatch(
        f"{kind}/{NAMES[0]}.png cannot be read( as a picture)?: .*: get the file again", complain(folder)
    )


def test_a_file_that_is_gone(folder):
    found = open_camvid(folder, "train")
    (folder / "train" / f"{NAMES[0]}.png").unlink()
    with pytest.raises(BadData, match="does not exist: put it back"):
        found.read(0)


def test_a_map_of_another_size(folder):
    write_frame(folder, NAMES[0], [[0, 10, 11], [3, 3, 3]], size=(6, 4))
    wanted = f"trainannot/{NAMES[0]}.png is 3 x 2 pixels (width x height), its image is 6 x 4 pixels"
    assert complain(folder).startswith(wanted)


def test_a_class_that_there_is_not(folder):
    write_frame(folder, NAMES[0], [[0, 12, 255]])
    assert complain(folder) == f"trainannot/{NAMES[0]}.png holds 12: wanted 0 to 10, or 11 for no class"


def test_a_map_in_colour(folder):
    Image.new("RGB", (3, 2)).save(folder / "trainannot" / f"{NAMES[0]}.png")
    assert complain(folder) == (
        f"trainannot/{NAMES[0]}.png is of mode RGB: wanted an 8-bit PNG of one band, a number a class"
    )
