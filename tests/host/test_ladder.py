"""A board that is climbed by steps: what it hides, from whom, and that it keeps a probing attack near the truth."""

import math
import re
from datetime import UTC, datetime, timedelta

import numpy as np
import pytest

from overtrace.host.board import Row, climb, find_history, rank_rows
from overtrace.host.contest import Board
from overtrace.host.outcome import Mark, Outcome
from tests.support.web import END, NOON, make_board, make_phase, serve_contest

START = datetime(2026, 6, 1, tzinfo=UTC)
TRIES, ITEMS = 300, 2000
EXACT, HIDDEN = 0.7351, "7389"


def row(team, value, minute=0, **more) -> Row:
    return Row(team, f"{team}{minute:03}", START + timedelta(minutes=minute), value, **more)


def test_a_rung_is_a_step_above_the_last():
    rows = [row("a", 0.5, 1), row("a", 0.505, 2), row("a", 0.52, 3), row("a", 0.1, 4), row("b", 0.505, 5)]
    shown = climb(reversed(rows), 0.01)
    assert [one.value for one in shown] == [0.5, 0.5, 0.52, 0.52, 0.505]
    assert [one.stays for one in shown] == [False, True, False, True, False]
    first, second = rank_rows(shown)
    assert (first.row.submission, first.submissions, second.row.team) == ("a003", 4, "b")
    assert [value for _, value in find_history(shown)["a"]] == [0.5, 0.52]


def test_what_stays_shows_nothing_of_itself():
    rung = row("a", 0.5, 1, columns={"x": 0.5}, draws="d1", interval={"low": 0.4})
    found = climb([rung, row("a", 0.505, 2, columns={"x": 0.505}, draws="d2", interval={"low": 0.41})], 0.01)[1]
    assert (found.value, found.columns, found.draws, found.interval) == (0.5, {"x": 0.5}, "d1", {"low": 0.4})


def test_what_is_hidden_or_has_no_score_is_no_rung():
    rows = [row("a", 0.9, 1, hidden=True), row("a", math.nan, 2), row("a", 0.5, 3), row("a", 0.7, 4, hidden=True)]
    assert [one.value for one in climb(rows, 0.01)] == [None, None, 0.5, 0.5]


def attack(seed: int, step: float | None) -> float:
    """The score that is shown at the end, of answers to yes or no that are right by luck alone, 0.5.

    Random answers are sent in; the last one is the vote of those that seem to be good: by their score where it is
    shown, and where a ladder is by that they climbed a rung.
    """
    rng = np.random.default_rng(seed)
    truth = rng.integers(0, 2, ITEMS)
    answers = rng.integers(0, 2, (TRIES - 1, ITEMS))
    rows = [row("a", float((answer == truth).mean()), i) for i, answer in enumerate(answers)]
    if step is None:
        good = [one.value > 0.5 for one in rows]
    else:
        shown = climb(rows, step)
        good = [not one.stays for one in shown]
    vote = answers[good].mean(axis=0) + rng.uniform(-1e-9, 1e-9, ITEMS) > 0.5
    rows.append(row("a", float((vote == truth).mean()), TRIES))
    (place,) = rank_rows(rows if step is None else climb(rows, step))
    return place.row.value


@pytest.mark.parametrize("seed", range(5))
def test_a_ladder_keeps_a_probing_attack_near_the_truth(seed):
    assert attack(seed, None) > 0.58
    assert attack(seed, 0.01) < 0.54


@pytest.mark.parametrize("wrong", [{"entry": "last"}, {"rank_by": "ranks", "columns": [{"title": "x", "path": "x"}]}])
def test_a_ladder_shows_the_best_alone(wrong):
    with pytest.raises(ValueError, match="a ladder shows the best score of a team"):
        Board.model_validate({"name": "a", "title": "A", "ladder": 0.01, **wrong})


@pytest.fixture(scope="module")
def host(tmp_path_factory):
    phase = make_phase("test", test=False, boards=[make_board(ladder=0.01)])
    with serve_contest(tmp_path_factory.mktemp("ladder"), phase) as served:
        yield served


def mark(value: float) -> Outcome:
    verdict = {"score": value, "parts": {"precision": value}}
    marks = (Mark(board="all", value=value, columns={"precision": value, "recall": value}, verdict=verdict),)
    return Outcome(kind="scored", marks=marks, scorer="test 1", truth="t")


def test_no_page_tells_a_score_that_climbs_no_rung(host, ada):
    sent = []
    for i, value in enumerate((EXACT, float(f"0.{HIDDEN}"))):
        host.clock.fixed = NOON + timedelta(minutes=i)
        sent.append(host.submit(ada, f"x,y\n{i},0\n".encode()))
        host.give(sent[-1], mark(value))
    browser, program = host.enter(ada), host.program(ada, "read")
    api = [program.get(path).json() for path in ("/api/v1/submissions", f"/api/v1/submissions/{sent[1]}")]
    assert [one["scores"]["all"]["score"] for one in api[0]["submissions"]] == [EXACT, EXACT]
    assert [one["scores"]["all"]["stays"] for one in api[0]["submissions"]] == [True, False]
    assert api[1]["scores"]["all"]["columns"] == {"precision": EXACT, "recall": EXACT}
    assert "your best stands" in re.sub(r"\s+", " ", browser.get("/submissions").text)
    paths = ["/submissions", f"/submissions/{sent[1]}/verdict.json", f"/submissions/{sent[1]}/receipt.json"]
    paths += ["/board/test/all", "/board/test/all.json", "/board/test/all.csv", "/queue", "/teams", "/", "/rules"]
    paths += ["/account/export.json", "/team", f"/submissions/{sent[0]}/verdict.json", "/api/v1/boards/test/all"]
    for at in (host.clock.fixed, END + timedelta(days=1)):
        host.clock.fixed = at
        for client in (browser, program):
            for path in [*paths, f"/api/v1/submissions/{sent[1]}"]:
                assert HIDDEN not in client.get(path).text, path
    host.clock.fixed = NOON + timedelta(minutes=2)
    assert [browser.get(path).status_code for path in paths if "verdict" in path] == [403, 403]
    board = browser.get("/board/test/all.json").json()["rows"]
    assert [(one["score"], one["submission"], one["submissions"]) for one in board] == [(EXACT, sent[0], 2)]
    organiser = host.enter(host.add_person("Olga"))
    assert f"0.{HIDDEN}" in organiser.get("/organise/submissions").text


def test_a_new_rung_is_shown_as_it_is(host, ada):
    host.clock.fixed = NOON + timedelta(minutes=3)
    sent = host.submit(ada, b"x,y\n7,0\n")
    host.give(sent, mark(0.7452))
    program = host.program(ada, "read")
    assert program.get(f"/api/v1/submissions/{sent}").json()["scores"]["all"]["score"] == 0.7452
    (place,) = program.get("/board/test/all.json").json()["rows"]
    assert (place["score"], place["submission"]) == (0.7452, sent)
