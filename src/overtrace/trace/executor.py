"""Map a function over blocks in threads or in processes: answers in order, a bounded number under way."""

import multiprocessing
from collections import deque
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import Executor, Future, ProcessPoolExecutor, ThreadPoolExecutor
from concurrent.futures.process import BrokenProcessPool
from contextlib import contextmanager
from typing import Literal, TypeVar

from overtrace.errors import OvertraceError

Kind = Literal["threads", "processes"]
T = TypeVar("T")
R = TypeVar("R")


@contextmanager
def open_executor(kind: Kind, workers: int) -> Iterator[Executor]:
    """Workers of one kind; on an error what has not begun is dropped."""
    executor: Executor
    if kind == "threads":
        executor = ThreadPoolExecutor(workers, thread_name_prefix="overtrace")
    else:
        # A forked child would share the threads' locks of the runtime and of GDAL.
        executor = ProcessPoolExecutor(workers, mp_context=multiprocessing.get_context("spawn"))
    try:
        yield executor
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
