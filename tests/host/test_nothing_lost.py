"""Whatever is killed, and whenever: every answer that was accepted ends once, and costs one try at most."""

import os
import signal
import time
from collections import Counter
from contextlib import suppress
from dataclasses import dataclass, field
from multiprocessing import get_context
from pathlib import Path

import numpy as np
from sqlalchemy import select

from overtrace.challenges.challenge import Question
from overtrace.challenges.protocols import score_files
from overtrace.host.tables import FINAL, Event, Job, JobState, Score, State, Submission
from tests.support.hosted import Host, answer, make_host
from tests.support.load import Item, take_in, work

TEAMS, EACH = 20, 12
LIMITS = {"per_day": None, "total": EACH, "at_once": EACH}
KILLS = 5
"""Of each kind."""
PAUSE_S = (0.1, 0.8)
WAIT_S = 10
"""For someone of a kind to be there."""
MOST_S = 90
"""For the rest, when nobody is killed any more."""


@dataclass
class Crowd:
    """The processes, each started again whenever it is killed."""

    address: str
    folder: Path
    items: list[list[Item]]
    processes: dict[str, object] = field(default_factory=dict)
    context = get_context("forkserver")

    def keep_up(self) -> None:
        """Start whoever is not there."""
        for name in ("worker1", "worker2", "worker3", "host1", "host2"):
            process = self.processes.get(name)
            if process is None or (process.exitcode or 0) != 0:
                self.processes[name] = self._start(name)

    def _start(self, name: str):
        if name.startswith("worker"):
            process = self.context.Process(target=work, args=(self.address, self.folder, LIMITS, name), daemon=True)
        else:
            part = self.items[int(name[-1]) - 1]
            facts = (self.address, self.folder, LIMITS, part, self.folder / f"{name}.journal")
            process = self.context.Process(target=take_in, args=facts, daemon=True)
        process.start()
        return process

    def find(self, kind: str) -> list[int]:
        """The numbers of processes of a kind: worker, host, scorer, or answer, which the scorer forks for each."""
        begins = "host" if kind == "host" else "worker"
        found = [process.pid for name, process in self.processes.items() if name.startswith(begins)]
        if kind in ("scorer", "answer"):
            found = [scorer for number in found for scorer in find_scorers(number)]
        if kind == "answer":
            found = [child for number in found for child in read_children(number)]
        return found

    def stop(self) -> None:
        """End all."""
        for process in self.processes.values():
            process.kill()
            process.join()


def read_children(number: int) -> list[int]:
    try:
        return [int(child) for child in Path(f"/proc/{number}/task/{number}/children").read_text().split()]
    except (FileNotFoundError, ProcessLookupError):
        return []


def find_scorers(number: int) -> list[int]:
    """What scores among the processes that one has started, perhaps in a box."""
    try:
        program, *words = Path(f"/proc/{number}/cmdline").read_bytes().split(b"\0")
    except (FileNotFoundError, ProcessLookupError):
        return []
    if program.rpartition(b"/")[2].startswith(b"python") and b"overtrace.host.scorer" in words:
        return [number]
    return [scorer for child in read_children(number) for scorer in find_scorers(child)]


def kill_in_turn(crowd: Crowd, kinds: list[str], cut) -> Counter:
    """How many of which kind were killed, at moments that nobody chose."""
    rng = np.random.default_rng(6)
    killed: Counter = Counter()
    for kind in kinds * KILLS:
        time.sleep(rng.uniform(*PAUSE_S))
        crowd.keep_up()
        killed[kind] += cut() > 0 if kind == "connection" else kill_one(crowd, kind, rng)
    return killed


def kill_one(crowd: Crowd, kind: str, rng: np.random.Generator) -> bool:
    deadline = time.monotonic() + WAIT_S
    while time.monotonic() < deadline:
        numbers = crowd.find(kind)
        if numbers:
            with suppress(ProcessLookupError):
                os.kill(int(rng.choice(numbers)), signal.SIGKILL)
                return True
    return False


def wait_for_all(host: Host, crowd: Crowd, items: int) -> None:
    deadline = time.monotonic() + MOST_S
    while time.monotonic() < deadline:
        crowd.keep_up()
        with host.database.read() as session:
            states = session.scalars(select(Submission.state)).all()
        if len(states) == items and set(states) <= FINAL:
            return
        time.sleep(0.2)
    raise AssertionError(f"after {MOST_S} s: {Counter(states)} of {items}")


def score(folder: Path, content: bytes) -> float:
    (folder / "a.csv").write_bytes(content)
    return score_files("trees", Question(folder.parent / "contest" / "truth", folder / "a.csv")).score


def test_whatever_is_killed_each_answer_ends_once_and_is_charged_once(request, database, address, tmp_path):
    host = make_host(database, tmp_path, LIMITS)
    teams = [host.add_team(f"team{i}") for i in range(TEAMS)]
    items = [(team, number) for number in range(EACH) for team in teams]
    crowd = Crowd(address, tmp_path, [items[0::2], items[1::2]])
    cluster = request.getfixturevalue("cluster") if address.startswith("postgresql") else None
    kinds = ["answer", "host", "scorer", "host", "worker"] + ["connection"] * (cluster is not None)
    name = database.engine.url.database
    crowd.keep_up()
    try:
        killed = kill_in_turn(crowd, kinds, lambda: cluster.cut(name))
        # The connections of this process were cut too.
        database.engine.dispose()
        wait_for_all(host, crowd, len(items))
    finally:
        crowd.stop()
    assert min(killed[kind] for kind in kinds) >= KILLS // 2, killed
    check(host, items, tmp_path)


def check(host: Host, items: list[Item], folder: Path) -> None:
    with host.database.read() as session:
        sent = session.scalars(select(Submission)).all()
        jobs = session.scalars(select(Job)).all()
        scores = {(score.submission_id, score.board): score for score in session.scalars(select(Score))}
        ends = Counter(tuple(row) for row in session.execute(select(Event.subject, Event.action)))
    expected = {number: answer(number) for _, number in items}
    # Each answer became one submission, and each submission has one end.
    assert len({(one.team_id, one.sha256) for one in sent}) == len(sent) == len(items)
    assert {one.state for one in sent} <= {State.SCORED, State.FAILED}
    assert {job.state for job in jobs} <= {JobState.DONE, JobState.GIVEN_UP}
    assert len(jobs) == len(sent)
    for one in sent:
        subject = f"submission:{one.id}"
        assert ends[subject, "submission.accepted"] == 1
        assert ends[subject, "submission.scored"] + ends[subject, "submission.failed"] == 1
        # Tries are charged once, and what the host failed at is given back.
        assert one.charged == (one.state == State.SCORED)
        assert ((one.id, "all") in scores) == (one.state == State.SCORED)
    for numbers in Counter(one.team_id for one in sent).values():
        assert numbers == EACH
    assert sorted(one.number for one in sent if one.team_id == sent[0].team_id) == list(range(1, EACH + 1))
    # What is on the board is what scoring the stored answers anew would put there.
    (folder / "anew").mkdir()
    worth = {content: score(folder / "anew", content) for content in expected.values()}
    for one in sent:
        content = b"".join(host.uploads.blobs.read(one.sha256))
        assert content in worth
        if one.state == State.SCORED:
            assert scores[one.id, "all"].value == worth[content]
    # Some jobs were lost and came back, or nothing was tested; most of them were scored all the same.
    assert sum(job.attempts > 1 for job in jobs) >= 3
    assert sum(one.state == State.SCORED for one in sent) >= 0.9 * len(sent)
    assert list(host.uploads.spool.iterdir()) == []
