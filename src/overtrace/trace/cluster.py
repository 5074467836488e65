"""A Dask cluster as the engine: single futures, few at a time, and no state that is not in the scratch store.

A task is named by a step and the number of a group. What it makes goes to the scratch store, whole or not at all, and
is the same whoever makes it; so a task that may be lost is simply handed out again, and a client that comes later, to
this cluster, another or none, goes on from the store.
"""

import queue
import time
import uuid
from collections import deque
from collections.abc import Callable, Iterator
from contextlib import suppress
from dataclasses import dataclass, field
from typing import Any

from distributed import Client, Future, KilledWorker

from overtrace.errors import BadCluster, OvertraceError
from overtrace.models.runtime import Device
from overtrace.raster.progress import Progress
from overtrace.raster.source import place_of
from overtrace.trace.bench import Bench, Step
from overtrace.trace.worker import Order, work

ATTEMPTS = 3
"""How often a task may fail."""
TROUBLES = 5
"""How often the scheduler may be lost before a task is done in between."""
BACK_WITHIN_S = 300.0
"""A scheduler that is lost, or the last worker, is waited for so long."""
LOOK_S = 2.0
"""Between two looks at the cluster."""
STALLED_S = 600.0
"""A task that takes longer than this, and ten times the longest before it, is handed out again."""
CALL_S = 60.0
"""A scheduler that does not answer within this is lost; one that is busy is slow."""


@dataclass(slots=True)
class Task:
    """Something that is to be done, or under way."""

    index: int
    attempts: int = 0
    began: float = 0.0
    future: Future | None = None


@dataclass(slots=True)
class Losses:
    """What was done for nothing."""

    tasks: int = 0
    seconds: float = 0.0
    """From handing a task out to knowing that it is lost, so at most."""
    schedulers: int = 0


@dataclass(slots=True)
class Shift:
    """One step with all groups or nodes."""

    bench: Bench
    step: Step
    coming: Iterator[Task]
    again: deque[Task] = field(default_factory=deque)
    flying: dict[str, Task] = field(default_factory=dict)
    done: "queue.SimpleQueue[str]" = field(default_factory=queue.SimpleQueue)
    longest_s: float = 0.0
    troubles: int = 0
    looked: float = 0.0

    def place(self, task: Task) -> str:
        """What a task is about, for the user."""
        layer, job = self.step.layer, self.bench.job
        name = ("block" if job.layers[1].side == 1 else "group of blocks") if layer == 1 else f"node {layer}/"
        return f"{self.step.name} {name} {task.index} ({place_of(job.box_of(layer, task.index))})"


