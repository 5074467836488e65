import numpy as np
import pytest

from overtrace.formats.coco_files import as_text, read_data_set, read_results
from overtrace.scoring.errors import (
    ALONE,
    CUT,
    HIT,
    LEFT_OUT,
    MERGED,
    ROUGH,
    SPLIT,
    Kinds,
    Pairs,
    count_kinds,
    name_errors,
    name_point_errors,
)
from overtrace.scoring.instances import COCO, Rule, count_instances
from overtrace.scoring.instances import HIT as COUNTED_HIT
from overtrace.scoring.mask_pairs import pair_masks, take_objects
from tests.support.coco_sets import draw_set


def judge(shared, found_areas, true_areas, found, true) -> Kinds:
    """From (detections, objects) shared areas."""
    table = np.array(shared, float).reshape(len(found), len(true))
    i, j = np.nonzero(table)
    areas = np.array(found_areas, float), np.array(true_areas, float)
    return name_errors(Pairs(i, j, table[i, j]), *areas, np.array(found, np.uint8), np.array(true, np.uint8))


def test_one_detection_over_two_objects_merged_them():
    # Two crowns of 10 and 12 pixels: the detection covers 5 of the one, 12 of the other.
    kinds = judge([[5, 12]], [40], [10, 12], [ALONE], [ALONE, ALONE])
    assert (kinds.found.tolist(), kinds.true.tolist()) == ([MERGED], [MERGED, MERGED])


def test_a_detection_that_covers_less_than_half_did_not_merge():
    # IoU of 4 / 46 and 12 / 40: it is a bad outline of the second, and the first is missed.
    kinds = judge([[4, 12]], [40], [10, 12], [ALONE], [ALONE, ALONE])
    assert (kinds.found.tolist(), kinds.true.tolist()) == ([ROUGH], [ALONE, ROUGH])


def test_a_hit_stays_a_hit_though_it_merges():
    kinds = judge([[20, 3]], [24], [22, 3], [HIT], [HIT, ALONE])
    assert (kinds.found.tolist(), kinds.true.tolist()) == ([HIT], [HIT, MERGED])


def test_two_detections_in_one_object_split_it():
    # Of 100 pixels 30 and 20 are covered, by detections that lie in it by 30 / 40 and 20 / 40.
    kinds = judge([[30], [20]], [40, 40], [100], [ALONE, ALONE], [ALONE])
    assert (kinds.found.tolist(), kinds.true.tolist()) == ([SPLIT, SPLIT], [SPLIT])


def test_parts_that_cover_less_than_half_did_not_split_the_object():
    # 29 + 20 of 100: the detections are still parts of one object, which has a bad outline (IoU 29 / 110).
    kinds = judge([[29], [20]], [39, 40], [100], [ALONE, ALONE], [ALONE])
    assert (kinds.found.tolist(), kinds.true.tolist()) == ([SPLIT, SPLIT], [ROUGH])


def test_a_second_detection_of_a_hit_object_counts_as_split():
    kinds = judge([[90], [80]], [100, 100], [100], [HIT, ALONE], [HIT])
    assert (kinds.found.tolist(), kinds.true.tolist()) == ([HIT, SPLIT], [HIT])


def test_a_tenth_is_a_bad_outline_and_less_is_none():
    # IoU of 2 / (11 + 11 - 2) = 0.1, and of 1 / 21.
    kinds = judge([[2, 0], [0, 1]], [11, 11], [11, 11], [ALONE, ALONE], [ALONE, ALONE])
    assert (kinds.found.tolist(), kinds.true.tolist()) == ([ROUGH, ALONE], [ROUGH, ALONE])


def test_what_does_not_count_takes_no_part():
    # The first detection is cut, the first object left out: nothing is left to merge or to split.
    kinds = judge([[8, 8], [4, 4]], [16, 8], [8, 8], [CUT, ALONE], [LEFT_OUT, CUT])
    assert (kinds.found.tolist(), kinds.true.tolist()) == ([CUT, ROUGH], [LEFT_OUT, CUT])


