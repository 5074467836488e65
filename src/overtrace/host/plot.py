"""Scores by time as SVG: the best of each team of a board, one step line a team; all of one team, with its best."""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

from markupsafe import Markup

WIDTH, HEIGHT = 960, 300
LEFT, RIGHT, TOP, BOTTOM = 52, 190, 12, 28
MOST_LINES = 8
"""Colours that eyes can tell apart."""
LINE_PX = 15
"""Between two names."""
DOT_PX = 4
Steps = Sequence[tuple[datetime, float]]


@dataclass(frozen=True, slots=True)
class Scale:
    """Values of one axis, and where they lie in the drawing."""

    low: float
    high: float
    start: float
    end: float

    def place(self, value: float) -> float:
        """In pixels."""
        return self.start + (value - self.low) / (self.high - self.low) * (self.end - self.start)


def draw_history(
    history: Mapping[str, Steps], names: Mapping[str, str], order: Sequence[str], start: datetime, end: datetime
) -> Markup:
    """An SVG; empty if nobody has a score.

    Args:
        history: from ``board.find_history``.
        names: of the teams by id.
        order: of the teams as they are ranked; the first ones are drawn.
        start: of the time axis.
        end: of it; lines go on to there.
    """
    teams = [team for team in order if history.get(team)][:MOST_LINES]
    if not teams or end <= start:
        return Markup("")
    x, y = _lay_out([value for team in teams for _, value in history[team]], start, end)
    parts = [*_draw_values(y), *_draw_days(x, start, end)]
    ends = _part([y.place(history[team][-1][1]) for team in teams])
    for number, (team, middle) in enumerate(zip(teams, ends, strict=True)):
        parts.append(_draw_line(history[team], x, y, end, number, names[team]))
        label = Markup('<text class="line-{}" x="{}" y="{:.1f}">{}</text>')
        parts.append(label.format(number, WIDTH - RIGHT + 8, middle + 4, _shorten(names[team])))
    return _frame(f"Best score of {len(teams)} teams by time", parts)


def draw_own(sent: Sequence[tuple[datetime, float, str]], start: datetime, end: datetime) -> Markup:
    """An SVG of the submissions of one team: a dot each, and a line of the best so far; empty if there are none.

    Args:
        sent: when, the score as the team may see it, and what is said of it; in any order.
        start: of the time axis.
        end: of it; the line goes on to there.
    """
    if not sent or end <= start:
        return Markup("")
    ordered = sorted(sent)
    x, y = _lay_out([value for _, value, _ in ordered], start, end)
    steps: list[tuple[datetime, float]] = []
    for time, value, _ in ordered:
        if not steps or value > steps[-1][1]:
            steps.append((time, value))
    dot = Markup('<circle class="dot" cx="{:.1f}" cy="{:.1f}" r="{}"><title>{}</title></circle>')
    dots = [dot.format(x.place(time.timestamp()), y.place(value), DOT_PX, told) for time, value, told in ordered]
    label = Markup('<text class="line-0" x="{}" y="{:.1f}">best so far</text>')
    best = [
        _draw_line(steps, x, y, end, 0, "best so far"),
        label.format(WIDTH - RIGHT + 8, y.place(steps[-1][1]) + 4),
    ]
    return _frame(f"{len(ordered)} scores by time", [*_draw_values(y), *_draw_days(x, start, end), *best, *dots])


def _lay_out(values: Sequence[float], start: datetime, end: datetime) -> tuple[Scale, Scale]:
    x = Scale(start.timestamp(), end.timestamp(), LEFT, WIDTH - RIGHT)
    return x, Scale(*_spread(min(values), max(values)), HEIGHT - BOTTOM, TOP)


def _frame(title: str, parts: Sequence[Markup]) -> Markup:
    frame = Markup('<svg class="history" viewBox="0 0 {} {}" role="img"><title>{}</title>{}</svg>')
    return frame.format(WIDTH, HEIGHT, title, Markup("").join(parts))


def _draw_line(steps: Steps, x: Scale, y: Scale, end: datetime, number: int, name: str) -> Markup:
    points: list[tuple[float, float]] = []
    for time, value in steps:
        level = points[-1][1] if points else y.place(value)
        points += [(x.place(time.timestamp()), level), (x.place(time.timestamp()), y.place(value))]
    points.append((x.place(end.timestamp()), points[-1][1]))
    path = " ".join(f"{px:.1f},{py:.1f}" for px, py in points)
    line = '<polyline class="line-{}" points="{}"><title>{}</title></polyline>'
    return Markup(line).format(number, path, name)


def _draw_values(y: Scale) -> list[Markup]:
    step = _choose_step(y.high - y.low)
    ticks = [step * i for i in range(math.ceil(y.low / step - 1e-9), math.floor(y.high / step + 1e-9) + 1)]
    digits = max(0, -math.floor(math.log10(step) + 1e-9))
    line = '<line class="grid" x1="{}" x2="{}" y1="{:.1f}" y2="{:.1f}"/><text class="tick" x="{}" y="{:.1f}">{}</text>'
    places = [(tick, y.place(tick)) for tick in ticks]
    return [
        Markup(line).format(LEFT, WIDTH - RIGHT, py, py, LEFT - 6, py + 4, f"{tick:.{digits}f}") for tick, py in places
    ]


def _draw_days(x: Scale, start: datetime, end: datetime) -> list[Markup]:
    days = max(1, math.ceil((end - start) / timedelta(days=1) / 7))
    day = start.replace(hour=0, minute=0, second=0, microsecond=0) + timedelta(days=1)
    parts = []
    while day < end:
        px = x.place(day.timestamp())
        parts.append(
            Markup('<text class="day" x="{:.1f}" y="{}">{}</text>').format(px, HEIGHT - 8, f"{day:%d %b}".lstrip("0"))
        )
        day += timedelta(days=days)
    return parts


def _spread(low: float, high: float) -> tuple[float, float]:
    room = max((high - low) * 0.06, 1e-3)
    return low - room, high + room


def _choose_step(span: float) -> float:
    power = 10.0 ** math.floor(math.log10(span))
    return float(next(power * part for part in (0.1, 0.2, 0.5, 1, 2) if span / (power * part) <= 6))


def _part(wanted: Sequence[float]) -> list[float]:
    """Heights near those wanted, each name with a line of its own."""
    order = sorted(range(len(wanted)), key=lambda i: (wanted[i], i))
    found = [0.0] * len(wanted)
    last = TOP - LINE_PX / 2
    for i in order:
        last = found[i] = max(wanted[i], last + LINE_PX)
    over = last - (HEIGHT - BOTTOM)
    floor = math.inf
    for i in reversed(order) if over > 0 else ():
        floor = found[i] = min(found[i], HEIGHT - BOTTOM if floor == math.inf else floor - LINE_PX)
    return found


def _shorten(name: str) -> str:
    return name if len(name) <= 26 else f"{name[:25]}…"
