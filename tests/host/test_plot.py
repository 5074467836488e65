from datetime import UTC, datetime, timedelta
from itertools import pairwise

import pytest

from overtrace.host.plot import LINE_PX, MOST_LINES, draw_history, draw_own

START = datetime(2026, 3, 1, tzinfo=UTC)
END = START + timedelta(days=10)


def steps(*values: float) -> list[tuple[datetime, float]]:
    return [(START + timedelta(days=i), value) for i, value in enumerate(values)]


def read_points(svg: str) -> list[tuple[float, float]]:
    text = svg.split('points="')[1].split('"')[0]
    return [tuple(map(float, pair.split(","))) for pair in text.split()]


def test_a_line_steps_up_when_a_score_rises_and_goes_on_to_the_end():
    svg = draw_history({"a": steps(0.25, 0.5)}, {"a": "Ada"}, ["a"], START, END)
    (x0, y0), (x1, y1), (x2, y2), (x3, y3), (x4, y4) = read_points(svg)
    assert (x0, y0) == (x1, y1)
    assert y2 == y1 > y3 == y4
    assert x2 == x3
    # One day of ten has passed.
    assert x3 - x1 == pytest.approx((x4 - x1) / 10, abs=0.2)


def test_names_are_text_and_do_not_cover_each_other():
    history = {str(i): steps(0.5 + i * 1e-4) for i in range(MOST_LINES + 3)}
    names = {team: f"<b>{team}" for team in history}
    svg = draw_history(history, names, list(history), START, END)
    assert "<b>" not in svg
    heights = sorted(float(part.split('y="')[1].split('"')[0]) for part in svg.split('<text class="line-')[1:])
    assert len(heights) == MOST_LINES
    assert min(high - low for low, high in pairwise(heights)) >= LINE_PX - 0.1


@pytest.mark.parametrize("values", [(0.5,), (0.0,), (1.0,), (1e-6, 0.999), (-3.5, 120.0)])
def test_any_scores_can_be_drawn_within_the_picture(values):
    svg = draw_history({"a": steps(*sorted(values))}, {"a": "Ada"}, ["a"], START, END)
    assert all(0 <= x <= 960 and 0 <= y <= 300 for x, y in read_points(svg))


def test_nothing_is_drawn_of_nothing():
    assert draw_history({}, {}, [], START, END) == ""
    assert draw_history({"a": steps(0.5)}, {"a": "Ada"}, ["a"], START, START) == ""


def test_each_score_of_a_team_is_a_dot_and_its_best_a_line():
    sent = [(time, value, f"#{i}") for i, (time, value) in enumerate(steps(0.5, 0.25, 0.75))]
    svg = draw_own(sent[::-1], START, END)
    heights = [float(part.split('cy="')[1].split('"')[0]) for part in svg.split('<circle class="dot"')[1:]]
    assert heights[1] > heights[0] > heights[2]
    points = read_points(svg)
    # The line passes the middle one by, and ends at the height of the best.
    assert heights[1] not in {y for _, y in points}
    assert points[-1][1] == heights[2]
    assert "#2</title>" in svg
    assert draw_own([], START, END) == draw_own(sent, START, START) == ""
