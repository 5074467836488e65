"""Where a worker stands: a job, and the network once it is needed."""

import pickle
from collections.abc import Callable
from functools import cached_property, lru_cache
from pathlib import Path

from overtrace.models.runtime import Network, load_network
from overtrace.models.views import add_views
from overtrace.trace.draw import draw_block
from overtrace.trace.job import Job
from overtrace.trace.methods import METHODS


class Bench:
    """A job that can be worked on, block by block, from any thread; sent to another process by its path alone."""

    def __init__(self, job: Job) -> None:
        self.job = job
        self.method = METHODS[job.task]

    @cached_property
    def network(self) -> Network:
        """Loaded when first asked for."""
        network = load_network(self.job.model, runtime=self.job.runtime, workers=self.job.workers)
        return add_views(network, self.job.views)

    def prepare(self) -> None:
        """Load the network now, before threads ask for it at the same time."""
        assert self.network

    def predict(self, index: int) -> None:
        """First pass over block ``index``."""
        self.method.predict(self.job, self.network, self.job.blocks[index])

    def settle(self) -> None:
        """Between the passes, once all blocks have been predicted."""
        self.method.settle(self.job)

    def draw(self, index: int) -> None:
        """Second pass over block ``index``."""
        block = self.job.blocks[index]
        draw_block(self.job, block, self.method.label(self.job, block))

    def __reduce__(self) -> tuple[Callable[[Path], "Bench"], tuple[Path]]:
        return open_bench, (self.job.folder,)


def keep_bench(job: Job) -> Bench:
    """Keep a job in its folder, for processes to open."""
    (job.folder / "job").write_bytes(pickle.dumps(job))
    return Bench(job)


@lru_cache(maxsize=1)
def open_bench(folder: Path) -> Bench:
    """The job in a folder; a process opens it once."""
    job = pickle.loads((folder / "job").read_bytes())
    assert isinstance(job, Job)
    return Bench(job)
