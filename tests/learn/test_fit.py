from pathlib import Path

import pytest

torch = pytest.importorskip("torch")

from overtrace.learn.batches import Pool  # noqa: E402
from overtrace.learn.fit import fit  # noqa: E402
from overtrace.learn.recipe import Fit, NetworkChoice, Recipe, Source  # noqa: E402
from tests.support.labelled import draw_crowns  # noqa: E402

SOURCE = Source(weight=1, pixel_size_m=(0.4, 0.9), own_size=0.5)


def recipe(seed: int = 1, steps: int = 4) -> Recipe:
    schedule = Fit(steps=steps, batch=2, crop_px=32, learning_rate=2e-3, weight_decay=0.03, warm_up=2, average=0.5)
    network = NetworkChoice(size="s")
    return Recipe(name="r", version="1", seed=seed, network=network, fit=schedule, urban_california=SOURCE, neon=SOURCE)


def train(choice: Recipe, path: Path, said: list[str] | None = None) -> dict[str, "torch.Tensor"]:
    said = [] if said is None else said
    return fit(choice, lambda: [Pool([draw_crowns()], SOURCE)], path, said.append).state_dict()


def same(one: dict[str, "torch.Tensor"], other: dict[str, "torch.Tensor"]) -> bool:
    return all(torch.equal(one[name], other[name]) for name in one)


@pytest.fixture(scope="module")
def trained(tmp_path_factory):
    path = tmp_path_factory.mktemp("fit") / "weights.pt"
    return train(recipe(), path), path


def test_a_seed_gives_the_same_weights_whatever_was_drawn_before(trained, tmp_path):
    torch.rand(3)
    assert same(trained[0], train(recipe(), tmp_path / "again.pt"))


def test_another_seed_gives_other_weights(trained, tmp_path):
    assert not same(trained[0], train(recipe(seed=2), tmp_path / "other.pt"))


def test_the_last_steps_are_kept_and_nothing_lies_beside(trained):
    kept = torch.load(trained[1], weights_only=True)
    assert kept["step"] == 4
    assert same(kept["weights"], trained[0])
    assert [path.name for path in trained[1].parent.iterdir()] == ["weights.pt"]


def test_what_is_finished_is_not_trained_again(trained):
    def refuse() -> list[Pool]:
        raise AssertionError("the data was read again")

    assert same(fit(recipe(), refuse, trained[1], print).state_dict(), trained[0])


def test_another_recipe_does_not_take_the_weights_that_lie_there(trained, tmp_path):
    path = tmp_path / "weights.pt"
    path.write_bytes(trained[1].read_bytes())
    assert not same(train(recipe(steps=2), path), trained[0])


def test_the_loss_falls(tmp_path, monkeypatch):
    monkeypatch.setattr("overtrace.learn.fit.REPORT_EVERY", 10)
    said: list[str] = []
    train(recipe(steps=40), tmp_path / "weights.pt", said)
    losses = [float(line.rsplit(" ", 1)[1]) for line in said]
    assert len(losses) == 4
    assert losses[-1] < 0.9 * losses[0]
