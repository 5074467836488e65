import pytest

torch = pytest.importorskip("torch")

from torch.nn import functional as F  # noqa: E402

from overtrace.errors import BadModel  # noqa: E402
from overtrace.networks.ternausnet_v2 import TernausNetV2, load_ternausnet  # noqa: E402

STAGES = {2: (64, 128, 128, 3), 3: (128, 256, 256, 3), 4: (256, 512, 512, 6), 5: (512, 512, 1024, 3)}
"""Channels in, in the middle and out, and blocks."""
DECODER = {
    "center": (1024, 256, 256),
    "dec5": (1280, 256, 256),
    "dec4": (768, 256, 256),
    "dec3": (512, 64, 64),
    "dec2": (192, 64, 32),
}


def published_shapes(bands: int = 11) -> dict[str, tuple[int, ...]]:
    """Names and shapes of the weights file, from the notes on the published code."""
    shapes: dict[str, tuple[int, ...]] = {"conv1.conv1.weight": (64, bands, 3, 3)}
    for stage, (inputs, middle, outputs, blocks) in STAGES.items():
        for i in range(1, blocks + 1):
            before, block = inputs if i == 1 else outputs, f"conv{stage}.block{i}."
            for name, channels in (("bn1", before), ("convs.bn2", middle)):
                for part in ("weight", "bias", "running_mean", "running_var"):
                    shapes[f"{block}{name}.{part}"] = (channels,)
                shapes[f"{block}{name}.num_batches_tracked"] = ()
            shapes[f"{block}convs.conv1.weight"] = (middle, before, 3, 3)
            shapes[f"{block}convs.conv2.weight"] = (outputs, middle, 3, 3)
            if i == 1:
                shapes[f"{block}proj_conv.weight"] = (outputs, before, 1, 1)
    convolutions = {
        f"{name}.block.{i}.conv": pair
        for name, (inputs, middle, outputs) in DECODER.items()
        for i, pair in ((1, (inputs, middle)), (2, (middle, outputs)))
    }
    for name, (inputs, outputs) in {**convolutions, "dec1.conv": (96, 32)}.items():
        shapes |= {f"{name}.weight": (outputs, inputs, 3, 3), f"{name}.bias": (outputs,)}
    return shapes | {"final.weight": (2, 32, 1, 1), "final.bias": (2,)}


def published_forward(w: dict[str, torch.Tensor], image: torch.Tensor, abs_weight: bool) -> torch.Tensor:
    """The layers one by one, in the precision of the weights."""

    def abn(x, key):
        gamma = w[key + ".weight"].abs() + 1e-5 if abs_weight else w[key + ".weight"]
        mean, var, beta = (w[f"{key}.{part}"][:, None, None] for part in ("running_mean", "running_var", "bias"))
        y = (x - mean) / (var + 1e-5).sqrt() * gamma[:, None, None] + beta
        return torch.where(y > 0, y, 0.01 * y)

    def stage(x, name, blocks):
        for i in range(1, blocks + 1):
            key = f"{name}.block{i}."
            normal = abn(x, key + "bn1")
            shortcut = F.conv2d(normal, w[key + "proj_conv.weight"]) if i == 1 else x
            y = F.conv2d(normal, w[key + "convs.conv1.weight"], padding=1)
            y = F.conv2d(abn(y, key + "convs.bn2"), w[key + "convs.conv2.weight"], padding=1)
            x = y + shortcut
        return x

    def conv_relu(x, key):
        return F.conv2d(x, w[key + ".conv.weight"], w[key + ".conv.bias"], padding=1).clamp(min=0)

    def decode(x, name):
        x = x.repeat_interleave(2, 2).repeat_interleave(2, 3)
        return conv_relu(conv_relu(x, name + ".block.1"), name + ".block.2")

    extra = image.shape[1] - 3
    mean, std = ([0.485, 0.456, 0.406] + [0.0] * extra), ([0.229, 0.224, 0.225] + [1.0] * extra)
    x = (image - torch.tensor(mean, dtype=image.dtype)[:, None, None]) / torch.tensor(std).to(image)[:, None, None]
    skips = [F.conv2d(x, w["conv1.conv1.weight"], padding=1)]
    for number, (_, _, _, blocks) in STAGES.items():
        skips.append(stage(F.max_pool2d(skips[-1], 2), f"conv{number}", blocks))
    y = decode(F.max_pool2d(skips[4], 2), "center")
    for name, skip in (("dec5", 4), ("dec4", 3), ("dec3", 2), ("dec2", 1)):
        y = decode(torch.cat([y, skips[skip]], 1), name)
    y = conv_relu(torch.cat([y, skips[0]], 1), "dec1")
    return F.conv2d(y, w["final.weight"], w["final.bias"])


def randomise(network: TernausNetV2) -> TernausNetV2:
    """Weights of a size that keeps signals alive, scales of either sign, and statistics that are not those of birth."""
    generator = torch.Generator().manual_seed(0)
    with torch.no_grad():
        for name, value in network.state_dict().items():
            if name.endswith("running_var"):
                value.uniform_(0.5, 2, generator=generator)
            elif value.ndim == 4:
                value.normal_(0, (2 / value[0].numel()) ** 0.5, generator=generator)
            elif value.ndim == 1:
                value.normal_(0, 0.5, generator=generator)
    return network.eval()


@pytest.mark.parametrize("bands", [3, 11])
def test_names_and_shapes_are_those_of_the_published_weights(bands):
    with torch.device("meta"):
        network = TernausNetV2(bands)
    shapes = {name: tuple(value.shape) for name, value in network.state_dict().items()}
    assert shapes == published_shapes(bands)
    assert len([name for name in shapes if not name.endswith("num_batches_tracked")]) == 179


