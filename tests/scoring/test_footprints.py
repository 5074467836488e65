import numpy as np
import pytest
import shapely
from hypothesis import given
from hypothesis import strategies as st

from overtrace.scoring.footprints import RULES, SOLARIS, TOPCODER, UTILITIES, FootprintRule, count_footprints, f1


def boxes(*sides: tuple[float, float, float, float]) -> np.ndarray:
    return np.array([shapely.box(*side) for side in sides], object)


def count(truth, answer, confidence=None, rule=TOPCODER):
    """(hits, found, true) of one image."""
    confidence = np.zeros(len(answer)) if confidence is None else np.array(confidence, float)
    counts = count_footprints(
        np.zeros(len(truth), np.int64), truth, np.zeros(len(answer), np.int64), answer, confidence, 1, rule
    )
    return int(counts.hits[0]), int(counts.found[0]), int(counts.true[0])


HOUSE = boxes((0, 0, 10, 10))
HALF = boxes((0, 0, 10, 20))


@pytest.mark.parametrize(("rule", "hits"), [(TOPCODER, 0), (SOLARIS, 0), (UTILITIES, 1)])
def test_exactly_half_is_a_match_for_one_code_only(rule, hits):
    assert count(HOUSE, HALF, rule=rule) == (hits, 1, 1)


@pytest.mark.parametrize(
    ("rule", "area", "found", "true"),
    [
        (TOPCODER, 19.9, 0, 0),
        (TOPCODER, 20, 1, 1),
        (UTILITIES, 20, 1, 0),
        (UTILITIES, 5, 1, 0),
        (UTILITIES, 0, 1, 0),
        (SOLARIS, 20, 0, 1),
        (SOLARIS, 20.1, 1, 1),
    ],
)
def test_small_footprints(rule, area, found, true):
    small = boxes((0, 0, 1, area))
    assert count(small, small, rule=rule)[1:] == (found, true)


def test_the_surest_chooses_first_and_the_first_of_equally_sure_ones():
    # Both answers match; the first overlaps more, the second is surer. One truth: one hit either way.
    assert count(HOUSE, boxes((0, 0, 10, 10), (0, 0, 10, 9)), [0.1, 0.9]) == (1, 2, 1)
    # The answer that reaches over both houses overlaps the first by 100 / 180 and takes it, if it may choose first.
    row = boxes((0, 0, 10, 10), (10, 0, 18, 10))
    wide, exact = (0, 0, 18, 10), (0, 0, 10, 10)
    assert count(row, boxes(wide, exact), [0.9, 0.1]) == (1, 2, 2)
    assert count(row, boxes(wide, exact), [0.1, 0.9]) == (1, 2, 2)
    assert count(row, boxes((10, 0, 18, 10), wide, exact), [0.9, 0.5, 0.1]) == (2, 3, 2)


def test_the_first_truth_wins_a_tie():
    # Were the tied truths not told apart, one of the two answers would find its house taken.
    houses = boxes((0, 0, 10, 10), (0, 0, 10, 10))
    assert count(houses, boxes((0, 0, 10, 10), (0, 0, 10, 10))) == (2, 2, 2)


@pytest.mark.parametrize("rule", RULES.values(), ids=RULES)
@pytest.mark.parametrize(
    ("truth", "answer", "counts"),
    [
        (boxes(), boxes(), (0, 0, 0)),
        (HOUSE, boxes(), (0, 0, 1)),
        (boxes(), HOUSE, (0, 1, 0)),
        (HOUSE, boxes((20, 20, 30, 30)), (0, 1, 1)),
        (np.array([shapely.from_wkt("POLYGON EMPTY")]), HOUSE, (0, 1, 0)),
    ],
)
def test_empty_cases(truth, answer, counts, rule):
    assert count(truth, answer, rule=rule) == counts


def test_images_do_not_mix():
    counts = count_footprints(
        np.array([0, 2]), boxes((0, 0, 10, 10), (0, 0, 10, 10)), np.array([1, 2]), boxes((0, 0, 10, 10), (0, 0, 9, 10)),
        np.zeros(2), 3,
    )  # fmt: skip
    np.testing.assert_array_equal(counts.hits, [0, 0, 1])
    np.testing.assert_array_equal(counts.found, [0, 1, 1])
    np.testing.assert_array_equal(counts.true, [1, 0, 1])
    assert f1(counts) == 2 * 1 / 4


