from dataclasses import replace

import pytest

torch = pytest.importorskip("torch")
from torch.nn import functional  # noqa: E402

from overtrace.networks.rcnn_settings import Settings  # noqa: E402
from overtrace.networks.resnet import Pyramid  # noqa: E402

SMALL = Settings(blocks=(2, 1, 2, 1), width=8, pyramid_width=12)
IMAGE = torch.rand(2, 3, 64, 96, generator=torch.Generator().manual_seed(1))


def build(settings: Settings = SMALL) -> Pyramid:
    """A pyramid whose norms have something to do."""
    torch.manual_seed(0)
    pyramid = Pyramid(settings).eval()
    for name, value in pyramid.state_dict().items():
        if "norm." in name:
            value.copy_(torch.rand(value.shape) + 0.5)
    return pyramid


def transcribe(weights, image, blocks, stride_in_1x1):
    """The published layers, one after the other, from the weights alone."""

    def conv(x, name, stride=1, padding=0):
        x = functional.conv2d(x, weights[f"{name}.weight"], weights.get(f"{name}.bias"), stride, padding)
        if f"{name}.norm.weight" not in weights:
            return x
        weight, bias, mean, variance = (
            weights[f"{name}.norm.{part}"][:, None, None] for part in ("weight", "bias", "running_mean", "running_var")
        )
        return (x - mean) / torch.sqrt(variance + 1e-5) * weight + bias

    x = functional.max_pool2d(conv(image, "bottom_up.stem.conv1", 2, 3).relu(), 3, 2, 1)
    stages = []
    for stage, depth in enumerate(blocks, 2):
        for block in range(depth):
            name = f"bottom_up.res{stage}.{block}"
            stride = 2 if stage > 2 and block == 0 else 1
            first, second = (stride, 1) if stride_in_1x1 else (1, stride)
            inside = conv(conv(x, f"{name}.conv1", first).relu(), f"{name}.conv2", second, 1).relu()
            x = (conv(inside, f"{name}.conv3") + (x if block else conv(x, f"{name}.shortcut", stride))).relu()
        stages.append(x)
    levels, down = [], 0
    for stage in (5, 4, 3, 2):
        down = conv(stages[stage - 2], f"fpn_lateral{stage}") + down
        levels.insert(0, conv(down, f"fpn_output{stage}", padding=1))
        down = down.repeat_interleave(2, 2).repeat_interleave(2, 3)
    return [*levels, levels[-1][:, :, ::2, ::2]]


@pytest.mark.parametrize("stride_in_1x1", [True, False])
def test_levels_agree_with_a_transcription(stride_in_1x1):
    pyramid = build(replace(SMALL, stride_in_1x1=stride_in_1x1)).double()
    with torch.no_grad():
        levels = pyramid(IMAGE.double())
        wanted = transcribe(pyramid.state_dict(), IMAGE.double(), SMALL.blocks, stride_in_1x1)
    assert [level.shape[2:] for level in levels] == [(16, 24), (8, 12), (4, 6), (2, 3), (1, 2)]
    for level, want in zip(levels, wanted, strict=True):
        torch.testing.assert_close(level, want)


@pytest.mark.parametrize("norm", ["frozen", "batch", "group"])
def test_frozen_stages_do_not_learn(norm):
    pyramid = build(replace(SMALL, norm=norm, frozen_stages=2)).train()
    before = {name: value.clone() for name, value in pyramid.state_dict().items()}
    optimiser = torch.optim.SGD(pyramid.parameters(), 0.1)
    sum(level.mean() for level in pyramid(IMAGE)).backward()
    optimiser.step()
    changed = {name.split(".")[1] for name, value in pyramid.state_dict().items() if not value.equal(before[name])}
    assert {"res3", "res4", "res5"} <= changed
    assert not changed & {"stem", "res2"}


def test_a_frozen_norm_keeps_its_statistics_and_its_scale():
    pyramid = build(replace(SMALL, frozen_stages=0)).train()
    assert not any("norm" in name for name, _ in pyramid.named_parameters())
    before = {name: value.clone() for name, value in pyramid.state_dict().items()}
    pyramid(IMAGE)
    assert all(value.equal(before[name]) for name, value in pyramid.state_dict().items())
