import os
import pickle
from dataclasses import replace

import numpy as np
import pytest

torch = pytest.importorskip("torch")
from torch.nn import functional  # noqa: E402

from overtrace.errors import BadModel  # noqa: E402
from overtrace.networks.mask_rcnn import IMAGENET, MaskRcnn  # noqa: E402
from overtrace.networks.rcnn_files import load_detectron2, load_imagenet, open_detectron2  # noqa: E402
from tests.support.tiny_rcnn import TINY, build, draw_image  # noqa: E402

FROZEN = replace(TINY, norm="frozen")
PREDICTOR = "roi_heads.mask_head.predictor.weight"
BUFFERS = ("pixel_", "proposal_generator.anchor_generator")


def weights_of(settings=FROZEN, seed=1):
    return dict(build(settings, seed).state_dict())


def same(network: MaskRcnn, weights: dict) -> bool:
    held = network.state_dict()
    return held.keys() == weights.keys() and all(value.equal(weights[name]) for name, value in held.items())


def refusal(path, network=None) -> str:
    """What the one line says."""
    with pytest.raises(BadModel) as caught:
        load_detectron2(network or build(FROZEN), path)
    assert "\n" not in str(caught.value)
    return str(caught.value)


@pytest.fixture
def path(tmp_path):
    return tmp_path / "model_final.pth"


@pytest.mark.parametrize("inside", [True, False])
def test_a_checkpoint_fills_the_network(path, inside):
    weights = weights_of()
    torch.save({"model": weights, "iteration": 9} if inside else weights, path)
    network = build(FROZEN)
    assert not same(network, weights)
    load_detectron2(network, path)
    assert same(network, weights)


def test_state_of_training_is_left_alone(path):
    weights = weights_of()
    scheduler = {"base_lrs": [np.float64(0.02)], "last_epoch": np.int64(3), "milestones": np.arange(3)}
    optimiser = torch.optim.SGD([torch.nn.Parameter(torch.ones(1))], 0.1, momentum=0.9).state_dict()
    torch.save({"model": weights, "optimizer": optimiser, "scheduler": scheduler, "AP50": np.float64(43.2)}, path)
    assert same(open_detectron2(path, FROZEN), weights)


@pytest.mark.parametrize("name", ["model_final.pth", "model_final_f10217.pkl"])
def test_weights_may_be_arrays(tmp_path, name):
    weights = weights_of()
    arrays = {key: value.numpy() for key, value in weights.items()}
    with open(tmp_path / name, "wb") as file:
        (torch.save if name.endswith("pth") else pickle.dump)({"model": arrays, "__author__": "the zoo"}, file)
    assert same(open_detectron2(tmp_path / name, FROZEN), weights)


@pytest.mark.parametrize("blocks", [(1, 1, 1, 1), (1, 2, 3, 1)])
@pytest.mark.parametrize("classes", [1, 3])
@pytest.mark.parametrize("norm", ["frozen", "batch"])
def test_a_checkpoint_tells_its_depth_classes_and_norm(path, blocks, classes, norm):
    settings = replace(TINY, blocks=blocks, classes=classes, norm=norm)
    torch.save({"model": weights_of(settings)}, path)
    network = open_detectron2(path, TINY)
    assert network.settings == settings
    assert not network.training


def test_anchors_and_means_are_the_files(path):
    weights = weights_of(replace(FROZEN, anchor_sizes=(8, 16, 32, 64, 128), pixel_mean=(1.0, 2.0, 3.0)))
    torch.save({"model": weights}, path)
    assert same(open_detectron2(path, FROZEN), weights)


def test_anchors_and_means_may_lack(path):
    weights = weights_of()
    torch.save({"model": {name: value for name, value in weights.items() if not name.startswith(BUFFERS)}}, path)
    assert same(open_detectron2(path, FROZEN), weights)


def test_missing_weights_are_named(path):
    lacking = weights_of()
    del lacking["roi_heads.box_head.fc1.bias"]
    torch.save({"model": lacking}, path)
    assert refusal(path) == f"{path} does not fit: it lacks roi_heads.box_head.fc1.bias"
    torch.save({"model": {PREDICTOR: lacking[PREDICTOR]}}, path)
    assert (
        "lacks backbone.fpn_lateral2.weight, backbone.fpn_lateral2.bias, backbone.fpn_lateral3.weight and "
        in refusal(path)
    )


def test_weights_of_another_shape_are_named(path):
    torch.save({"model": weights_of(replace(FROZEN, classes=5))}, path)
    wanted = "it has roi_heads.box_predictor.cls_score.weight (6, 64) instead of (3, 64), "
    assert wanted in refusal(path)


def test_unknown_weights_are_named(path):
    torch.save({"model": weights_of() | {"roi_heads.keypoint_head.conv_fcn1.bias": torch.zeros(1)}}, path)
    assert refusal(path).endswith("it holds the unknown roi_heads.keypoint_head.conv_fcn1.bias")


def test_a_network_that_does_not_fit_stays_as_it_was(path):
    network = build(FROZEN)
    before = {name: value.clone() for name, value in network.state_dict().items()}
    torch.save({"model": weights_of(replace(FROZEN, classes=5))}, path)
    refusal(path, network)
    assert same(network, before)


@pytest.mark.parametrize("name", ["a.pth", "a.pkl"])
@pytest.mark.parametrize("content", [b"", b"no checkpoint", pickle.dumps([1, 2], protocol=2), b"PK\x03\x04"])
def test_other_files_are_refused(tmp_path, name, content):
    (tmp_path / name).write_bytes(content)
    assert "wanted a .pth or .pkl of detectron2" in refusal(tmp_path / name)


