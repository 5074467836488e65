"""Who does the work: threads or processes of this machine, or a cluster; a bounded number of things under way."""

import multiprocessing
from collections import deque
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import Executor, Future, ProcessPoolExecutor, ThreadPoolExecutor
from concurrent.futures.process import BrokenProcessPool
from contextlib import contextmanager
from functools import partial
from typing import Literal, Protocol, TypeVar

from overtrace.errors import OvertraceError
from overtrace.models.runtime import Device
from overtrace.trace.bench import Bench, Step

Kind = Literal["threads", "processes"]
T = TypeVar("T")
R = TypeVar("R")


class Engine(Protocol):
    """Those who work on a bench."""

    @property
    def device(self) -> Device:
        """What the network runs on."""
        ...

    def run(self, bench: Bench, step: Step, count: int) -> Iterator[tuple[int, bool]]:
        """Do a step with each of ``count`` groups or nodes, in any order; where workers fail, more than once.

        Raises:
            OvertraceError: where it cannot be done.
        """
        ...

    def tell(self) -> dict[str, object]:
        """For the summary of the run."""
        ...


class Local:
    """Threads or processes of this machine; what they have done comes in order."""

    def __init__(self, executor: Executor, workers: int, device: Device) -> None:
        self.device = device
        self._executor = executor
        self._workers = workers

    def run(self, bench: Bench, step: Step, count: int) -> Iterator[tuple[int, bool]]:
        """Do a step."""
        return map_ordered(self._executor, partial(bench.work, step), range(count), self._workers)

    def tell(self) -> dict[str, object]:
        """Nothing that is not known."""
        return {}


@contextmanager
def open_local(kind: Kind, workers: int, device: Device) -> Iterator[Local]:
    """Workers of one kind; on an error what has not begun is dropped."""
    executor: Executor
    if kind == "threads":
        executor = ThreadPoolExecutor(workers, thread_name_prefix="overtrace")
    else:
        # A forked child would share the threads' locks of the runtime and of GDAL.
        executor = ProcessPoolExecutor(workers, mp_context=multiprocessing.get_context("spawn"))
    try:
        yield Local(executor, workers, device)
    except BrokenProcessPool as error:
        raise OvertraceError(
            "a worker process was killed, perhaps for lack of memory: run again with --resume and fewer --workers"
        ) from error
    finally:
        executor.shutdown(cancel_futures=True)


def map_ordered(
    executor: Executor, function: Callable[[T], R], items: Iterable[T], workers: int
) -> Iterator[tuple[T, R]]:
    """Each item with its answer, in the order of the items.

    Args:
        function: picklable where the workers are processes.
        workers: at most twice as many items are under way at a time.
    """
    waiting: deque[tuple[T, Future[R]]] = deque()
    for item in items:
        waiting.append((item, executor.submit(function, item)))
        if len(waiting) >= 2 * workers:
            first, future = waiting.popleft()
            yield first, future.result()
    while waiting:
        first, future = waiting.popleft()
        yield first, future.result()


def in_order(done: Iterable[tuple[int, bool]]) -> Iterator[int]:
    """Numbers from 0 on, each once it and all before it are done."""
    ahead: set[int] = set()
    following = 0
    for number, _ in done:
        ahead.add(number)
        while following in ahead:
            ahead.remove(following)
            yield following
            following += 1
