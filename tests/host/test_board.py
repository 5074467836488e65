import csv
import io
import json
import math
from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from overtrace.host.board import Row, as_csv, as_table, find_history, rank_rows

START = datetime(2026, 6, 1, tzinfo=UTC)


def row(team, value, minute=0, **more) -> Row:
    return Row(team, f"{team}{minute:03}", START + timedelta(minutes=minute), value, **more)


def show(rows, *how) -> list[tuple[int, str, float]]:
    return [(place.rank, place.row.team, place.row.value) for place in rank_rows(rows, *how)]


def test_ties_share_a_rank_and_the_earlier_stands_first():
    rows = [row("a", 0.5, 3), row("b", 0.7, 2), row("c", 0.7, 1), row("d", 0.9, 4)]
    assert show(rows) == [(1, "d", 0.9), (2, "c", 0.7), (2, "b", 0.7), (4, "a", 0.5)]


def test_best_last_and_chosen():
    rows = [row("a", 0.5, 1, chosen_at=START), row("a", 0.8, 2), row("a", 0.6, 3), row("b", 0.7, 4)]
    assert show(rows, "best") == [(1, "a", 0.8), (2, "b", 0.7)]
    assert show(rows, "last") == [(1, "b", 0.7), (2, "a", 0.6)]
    assert show(rows, "chosen") == [(1, "b", 0.7), (2, "a", 0.5)]


def test_the_last_choice_counts():
    early, late = (START + timedelta(hours=hour) for hour in (1, 2))
    rows = [row("a", 0.5, 1, chosen_at=late), row("a", 0.8, 2, chosen_at=early)]
    assert show(rows, "chosen") == [(1, "a", 0.5)]


def test_of_equally_good_submissions_the_first_counts():
    (place,) = rank_rows([row("a", 0.5, 9), row("a", 0.5, 4)])
    assert (place.row.submission, place.submissions) == ("a004", 2)


@pytest.mark.parametrize("value", [None, math.nan, math.inf, -math.inf])
def test_what_has_no_score_is_never_ranked(value):
    assert show([row("a", value), row("b", -1.0)]) == [(1, "b", -1.0)]


def test_hidden_rows_do_not_count():
    rows = [row("a", 0.9, 1, hidden=True), row("a", 0.2, 2), row("b", 0.9, 3, hidden=True)]
    assert show(rows) == [(1, "a", 0.2)]


def test_mean_of_the_ranks():
    # a is 1st, 1st and 3rd: 5/3; b 2nd, 2nd, 1st: 5/3; c 3rd, 3rd, 2nd: 8/3. By the score c would be first.
    columns = {"a": (0.5, 0.5, 0.1), "b": (0.4, 0.4, 0.9), "c": (0.3, 0.3, 0.8)}
    rows = [
        row(team, value, minute, columns=dict(zip("xyz", columns[team], strict=True)))
        for minute, (team, value) in enumerate([("b", 0.1), ("a", 0.2), ("c", 0.9)])
    ]
    assert show(rows, "best", "ranks") == [(1, "b", 0.1), (1, "a", 0.2), (3, "c", 0.9)]


def test_ranks_of_a_row_that_lacks_a_column_are_not_taken():
    rows = [row("a", 0.9, 1, columns={"x": 0.9, "y": None}), row("b", 0.1, 2, columns={"x": 0.1, "y": 0.1})]
    assert show(rows, "best", "ranks") == [(1, "b", 0.1)]
    with pytest.raises(ValueError, match="no columns"):
        rank_rows([row("a", 0.5)], "best", "ranks")


def test_a_board_of_nothing_is_empty():
    assert rank_rows([]) == rank_rows([], "best", "ranks") == []
    assert as_table([], {}) == []
    assert as_csv([], {}).splitlines() == [
        "rank,best_rank,worst_rank,team,score,low,high,submission,received_at,submissions"
    ]


def test_history_steps_up_whenever_the_best_rises():
    rows = [row("a", 0.6, 3), row("a", 0.5, 1), row("a", 0.4, 2), row("a", None, 4), row("b", 0.1, 0)]
    assert find_history(rows) == {
        "a": [(START + timedelta(minutes=1), 0.5), (START + timedelta(minutes=3), 0.6)],
        "b": [(START, 0.1)],
    }


