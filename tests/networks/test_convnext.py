import pytest

torch = pytest.importorskip("torch")

from overtrace.errors import BadModel  # noqa: E402
from overtrace.networks.convnext import DEPTHS, ConvNeXt, load_torchvision  # noqa: E402

WIDTHS = (96, 192, 384, 768)


def torchvision_shapes(depths):
    """Names and shapes of the weights of torchvision's ``convnext_*``, without its classifier."""
    shapes = {"features.0.0.weight": (96, 3, 4, 4), **pairs("features.0.0", 96), **pairs("features.0.1", 96, 96)}
    for stage, (width, depth) in enumerate(zip(WIDTHS, depths, strict=True)):
        for i in range(depth):
            block = f"features.{2 * stage + 1}.{i}"
            shapes |= {f"{block}.layer_scale": (width, 1, 1), f"{block}.block.0.weight": (width, 1, 7, 7)}
            shapes |= pairs(f"{block}.block.0", width) | pairs(f"{block}.block.2", width, width)
            shapes |= {f"{block}.block.3.weight": (4 * width, width), **pairs(f"{block}.block.3", 4 * width)}
            shapes |= {f"{block}.block.5.weight": (width, 4 * width), **pairs(f"{block}.block.5", width)}
        if stage < 3:
            step = f"features.{2 * stage + 2}"
            shapes |= pairs(f"{step}.0", width, width)
            shapes |= {f"{step}.1.weight": (2 * width, width, 2, 2), **pairs(f"{step}.1", 2 * width)}
    return shapes


def pairs(name, bias, weight=None):
    return {f"{name}.bias": (bias,)} | ({f"{name}.weight": (weight,)} if weight else {})


@pytest.mark.parametrize("size", DEPTHS)
def test_weights_are_named_as_in_torchvision(size):
    found = {name: tuple(tensor.shape) for name, tensor in ConvNeXt(size).state_dict().items()}
    assert found == torchvision_shapes({"tiny": (3, 3, 9, 3), "small": (3, 3, 27, 3)}[size])


def test_features_at_four_strides():
    encoder = ConvNeXt().eval()
    with torch.no_grad():
        features = encoder(torch.zeros(1, 3, 64, 96))
    assert [tuple(f.shape) for f in features] == [
        (1, w, 64 // s, 96 // s) for w, s in zip(WIDTHS, encoder.strides, strict=True)
    ]


def test_a_file_of_torchvision(tmp_path):
    torch.manual_seed(0)
    given, encoder = ConvNeXt(), ConvNeXt()
    torch.save({**given.state_dict(), "classifier.2.weight": torch.zeros(1000, 768)}, tmp_path / "a.pth")
    load_torchvision(encoder, tmp_path / "a.pth")
    assert all(torch.equal(a, b) for a, b in zip(encoder.parameters(), given.parameters(), strict=True))


def test_a_file_of_something_else(tmp_path):
    (tmp_path / "a.pth").write_bytes(b"no weights")
    torch.save({"layer1.0.conv1.weight": torch.zeros(1)}, tmp_path / "b.pth")
    for name in ("a.pth", "b.pth", "c.pth"):
        with pytest.raises(BadModel, match=f"{name} does not hold the weights of torchvision's ConvNeXt"):
            load_torchvision(ConvNeXt(), tmp_path / name)
