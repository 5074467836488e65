import json
import os
import re
import signal
import subprocess
import sys
import time
from dataclasses import replace
from functools import partial
from pathlib import Path

import psutil
import pytest

from overtrace.challenges.challenge import Question
from overtrace.challenges.protocols import score_files
from overtrace.host.contest import Column, Effort
from overtrace.host.marking import BoardTask, Task, mark, name_scorer, settle
from overtrace.host.outcome import MOST_FAULTS, MOST_LETTERS
from overtrace.host.samples import write_sample
from overtrace.host.scorer_process import NotWanted, Scorer, ScorerLost
from tests.support import hostile

MIB = 2**20
ALL = (BoardTask(name="all", ids=None, columns=()),)
CHALLENGES = [
    *((name, "") for name in ("itc", "sceneparsing", "camvid", "deepglobe", "trees")),
    *(("own", rule) for rule in ("coco-masks", "coco-boxes", "pixels", "polygons", "points")),
]
BOUND = 48 * MIB
"""By how much hostile answers may let the scorer's parent grow."""


@pytest.fixture(scope="module")
def scorer():
    with Scorer("itc") as scorer:
        yield scorer


@pytest.fixture
def sample(tmp_path) -> Path:
    """A truth of one image of 8 x 8 pixels, whose id is 1."""
    write_sample("itc", "", tmp_path)
    return tmp_path


def make_task(folder: Path, answer: Path | None = None, effort: Effort | None = None, **changes) -> Task:
    facts = {"challenge": "itc", "profile": "", "classes": 0, "pixel_size": 1, "ids": None, "boards": ALL}
    effort = effort or Effort(seconds=60, memory_bytes=512 * MIB)
    return Task(answer=answer or folder / "answer", truth=folder / "truth", effort=effort, **{**facts, **changes})


def write(folder: Path, name: str, content: bytes) -> Path:
    (folder / "sent").mkdir()
    (folder / "sent" / name).write_bytes(content)
    return folder / "sent" / name


def measure(scorer: Scorer) -> int:
    """Bytes that the parent has ever held."""
    text = Path(f"/proc/{scorer.start()}/status").read_text()
    return int(re.search(r"VmHWM:\s+(\d+) kB", text)[1]) * 1024


@pytest.mark.parametrize("name", hostile.ITC)
def test_a_hostile_answer_is_rejected_by_name_and_says_nothing_of_this_machine(scorer, sample, name):
    file, content, said = hostile.ITC[name]
    before = measure(scorer)
    outcome = scorer.ask(make_task(sample, write(sample, file, content)))
    shown = " ".join(f"{fault.file} {fault.where}: {fault.found}: {fault.wanted}" for fault in outcome.faults)
    assert outcome.kind == "rejected", outcome.reason
    assert re.search(said, shown), shown
    assert str(sample) not in outcome.model_dump_json()
    assert all(len(value) <= MOST_LETTERS for fault in outcome.faults for value in fault.model_dump().values())
    assert measure(scorer) - before < BOUND


BOMBS = {
    "zip": (hostile.zip_bomb, "a.zip", 64, "holds 1,073,741,824 bytes: at most 268,435,456 are read"),
    "gzip": (hostile.gzip_bomb, "a.json.gz", 1024, "holds 268,435,457 bytes: at most 268,435,456 are read"),
    "gzip in little memory": (hostile.gzip_bomb, "a.json.gz", 64, "out of memory"),
    "members": (partial(hostile.many_members, 150_000), "a.zip", 1024, "holds 150,000 files: at most 100,000 are read"),
    "a million members": (partial(hostile.many_members, 1_000_000), "a.zip", 128, "out of memory"),
}


@pytest.mark.parametrize("name", BOMBS)
def test_a_bomb_ends_in_a_named_verdict(scorer, sample, name):
    make, file, memory_mib, said = BOMBS[name]
    before = measure(scorer)
    outcome = scorer.ask(
        make_task(sample, write(sample, file, make()), Effort(seconds=60, memory_bytes=memory_mib * MIB))
    )
    assert outcome.kind == "rejected"
    (fault,) = outcome.faults
    assert said in f"{fault.found}: {fault.wanted}"
    assert measure(scorer) - before < BOUND


def test_a_large_answer_in_order_runs_out_of_memory_by_name(scorer, sample):
    path = write(sample, "a.json", hostile.large())
    outcome = scorer.ask(make_task(sample, path, Effort(seconds=60, memory_bytes=32 * MIB)))
    assert (outcome.kind, outcome.reason) == ("rejected", "out of memory")
    assert outcome.faults[0].wanted == "scoring may take 32 MiB: send a smaller answer"


