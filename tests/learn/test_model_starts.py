import pytest

torch = pytest.importorskip("torch")

from overtrace.errors import BadModel  # noqa: E402
from overtrace.learn.export import export_network  # noqa: E402
from overtrace.learn.model_starts import settle  # noqa: E402
from overtrace.learn.networks import find_starts, make_network, starts_from_model_file  # noqa: E402
from overtrace.models.card import write_card  # noqa: E402
from overtrace.models.runtime import load_network  # noqa: E402
from overtrace.models.shipped import find_model  # noqa: E402
from tests.support.networks import conv_card  # noqa: E402
from tests.support.recipes import make_recipe  # noqa: E402
from tests.support.training import train  # noqa: E402

KINDS = [
    {"kind": "mini", "size": "s"},
    {"kind": "unet", "widths": [8, 16, 24]},
    {"kind": "fpn", "detail": 1},
]
TREES = {"kind": "fpn", "detail": 1, "start": "trees-fp32"}


def make_file(choice, folder, card=None):
    """A model file of a network whose normalisations have seen something; and the network."""
    torch.manual_seed(3)
    network = make_network(make_recipe(network=choice, seed=7), 3, 1, folder).train()
    with torch.no_grad():
        for _ in range(3):
            network(torch.rand(2, 3, 64, 64) ** 2)
    card = card or conv_card()
    export_network(network.eval(), card, folder / "bare.onnx")
    write_card(folder / "bare.onnx", card, folder / "model.onnx")
    return network


def answer(network, image):
    with torch.no_grad():
        return network.eval()(image)


@pytest.mark.parametrize("choice", KINDS, ids=lambda choice: choice["kind"])
def test_a_network_answers_as_the_model_file_that_it_starts_from(choice, tmp_path):
    before, image = make_file(choice, tmp_path), torch.rand(1, 3, 64, 64)
    after = make_network(make_recipe(network={**choice, "start": "model.onnx"}, seed=8), 3, 1, tmp_path)
    torch.testing.assert_close(answer(after, image), answer(before, image), atol=1e-3, rtol=1e-3)
    settle(after, torch.rand(4, 3, 64, 64) ** 2)
    torch.testing.assert_close(answer(after, image), answer(before, image), atol=1e-3, rtol=1e-3)


def test_while_it_learns_a_settled_network_answers_as_the_file_does(tmp_path):
    # Batch norms that learn go by the statistics of the batch: they are those that were measured.
    images = torch.rand(4, 3, 64, 64)
    before = make_file(KINDS[0], tmp_path)
    after = make_network(make_recipe(network={**KINDS[0], "start": "model.onnx"}), 3, 1, tmp_path)
    with torch.no_grad():
        unsettled = after.train()(images)
        after = make_network(make_recipe(network={**KINDS[0], "start": "model.onnx"}), 3, 1, tmp_path)
        settle(after, images)
        settled = after.train()(images)
    truth = answer(before, images)
    torch.testing.assert_close(settled, truth, atol=1e-3, rtol=1e-3)
    assert (unsettled - truth).abs().max() > 0.05


def test_a_shipped_model_is_learned_on_from_its_name(tmp_path):
    recipe = make_recipe(network=TREES, fit__learning_rate=1e-9, fit__steps=2)
    assert starts_from_model_file(recipe)
    assert find_starts(recipe, tmp_path) == [find_model("trees-fp32")]
    network, _ = train(recipe, tmp_path / "run")
    image = torch.rand(1, 3, 512, 512)
    truth = load_network(find_model("trees-fp32")).run(image.numpy())
    assert abs(torch.sigmoid(answer(network, image)).numpy() - truth).mean() < 0.02


def test_what_cannot_be_started_from_is_told(tmp_path):
    def complain(start, choice=KINDS[0]):
        with pytest.raises(BadModel) as error:
            make_network(make_recipe(network={**choice, "start": start}), 3, 1, tmp_path)
        assert "\n" not in str(error.value)
        return str(error.value)

    assert complain("trees").endswith("is in int8: to start from a model file, take the one in fp32")
    assert "does not fit the network of the recipe: its convolutions have other shapes" in complain("trees-fp32")
    assert "that does not take the 4 bands of the file" in complain("trees-nir-fp32")
    assert "none.onnx does not exist" in complain("none.onnx")
    make_file(KINDS[0], tmp_path)
    assert "a model file among them: the mean is of checkpoints" in complain(["model.onnx", "model.onnx"])
    ternaus = {"kind": "ternausnet_v2", "width": 4}
    make_file(ternaus, tmp_path, conv_card(planes=("interior", "touch")))
    assert "holds normalisations of its own" in complain("model.onnx", ternaus)
