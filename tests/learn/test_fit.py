import csv
import json
import math
from dataclasses import replace

import numpy as np
import pytest

torch = pytest.importorskip("torch")

from torch import nn  # noqa: E402

from overtrace.data.labelled import Scene  # noqa: E402
from overtrace.errors import BadModel, BadOption  # noqa: E402
from overtrace.learn.fit import CHECKPOINT, follow, kept_step, schedule  # noqa: E402
from overtrace.learn.networks import make_network  # noqa: E402
from overtrace.learn.recipe import Fit  # noqa: E402
from tests.support.labelled import draw_crowns  # noqa: E402
from tests.support.recipes import make_pool, make_recipe  # noqa: E402
from tests.support.tiny_rcnn import TINY_CHOICE  # noqa: E402
from tests.support.training import Killed, train  # noqa: E402

RECIPE = make_recipe(fit__steps=9, fit__keep_every=3)


@pytest.fixture(scope="module")
def trained(tmp_path_factory):
    out = tmp_path_factory.mktemp("fit")
    average, watch = train(RECIPE, out)
    return average.state_dict(), watch, out


def read_checkpoint(out):
    return torch.load(out / CHECKPOINT, weights_only=True)


def same(one, other):
    """Whether two nests of tensors and numbers are equal to the last bit."""
    if isinstance(one, dict):
        return one.keys() == other.keys() and all(same(one[name], other[name]) for name in one)
    if isinstance(one, list | tuple):
        return len(one) == len(other) and all(map(same, one, other))
    return torch.equal(one, other) if isinstance(one, torch.Tensor) else one == other


def test_a_seed_gives_the_same_weights_whatever_was_drawn_before(trained, tmp_path):
    torch.rand(3)
    average, _ = train(RECIPE, tmp_path)
    assert same(trained[0], average.state_dict())


def test_another_seed_gives_other_weights(trained, tmp_path):
    average, _ = train(make_recipe(fit__steps=9, seed=2), tmp_path)
    assert not same(trained[0], average.state_dict())


def test_the_checkpoint_holds_all_that_going_on_needs_and_nothing_lies_beside(trained):
    held = read_checkpoint(trained[2])
    assert set(held) == {"step", "recipe", "network", "average", "optimizer"}
    assert (held["step"], kept_step(trained[2], RECIPE)) == (9, 9)
    assert same(held["average"], trained[0])
    assert sorted(path.name for path in trained[2].iterdir()) == [CHECKPOINT, "losses.csv", "tensorboard"]


def test_every_step_is_told_once(trained):
    _, watch, out = trained
    assert (watch.began, watch.checked) == (0, list(range(1, 10)))
    rows = list(csv.DictReader((out / "losses.csv").open()))
    assert [int(row["step"]) for row in rows] == list(range(1, 10))
    rates = [float(row["learning_rate"]) for row in rows]
    assert rates == [RECIPE.fit.learning_rate * schedule(step, RECIPE.fit) for step in range(1, 10)]


@pytest.mark.parametrize("when", ["before", "after"])
@pytest.mark.parametrize("step", [1, 3, 5, 9])
def test_what_is_killed_at_a_step_and_resumed_is_the_same_to_the_last_bit(trained, tmp_path, step, when):
    with pytest.raises(Killed):
        train(RECIPE, tmp_path, **{when: step})
    average, watch = train(RECIPE, tmp_path)
    # A checkpoint is written every third step; "before" is before that of the step itself.
    done = (step if when == "after" else step - 1) // 3 * 3
    assert watch.began == done
    assert watch.checked == list(range(max(done, 1), 10))
    assert (tmp_path / "losses.csv").read_bytes() == (trained[2] / "losses.csv").read_bytes()
    assert same(average.state_dict(), trained[0])
    assert same(read_checkpoint(tmp_path), read_checkpoint(trained[2]))


def test_killed_twice_and_resumed_is_the_same_too(trained, tmp_path):
    for step in (4, 8):
        with pytest.raises(Killed):
            train(RECIPE, tmp_path, before=step)
    average, _ = train(RECIPE, tmp_path)
    assert (tmp_path / "losses.csv").read_bytes() == (trained[2] / "losses.csv").read_bytes()
    assert same(average.state_dict(), trained[0])


def test_what_is_finished_is_not_trained_again(trained):
    average, watch = train(RECIPE, trained[2])
    assert (watch.began, watch.checked) == (9, [9])
    assert same(average.state_dict(), trained[0])


def test_a_stop_ends_on_the_way_of_the_schedule(trained, tmp_path):
    train(make_recipe(fit__steps=9, fit__stop=2, fit__keep_every=3), tmp_path)
    whole = (trained[2] / "losses.csv").read_text().splitlines()
    assert (tmp_path / "losses.csv").read_text().splitlines() == whole[:3]
    assert read_checkpoint(tmp_path)["step"] == 2


@pytest.mark.parametrize("changes", [{"card__licence": "CC BY 4.0"}, {"validation__folds": 2}, {"name": "other"}])
def test_a_recipe_may_say_more_of_what_was_trained(trained, changes):
    assert kept_step(trained[2], make_recipe(fit__steps=9, fit__keep_every=3, **changes)) == 9


