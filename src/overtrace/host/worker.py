"""A worker: claims a job, fetches the answer, lets the scorer score it, and says what came of it.

Whatever happens to a worker, its job is not lost: the lease runs out, and another one claims it.
"""

import logging
import os
import re
import shutil
import signal
import tempfile
import threading
from dataclasses import dataclass, field
from pathlib import Path
from typing import Protocol

from overtrace.errors import BadOption, NotFound, OvertraceError, Unavailable
from overtrace.host import jobs
from overtrace.host.blobs import Blobs
from overtrace.host.contest import Contest
from overtrace.host.database import Database, now
from overtrace.host.draws import unpack
from overtrace.host.heartbeat import keep_beating
from overtrace.host.jobs import Claimed, Patience
from overtrace.host.marking import make_task, name_scorer
from overtrace.host.outcome import Outcome, break_off
from overtrace.host.scorer_process import SCRATCH, NotWanted, Scorer, ScorerLost
from overtrace.host.scorings import is_same
from overtrace.host.truths import digest_truths, list_files, read_scorer, read_truth
from overtrace.raster.aside import is_running

IDLE_S = 0.5
"""Between two looks at an empty queue."""
AGAIN_S = 2.0
"""Before the host is asked again that did not answer."""
LOG = logging.getLogger("overtrace.worker")


class Queue(Protocol):
    """Where jobs come from. Each method may raise Unavailable, after which the same again may work."""

    @property
    def beat_s(self) -> float:
        """How often it wants to hear of a worker."""

    def claim(self, worker: str) -> Claimed | None:
        """The next job; None if there is none."""

    def fetch(self, claimed: Claimed, path: Path) -> None:
        """Write the answer to a file, its digest checked."""

    def beat(self, claimed: Claimed) -> bool:
        """The worker lives; False if it has lost the job."""

    def finish(self, claimed: Claimed, outcome: Outcome) -> bool:
        """What came of it; False if the worker has lost the job."""

    def give_back(self, claimed: Claimed, why: str, *, counted: bool) -> bool:
        """Let it wait again; False if the worker has lost it."""


@dataclass(frozen=True, slots=True)
class LocalQueue:
    """The queue of a database that is reached directly."""

    database: Database
    blobs: Blobs
    contest: Contest
    patience: Patience = field(default_factory=Patience)

    @property
    def beat_s(self) -> float:
        """A worker may miss two beats."""
        return self.patience.lease_s / 3

    def claim(self, worker: str) -> Claimed | None:
        """The next job; those of workers that are lost come back first."""
        with self.database.write() as session:
            at = now()
            jobs.reap(session, at, self.patience)
            claimed = jobs.claim(session, worker, at, self.patience)
            if claimed is None:
                return None
            wanted = {"truth": read_truth(session, claimed.phase), "scorer": read_scorer(session)}
            return claimed.model_copy(update=wanted)

    def fetch(self, claimed: Claimed, path: Path) -> None:
        """Write the answer to a file."""
        self.blobs.fetch(claimed.sha256, path)

    def beat(self, claimed: Claimed) -> bool:
        """The worker lives."""
        with self.database.write() as session:
            return jobs.beat(session, claimed, now(), self.patience)

    def finish(self, claimed: Claimed, outcome: Outcome) -> bool:
        """What came of it; what belongs to it is kept first."""
        for sha256, text in outcome.blobs.items():
            self.blobs.put(unpack(text), sha256)
        with self.database.write() as session:
            return jobs.finish(session, self.contest, claimed, outcome, now(), self.patience)

    def give_back(self, claimed: Claimed, why: str, *, counted: bool) -> bool:
        """Let it wait again."""
        with self.database.write() as session:
            return jobs.give_back(session, claimed, why, now(), self.patience, counted=counted)


class WrongTruth(BadOption):
    """This worker has another contest, or another scorer, than the host."""


