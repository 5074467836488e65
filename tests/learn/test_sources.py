import numpy as np
import pytest

pytest.importorskip("torch")

from overtrace.errors import BadData, BadOption
from overtrace.learn.recipe import Source
from overtrace.learn.sources import READERS, open_data, open_materials
from tests.support.images import write_image
from tests.support.object_files import annotation, shape, write_coco, write_labelme, write_polygons
from tests.support.recipes import make_recipe

ROOF = shape([[2, 1], [5, 3]], "rectangle")
CAR = shape([[0, 4], [2, 5]], "rectangle", label="car")


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    """Ten frames with a roof each, and three with a car besides."""
    folder = tmp_path_factory.mktemp("data")
    for name, shapes, count in (("roofs", [ROOF], 10), ("town", [ROOF, CAR], 3)):
        (folder / name).mkdir()
        for number in range(count):
            write_labelme(folder / name, f"{name}_{number // 2}_{number}", shapes)
    return folder


def source(name="roofs", **changes):
    return {"reader": "labelme", "folder": name, **changes}


def materials(folder, *data, check=(), **changes):
    return open_materials(make_recipe(data=data, check=check, **changes), folder, folder / "cache")


def complain(folder, *data, **changes):
    with pytest.raises((BadOption, BadData)) as error:
        materials(folder, *data, **changes)
    assert "\n" not in str(error.value)
    return str(error.value)


def test_every_reader_takes_a_folder_and_options_by_name(tmp_path):
    for reader in READERS:
        with pytest.raises((BadOption, BadData)):
            open_data(Source(reader=reader, folder="none"), tmp_path)


@pytest.mark.parametrize(
    ("reader", "options", "said"),
    [
        ("labelmee", {}, "no reader is called labelmee: use one of ade20k, camvid, coco"),
        ("labelme", {"color": 3}, "reader labelme has no option color: wanted some of classes, pixel_size_m"),
        ("coco", {}, "reader coco wants the option annotations: give it under options"),
        ("vectors", {"polygons": "a.gpkg", "tile_px": 0}, "reader vectors cannot be used with options {'polygons': "),
        ("vectors", {"polygons": 3}, "reader vectors, option polygons = 3: Input is not a valid path"),
    ],
)
def test_what_a_reader_is_not_told_rightly_is_one_line(tmp_path, reader, options, said):
    with pytest.raises(BadOption) as error:
        open_data(Source(reader=reader, options=options), tmp_path)
    assert str(error.value).startswith(said)


def test_files_of_options_are_named_from_the_folder_of_data(tmp_path, monkeypatch):
    write_coco(tmp_path / "crowns", {1: "a.png"}, [annotation(1, 1)])
    (tmp_path / "ids.json").write_text("[1]")
    monkeypatch.chdir("/")
    options = {"annotations": "crowns/train.json", "ids": "ids.json"}
    found = open_data(Source(reader="coco", folder="crowns/images", options=options), tmp_path)
    assert found.names == ("a",)


def test_a_missing_folder_is_named(folder):
    assert "nowhere" in complain(folder, source("nowhere"))


def test_what_is_held_out_shows_no_ground_that_is_learned(folder):
    found = materials(folder, source(hold_out=0.4, ground=r"roofs_(\d+)"))
    learned, held = found.pools[0].data, found.groups[0].data
    assert (len(learned), len(held)) == (6, 4)
    assert not set(learned.grounds) & set(held.grounds)
    assert (found.groups[0].name, found.groups[0].challenge) == ("roofs", "itc")


def test_a_seed_holds_out_the_same(folder):
    names = [materials(folder, source(hold_out=0.3), seed=seed).groups[0].data.names for seed in (4, 4, 5, 6, 7)]
    assert names[0] == names[1]
    assert len(set(names)) > 1


def test_a_start_may_have_learned_what_is_held_out(folder):
    network = {"kind": "mini", "size": "s"}
    told = materials(folder, source(hold_out=0.3), network={**network, "start": "a.onnx"}, seed=4).notes
    assert [note for note in told if "held out by the seed 4" in note and "take that seed" in note]
    assert materials(folder, source(), network={**network, "start": "a.onnx"}).notes == ()
    assert materials(folder, source(hold_out=0.3), network=network).notes == ()


def test_a_set_of_weight_0_is_only_held_out_from(folder):
    found = materials(folder, source("town", options={"classes": ["building"]}, weight=0, hold_out=0.4), source())
    assert [pool.data.name for pool in found.pools] == ["roofs"]
    # Of several sets, each has its number in the name.
    assert [(group.name, len(group.data)) for group in found.groups] == [("town-0", 1)]
    assert "nothing to learn from: every data set of the recipe has weight 0" in complain(folder, source(weight=0))


def test_a_check_is_validated_on_as_a_whole(folder):
    check = {**source(), "challenge": "deepglobe", "tune": False}
    (group,) = materials(folder, source(), check=[check]).groups
    assert (group.name, group.challenge, len(group.data), group.tune) == ("roofs", "deepglobe", 10, False)


def test_two_sets_of_one_name_are_told(folder):
    check = {**source(), "name": "one"}
    assert complain(folder, source(), check=[check, check]).startswith("two sets to validate on are called one")


def test_notes_say_of_which_set(folder):
    found = materials(folder, source("town", options={"classes": ["car"]}))
    assert found.notes == ("town: 1 labels that are no class are left out: 3 building",)


def test_planes_tell_no_classes_apart(folder):
    assert materials(folder, source("town")).classes == ("object",)
    assert materials(folder, source("town"), source()).classes == ("object",)


def test_a_detector_has_one_list_of_classes(folder):
    network = {"kind": "mask_rcnn"}
    assert materials(folder, source("town"), network=network).classes == ("building", "car")
    said = complain(folder, source("town"), source(), network=network)
    assert said == "roofs and town have different classes: one model has one list"


def test_a_network_learns_what_the_labels_are(folder):
    said = complain(folder, source(), network={"kind": "scene"})
    assert said == "roofs is labelled with objects: scene learns classes"


def test_a_rule_scores_what_the_network_answers(folder):
    said = complain(folder, source(hold_out=0.2, challenge="camvid"))
    assert said == "roofs cannot be scored by camvid: wanted one of itc, deepglobe, trees"


def test_one_model_sees_the_same_bands(folder):
    images = folder / "images"
    images.mkdir()
    write_image(images / "a.tif", np.full((4, 20, 20), 9, np.uint8), photometric="minisblack")
    # Three pixels of 0.3 m at the upper left.
    ring = [(500_000, 4_000_000), (500_001, 4_000_000), (500_001, 3_999_999)]
    write_polygons(folder / "a.geojson", [ring], 32617)
    other = {"reader": "vectors", "folder": "images", "options": {"polygons": "a.geojson"}}
    said = complain(folder, source(), other)
    assert said.startswith("images has the bands red, green, blue, ")
    assert said.endswith(", roofs has red, green, blue: one model sees the same bands everywhere")
