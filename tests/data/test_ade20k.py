import json

import numpy as np
import pytest
from PIL import Image

from overtrace.data.ade20k import open_ade20k
from overtrace.data.class_names import ADE20K_NAMES
from overtrace.data.labelled import VOID
from overtrace.errors import BadData

NAMES = ("ADE_val_00000001", "ADE_val_00000002", "ADE_val_00000003")
VALUES = [[0, 1, 150], [2, 2, 2]]


def write_photo(root, name, values=VALUES, mode="RGB"):
    """A photo and its map, under the names that the challenge gives them."""
    values = np.asarray(values, np.uint8)
    for kind in ("images", "annotations"):
        (root / kind / "validation").mkdir(parents=True, exist_ok=True)
    Image.new(mode, values.shape[::-1], 128).save(root / "images" / "validation" / f"{name}.jpg")
    Image.fromarray(values).save(root / "annotations" / "validation" / f"{name}.png")


def write_list(path, entries, split="validation"):
    lines = [
        json.dumps(
            {
                "fpath_img": f"ADEChallengeData2016/images/{split}/{name}.jpg",
                "fpath_segm": f"ADEChallengeData2016/annotations/{split}/{name}.png",
                "width": width,
                "height": height,
            }
        )
        for name, width, height in entries
    ]
    path.write_text("\n".join(lines) + "\n")
    return path


@pytest.fixture
def folder(tmp_path):
    for name in NAMES:
        write_photo(tmp_path / "ADEChallengeData2016", name)
    return tmp_path


def complain(folder, listing=None):
    """The one line that opening and reading the first image ends with."""
    with pytest.raises(BadData) as caught:
        open_ade20k(folder, "validation", listing).read(0)
    assert "\n" not in str(caught.value)
    return str(caught.value).replace(f"{folder}/", "").replace("ADEChallengeData2016/", "")


def test_what_the_files_hold(folder):
    found = open_ade20k(folder, "validation")
    assert (found.truth, found.classes, found.names, found.notes) == ("classes", ADE20K_NAMES, NAMES, ())
    scene = found.read(2)
    assert (scene.name, scene.image.shape) == (NAMES[2], (2, 3, 3))
    np.testing.assert_array_equal(scene.classes, [[VOID, 0, 149], [1, 1, 1]])


def test_the_folder_itself(folder):
    assert open_ade20k(folder / "ADEChallengeData2016", "validation").names == NAMES


def test_a_grey_photo_has_three_bands(folder):
    write_photo(folder / "ADEChallengeData2016", NAMES[0], mode="L")
    np.testing.assert_array_equal(open_ade20k(folder, "validation").read(0).image, np.full((2, 3, 3), 128))


def test_a_list_restricts_and_orders(folder):
    listing = write_list(folder / "validation.odgt", [(NAMES[2], 3, 2), (NAMES[0], 3, 2)])
    found = open_ade20k(folder, "validation", listing)
    assert found.names == (NAMES[2], NAMES[0])
    assert found.read(0).name == NAMES[2]


def test_a_list_tells_another_size(folder):
    listing = write_list(folder / "validation.odgt", [(NAMES[0], 2, 3)])
    assert complain(folder, listing) == (
        f"images/validation/{NAMES[0]}.jpg is 3 x 2 pixels (width x height), the list says 2 x 3 pixels "
        "(width x height): get the right file"
    )


def test_a_list_that_does_not_fit(folder):
    path = folder / "validation.odgt"
    strange = "ADE_val_00000009"
    remedy = "use the list of these images"
    assert complain(folder, write_list(path, [(NAMES[0], 3, 2), (strange, 3, 2)])) == (
        f"validation.odgt names {strange} of which there is no image or no map: {remedy}"
    )
    assert complain(folder, write_list(path, [(NAMES[0], 3, 2)] * 2)) == (
        f"validation.odgt names {NAMES[0]} 2 times: {remedy}"
    )
    assert complain(folder, write_list(path, [])) == f"validation.odgt names no image: {remedy}"
    assert complain(folder, write_list(path, [("ADE_train_00000001", 3, 2)], "training")).startswith(
        "validation.odgt line 1 names images/training/ADE_train_00000001.jpg, which is not of validation: "
    )


@pytest.mark.parametrize("line", ["no JSON", "[1, 2]", "{}", '{"fpath_img": 3, "width": 3, "height": 2}'])
def test_a_list_of_something_else(folder, line):
    path = folder / "validation.odgt"
    path.write_text(f"\n{line}\n")
    assert complain(folder, path) == (
        "validation.odgt line 2 is no JSON with fpath_img, width and height: get it again"
    )


def test_a_list_that_is_not_there(folder):
    assert complain(folder, folder / "validation.odgt").startswith("validation.odgt cannot be read: ")


def test_a_class_that_there_is_not(folder):
    write_photo(folder / "ADEChallengeData2016", NAMES[0], [[0, 151]])
    assert complain(folder) == f"annotations/validation/{NAMES[0]}.png holds 151: wanted 1 to 150, or 0 for no class"


def test_a_split_that_there_is_not(folder):
    with pytest.raises(BadData, match="no split val: wanted training or validation"):
        open_ade20k(folder, "val")
    with pytest.raises(BadData, match="is no folder: unpack"):
        open_ade20k(folder, "training")


@pytest.mark.parametrize("suffix", [".csv", ".txt"])
def test_names_beside_the_images(folder, suffix):
    if suffix == ".csv":
        lines = ["Idx,Ratio,Train,Val,Stuff,Name", *(f"{i},0.1,2,3,1,thing {i};object" for i in range(1, 151))]
    else:
        lines = ["Idx\tRatio\tTrain\tVal\t\tName", *(f"{i}\t0.1\t2\t3\t\tthing {i}, object  " for i in range(1, 151))]
    path = folder / "ADEChallengeData2016" / f"objectInfo150{suffix}"
    path.write_text("\n".join(lines) + "\n")
    assert open_ade20k(folder, "validation").classes == tuple(f"thing {i}" for i in range(1, 151))
    path.write_text("\n".join(lines[:-1]))
    assert complain(folder) == (f"{path.name} lists 149 classes: wanted 1 to 150: get it again, or remove it")
    path.write_bytes(b"\x89PNG\r\n\x1a\n")
    assert complain(folder).startswith(path.name)