def test_points_worked_by_hand():
    # Trees at 0, 5 and 100; points at 1, 2, 90 and 200: within 6 the first takes the first, and so on.
    found, true = np.array([1, 2, 90, 200]), np.array([0, 5, 100, 300])
    distance = np.abs(found[:, None] - true)
    i, j = np.nonzero(distance <= 12)
    pairs = Pairs(i, j, distance[i, j].astype(float))
    kinds = name_point_errors(
        pairs, 6, np.array([HIT, ALONE, ALONE, ALONE], np.uint8), np.array([HIT, ALONE, ALONE, ALONE], np.uint8)
    )
    assert kinds.found.tolist() == [HIT, SPLIT, ROUGH, ALONE]
    assert kinds.true.tolist() == [HIT, MERGED, ROUGH, ALONE]


def test_counts_by_row():
    counts = count_kinds(np.array([HIT, ALONE, ALONE], np.uint8), np.array([0, 2, 2]), 3)
    assert counts[:, [HIT, ALONE]].tolist() == [[1, 0], [0, 0], [0, 2]]
    assert counts.sum() == 3


def load(seed: int, images: int = 4):
    import json

    while True:
        data, results = draw_set(np.random.default_rng(seed), images, 2)
        if results and data["annotations"]:
            break
        seed += 1000
    truth = read_data_set(as_text(json.dumps(data).encode()), "a", "a")
    answer = read_results(as_text(json.dumps(results).encode()), "b", [])
    return truth, answer.annotations


@pytest.mark.parametrize("most", [2, 100])
@pytest.mark.parametrize("seed", range(25))
def test_what_takes_an_object_is_what_was_scored(seed, most):
    truth, answer = load(seed)
    rule = Rule(COCO.thresholds, COCO.areas, (1, most))
    counts = count_instances(truth.annotations, answer, truth.images, truth.categories, rule)
    masks = pair_masks(truth.annotations, answer, truth.images, truth.categories, workers=2)
    kept = np.arange(len(masks.found_rows)) - np.searchsorted(masks.found_group, masks.found_group) < most
    np.testing.assert_array_equal(answer.real[masks.found_rows[kept], 0], counts.score)
    whole, real = (table[masks.true_rows] for table in (truth.annotations.whole, truth.annotations.real))
    crowd = whole[:, 3] != 0
    ignored = crowd | (real[:, 1] < 0) | (real[:, 1] > 1e10)
    match = take_objects(masks, kept, ignored, crowd, 0.5)[kept]
    hit = (match >= 0) & ~ignored[match] & (whole[match, 0] != 0)
    np.testing.assert_array_equal(hit, counts.outcome[0, 0] == COUNTED_HIT)


@pytest.mark.parametrize("seed", range(50))
def test_kinds_add_up_and_hits_stay(seed):
    rng = np.random.default_rng(seed)
    n, m = rng.integers(0, 30, 2)
    true_areas, found_areas = rng.integers(1, 40, m).astype(float), rng.integers(1, 40, n).astype(float)
    shared = np.minimum(found_areas[:, None], true_areas) * rng.random((n, m)) * (rng.random((n, m)) < 0.2)
    hits = min(n, m) // 3
    found, true = np.full(n, ALONE, np.uint8), np.full(m, ALONE, np.uint8)
    found[:hits], true[:hits] = HIT, HIT
    found[hits : hits + 1], true[m - 1 :] = CUT, LEFT_OUT
    kinds = judge(shared, found_areas, true_areas, found, true)
    for before, after in ((found, kinds.found), (true, kinds.true)):
        assert count_kinds(after, np.zeros(len(after), int), 1).sum() == len(before)
        np.testing.assert_array_equal(after[before != ALONE], before[before != ALONE])
        assert not np.isin(after[before == ALONE], [HIT, CUT, LEFT_OUT]).any()
