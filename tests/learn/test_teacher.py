from dataclasses import replace

import numpy as np
import pytest

torch = pytest.importorskip("torch")

from overtrace.errors import BadOption  # noqa: E402
from overtrace.learn.crops import Crops  # noqa: E402
from overtrace.learn.recipe import Recipe, Teacher  # noqa: E402
from overtrace.learn.run import Machine, run  # noqa: E402
from overtrace.learn.sources import open_materials  # noqa: E402
from overtrace.learn.teacher import ask_teacher, load_teacher  # noqa: E402
from overtrace.models.card import read_card  # noqa: E402
from tests.learn.test_run import Notes  # noqa: E402
from tests.support.identity_model import write_identity_model  # noqa: E402
from tests.support.labelled import draw_crowns  # noqa: E402
from tests.support.recipes import make_facts, make_pool, make_recipe, make_set  # noqa: E402
from tests.support.runs import write_recipe, write_squares  # noqa: E402

PLANES = ("interior", "touch", "distance")


def draw(pixel_size_m=0.6):
    """Squares on noise; of four bands near infrared is the first."""
    crowns = draw_crowns(pixel_size_m=pixel_size_m)
    image = np.random.default_rng(0).integers(0, 255, (96, 96, 4)).astype(np.uint8)
    return replace(make_set(replace(crowns, image=image)), bands=("nir", "red", "green", "blue"), facts="drawn")


def ask(data, folder, views=1, learned=PLANES, **card):
    write_identity_model(folder / "teacher.onnx", window=64, margin=8, **card)
    teacher = Teacher(model="teacher.onnx", views=views)
    return ask_teacher(data, teacher, learned, folder, folder / "cache")


@pytest.mark.parametrize("views", [1, 8])
def test_a_teacher_that_says_what_it_sees_says_so_of_every_view(tmp_path, views):
    data = draw()
    said = ask(data, tmp_path, views).read(0).image
    np.testing.assert_array_equal(said, data.read(0).image[..., 1:])


def test_a_teacher_is_asked_once(tmp_path):
    data = draw()
    first = ask(data, tmp_path).read(0).image
    load_teacher.cache_clear()
    ask(data, tmp_path).read(0)
    assert load_teacher.cache_info().misses == 0
    # Another model file is another teacher.
    other = ask(data, tmp_path, bands=("nir", "red", "green"), version="2").read(0).image
    assert not np.array_equal(first, other)


def test_a_teacher_of_larger_pixels_answers_at_its_own_size(tmp_path):
    crowns = draw_crowns()
    data = replace(make_set(crowns), facts="squares")
    said = ask(data, tmp_path, pixel_size_m=(1.2, 1.2)).read(0).image
    assert said.shape == (96, 96, 3)
    assert (said[..., 0][crowns.labels > 0] > 90).all()
    assert len(np.unique(said)) > 2


@pytest.mark.parametrize(
    ("card", "said"),
    [
        (
            {"planes": ("interior", "touch", "distance"), "bands": ("red", "green", "swir16")},
            "needs the bands red, green",
        ),
        (
            {"planes": ("touch", "interior"), "bands": ("red", "green")},
            "needs the planes interior, touch, distance, there",
        ),
    ],
)
def test_what_a_teacher_cannot_do_is_told(tmp_path, card, said):
    with pytest.raises(BadOption, match=said):
        ask(draw(), tmp_path, **card)


def test_a_teacher_shares_where_the_truth_is_known_and_stands_alone_elsewhere(tmp_path):
    crowns = draw_crowns()
    plain = {"fit__crop_px": 96, "augment": {"turn": True, "light": 0}}
    pool = make_pool(crowns, own_size=1.0)
    said = replace(crowns, image=np.full((96, 96, 3), 51, np.uint8))
    taught = replace(pool, taught=make_set(said))
    for number in range(4):
        true = Crops(make_recipe(**plain), [pool])[number]
        crop = Crops(make_recipe(**plain, teacher={"model": "t.onnx", "share": 0.25}), [taught])[number]
        torch.testing.assert_close(crop["image"], true["image"], rtol=0, atol=0)
        known = true["known"] > 0
        torch.testing.assert_close(crop["planes"][known], 0.75 * true["planes"][known] + 0.25 * 0.2)
        torch.testing.assert_close(crop["planes"][~known], torch.full_like(crop["planes"][~known], 0.2))
        assert crop["known"].all()


def test_planes_of_a_teacher_turn_with_the_image(tmp_path):
    crowns = draw_crowns()
    taught = replace(make_pool(crowns, own_size=1.0), taught=make_set(crowns))
    recipe = make_recipe(augment__light=0, teacher={"model": "t.onnx", "share": 1.0}, fit__crop_px=64)
    for number in range(8):
        crop = Crops(recipe, [taught])[number]
        torch.testing.assert_close(crop["planes"], crop["image"], rtol=0, atol=1 / 255)


def test_a_student_learns_from_some_bands_what_a_teacher_says_of_all(tmp_path):
    write_squares(tmp_path / "squares", 4)
    write_identity_model(tmp_path / "t.onnx", window=64, margin=8)
    recipe = write_recipe(
        tmp_path / "r.toml",
        bands=["green", "red"],
        teacher={"model": "t.onnx"},
        data=[{"reader": "labelme", "folder": "squares", "hold_out": 0.3}],
        card={"window": 64, "margin": 8, "int8": False},
    )
    notes = Notes()
    run(recipe, tmp_path, tmp_path / "out", Machine("cpu", threads=1), resume=False, progress=notes)
    assert read_card(tmp_path / "out" / "tiny.onnx").bands == ("green", "red")
    assert "identity on squares: 3 images" in notes.said


def test_a_teacher_of_classes_is_refused():
    with pytest.raises(ValueError, match="there is a teacher of planes alone, scene answers classes"):
        Recipe.model_validate(make_facts(network={"kind": "scene"}, teacher={"model": "t.onnx"}))


@pytest.mark.parametrize("kind", ["mini", "unet", "fpn"])
def test_any_network_of_planes_can_be_taught(tmp_path, kind):
    write_squares(tmp_path / "squares", 2)
    write_identity_model(tmp_path / "teacher.onnx", window=64, margin=8)
    recipe = make_recipe(
        data=[{"reader": "labelme", "folder": "squares"}], network={"kind": kind}, teacher={"model": "teacher.onnx"}
    )
    (pool,) = open_materials(recipe, tmp_path, tmp_path / "cache").pools
    assert pool.taught.read(0).image.shape == (96, 96, 3)
