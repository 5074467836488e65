import re
from dataclasses import replace
from functools import partial

import numpy as np
import pytest

torch = pytest.importorskip("torch")

from overtrace.errors import BadModel, BadOption  # noqa: E402
from overtrace.learn.adapt_checkpoints import export_checkpoint  # noqa: E402
from overtrace.models.card import read_card  # noqa: E402
from overtrace.models.runtime import load_network  # noqa: E402
from overtrace.networks.rcnn_files import open_detectron2  # noqa: E402
from overtrace.networks.ternausnet_v2 import TernausNetV2  # noqa: E402
from tests.support.tiny_rcnn import TINY, build, draw_image  # noqa: E402

LICENCE = {"licence": "MIT"}
CROWNS = {**LICENCE, "classes": ["crown", "roof"], "window": 128}


def write_ternaus(path, **changes):
    """A narrow one, in the published layout."""
    torch.manual_seed(0)
    network = TernausNetV2(11, width=4)
    weights = {f"module.{name}": value for name, value in network.state_dict().items() if "num_batches" not in name}
    torch.save({"model": {**weights, **changes}}, path)
    return path


def write_detector(path, **changes):
    weights = build(replace(TINY, norm="frozen")).state_dict()
    # What else a training keeps may be in numpy's numbers.
    torch.save({"model": {**weights, **changes}, "AP50": np.float64(43)}, path)
    return path


@pytest.fixture(scope="module")
def detector(tmp_path_factory):
    return write_detector(tmp_path_factory.mktemp("detector") / "model_final.pth")


@pytest.fixture(scope="module")
def ternaus(tmp_path_factory):
    return write_ternaus(tmp_path_factory.mktemp("ternaus") / "weights.pt")


def test_a_ternausnet_answers_its_planes(ternaus, tmp_path):
    card = export_checkpoint(ternaus, {**LICENCE, "summary": "Roofs."}, tmp_path / "m.onnx")
    assert read_card(tmp_path / "m.onnx") == card
    assert (card.task, card.decode_rule, card.classes, len(card.bands)) == ("planes", "ternaus", ("building",), 11)
    assert (card.licence, card.summary, card.recipe) == ("MIT", "Roofs.", "exported from weights.pt")
    image = np.random.default_rng(0).random((11, card.window, card.window), dtype=np.float32)
    (found,) = load_network(tmp_path / "m.onnx").ask(image)
    network = TernausNetV2(11, width=4)
    saved = torch.load(ternaus, weights_only=True)["model"]
    network.load_state_dict({name.removeprefix("module."): value for name, value in saved.items()}, strict=False)
    with torch.no_grad():
        truth = torch.sigmoid(network.eval()(torch.from_numpy(image[None]))).numpy()
    np.testing.assert_allclose(found, truth, atol=1e-4)
    assert [path.name for path in tmp_path.iterdir()] == ["m.onnx"]


@pytest.mark.parametrize(
    ("entries", "said"),
    [
        ({}, "tell the licence of the weights in the card"),
        ({**LICENCE, "window": 512}, "window of a TernausNetV2 is given by its authors: leave it out"),
    ],
)
def test_the_card_of_a_ternausnet_is_its_authors(ternaus, tmp_path, entries, said):
    with pytest.raises(BadOption, match=re.escape(said)):
        export_checkpoint(ternaus, entries, tmp_path / "m.onnx")
    assert not list(tmp_path.iterdir())


@pytest.fixture
def narrow(monkeypatch):
    """Detectors are as narrow as the file of the test; published ones have 176 MB."""
    monkeypatch.setattr("overtrace.learn.adapt_checkpoints.open_detectron2", partial(open_detectron2, settings=TINY))


def test_a_detector_answers_as_in_torch(detector, narrow, tmp_path):
    card = export_checkpoint(detector, CROWNS, tmp_path / "m.onnx")
    assert read_card(tmp_path / "m.onnx") == card
    assert (card.task, card.name, card.window, card.margin) == ("detections", "model_final", 128, 16)
    image = draw_image(3)[0].numpy()
    boxes, scores, classes, masks = load_network(tmp_path / "m.onnx").ask(image)
    with torch.no_grad():
        truth = build(replace(TINY, norm="frozen"))(torch.from_numpy(image[None]))
    count = len(truth[0])
    np.testing.assert_allclose(boxes[:count], truth[0], atol=0.01)
    np.testing.assert_allclose(scores[:count], truth[1], atol=1e-4)
    np.testing.assert_array_equal(classes[:count], truth[2])
    np.testing.assert_allclose(masks[:count], truth[3], atol=1e-3)


@pytest.mark.parametrize(
    ("entries", "said"),
    [
        ({**CROWNS, "classes": ["crown"]}, "knows 2 classes, the card names 1: name each"),
        ({"classes": ["crown", "roof"]}, "licence: Field required"),
        ({**CROWNS, "colour": 3}, "colour: Extra inputs"),
    ],
)
def test_the_card_of_a_detector_names_its_classes(detector, narrow, tmp_path, entries, said):
    with pytest.raises(BadOption, match=re.escape(said)):
        export_checkpoint(detector, entries, tmp_path / "m.onnx")
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize(
    ("held", "said"),
    [
        (None, "cannot be read as a checkpoint"),
        ([1], "holds list: wanted a dictionary of weights"),
        ({"model": {"a": 1}}, "holds the weights a, wanted TernausNetV2's"),
        ({"model": {"backbone.a": torch.ones(1)}}, "wanted a Mask R-CNN of detectron2 or detectree2"),
    ],
)
def test_what_is_neither_is_one_line(tmp_path, held, said):
    path = tmp_path / "weights.pth"
    if held is not None:
        torch.save(held, path)
    with pytest.raises(BadModel) as error:
        export_checkpoint(path, CROWNS, tmp_path / "m.onnx")
    assert said in str(error.value)
    assert "\n" not in str(error.value)
