"""Intervals and tied ranks of boards: as ``overtrace compare`` says them, kept with each score, compared aside."""

import csv
import io
import re
import zipfile

import numpy as np
import pytest

from overtrace.challenges.challenge import Question
from overtrace.challenges.compare import compare_files
from overtrace.host.draws import pack, read_draws, write_draws
from overtrace.host.outcome import Interval, Mark, Outcome
from overtrace.host.standings import find_board, read_standing
from overtrace.host.submissions import hide
from overtrace.host.ties import Ties
from overtrace.host.worker import LocalQueue
from overtrace.scoring.intervals import RESAMPLES
from tests.support.hosted import NOON, Host, make_host
from tests.support.web import make_board, make_phase, serve_contest, wait_for

IMAGES = 12
SHIFTS = {"owls": (0, 0, 0, 0), "jays": (0, 0, 900, 0), "wrens": (0, 900, 0, 0), "rooks": (900, 900, 900, 0)}
"""How far off each team is at each fourth image; a point is found within a few metres."""


def write_points(folder, shifts) -> None:
    folder.mkdir(exist_ok=True)
    for image in range(IMAGES):
        rows = "".join(f"{100 * tree + shifts[image % 4]},{7 * image}\n" for tree in range(1 + image % 3))
        (folder / f"{image:02}.csv").write_text(f"x,y\n{rows}")


@pytest.fixture
def host(tmp_path, database) -> Host:
    write_points(tmp_path / "truth", (0, 0, 0, 0))
    return make_host(database, tmp_path, {"per_day": None})


def give(host: Host, name: str, draws: np.ndarray | None, truth: str = "t", at=NOON) -> str:
    """A submission whose scores on drawn images are known; its id."""
    sent = host.submit(host.add_team(name), f"x,y\n{len(name)},0\n".encode(), at)
    queue = LocalQueue(host.database, host.uploads.blobs, host.contest)
    claimed = queue.claim("test")
    assert claimed is not None
    assert claimed.submission == sent.id
    if draws is None:
        bare = Mark(board="all", value=0.5, columns={}, verdict={})
        assert queue.finish(claimed, Outcome(kind="scored", marks=(bare,), truth=truth))
        return sent.id
    sha256, text = pack(write_draws(draws[:, None]))
    low, high = np.percentile(draws, [2.5, 97.5])
    interval = Interval(low=low, high=high, level=0.95, resamples=len(draws), images=30, least=30)
    mark = Mark(board="all", value=float(draws.mean()), columns={}, verdict={}, interval=interval, draws=sha256)
    assert queue.finish(claimed, Outcome(kind="scored", marks=(mark,), truth=truth, blobs={sha256: text}))
    return sent.id


def show(host: Host):
    """The board: rank, team, tied ranks."""
    with host.database.read() as session:
        standing = read_standing(session, host.contest, *find_board(host.contest, "test", "all"), NOON)
    return [(row["rank"], row["team"], row["tied_ranks"]) for row in standing.as_json()["rows"]]


def test_draws_are_kept_to_the_last_bit():
    draws = np.random.default_rng(0).uniform(size=(50, 3))
    np.testing.assert_array_equal(read_draws(write_draws(draws)), draws.mean(axis=1))


def test_ranks_are_tied_by_pairs_and_not_by_intervals(host):
    common = np.random.default_rng(0).normal(0, 0.05, RESAMPLES)
    noise = np.random.default_rng(1).normal(0, 0.01, (3, RESAMPLES))
    # The first is ahead of the others in nearly every draw, though the intervals of all three overlap.
    give(host, "owls", 0.66 + common + noise[0] / 5)
    give(host, "jays", 0.62 + common + noise[1])
    give(host, "wrens", 0.618 + common + noise[2])
    assert show(host) == [(1, "owls", None), (2, "jays", None), (3, "wrens", None)]
    Ties(host.database, host.uploads.blobs, host.contest).settle()
    assert show(host) == [(1, "owls", [1, 1]), (2, "jays", [2, 3]), (3, "wrens", [2, 3])]


