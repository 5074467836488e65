import numpy as np
import pytest

pytest.importorskip("torch")

from overtrace.decode.instances import Sums, features, score
from overtrace.learn.scorer import average_precision, best_overlap, fit_logistic, judge, learn_scorer
from overtrace.learn.sources import Group
from overtrace.learn.validate import hold, validate
from overtrace.models.card import read_card
from tests.learn.test_run import train
from tests.learn.test_validate import answering
from tests.support.drawn import draw_objects, gather


def draw(name, true_wide):
    """Large true squares that the planes are less sure of than of small false ones."""
    drawn = draw_objects(name, 64, 64, [(4, 24, 4, 4 + true_wide), (34, 54, 34, 54)])
    drawn.image[drawn.labels > 0] = np.minimum(drawn.image[drawn.labels > 0], 180)
    drawn.image[4:9, 40:45] = (250, 0, 250)
    drawn.image[50:55, 4:9] = (250, 0, 250)
    return drawn


def hold_drawn(folder, count=6):
    return hold(Group("drawn", "itc", gather([draw(f"{i}", 14 + i) for i in range(count)])), folder, None)


def test_features_worked_by_hand():
    sums = Sums(np.array([100]), np.array([100 * 51]), np.array([102]))
    m, p, a = 0.2, 0.4, np.log(100) / 10
    np.testing.assert_allclose(features(sums), [[1, m, p, a, m * m, m * p, m * a, p * p, p * a, a * a]])
    # Missing weights are 0: 1 / (1 + exp(-(0.5 - 2 * 0.2))).
    np.testing.assert_allclose(score(sums, (0.5, -2.0)), 1 / (1 + np.exp(-0.1)), rtol=1e-6)
    np.testing.assert_allclose(score(sums), 0.2 * 0.4, rtol=1e-6)


def test_an_instance_scores_the_same_alone_and_among_others():
    rng = np.random.default_rng(0)
    area = rng.integers(1, 5000, 997)
    sums = Sums(area, area * rng.integers(1, 255, 997), rng.integers(1, 255, 997))
    weights = tuple(rng.normal(0, 2, 10).tolist())
    together = score(sums, weights)
    alone = [
        score(Sums(*(part[i : i + 1] for part in (sums.area, sums.interior, sums.peak))), weights) for i in range(997)
    ]
    np.testing.assert_array_equal(together, np.concatenate(alone))


def test_overlap_worked_by_hand():
    found, true = np.array([[1, 1, 1, 2], [0, 0, 3, 2]]), np.array([[4, 4, 0, 1], [0, 0, 0, 1]])
    np.testing.assert_allclose(best_overlap(found, true, 3), [2 / 3, 1, 0])


def test_average_precision_worked_by_hand():
    scores, true = np.array([0.9, 0.8, 0.7, 0.6]), np.array([True, False, True, False])
    # The first hit at precision 1, the second at 2 / 3, the third object is not found.
    assert average_precision(scores, true, 3) == pytest.approx((1 + 2 / 3) / 3)


def test_a_regression_finds_the_weights_that_made_the_data():
    rng = np.random.default_rng(0)
    rows = np.column_stack([np.ones(20_000), rng.normal(size=(20_000, 2))])
    true = rng.random(20_000) < 1 / (1 + np.exp(-rows @ [0.5, -1.0, 2.0]))
    np.testing.assert_allclose(fit_logistic(rows, true), [0.5, -1.0, 2.0], atol=0.1)
    # What can be told apart without fail does not run away.
    assert np.isfinite(fit_logistic(rows, rows[:, 1] > 0)).all()


def test_a_score_is_learned_where_the_planes_mislead(tmp_path):
    held, said = hold_drawn(tmp_path), []
    network = answering()
    images = judge(network, held)
    assert [image.true.tolist() for image in images] == [[False, True, True, False]] * 6
    weights = learn_scorer([(network, held)], said.append)
    assert said == ["score of instances: average precision 0.5000 by the planes, 1.0000 learned, on images left out"]
    decode = network.card.decode.model_copy(update={"scorer": weights})
    assert validate(network, held) == pytest.approx(0.5, abs=0.01)
    assert validate(network.with_card(network.card.model_copy(update={"decode": decode})), held) == pytest.approx(1)


def test_what_is_all_true_teaches_nothing(tmp_path):
    held = hold(
        Group("drawn", "itc", gather([draw_objects(n, 64, 64, [(4, 24, 4, 24)]) for n in "ab"])), tmp_path, None
    )
    said = []
    assert learn_scorer([(answering(), held)], said.append) == ()
    assert said == ["the score is not learned: all instances are true, or none"]


def test_a_recipe_asks_for_it(tmp_path):
    _, said = train(tmp_path, validation={"every": 4, "scorer": True}, card={"window": 64, "margin": 8, "int8": False})
    assert any("score" in line and ("learned" in line) for line in said)
    scores = read_card(tmp_path / "out" / "tiny.onnx").scores
    assert scores[0].data.endswith("thresholds and scorer chosen on them")