def test_it_has_67_million_parameters():
    with torch.device("meta"):
        assert round(sum(part.numel() for part in TernausNetV2().parameters()) / 1e6, 2) == 67.20


@pytest.mark.parametrize("abs_weight", [False, True])
@pytest.mark.parametrize(("bands", "width", "shape"), [(11, 8, (64, 96)), (3, 4, (32, 32))])
def test_the_layers_are_the_published_ones_one_by_one(bands, width, shape, abs_weight):
    network = randomise(TernausNetV2(bands, width=width, abs_weight=abs_weight))
    image = torch.rand(2, bands, *shape, generator=torch.Generator().manual_seed(1))
    weights = {name: value.double() for name, value in network.state_dict().items()}
    with torch.no_grad():
        expected = published_forward(weights, image.double(), abs_weight)
        assert expected.std() > 0.1
        torch.testing.assert_close(network(image).double(), expected, atol=1e-4, rtol=1e-4)


def test_the_full_network_answers_at_full_size():
    network = randomise(TernausNetV2())
    image = torch.rand(1, 11, 32, 64, generator=torch.Generator().manual_seed(1))
    with torch.no_grad():
        ours = network(image)
        expected = published_forward(network.state_dict(), image, abs_weight=False)
    assert ours.shape == (1, 2, 32, 64)
    torch.testing.assert_close(ours, expected, atol=1e-3, rtol=1e-3)


def test_the_switch_matters_where_a_scale_is_negative():
    networks = [randomise(TernausNetV2(3, width=4, abs_weight=switch)) for switch in (False, True)]
    image = torch.rand(1, 3, 32, 32, generator=torch.Generator().manual_seed(1))
    with torch.no_grad():
        plain, absolute = (network(image) for network in networks)
    assert (plain - absolute).abs().max() > 0.1


@pytest.fixture(scope="module")
def network():
    return randomise(TernausNetV2(5, 3, width=4))


@pytest.mark.parametrize("wrapped", [False, True])
@pytest.mark.parametrize("counted", [False, True])
@pytest.mark.parametrize("abs_weight", [False, True])
def test_a_published_checkpoint_loads_and_says_how_many_bands_it_wants(network, wrapped, counted, abs_weight, tmp_path):
    saved = {name: value for name, value in network.state_dict().items() if counted or "tracked" not in name}
    if wrapped:
        saved = {f"module.{name.replace('bn1.', 'bn1.bn.').replace('bn2.', 'bn2.bn.')}": saved[name] for name in saved}
        assert "module.conv2.block1.convs.bn2.bn.running_var" in saved
    torch.save({"model": saved, "epoch": 7} if wrapped else saved, tmp_path / "a.pt")
    loaded = load_ternausnet(tmp_path / "a.pt", abs_weight=abs_weight)
    assert not loaded.training
    image = torch.rand(1, 5, 32, 32, generator=torch.Generator().manual_seed(1))
    twin = TernausNetV2(5, 3, width=4, abs_weight=abs_weight).eval()
    twin.load_state_dict(network.state_dict())
    with torch.no_grad():
        torch.testing.assert_close(loaded(image), twin(image), atol=0, rtol=0)


@pytest.mark.parametrize(
    ("saved", "said"),
    [
        (
            {"model": {"backbone.stem.weight": torch.zeros(3)}},
            r"holds the weights backbone\.stem\.weight, wanted Ternaus",
        ),
        (
            {"model": {f"layer{i}": torch.zeros(1) for i in range(9)}},
            "layer0, layer1 and 7 more, wanted TernausNetV2's",
        ),
        ([torch.zeros(3)], "holds a list, wanted a dictionary"),
        ({"model": 3}, "holds a int, wanted a dictionary"),
        ({}, "holds no weights"),
    ],
)
def test_weights_of_another_network_are_refused(saved, said, tmp_path):
    torch.save(saved, tmp_path / "a.pt")
    with pytest.raises(BadModel, match=said) as error:
        load_ternausnet(tmp_path / "a.pt")
    assert "\n" not in str(error.value)


def test_weights_that_are_not_all_there_are_refused(network, tmp_path):
    weights = {name: value for name, value in network.state_dict().items() if name != "dec3.block.1.conv.bias"}
    weights |= {"dec4.block.1.conv.bias": torch.zeros(3), "final.bias": 3}
    torch.save({"model": {**weights, "head.weight": torch.zeros(3)}}, tmp_path / "a.pt")
    said = r"3 are missing or of another shape, 1 are strange \(dec4\.block\.1\.conv\.bias first\): name another file"
    with pytest.raises(BadModel, match=said):
        load_ternausnet(tmp_path / "a.pt")


def test_a_file_that_holds_no_weights_is_refused(tmp_path):
    with pytest.raises(BadModel, match=r"a\.pt does not exist: check the path"):
        load_ternausnet(tmp_path / "a.pt")
    for content in (b"", b"not weights", b"PK\x03\x04 cut"):
        (tmp_path / "a.pt").write_bytes(content)
        with pytest.raises(BadModel, match="cannot be read as weights of torch") as error:
            load_ternausnet(tmp_path / "a.pt")
        assert "\n" not in str(error.value)


def test_a_file_that_would_run_code_is_refused(tmp_path):
    torch.save({"model": TernausNetV2}, tmp_path / "a.pt")
    with pytest.raises(BadModel, match="cannot be read as weights of torch"):
        load_ternausnet(tmp_path / "a.pt")
