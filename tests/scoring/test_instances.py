import json

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from overtrace.formats.annotations import HEIGHT, KIND, POLYGONS, WIDTH, as_text, read_list
from overtrace.scoring.instances import AREAS, THRESHOLDS, Counts, Rule, count_instances
from overtrace.scoring.precision import draw_curves, summarise
from tests.support.coco_sets import SIDE, ask_pycocotools, draw_set


def count(data: dict, results: list, rule: Rule, workers: int = 1) -> Counts:
    sides = []
    for rows in (data["annotations"], results):
        annotations, after = read_list(as_text(json.dumps(rows).encode()))
        assert after > 0
        drawn = annotations.whole[:, KIND] == POLYGONS
        annotations.whole[drawn, HEIGHT] = annotations.whole[drawn, WIDTH] = SIDE
        sides.append(annotations)
    ids = [np.array(sorted(part["id"] for part in data[name]), np.int64) for name in ("images", "categories")]
    return count_instances(*sides, *ids, rule, workers)


@settings(max_examples=150, deadline=None)
@given(
    st.integers(0, 2**32 - 1),
    st.integers(1, 5),
    st.integers(1, 3),
    st.sampled_from([[1, 10, 100], [1, 2, 4]]),
    st.booleans(),
)
def test_curves_equal_pycocotools_bit_for_bit(seed, images, categories, limits, boxes):
    data, results = draw_set(np.random.default_rng(seed), images, categories)
    if not results or (boxes and "bbox" not in results[0]):
        return
    verdict = ask_pycocotools(data, results, "bbox" if boxes else "segm", limits)
    counts = count(data, results, Rule(THRESHOLDS, AREAS, tuple(limits), boxes))
    curves = draw_curves(counts)
    np.testing.assert_array_equal(curves.precision, verdict.eval["precision"])
    np.testing.assert_array_equal(curves.recall, verdict.eval["recall"])
    np.testing.assert_array_equal(curves.scores, verdict.eval["scores"])
    np.testing.assert_array_equal(summarise(curves, counts), verdict.stats)


@pytest.mark.parametrize("seed", range(3))
def test_threads_change_nothing(seed):
    data, results = draw_set(np.random.default_rng(seed), 20, 2)
    rule = Rule(THRESHOLDS, AREAS, (1, 10, 100))
    one, many = (count(data, results, rule, workers) for workers in (1, 4))
    np.testing.assert_array_equal(one.outcome, many.outcome)
    np.testing.assert_array_equal(one.objects, many.objects)