def test_an_outline_that_crosses_itself():
    bow = np.array([shapely.Polygon([(0, 0), (0, 10), (20, 0), (20, 30)])], object)
    assert not shapely.is_valid(bow[0])
    assert count(bow, bow, rule=SOLARIS) == (0, 1, 1)
    assert count(bow, bow, rule=UTILITIES)[1:] == (1, 1)
    assert count(bow, bow, rule=TOPCODER)[1:] == (1, 1)


def test_what_crosses_itself_may_enclose_more_than_its_area():
    # The left wing of the bow has 15 x 15 = 225 pixels, the right one 12 x 12 = 144: for the tester, 225 - 144 = 81.
    bow = np.array([shapely.Polygon([(0, -15), (0, 15), (27, -12), (27, 12)])], object)
    wing = np.array([shapely.Polygon([(0, -15), (0, 15), (15, 0)])], object)
    assert shapely.area(bow) == 81
    # 225 shared / (81 + 225 - 225) = 2.8
    assert count(wing, bow, rule=TOPCODER) == (1, 1, 1)
    # The wing that a buffer leaves is the house itself; of a house of 17 x 30 = 510 it is 225 / 510 = 0.44. The tester
    # sees 225 + 4 shared: 229 / (81 + 510 - 229) = 0.63.
    assert count(wing, bow, rule=SOLARIS) == (1, 1, 1)
    assert count(boxes((0, -15, 17, 15)), bow, rule=SOLARIS) == (0, 1, 1)
    assert count(boxes((0, -15, 17, 15)), bow, rule=TOPCODER) == (1, 1, 1)
    # Two rooms of 600 and 200 pixels, one turned about: 800 shared / (400 + 400 - 800) is infinite, and a match.
    eight = [(0, 0), (30, 0), (30, 20), (30, 30), (50, 30), (50, 20), (30, 20), (0, 20)]
    both = np.array([shapely.Polygon(eight)], object)
    assert shapely.area(both) == 400
    assert count(both, both, rule=TOPCODER) == (1, 1, 1)


@pytest.mark.parametrize(("rule", "hits"), [(TOPCODER, 1), (SOLARIS, 1), (UTILITIES, 0)])
@pytest.mark.parametrize("reach", [45, 44])
def test_one_code_counts_no_overlap_that_also_touches(rule, hits, reach):
    # The answer covers the left wing and the yard, up to the wall of the right wing: 960 / 1495 = 0.64.
    house = [(0, 0), (50, 0), (50, 30), (45, 30), (45, 5), (40, 5), (40, 30), (0, 30)]
    truth = np.array([shapely.Polygon(house)], object)
    assert count(truth, boxes((0, 6, reach, 30)), rule=rule)[0] == (hits if reach == 45 else 1)


def ask_by_hand(truth, answer, confidence, rule: FootprintRule) -> tuple[int, int, int]:
    """The rule of valid polygons, pair by pair."""
    truth = [p for p in truth if (p.area >= 20 if rule.truth_area_kept else p.area > 20)]
    order = np.argsort(-confidence, kind="stable") if rule.by_confidence else np.arange(len(answer))
    answer = [answer[i] for i in order]
    answer = [
        p for p in answer if (p.area >= rule.answer_area_px if rule.answer_area_kept else p.area > rule.answer_area_px)
    ]
    left, hits = list(truth), 0
    for polygon in answer:
        ious = [polygon.intersection(other).area / polygon.union(other).area for other in left]
        best = int(np.argmax(ious)) if ious else -1
        if ious and (ious[best] >= 0.5 if rule.at_least else ious[best] > 0.5):
            hits += 1
            del left[best]
    return hits, len(answer), len(truth)


@given(st.integers(0, 2**32 - 1), st.sampled_from(list(RULES.values())))
def test_equal_to_the_rule_written_out(seed, rule):
    rng = np.random.default_rng(seed)
    corner = rng.integers(0, 20, (rng.integers(0, 12), 2))
    truth = boxes(*(np.concatenate([c, c + rng.integers(3, 9, 2)]) for c in corner))
    moved = [
        np.array(p.bounds) + rng.integers(-2, 3, 4) * [1, 1, 1, 1] for p in truth for _ in range(rng.integers(0, 3))
    ]
    answer = boxes(*(b for b in moved if b[2] > b[0] and b[3] > b[1]))
    confidence = rng.choice([0.25, 0.5, 1.0], len(answer))
    assert count(truth, answer, confidence, rule) == ask_by_hand(truth, answer, confidence, rule)