def test_a_slow_answer_runs_out_of_time_by_name(scorer, sample):
    path = write(sample, "a.json", hostile.slow())
    begun = time.monotonic()
    outcome = scorer.ask(make_task(sample, path, Effort(seconds=1, memory_bytes=4096 * MIB)))
    assert (outcome.kind, outcome.reason) == ("rejected", "out of time")
    assert time.monotonic() - begun < 3
    assert psutil.Process(scorer.start()).children() == []


def test_an_answer_that_is_wrong_throughout_has_bounded_faults(scorer, sample):
    members = {f"{i:05}.json": hostile.rows(*[{"image_id": "x" * 1000}] * 50) for i in range(40)}
    outcome = scorer.ask(make_task(sample, write(sample, "a.zip", hostile.pack(members))))
    assert (outcome.kind, len(outcome.faults)) == ("rejected", MOST_FAULTS)
    assert outcome.reason == "2,000 faults, of which 1,000 are listed"


def test_names_of_files_cannot_move_the_cursor(scorer, sample):
    outcome = scorer.ask(make_task(sample, write(sample, "a.zip", hostile.pack({"a\x1b[2J\u202e\ud7ff.json": b"{}"}))))
    assert outcome.kind == "rejected"
    assert all(fault.file.isprintable() for fault in outcome.faults)


@pytest.mark.parametrize(("challenge", "profile"), CHALLENGES)
def test_each_challenge_is_scored_and_says_nothing_of_single_images(tmp_path, challenge, profile):
    write_sample(challenge, profile, tmp_path)
    with Scorer(challenge, profile) as scorer:
        outcome = scorer.ask(
            make_task(tmp_path, challenge=challenge, profile=profile, classes=2 * (profile == "pixels"))
        )
    assert (outcome.kind, outcome.scorer) == ("scored", name_scorer()), outcome
    (mark,) = outcome.marks
    assert (mark.board, mark.verdict["protocol"], mark.verdict["score"]) == ("all", challenge, mark.value)
    assert "img1" not in json.dumps(mark.verdict)
    assert "a.png" not in json.dumps(mark.verdict)


def test_numbers_of_single_files_are_left_out(tmp_path):
    square = {"type": "Polygon", "coordinates": [[[0, 0], [9, 0], [9, 9], [0, 9], [0, 0]]]}
    for side in ("truth", "answer"):
        (tmp_path / side).mkdir()
        for name in ("secret1", "secret2"):
            features = [{"type": "Feature", "properties": {}, "geometry": square}]
            content = {"type": "FeatureCollection", "features": features}
            (tmp_path / side / f"{name}.geojson").write_text(json.dumps(content))
    with Scorer("own", "polygons") as scorer:
        outcome = scorer.ask(make_task(tmp_path, challenge="own", profile="polygons"))
    assert outcome.kind == "scored", outcome
    assert "secret" not in outcome.model_dump_json()


def test_boards_are_scored_by_their_own_lists(tmp_path):
    write_sample("deepglobe", "", tmp_path)
    line = '"POLYGON ((0 0 0,9 0 0,9 9 0,0 9 0,0 0 0))"'
    with (tmp_path / "truth" / "a.csv").open("a") as file:
        file.write(f"AOI_3_Paris_img1,1,{line},{line}\n")
    with (tmp_path / "answer" / "a.csv").open("a") as file:
        file.write("AOI_3_Paris_img1,-1,POLYGON EMPTY,1\n")
    (tmp_path / "public.txt").write_text("AOI_2_Vegas_img1\n")
    column = Column(title="F1 *", path="cities/*/F1")
    boards = (
        BoardTask(name="public", ids=tmp_path / "public.txt", columns=(column,)),
        BoardTask(name="private", ids=None, columns=(column,)),
    )
    with Scorer("deepglobe") as scorer:
        outcome = scorer.ask(make_task(tmp_path, challenge="deepglobe", boards=boards))
    assert [(mark.board, mark.value, mark.columns) for mark in outcome.marks] == [
        ("public", 1, {"F1 AOI_2_Vegas": 1}),
        ("private", 0.5, {"F1 AOI_2_Vegas": 1, "F1 AOI_3_Paris": 0}),
    ]


def test_a_column_that_the_scorer_does_not_have_is_not_the_teams_fault(tmp_path):
    (tmp_path / "truth").mkdir()
    (tmp_path / "truth" / "a.csv").write_text("x,y\n0,0\n")
    board = BoardTask(name="all", ids=None, columns=(Column(title="Recall", path="recal"),))
    outcome = mark(make_task(tmp_path, tmp_path / "truth", challenge="trees", boards=(board,)))
    assert outcome.kind == "broken"
    assert "recal: the scorer has no recal there: wanted one of" in outcome.reason