def test_csv_and_json_have_every_digit_and_no_formula():
    rows = [row("a", 0.1 + 0.2, columns={"North": 1 / 3, "South": math.nan}), row("b", 0.25, 1, columns={"North": 0.0})]
    places = rank_rows(rows)
    names = {"a": '=HYPERLINK("x")', "b": 'Ka"te, and Lu'}
    table = as_table(places, names)
    assert json.loads(json.dumps(table, allow_nan=False))[0]["columns"] == {"North": 1 / 3, "South": None}
    first, second = csv.DictReader(io.StringIO(as_csv(places, names)))
    assert (float(first["score"]), float(first["North"]), first["South"]) == (0.1 + 0.2, 1 / 3, "")
    assert (first["team"], second["team"]) == ('\'=HYPERLINK("x")', 'Ka"te, and Lu')
    assert second["received_at"] == "2026-06-01T00:01:00+00:00"


def test_intervals_and_ties_of_those_that_have_them():
    rows = [row("a", 0.5, 1, interval={"low": 0.25, "high": 0.75}), row("b", 0.125, 2)]
    places, tied = rank_rows(rows), {"a001": (1, 2)}
    first, second = as_table(places, {}, tied)
    assert (first["interval"], first["tied_ranks"]) == ([0.25, 0.75], [1, 2])
    assert (second["interval"], second["tied_ranks"]) == (None, None)
    one, other = csv.DictReader(io.StringIO(as_csv(places, {}, tied)))
    assert [one[name] for name in ("best_rank", "worst_rank", "low", "high")] == ["1", "2", "0.25", "0.75"]
    assert [other[name] for name in ("best_rank", "worst_rank", "low", "high")] == [""] * 4


# Few values and few minutes, so that ties are common.
VALUES = st.sampled_from([None, math.nan, 0.0, 0.25, 0.5, 0.75])
HOW = st.tuples(st.sampled_from(["best", "last", "chosen"]), st.sampled_from(["score", "ranks"]))


@st.composite
def draw_rows(draw):
    count = draw(st.integers(0, 14))
    rows = []
    for i in range(count):
        minute, choice = draw(st.integers(0, 5)), draw(st.one_of(st.none(), st.integers(0, 5)))
        chosen = None if choice is None else START + timedelta(minutes=choice)
        columns = {"x": draw(VALUES), "y": draw(VALUES)}
        one = row(draw(st.sampled_from("abcde")), draw(VALUES), minute, columns=columns, chosen_at=chosen)
        rows.append(replace(one, submission=f"{i:02}", hidden=draw(st.integers(0, 5)) == 0))
    return rows


@given(draw_rows(), HOW, st.randoms())
@settings(deadline=None)
def test_the_order_of_arrival_changes_nothing(rows, how, random):
    shuffled = list(rows)
    random.shuffle(shuffled)
    assert rank_rows(shuffled, *how) == rank_rows(rows, *how)
    assert find_history(shuffled) == find_history(rows)


@given(draw_rows(), HOW)
@settings(deadline=None)
def test_an_unscored_row_changes_no_rank(rows, how):
    more = [row("a", None, 2, chosen_at=START + timedelta(days=1)), row("new", math.nan, 0, columns={"z": 1.0})]
    assert rank_rows([*rows, *more], *how) == rank_rows(rows, *how)


@given(draw_rows(), st.sampled_from(["best", "last", "chosen"]))
@settings(deadline=None)
def test_a_board_that_is_kept_up_to_date_is_the_rebuilt_one(rows, entry):
    kept: list[Row] = []
    for i, one in enumerate(rows):
        kept = [place.row for place in rank_rows([*kept, one], entry)]
        assert kept == [place.row for place in rank_rows(rows[: i + 1], entry)]


@given(draw_rows(), HOW)
@settings(deadline=None)
def test_each_team_stands_once_and_ranks_say_how_many_are_better(rows, how):
    places = rank_rows(rows, *how)
    assert len({place.row.team for place in places}) == len(places)
    assert all(place.rank == 1 + sum(other.rank < place.rank for other in places) for place in places)
    if how[1] == "score":
        values = [place.row.value for place in places]
        assert values == sorted(values, reverse=True)
        assert [place.rank for place in places] == [1 + sum(other > value for other in values) for value in values]
