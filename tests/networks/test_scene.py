import pytest

torch = pytest.importorskip("torch")

from overtrace.data.labelled import VOID  # noqa: E402
from overtrace.learn.scene_loss import scene_loss  # noqa: E402
from overtrace.networks.scene import SIZES, Scene  # noqa: E402


def build(size="lite0", classes=5):
    torch.manual_seed(0)
    return Scene(classes, size).eval()


@pytest.mark.parametrize("size", SIZES)
def test_scores_at_the_stride_of_the_size(size):
    stride = SIZES[size].stride
    assert stride == (1 if size.endswith("sharp") else 4)
    with torch.no_grad():
        assert build(size)(torch.zeros(1, 3, 64, 96)).shape == (1, 5, 64 // stride, 96 // stride)


def test_the_small_one_stays_small():
    assert sum(parameter.numel() for parameter in build(classes=150).parameters()) < 4e6


def test_the_smallest_image_of_a_single_feature():
    with torch.no_grad():
        assert build()(torch.rand(1, 3, 32, 32)).isfinite().all()


def test_only_layers_that_quantise_well():
    plain = {"Conv2d", "BatchNorm2d", "ReLU", "ReLU6", "AvgPool2d", "Dropout2d"}
    assert {type(module).__name__ for module in build().modules() if not list(module.children())} == plain


def test_it_learns_two_images_by_heart():
    network = build(classes=3).train()
    image = torch.rand(2, 3, 64, 64, generator=torch.Generator().manual_seed(0)) * 0.2
    truth = torch.zeros(2, 64, 64, dtype=torch.uint8)
    truth[0, :, 32:], truth[1, 16:48, 16:48], truth[:, :4] = 1, 2, VOID
    image[:, 0] += 0.6 * (truth == 1)
    image[:, 1] += 0.6 * (truth == 2)
    optimizer = torch.optim.AdamW(network.parameters(), lr=5e-3)
    for _ in range(12):
        total, weight = scene_loss(network(image), truth, region="iou")
        optimizer.zero_grad()
        (total / weight).backward()
        optimizer.step()
    with torch.no_grad():
        total, weight = scene_loss(network(image), truth)
        found = torch.nn.functional.interpolate(network(image), size=(64, 64), mode="bilinear").argmax(1)
    known = truth != VOID
    assert total / weight < 0.15
    assert (found == truth)[known].float().mean() > 0.95
