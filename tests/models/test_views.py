"""A network that looks more than once: the mean of what it says, for whichever runtime and size."""

from dataclasses import replace

import numpy as np
import pytest

from overtrace.errors import BadOption
from overtrace.models.card import Card
from overtrace.models.classes import predict_classes
from overtrace.models.runtime import RUNTIMES, Network, load_network
from overtrace.models.view import view_image
from overtrace.models.views import add_views, check_views, most_views
from overtrace.raster.source import open_raster
from overtrace.trace.options import Options
from overtrace.trace.pipeline import trace
from tests.support.identity_model import identity_card, write_identity_model
from tests.support.images import write_image
from tests.support.networks import write_conv_model

SCENE = {"task": "classes", "classes": ("wall", "building", "sky"), "planes": (), "pixel_size_m": None}


def soften(scores: np.ndarray) -> np.ndarray:
    powers = np.exp(scores)
    return powers / powers.sum(axis=1, keepdims=True)


@pytest.mark.parametrize("runtime", RUNTIMES)
def test_eight_views_of_planes_turn_with_the_image(tmp_path, runtime):
    once = load_network(write_conv_model(tmp_path / "a.onnx"), runtime=runtime)
    often = add_views(once, 8)
    image = np.random.default_rng(0).random((3, 64, 64), np.float32)
    said = often.run(image[None])[0]
    for turns in range(4):
        for step in (1, -1):
            turned = np.rot90(image, turns, (1, 2))[..., ::step]
            wanted = np.rot90(said, turns, (1, 2))[..., ::step]
            np.testing.assert_allclose(often.run(turned[None])[0], wanted, atol=1e-6)
            assert np.abs(once.run(turned[None])[0] - wanted).max() > 0.01
    assert said.dtype == np.float32


def test_planes_seen_eight_times_are_the_mean(tmp_path):
    once = load_network(write_conv_model(tmp_path / "a.onnx"))
    image = np.random.default_rng(0).random((3, 64, 64), np.float32)
    said = []
    for turns in range(4):
        for step in (1, -1):
            (answer,) = once.ask(np.rot90(image[:, ::step], turns, (1, 2)))
            said.append(np.rot90(answer[0], -turns, (1, 2))[:, ::step])
    wanted = np.mean(said, axis=0)
    np.testing.assert_allclose(add_views(once, 8).ask(image)[0][0], wanted, atol=1e-6)


@pytest.mark.parametrize("runtime", RUNTIMES)
@pytest.mark.parametrize("views", [2, 6])
def test_views_of_classes_are_the_same_in_the_mirror(tmp_path, runtime, views):
    path = write_identity_model(tmp_path / "a.onnx", window=128, margin=0, **SCENE)
    network = add_views(load_network(path, runtime=runtime), views)
    image = np.random.default_rng(0).random((3, 96, 128), np.float32)
    (said,) = network.ask(image)
    assert (said.shape, said.dtype) == ((1, 3, 96, 128), np.float32)
    np.testing.assert_allclose(said.sum(axis=1), 1, rtol=1e-5)
    np.testing.assert_allclose(network.ask(image[..., ::-1])[0][..., ::-1], said, atol=1e-6)
    # Pixel by pixel the mirror changes nothing, other sizes do.
    assert (np.abs(said - soften(image[None])).max() < 1e-6) == (views == 2)


def test_six_views_are_at_three_sizes_in_steps_of_the_stride():
    sizes = []

    def infer(window):
        sizes.append(window.shape[2:])
        # The larger the image, the surer it is of the second class.
        return (np.ones((1, 2, 8, window.shape[3] // 4)) * [[[[0]], [[np.log(window.shape[3] / 32)]]]],)

    card = identity_card(128, 0, **{**SCENE, "classes": ("wall", "sky")})
    (said,) = add_views(Network(card, lambda: infer), 6).ask(np.zeros((3, 96, 128), np.float32))
    # 72 and 120 rows lie between two multiples of 32; of 2.25 and 3.75 of them the nearest are taken.
    assert sizes == [(96, 128)] * 2 + [(64, 96)] * 2 + [(128, 160)] * 2
    assert said.shape == (1, 2, 8, 32)
    np.testing.assert_allclose(said[0, 1], np.mean([4 / 5, 3 / 4, 5 / 6]), rtol=1e-6)


def test_six_views_find_what_one_finds_where_it_is_plain(tmp_path):
    colours = np.eye(3, dtype=np.uint8)[:, [[0, 0, 1], [2, 2, 1]]] * 255
    pixels = colours.repeat(50, axis=1).repeat(60, axis=2)
    raster = open_raster(write_image(tmp_path / "a.tif", pixels))
    network = load_network(write_identity_model(tmp_path / "a.onnx", window=128, margin=16, **SCENE))
    view = view_image(raster, network.card)
    np.testing.assert_array_equal(predict_classes(view, add_views(network, 6)), np.argmax(pixels, axis=0))


def test_a_traced_answer_of_eight_views_does_not_depend_on_blocks(tmp_path):
    image = write_image(tmp_path / "a.tif", np.random.default_rng(0).integers(0, 256, (3, 200, 230)).astype(np.uint8))
    options = Options(
        model=str(write_conv_model(tmp_path / "m.onnx")),
        decode={"interior": 220, "touch": 255, "distance": 1, "min_seed_px": 1, "min_area_px": 1},
    )
    found = []
    for number, changes in enumerate(({"views": 8}, {"views": 8, "block": 48, "workers": 2}, {})):
        out = tmp_path / f"{number}.geojsonl"
        assert trace([image], [out], replace(options, **changes))["objects"]
        found.append(sorted(out.read_text().splitlines()))
    assert found[0] == found[1] != found[2]


def card_of(task: str, **changes: object) -> Card:
    return identity_card(
        64, 0, **{**SCENE, "task": task, "planes": ("interior",) if task == "planes" else (), **changes}
    )


@pytest.mark.parametrize(
    ("card", "views", "said"),
    [
        (card_of("detections"), 8, "--views 8: identity answers detections: use 1"),
        (card_of("planes"), 2, "--views 2: identity answers planes: use 1 or 8"),
        (card_of("classes"), 8, "--views 8: identity answers classes: use 1 or 2 or 6"),
        (card_of("classes", stride=64), 6, "--views 6: identity takes windows of 64 pixels alone: use 1 or 2"),
    ],
)
def test_views_that_a_network_does_not_have(card, views, said):
    with pytest.raises(BadOption) as caught:
        add_views(Network(card, lambda: lambda window: ()), views)
    assert str(caught.value) == said


@pytest.mark.parametrize(("changes", "most"), [({}, 8), (SCENE, 6), (SCENE | {"stride": 64}, 2)])
def test_as_often_as_it_can(changes, most):
    card = identity_card(64, 8, **changes)
    assert most_views(card) == most
    check_views(card, most)
