import numpy as np
import pytest

from overtrace.scoring.intervals import draw_images, multiply, percentiles, rank_answers
from tests.support.made_sets import MAKERS, Population


@pytest.mark.parametrize("parts", [[0], [0, 0, 0], [0, 1, 1, 2, 2, 2]])
def test_each_part_is_drawn_as_often_as_it_has_images(parts):
    part = np.array(parts)
    times = draw_images(part, 50, np.random.default_rng(0))
    assert times.shape == (50, len(parts))
    for p in np.unique(part):
        np.testing.assert_array_equal(times[:, part == p].sum(axis=1), (part == p).sum())


def test_every_image_is_drawn_once_in_the_mean():
    times = draw_images(np.zeros(10, int), 4000, np.random.default_rng(0))
    # The standard error of each mean is sqrt(0.9 / 4000) = 0.015.
    np.testing.assert_allclose(times.mean(axis=0), 1, atol=0.06)


def test_sums_are_exact():
    times, counts = np.array([[2, 1], [0, 3]]), np.array([[2**40 + 1, 1], [5, 7]])
    np.testing.assert_array_equal(multiply(times, counts), [[2**41 + 7, 9], [15, 21]])


def test_percentiles_worked_by_hand():
    low, high = percentiles(np.arange(101.0), 0.9)
    assert (low, high) == pytest.approx((5, 95))


def test_standings_worked_by_hand():
    # The first beats the second in 3 draws of 4 and never loses: better, but not at every level. The third is far off.
    draws = np.array([[0.9, 0.8, 0.7, 0.6], [0.8, 0.7, 0.6, 0.6], [0.1, 0.1, 0.1, 0.1]])
    first, second, third = rank_answers(np.array([0.75, 0.7, 0.1]), draws, level=0.95)
    assert [one.rank for one in (first, second, third)] == [1, 2, 3]
    assert (first.best_rank, first.worst_rank) == (1, 1)
    assert (second.best_rank, second.worst_rank) == (2, 2)
    np.testing.assert_allclose(first.beats, [0.5, 0.875, 1])
    np.testing.assert_allclose(third.beats, [0, 0, 0.5])


def test_answers_that_win_by_turns_are_tied():
    draws = np.array([[0.9, 0.5, 0.9, 0.5], [0.5, 0.9, 0.5, 0.8], [0.1, 0.1, 0.1, 0.1]])
    first, second, third = rank_answers(np.array([0.7, 0.69, 0.1]), draws)
    assert (first.rank, first.best_rank, first.worst_rank) == (1, 1, 2)
    assert (second.rank, second.best_rank, second.worst_rank) == (2, 1, 2)
    assert (third.best_rank, third.worst_rank) == (3, 3)


def test_equal_answers_share_the_better_rank():
    draws = np.full((2, 10), 0.5)
    one, other = rank_answers(np.array([0.5, 0.5]), draws)
    assert (one.rank, other.rank) == (1, 1)
    np.testing.assert_array_equal(one.beats, [0.5, 0.5])


def test_a_tied_range_holds_the_rank_that_the_scores_give():
    rng = np.random.default_rng(0)
    for _ in range(50):
        draws = rng.normal(rng.normal(0, 1, (6, 1)), 1, (6, 40)).round(1)
        for one in rank_answers(rng.normal(0, 1, 6).round(1), draws):
            assert one.best_rank <= one.rank <= one.worst_rank


SETS, IMAGES, RESAMPLES = 400, 120, 400


def try_sets(population: Population, rng: np.random.Generator) -> tuple[float, float, float]:
    """Over many sets drawn from a population, the shares in which: the true score of an answer lies in its interval;
    two equal answers are tied; a worse one is not tied with a better one."""
    one, two, worse = population
    parts = [np.flatnonzero(one.part == p) for p in range(len(one.parts))]
    true = one.settle(np.ones((1, len(one.part)), np.int64)).mean()
    found = np.zeros(3)
    for _ in range(SETS):
        drawn = np.concatenate([rng.choice(own, IMAGES // len(parts)) for own in parts])
        again = draw_images(one.part[drawn], RESAMPLES, rng)
        times = np.zeros((RESAMPLES + 1, len(one.part)), np.int64)
        for place, image in enumerate(drawn):
            times[0, image] += 1
            times[1:, image] += again[:, place]
        scores = np.stack([answer.settle(times).mean(axis=1) for answer in (one, two, worse)])
        equal = rank_answers(scores[:2, 0], scores[:2, 1:])
        unequal = rank_answers(scores[::2, 0], scores[::2, 1:])
        found += (
            equal[0].low <= true <= equal[0].high,
            equal[0].worst_rank == equal[0].best_rank + 1,
            (unequal[0].worst_rank == 1),
        )
    return tuple((found / SETS).tolist())


@pytest.mark.parametrize("kind", MAKERS)
def test_intervals_cover_and_ties_are_right_at_the_stated_rate(kind):
    rng = np.random.default_rng(1)
    population = MAKERS[kind](rng)
    whole = np.ones((1, len(population[0].part)), np.int64)
    one, two, worse = (answer.settle(whole).mean() for answer in population)
    assert one == pytest.approx(two, abs=2e-3)
    assert worse < one - 0.03
    covered, tied, told = try_sets(population, rng)
    # Of 400 sets, the standard error of a share of 0.95 is 0.011.
    assert covered == pytest.approx(0.95, abs=0.03)
    assert tied == pytest.approx(0.95, abs=0.03)
    assert told > 0.97