def test_a_checkpoint_of_another_recipe_is_refused(trained):
    with pytest.raises(BadOption, match=r"checkpoint\.pt was kept by another recipe: go on with that one, or choose"):
        train(make_recipe(fit__steps=9, fit__keep_every=3, seed=2), trained[2])


def test_a_checkpoint_from_before_an_option_was_there_is_of_the_same_recipe(trained, tmp_path):
    held = read_checkpoint(trained[2])
    told = json.loads(held["recipe"])
    del told["fit"]["encoder_rate"]
    torch.save({**held, "recipe": json.dumps(told)}, tmp_path / CHECKPOINT)
    assert kept_step(tmp_path, RECIPE) == 9


def test_a_damaged_checkpoint_is_told(trained, tmp_path):
    (tmp_path / CHECKPOINT).write_bytes((trained[2] / CHECKPOINT).read_bytes()[:5000])
    with pytest.raises(BadModel, match=r"checkpoint\.pt cannot be read as a checkpoint"):
        train(RECIPE, tmp_path)


def test_a_batch_that_processes_cannot_share_is_refused(tmp_path):
    from overtrace.learn.run import Machine, check_machine

    with pytest.raises(BadOption, match=r"fit\.batch is 3, which 2 processes cannot share: wanted a multiple"):
        check_machine(make_recipe(fit__batch=3), Machine("cpu", devices=2))


def test_the_loss_falls(tmp_path):
    recipe = make_recipe(fit={"steps": 40, "batch": 2, "crop_px": 64, "learning_rate": 2e-3})
    train(recipe, tmp_path)
    losses = [float(row["loss"]) for row in csv.DictReader((tmp_path / "losses.csv").open())]
    assert np.mean(losses[-5:]) < 0.7 * np.mean(losses[:5])


def test_a_detector_learns_from_crops_that_hold_nothing(tmp_path):
    bare = draw_crowns()
    bare.labels[:] = 0
    recipe = make_recipe(network=TINY_CHOICE, fit__steps=2, fit__crop_px=64)
    average, _ = train(recipe, tmp_path, make_pool(bare))
    rows = list(csv.DictReader((tmp_path / "losses.csv").open()))
    assert [float(row["masks"]) for row in rows] == [0, 0]
    assert all(math.isfinite(float(row["loss"])) for row in rows)
    assert all(weight.isfinite().all() for weight in average.state_dict().values())


def test_a_scene_that_nobody_knows_costs_nothing(tmp_path):
    void = Scene("s", None, np.full((64, 64, 3), 99, np.uint8), np.full((64, 64), 255, np.uint8))
    train(make_recipe(network={"kind": "scene"}, fit__steps=1, fit__crop_px=64), tmp_path, make_pool(void))
    (row,) = csv.DictReader((tmp_path / "losses.csv").open())
    assert float(row["loss"]) == 0


def test_the_schedule_worked_by_hand():
    choice = Fit(steps=10, batch=1, crop_px=32, learning_rate=1, warm_up=2)
    # Two steps up, then a cosine over the eight that are left.
    assert [schedule(step, choice) for step in (1, 2, 6, 10)] == pytest.approx([0.5, 1, 0.5, 0])
    assert schedule(4, choice) == pytest.approx((1 + math.cos(math.pi / 4)) / 2)
    plain = choice.model_copy(update={"warm_up": 0})
    assert [schedule(step, plain) for step in (5, 10)] == pytest.approx([0.5, 0])


def test_the_running_average_worked_by_hand():
    average, network = nn.BatchNorm2d(1), nn.BatchNorm2d(1)
    network.weight.data[:], network.running_mean[:], network.num_batches_tracked[...] = 3, 8, 7
    follow(average, network, 0.75)
    # A quarter of the way from 1 to 3, and from 0 to 8; a count is taken over.
    assert (average.weight.item(), average.running_mean.item(), average.num_batches_tracked.item()) == (1.5, 2, 7)


def test_the_first_steps_are_forgotten_sooner(tmp_path):
    recipe = make_recipe(fit={"steps": 1, "batch": 2, "crop_px": 32, "learning_rate": 1e-3, "average": 0.9})
    average, _ = train(recipe, tmp_path)
    held, start = read_checkpoint(tmp_path)["network"], torch.tensor(0.0)
    # Step 1 has the decay 1 / 11, not 0.9: biases begin at 0.
    moved = held["head.1.bias"]
    torch.testing.assert_close(average.state_dict()["head.1.bias"], torch.lerp(moved, start, 1 / 11))


def test_an_encoder_learns_at_its_own_rate(tmp_path):
    drawn = draw_crowns()
    pool = make_pool(Scene("one", 0.6, drawn.image, (drawn.labels > 0).astype(np.uint8)))
    pool = replace(pool, data=replace(pool.data, classes=("ground", "crown")))
    recipe = make_recipe(network={"kind": "scene"}, fit__steps=2, fit__crop_px=64, fit__encoder_rate=0.0)
    start = make_network(recipe, 3, 2, tmp_path).state_dict()
    after = train(recipe, tmp_path, pool)[0].state_dict()
    weights = [name for name in start if name.endswith("weight")]
    stayed = {name for name in weights if torch.equal(start[name], after[name])}
    assert stayed == {name for name in weights if name.startswith("encoder.")}