def test_ties_follow_the_scores_that_count(host):
    ties = Ties(host.database, host.uploads.blobs, host.contest)
    noise = np.random.default_rng(1).normal(0, 0.01, (3, RESAMPLES))
    give(host, "owls", 0.6 + noise[0])
    give(host, "jays", 0.6 + noise[1])
    ties.settle()
    assert [row[2] for row in show(host)] == [[1, 2], [1, 2]]
    late = give(host, "wrens", 0.9 + noise[2])
    # What was compared before says nothing of the new board.
    assert [row[2] for row in show(host)] == [None] * 3
    ties.settle()
    assert [row[2] for row in show(host)] == [[1, 1], [2, 3], [2, 3]]
    with host.database.write() as session:
        hide(session, late, NOON, "person:olga")
    ties.settle()
    assert [row[2] for row in show(host)] == [[1, 2], [1, 2]]


def test_a_score_without_draws_is_tied_with_none(host):
    ties = Ties(host.database, host.uploads.blobs, host.contest)
    give(host, "owls", None)
    ties.settle()
    assert show(host) == [(1, "owls", None)]
    give(host, "jays", 0.1 + np.random.default_rng(1).normal(0, 0.01, RESAMPLES))
    ties.settle()
    assert show(host) == [(1, "owls", None), (2, "jays", [1, 2])]


def test_what_was_scored_against_another_truth_is_not_compared(host):
    noise = np.random.default_rng(1).normal(0, 0.01, (2, RESAMPLES))
    give(host, "owls", 0.9 + noise[0], truth="old")
    give(host, "jays", 0.1 + noise[1], truth="new")
    Ties(host.database, host.uploads.blobs, host.contest).settle()
    # A board shows what one scoring gave.
    assert show(host) == [(1, "owls", [1, 1])]


@pytest.fixture(scope="module")
def served(tmp_path_factory):
    """A contest of twelve images, in a test phase."""
    folder = tmp_path_factory.mktemp("ties")
    (folder / "contest").mkdir()
    write_points(folder / "contest" / "many", (0, 0, 0, 0))
    phase = make_phase(truth="many", boards=[make_board("all"), make_board("late", shown="after")])
    with serve_contest(folder, phase) as served:
        yield served


def test_a_worker_says_what_compare_says_and_the_board_shows_it(served, tmp_path):
    answers, sent = [], []
    with served.working():
        for name, shifts in SHIFTS.items():
            write_points(tmp_path / name, shifts)
            with zipfile.ZipFile(tmp_path / f"{name}.zip", "w") as archive:
                for file in sorted((tmp_path / name).iterdir()):
                    archive.write(file, file.name)
            person = served.add_person(name.title())
            served.add_team(name, person)
            answers.append(tmp_path / f"{name}.zip")
            sent.append(served.submit(person, answers[-1].read_bytes()))
        wait_for(lambda: all(served.look(one).state == "scored" for one in sent), 60)
    told = compare_files("trees", Question(served.file.folder / "many", answers[0]), answers).as_json()["answers"]
    wanted = {row["name"].removesuffix(".zip"): (row["score"], row["interval"], row["tied_ranks"]) for row in told}
    client = served.client()

    def read():
        return client.get("/board/test/all.json").json()["rows"]

    wait_for(lambda: all(row["tied_ranks"] for row in read()))
    assert {row["team"]: (row["score"], row["interval"], row["tied_ranks"]) for row in read()} == wanted
    assert (wanted["owls"][2][0], wanted["rooks"][2]) == (1, [4, 4])
    rows = list(csv.DictReader(io.StringIO(client.get("/board/test/all.csv").text)))
    assert [(int(row["best_rank"]), int(row["worst_rank"])) for row in rows] == [
        tuple(row["tied_ranks"]) for row in read()
    ]
    page = re.sub(r"\s+", " ", client.get("/board/test/all").text)
    assert "2,000 draws of the 12 images" in page
    assert "The smallest of these has 12 images" in page
    low, high = wanted["rooks"][1]
    assert f"{low:.3f} \N{EN DASH} {high:.3f}" in page
    # Of a board that is not shown, no interval is told either; of a test phase, no number of an image.
    assert client.get("/board/test/late.json").status_code == 404
    assert not re.search(r"\b\d\d\.csv\b", page)