class Cluster:
    """Futures of a Dask client; reconnects, hands out again what is lost, gives up within bounds."""

    def __init__(self, connect: Callable[[], Client], order: Order, progress: Progress, device: Device) -> None:
        """Args:
        connect: a client of the scheduler, whatever became of the one before.
        device: what the network runs on; with ``cuda`` only workers with the resource GPU run it.
        """
        self._connect = connect
        self._gone: queue.SimpleQueue[tuple[str, set[str]]] = queue.SimpleQueue()
        self._client = self._open()
        self._order = order
        self._progress = progress
        self.device: Device = device
        self._threads = 1
        self._most_threads = 0
        self._alone_since: float | None = None
        self._losses = Losses()

    def run(self, bench: Bench, step: Step, count: int) -> Iterator[tuple[int, bool]]:
        """Do a step with each of ``count`` groups or nodes, in any order.

        Raises:
            OvertraceError: a task that fails again and again, a scheduler or workers that do not come back.
        """
        shift = Shift(bench, step, (Task(index) for index in range(count)))
        try:
            while self._hand_out(shift):
                try:
                    key = shift.done.get(timeout=LOOK_S)
                except queue.Empty:
                    key = None
                if key in shift.flying:
                    yield from self._take(shift, key)
                while not self._gone.empty():
                    self._note_gone(shift, *self._gone.get())
                if time.monotonic() - shift.looked > LOOK_S:
                    self._look(shift)
        finally:
            self._cancel([task.future for task in shift.flying.values()])

    def tell(self) -> dict[str, object]:
        """How many worked, and what was lost."""
        lost = self._losses
        facts: dict[str, object] = {"threads": self._most_threads, "again": lost.tasks}
        facts |= {"lost_seconds": round(lost.seconds, 1), "schedulers_lost": lost.schedulers}
        return {"cluster": facts}

    def close(self) -> None:
        """Leave the cluster."""
        _close(self._client)

    def _open(self) -> Client:
        client = self._connect()
        client.subscribe_topic("all", self._hear)
        return client

    def _hear(self, event: tuple[float, object]) -> None:
        """What the scheduler says of its workers, on another thread."""
        match event[1]:
            case {"action": "remove-worker", "worker": str(worker), "processing-tasks": keys}:
                self._gone.put((worker, set(keys)))

    def _note_gone(self, shift: Shift, worker: str, keys: set[str]) -> None:
        """A worker is gone; the scheduler has others do again what it was at."""
        lost = [shift.flying[key] for key in keys if key in shift.flying]
        for task in lost:
            self._count(task)
            task.began = time.monotonic()
        if lost:
            again = ", ".join(str(task.index) for task in lost[:4]) + (", ..." if len(lost) > 4 else "")
            self._progress.say(f"worker {worker} is gone: others do {shift.step.name} {again} again")

    def _hand_out(self, shift: Shift) -> bool:
        """Keep twice as many tasks under way as there are threads; whether any is."""
        while len(shift.flying) < 2 * self._threads + 2:
            task = shift.again.popleft() if shift.again else next(shift.coming, None)
            if task is None:
                break
            self._submit(shift, task)
        return bool(shift.flying)

    def _submit(self, shift: Shift, task: Task) -> None:
        bench, step = shift.bench, shift.step
        key = f"{step.name}{step.layer}-{task.index}-{uuid.uuid4().hex[:12]}"
        # Two at a time on a GPU: one reads its image while the other has the network.
        resources = {"GPU": 0.5} if step.name == "predict" and self.device == "cuda" else None
        task.began = time.monotonic()
        shift.flying[key] = task
        arguments = (self._order, bench.job.store, bench.token, step, task.index)
        try:
            task.future = self._client.submit(work, *arguments, key=key, pure=False, resources=resources)
        except Exception:  # a client that is closed says so in many ways
            task.future = None
            self._reconnect(shift)
            return
        done = shift.done
        task.future.add_done_callback(lambda future: done.put(future.key))

    def _take(self, shift: Shift, key: str) -> Iterator[tuple[int, bool]]:
        task = shift.flying.pop(key)
        future = task.future
        assert future is not None
        status = future.status
        if status == "finished":
            answer = True
            if shift.step.name == "check":
                try:
                    answer = bool(future.result(timeout=CALL_S))
                except Exception:  # its worker died with the answer
                    self._fail(shift, task, "its answer was lost")
                    return
            shift.longest_s = max(shift.longest_s, time.monotonic() - task.began)
            shift.troubles = 0
            yield task.index, answer
        elif status == "error":
            self._fail(shift, task, _read_error(future))
        else:
            shift.flying[key] = task
            self._reconnect(shift)

    def _fail(self, shift: Shift, task: Task, reason: BaseException | str | None) -> None:
        """Hand a task out again, unless it has failed too often."""
        task.attempts += 1
        self._count(task)
        said = _describe(reason)
        if task.attempts < ATTEMPTS:
            self._progress.say(f"{shift.place(task)} is done again: {said}")
            shift.again.append(task)
            return
        text = f"{shift.place(task)} failed {task.attempts} times: {said}: mend it and run again with --resume"
        raise (type(reason) if isinstance(reason, OvertraceError) else BadCluster)(text)

    def _count(self, task: Task) -> None:
        self._losses.tasks += 1
        self._losses.seconds += time.monotonic() - task.began

    def _look(self, shift: Shift) -> None:
        """Is the scheduler there, are there workers, does anything take too long?"""
        shift.looked = time.monotonic()
        threads = self._count_threads()
        if threads is None:
            self._reconnect(shift)
            return
        self._threads = max(threads, 1)
        self._most_threads = max(self._most_threads, threads)
        if threads:
            self._alone_since = None
        elif self._alone_since is None:
            self._alone_since = shift.looked
            self._progress.say("no worker is left: waiting for one")
        elif shift.looked - self._alone_since > BACK_WITHIN_S:
            where = shift.place(next(iter(shift.flying.values())))
            raise BadCluster(
                f"no worker came back within {BACK_WITHIN_S:.0f} s; the next is {where}: start workers and run again "
                "with --resume"
            )
        if threads:
            self._hurry(shift)

    def _hurry(self, shift: Shift) -> None:
        """Hand out again what takes far longer than anything before."""
        limit = max(STALLED_S, 10 * shift.longest_s)
        for key, task in list(shift.flying.items()):
            if time.monotonic() - task.began > limit:
                del shift.flying[key]
                self._cancel([task.future])
                self._fail(shift, task, f"no answer within {limit:.0f} s")

    def _count_threads(self) -> int | None:
        """Of all workers; None if the scheduler is lost."""
        client: Any = self._client
        if client.status != "running" or client.scheduler_comm is None or client.scheduler_comm.closed():
            return None
        try:
            threads: dict[str, int] = client.sync(client.scheduler.ncores, callback_timeout=CALL_S)
        except Exception:  # of a connection, in many ways
            return None
        return sum(threads.values())

    def _reconnect(self, shift: Shift) -> None:
        """Find the scheduler, or the one that took its place, and hand out again what was under way."""
        self._losses.schedulers += 1
        shift.troubles += 1
        lost = list(shift.flying.values())
        for task in lost:
            self._count(task)
        shift.flying.clear()
        shift.again.extendleft(reversed(lost))
        shift.done = queue.SimpleQueue()
        where = shift.place(shift.again[0]) if shift.again else shift.step.name
        if shift.troubles > TROUBLES:
            raise BadCluster(
                f"the scheduler was lost {TROUBLES} times in a row at {where}: run again with --resume, here or "
                "without --cluster"
            )
        self._progress.say(f"the scheduler is lost, {len(lost)} tasks are done again: connecting")
        _close(self._client)
        deadline = time.monotonic() + BACK_WITHIN_S
        while True:
            try:
                self._client = self._open()
                return
            except (OSError, BadCluster) as error:
                if time.monotonic() > deadline:
                    raise BadCluster(
                        f"the scheduler was lost at {where} and did not come back within {BACK_WITHIN_S:.0f} s: run "
                        "again with --resume, on another cluster or without --cluster"
                    ) from error
                time.sleep(1)

    def _cancel(self, futures: list[Future | None]) -> None:
        alive = [future for future in futures if future is not None]
        if alive and self._client.status == "running":
            with suppress(Exception):  # the cluster may have gone
                self._client.cancel(alive)


def _describe(reason: BaseException | str | None) -> str:
    if isinstance(reason, KilledWorker):
        return "workers died over it, perhaps for lack of memory: give them more, or choose a smaller --block"
    if isinstance(reason, OvertraceError | str):
        return str(reason)
    return f"{type(reason).__name__}: {' '.join(str(reason).split())[:200]}"


def _read_error(future: Future) -> BaseException | None:
    try:
        error: BaseException | None = future.exception(timeout=CALL_S)
    except Exception as lost:
        return lost
    return error


def _close(client: Client) -> None:
    with suppress(Exception):  # the scheduler may have gone
        client.close(timeout=2)