@dataclass(frozen=True, slots=True)
class Worker:
    """What one loop works with."""

    name: str
    queue: Queue
    contest: Contest
    folder: Path
    """That of the contest file, with the truth."""
    stop: threading.Event
    """Set to end the loop: the job at hand is given back, and costs no attempt."""
    idle_s: float = IDLE_S
    again_s: float = AGAIN_S

    def run(self) -> None:
        """Work until told to stop.

        Raises:
            WrongTruth: if the host wants answers to be scored against something else.
        """
        truths = digest_truths(self.contest, self.folder)
        seen = [path for phase in self.contest.phases for path in list_files(phase, self.folder)]
        _remove_abandoned()
        pictures = any(phase.pictures for phase in self.contest.phases)
        with (
            tempfile.TemporaryDirectory(prefix=f"{SCRATCH}{os.getpid()}-") as scratch,
            Scorer(self.contest.challenge, self.contest.profile, (*seen, Path(scratch)), pictures=pictures) as scorer,
        ):
            while not self.stop.is_set():
                try:
                    scorer.start(lambda: not self.stop.is_set())
                    claimed = self.queue.claim(self.name)
                    if claimed is None:
                        self.stop.wait(self.idle_s)
                    else:
                        self._do(claimed, scorer, truths, Path(scratch))
                except NotWanted:
                    return
                except Unavailable as error:
                    LOG.warning("%s", error)
                    self.stop.wait(self.again_s)

    def _do(self, claimed: Claimed, scorer: Scorer, truths: dict[str, str], place: Path) -> None:
        if truths.get(claimed.phase) != claimed.truth:
            why = f"worker {self.name} has another truth or rule for phase {claimed.phase} than the host"
            self.queue.give_back(claimed, why, counted=False)
            raise WrongTruth(f"{why}: give it the contest's folder as it is there")
        if claimed.scorer and not is_same(claimed.scorer, name_scorer()):
            why = f"worker {self.name} is {name_scorer()}, and the host wants {claimed.scorer}"
            self.queue.give_back(claimed, why, counted=False)
            raise WrongTruth(f"{why}: give it the overtrace of the host")
        with keep_beating(lambda: self.queue.beat(claimed), lambda: self.queue.beat_s) as lost:
            try:
                outcome = self._score(claimed, scorer, lost, place)
            except NotWanted:
                if not lost.is_set():
                    self.queue.give_back(claimed, f"worker {self.name} was told to stop", counted=False)
                return
            except Unavailable as error:
                # Not for the submission to pay for: it waits until the store is there again.
                self.queue.give_back(claimed, str(error), counted=False)
                raise
            self._finish(claimed, outcome)

    def _score(self, claimed: Claimed, scorer: Scorer, lost: threading.Event, place: Path) -> Outcome:
        phase = self.contest.find_phase(claimed.phase)
        assert phase is not None
        scratch = Path(tempfile.mkdtemp(dir=place))
        try:
            answer = scratch / name_safely(claimed.name)
            self.queue.fetch(claimed, answer)
            task = make_task(self.contest, phase, self.folder, answer)
            outcome = scorer.ask(task, lambda: not (lost.is_set() or self.stop.is_set()))
            return outcome.model_copy(update={"truth": claimed.truth})
        except ScorerLost as error:
            return break_off(str(error))
        except (OSError, NotFound) as error:
            return break_off(f"worker {self.name}: {error}")
        finally:
            shutil.rmtree(scratch, ignore_errors=True)

    def _finish(self, claimed: Claimed, outcome: Outcome) -> None:
        """Say it until it is heard: scoring again would come to the same, only later."""
        while True:
            try:
                if not self.queue.finish(claimed, outcome):
                    LOG.warning("submission %s was taken over by another worker", claimed.submission)
                return
            except Unavailable as error:
                LOG.warning("%s", error)
                if self.stop.wait(self.again_s):
                    return
            except OvertraceError as error:
                self.queue.give_back(claimed, str(error), counted=True)
                return


def _remove_abandoned() -> None:
    """Answers that killed workers of this machine were at."""
    for folder in Path(tempfile.gettempdir()).glob(f"{SCRATCH}*"):
        number = folder.name.removeprefix(SCRATCH).split("-")[0]
        if number.isdigit() and not is_running(int(number)):
            shutil.rmtree(folder, ignore_errors=True)


def stop_when_told(stop: threading.Event) -> None:
    """Let SIGTERM and SIGINT end the loop, in place of the process."""
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda *_: stop.set())


def name_safely(name: str) -> str:
    """A name that is a plain file in any folder, with the ending that readers go by."""
    plain = re.sub(r"[^A-Za-z0-9._-]", "_", name).lstrip(".")
    return plain[-100:].lstrip(".-") or "answer"
