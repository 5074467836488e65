import pytest

torch = pytest.importorskip("torch")

from overtrace.networks.unet import Unet  # noqa: E402


@pytest.mark.parametrize("widths", [(8,), (8, 12), (8, 12, 16, 20, 24)])
def test_planes_are_of_full_size(widths):
    with torch.no_grad():
        assert Unet(4, 2, widths, 1).eval()(torch.rand(2, 4, 64, 96)).shape == (2, 2, 64, 96)


def test_only_layers_that_quantise_well():
    kinds = {type(module).__name__ for module in Unet().modules() if not list(module.children())}
    assert kinds == {"Conv2d", "BatchNorm2d", "ReLU"}


def test_blocks_are_those_that_are_asked_for():
    one, three = (sum(p.numel() for p in Unet(widths=(8, 16), blocks=blocks).parameters()) for blocks in (1, 3))
    # Of each width two convolutions and two normalisations a block.
    assert three - one == 2 * sum(2 * 9 * width**2 + 4 * width for width in (8, 16))
