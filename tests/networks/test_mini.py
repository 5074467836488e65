import pytest

torch = pytest.importorskip("torch")

from overtrace.networks.mini import WIDTHS, Mini  # noqa: E402


def build(size: str, **choice: int) -> "torch.nn.Module":
    torch.manual_seed(0)
    return Mini(size, **choice).eval()


@pytest.mark.parametrize("size", WIDTHS)
@pytest.mark.parametrize(("height", "width"), [(32, 32), (64, 96)])
def test_planes_have_the_size_of_the_image(size, height, width):
    with torch.no_grad():
        assert build(size, bands=4, planes=2)(torch.zeros(2, 4, height, width)).shape == (2, 2, height, width)


@pytest.mark.parametrize(("size", "most"), [("s", 0.9e6), ("m", 3.7e6)])
def test_it_stays_small(size, most):
    parameters = sum(parameter.numel() for parameter in build(size).parameters())
    assert most / 2 < parameters < most


def test_only_layers_that_quantise_well():
    plain = {"Conv2d", "BatchNorm2d", "ReLU", "PixelShuffle"}
    leaves = {type(module).__name__ for module in build("m").modules() if not list(module.children())}
    assert leaves == plain


def test_moving_the_image_by_the_deepest_stride_moves_the_answer():
    # One pass sees about 200 pixels around a pixel, so the middle of a large image knows nothing of its border.
    image = torch.rand(1, 3, 640, 640, generator=torch.Generator().manual_seed(0))
    network = build("s")
    with torch.no_grad():
        here, there = (
            network(image)[0, :, 304:336, 304:336],
            network(image.roll((32, 32), (2, 3)))[0, :, 336:368, 336:368],
        )
    torch.testing.assert_close(here, there, atol=1e-4, rtol=1e-4)
