"""Where a worker stands: a job, and the network once it is needed."""

import pickle
import threading
import uuid
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import Literal

from overtrace.models.runtime import Network, load_network
from overtrace.models.views import add_views
from overtrace.raster.store import Store, is_whole, save
from overtrace.trace.assemble import combine
from overtrace.trace.draw import draw_block
from overtrace.trace.job import Job
from overtrace.trace.methods import METHODS

JOB = "job"
READERS = 4
"""Blocks of images elsewhere that are read ahead at a time, in a process."""


@dataclass(frozen=True, slots=True)
class Step:
    """Something that is done with every group, or with every node of a layer."""

    name: Literal["predict", "settle", "draw", "check", "tidy"]
    layer: int = 1


class Bench:
    """A job that can be worked on, group by group, from any thread; sent to another process by its store alone."""

    def __init__(self, job: Job, token: str) -> None:
        """Args:
        token: of this run: files of the same name may have meant something else in an earlier one.
        """
        self.job = job
        self.token = token
        self.method = METHODS[job.task]
        self.find_model: Callable[[], Path] = lambda: job.model
        self.threads = job.workers
        """Of this process that run the network at the same time."""
        self._network: Network | None = None
        self._loading = threading.Lock()

    def prepare(self) -> Network:
        """Load the network now, if it is not."""
        with self._loading:
            if self._network is None:
                job = self.job
                network = load_network(self.find_model(), runtime=job.runtime, workers=self.threads, device=job.device)
                self._network = add_views(network, job.views)
            return self._network

    def work(self, step: Step, index: int) -> bool:
        """Do a step with a group or a node; what a check finds, else True."""
        match step.name:
            case "predict":
                self.predict(index)
            case "settle":
                self.method.settle(self.job, step.layer, index)
            case "draw":
                self.draw(index)
            case "tidy":
                self.tidy(index)
            case "check":
                return self.is_drawn(index)
        return True

    def predict(self, group: int) -> None:
        """First pass over a group: what is there already is kept."""
        blocks = self.job.blocks_of(group)
        for block, following in zip(blocks, [*blocks[1:], None], strict=True):
            if not is_whole(self.job.store, self.job.answer(block)):
                if following is not None and self.job.view.raster.is_far:
                    _readers().submit(self.job.view.read, following.read)
                self.method.predict(self.job, self.prepare(), block)
        self.method.settle(self.job, 1, group)

    def draw(self, group: int) -> None:
        """Second pass over a group."""
        if self.is_drawn(group):
            return
        job = self.job
        blocks = [draw_block(job, block, self.method.label(job, block)) for block in job.blocks_of(group)]
        save(job.store, job.outlines(group), combine(blocks, self.method.measures))

    def is_drawn(self, group: int) -> bool:
        """Whether the second pass over a group is done."""
        job = self.job
        labels = (job.labels(block) for block in job.blocks_of(group)) if job.keep_labels else ()
        return is_whole(job.store, job.outlines(group)) and all(is_whole(job.store, name) for name in labels)

    def tidy(self, group: int) -> None:
        """Remove what the second pass needed."""
        for block in self.job.blocks_of(group):
            self.job.store.remove(self.job.answer(block))

    def __reduce__(self) -> tuple[Callable[[Store, str], "Bench"], tuple[Store, str]]:
        return open_bench, (self.job.store, self.token)


def keep_bench(job: Job) -> Bench:
    """Keep a job in its store, for processes to open."""
    job.store.write(JOB, [pickle.dumps(job)])
    return Bench(job, uuid.uuid4().hex)


@lru_cache(maxsize=1)
def _readers() -> ThreadPoolExecutor:
    """Who reads ahead; what they fetch is kept, and what fails fails again where it is asked for."""
    return ThreadPoolExecutor(READERS, thread_name_prefix="ahead")


_opening = threading.Lock()


def open_bench(store: Store, token: str) -> Bench:
    """The job in a store; a process opens it once a run."""
    with _opening:
        return _open_bench(store, token)


@lru_cache(maxsize=1)
def _open_bench(store: Store, token: str) -> Bench:
    job = pickle.loads(store.read(JOB))
    assert isinstance(job, Job)
    return Bench(job, token)
