import numpy as np

from overtrace.scoring.ranks import rank, rank_by_ranks


def test_equal_scores_share_the_better_place():
    assert rank(np.array([0.5, 0.1, 0.5])) == [1, 3, 1]


def test_both_ways_to_rank_worked_by_hand():
    parts = np.array([[0.9, 0.1, 0.1], [0.3, 0.3, 0.3], [0.3, 0.2, 0.2]])
    assert rank(parts.mean(axis=1)) == [1, 2, 3]
    # Places 1 3 3, 2 1 1 and 2 2 2: means 7/3, 4/3 and 2.
    assert rank_by_ranks(parts) == [3, 1, 2]
