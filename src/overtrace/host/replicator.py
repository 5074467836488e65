"""Runs what winners have delivered, one after the other, on a machine that can hold foreign images in."""

import logging
import threading
from dataclasses import dataclass, field
from pathlib import Path

from overtrace.errors import OvertraceError, Unavailable
from overtrace.host import replicating
from overtrace.host.blobs import Blobs, digest_file
from overtrace.host.contest_file import ContestFile
from overtrace.host.database import Database, now
from overtrace.host.heartbeat import keep_beating
from overtrace.host.isolation import find_engine
from overtrace.host.jobs import Patience
from overtrace.host.replicate import LOG as LOG_FILE
from overtrace.host.replicate import replicate
from overtrace.host.replicating import Task
from overtrace.host.replication import Delivery, Report
from overtrace.host.scorer_process import NotWanted
from overtrace.host.scratch import own_scratch
from overtrace.host.site import Site
from overtrace.host.worker import name_safely

IDLE_S = 5.0
LOG = logging.getLogger("overtrace.replicator")


@dataclass(frozen=True, slots=True)
class Replicator:
    """What one loop works with."""

    name: str
    database: Database
    blobs: Blobs
    file: ContestFile
    site: Site
    """Of letters."""
    stop: threading.Event
    patience: Patience = field(default_factory=Patience)
    idle_s: float = IDLE_S

    def run(self) -> None:
        """Work until told to stop.

        Raises:
            BadOption: if this machine cannot hold foreign images in.
        """
        find_engine()
        while not self.stop.is_set():
            try:
                with self.database.write() as session:
                    task = replicating.claim(session, self.file.contest, self.name, now(), self.patience)
                if task is None:
                    self.stop.wait(self.idle_s)
                else:
                    self._do(task)
            except Unavailable as error:
                LOG.warning("%s", error)
                self.stop.wait(self.idle_s)

    def _do(self, task: Task) -> None:
        with (
            keep_beating(lambda: self._beat(task), lambda: self.patience.lease_s / 3) as lost,
            own_scratch() as scratch,
        ):
            try:
                report = self._replicate(task, scratch, lost)
            except NotWanted:
                report = None
            except (OvertraceError, OSError) as error:
                self._give_back(task, str(error), counted=True)
                return
            if report is None or self.stop.is_set():
                self._give_back(task, f"worker {self.name} was told to stop", counted=False)
                return
            log = scratch / "out" / LOG_FILE
            digest = digest_file(log)
            self.blobs.put(log, digest)
            with self.database.write() as session:
                if not replicating.finish(session, self.site, task, report, digest, now(), self.patience):
                    LOG.warning("delivery %s was taken over by another worker", task.delivery)

    def _replicate(self, task: Task, scratch: Path, lost: threading.Event) -> Report:
        phase = self.file.contest.find_phase(task.phase)
        assert phase is not None
        (scratch / "weights").mkdir()
        image, weights = scratch / "image.tar", scratch / "weights" / name_safely(task.weights_name)
        self.blobs.fetch(task.image, image)
        self.blobs.fetch(task.weights, weights)
        delivery = Delivery(image=image, weights=weights, weights_sha256=task.weights)
        return replicate(
            self.file,
            phase,
            delivery,
            task.claimed,
            scratch / "out",
            board=task.board,
            is_wanted=lambda: not (lost.is_set() or self.stop.is_set()),
        )

    def _give_back(self, task: Task, why: str, *, counted: bool) -> None:
        with self.database.write() as session:
            replicating.give_back(session, task, why, now(), self.patience, counted=counted)

    def _beat(self, task: Task) -> bool:
        with self.database.write() as session:
            return replicating.beat(session, task, now(), self.patience)