def test_a_missing_file_is_named(path):
    assert refusal(path) == f"{path} cannot be read: No such file or directory"


@pytest.mark.parametrize("content", [[1, 2], {"model": [1]}, {"model": {"a": "b"}}, {"model": {1: torch.ones(1)}}])
def test_checkpoints_of_something_else_are_refused(path, content):
    torch.save(content, path)
    assert "wanted a .pth or .pkl of detectron2" in refusal(path)


class Trap:
    def __init__(self, path):
        self.path = str(path)

    def __reduce__(self):
        return os.mkdir, (self.path,)


@pytest.mark.parametrize("name", ["a.pth", "a.pkl"])
def test_nothing_in_a_file_is_run(tmp_path, name):
    with open(tmp_path / name, "wb") as file:
        (torch.save if name.endswith("pth") else pickle.dump)({"model": Trap(tmp_path / "sprung")}, file)
    refusal(tmp_path / name)
    assert not (tmp_path / "sprung").exists()


def test_a_detector_without_masks_is_refused(path):
    torch.save({"model": {name: value for name, value in weights_of().items() if "mask_head" not in name}}, path)
    with pytest.raises(BadModel, match=f"has no {PREDICTOR}"):
        open_detectron2(path)


def torchvision_weights(width: int = 16) -> dict:
    """A residual network of one block a stage under torchvision's names."""
    rng = torch.Generator().manual_seed(0)
    weights = {"fc.weight": torch.zeros(10, 32 * width), "fc.bias": torch.zeros(10)}

    def add(conv: str, norm: str, outputs: int, inputs: int, kernel: int) -> None:
        weights[f"{conv}.weight"] = torch.randn(outputs, inputs, kernel, kernel, generator=rng) / inputs**0.5 / kernel
        for part in ("weight", "bias", "running_mean", "running_var"):
            weights[f"{norm}.{part}"] = torch.rand(outputs, generator=rng) + 0.5
        weights[f"{norm}.num_batches_tracked"] = torch.tensor(7)

    add("conv1", "bn1", width, 3, 7)
    inputs = width
    for stage in range(1, 5):
        name, inner, outputs = f"layer{stage}.0", width * 2 ** (stage - 1), width * 2 ** (stage + 1)
        add(f"{name}.conv1", f"{name}.bn1", inner, inputs, 1)
        add(f"{name}.conv2", f"{name}.bn2", inner, inner, 3)
        add(f"{name}.conv3", f"{name}.bn3", outputs, inner, 1)
        add(f"{name}.downsample.0", f"{name}.downsample.1", outputs, inputs, 1)
        inputs = outputs
    return weights


def run_torchvision(weights: dict, image: "torch.Tensor") -> list["torch.Tensor"]:
    """The layers of torchvision's network, one after the other."""

    def step(x, conv, norm, stride=1):
        kernel = weights[f"{conv}.weight"]
        x = functional.conv2d(x, kernel, stride=stride, padding=kernel.shape[-1] // 2)
        parts = (weights[f"{norm}.{part}"] for part in ("running_mean", "running_var", "weight", "bias"))
        return functional.batch_norm(x, *parts)

    mean, std = (torch.tensor(values)[:, None, None] for values in ((0.485, 0.456, 0.406), (0.229, 0.224, 0.225)))
    x = functional.max_pool2d(step((image - mean) / std, "conv1", "bn1", 2).relu(), 3, 2, 1)
    maps = []
    for stage in range(1, 5):
        name, stride = f"layer{stage}.0", 1 if stage == 1 else 2
        inside = step(x, f"{name}.conv1", f"{name}.bn1").relu()
        inside = step(inside, f"{name}.conv2", f"{name}.bn2", stride).relu()
        beside = step(x, f"{name}.downsample.0", f"{name}.downsample.1", stride)
        x = (step(inside, f"{name}.conv3", f"{name}.bn3") + beside).relu()
        maps.append(x)
    return maps


@pytest.mark.parametrize("norm", ["frozen", "batch"])
@pytest.mark.parametrize("counted", [True, False])
def test_a_backbone_of_torchvision_gives_the_same_maps(path, norm, counted):
    weights = torchvision_weights()
    torch.save({name: value for name, value in weights.items() if counted or "num_batches" not in name}, path)
    network = build(replace(IMAGENET, blocks=(1, 1, 1, 1), width=16, norm=norm))
    load_imagenet(network, path)
    with torch.no_grad():
        maps = network.backbone.bottom_up(network._prepare(draw_image(0, 64, 64)))
    for ours, theirs in zip(maps, run_torchvision(weights, draw_image(0, 64, 64)), strict=True):
        torch.testing.assert_close(ours, theirs, atol=1e-3, rtol=1e-4)


def test_a_backbone_wants_the_settings_it_was_trained_with(path):
    torch.save(torchvision_weights(), path)
    with pytest.raises(BadModel, match=r"trained with pixel_mean = .*: build the network from the settings IMAGENET"):
        load_imagenet(build(FROZEN), path)


def test_a_backbone_does_not_fit_another_norm(path):
    torch.save(torchvision_weights(), path)
    network = build(replace(IMAGENET, blocks=(1, 1, 1, 1), width=16, norm="group"))
    with pytest.raises(BadModel, match=r"holds the unknown stem.conv1.norm.running_mean"):
        load_imagenet(network, path)