def test_a_score_that_is_no_number_is_a_fault(tmp_path):
    (tmp_path / "truth").mkdir()
    (tmp_path / "truth" / "a.csv").write_text("x,y\n0,0\n")
    task = make_task(tmp_path, tmp_path / "truth", challenge="trees")
    verdict = score_files("trees", Question(task.truth, task.answer))
    assert settle(task, [verdict]).marks[0].value == 1
    outcome = settle(task, [replace(verdict, score=float("nan"))])
    assert (outcome.kind, outcome.marks) == ("rejected", ())
    assert outcome.faults[0].found == "found the score nan for board all"


@pytest.mark.parametrize("broken", ["truth", "list"])
def test_what_is_wrong_with_the_truth_is_not_the_teams_fault(scorer, sample, broken):
    if broken == "truth":
        (sample / "truth" / "a.json").write_text("{}")
    outcome = scorer.ask(make_task(sample, ids=sample / "nothing.txt" if broken == "list" else None))
    assert outcome.kind == "broken"
    assert "Traceback" not in outcome.reason


@pytest.mark.parametrize("who", ["child", "parent"])
def test_a_scorer_that_is_killed_is_no_verdict_and_the_next_one_scores(sample, who):
    path = write(sample, "a.json", hostile.slow())
    with Scorer("itc") as scorer:
        number = scorer.start()
        killed = []

        def kill() -> bool:
            children = psutil.Process(number).children()
            if children and not killed:
                killed.append(children[0])
                os.kill(children[0].pid if who == "child" else number, signal.SIGKILL)
            return True

        if who == "child":
            outcome = scorer.ask(make_task(sample, path), kill)
            assert (outcome.kind, outcome.reason) == ("broken", "the scorer was ended by SIGKILL")
        else:
            with pytest.raises(ScorerLost, match="the scorer has ended"):
                scorer.ask(make_task(sample, path), kill)
        psutil.wait_procs(killed, 3)
        assert not killed[0].is_running()
        assert scorer.ask(make_task(sample)).kind == "scored"


def test_what_nobody_waits_for_is_ended(sample):
    path = write(sample, "a.json", hostile.slow())
    with Scorer("itc") as scorer:
        found = []

        def is_wanted() -> bool:
            found.extend(psutil.Process(scorer.start()).children())
            return not found

        with pytest.raises(NotWanted):
            scorer.ask(make_task(sample, path), is_wanted)
        psutil.wait_procs(found, 3)
        assert not found[0].is_running()


HOLDER = """
import sys, sqlite3, os
from pathlib import Path
from overtrace.host.scorer_process import Scorer
from overtrace.host.marking import Task
task = Task.model_validate_json(sys.argv[1])
database = sqlite3.connect(sys.argv[2])
database.execute("create table a (b)")
database.execute("begin immediate")
os.environ["OVERTRACE_DB"] = "secret"
scorer = Scorer("itc")
print(scorer.start(), flush=True)
scorer.ask(task)
"""


@pytest.fixture
def holder(sample):
    """A worker in the midst of scoring, which has a secret and a database; the worker, the scorer, what it forked."""
    task = make_task(sample, write(sample, "a.json", hostile.slow()))
    command = [sys.executable, "-c", HOLDER, task.model_dump_json(), str(sample / "x.db")]
    environment = {**os.environ, "AWS_SECRET_ACCESS_KEY": "secret"}
    process = subprocess.Popen(command, stdout=subprocess.PIPE, env=environment)
    parent = psutil.Process(int(process.stdout.readline()))
    while not parent.children():
        assert process.poll() is None
    yield process, parent, parent.children()[0]
    process.kill()
    process.communicate()


def test_a_scorer_has_no_secret_and_no_connection(holder):
    _, parent, child = holder
    for process in (parent, child):
        assert "secret" not in " ".join(process.environ().values())
        assert "DB" not in " ".join(process.environ())
        opened = [os.readlink(link) for link in Path(f"/proc/{process.pid}/fd").iterdir() if link.is_symlink()]
        assert not [place for place in opened if "x.db" in place or place.startswith("socket:")]
        assert process.cwd() == "/"


def test_a_scorer_ends_with_its_worker(holder):
    process, parent, child = holder
    process.send_signal(signal.SIGKILL)
    _, alive = psutil.wait_procs([parent, child], 5)
    assert alive == []
