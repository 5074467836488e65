"""A Dask cluster of real processes, which a test can kill as machines die."""

import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

from tests.support.s3 import find_port


class DaskCluster:
    """A scheduler and workers; a worker that ends is followed by another, as a queue or a nanny would see to."""

    def __init__(self, folder: Path, workers: int) -> None:
        """Args:
        folder: where they write what they say.
        """
        self._folder = folder
        self._port = find_port()
        self.address = f"tcp://127.0.0.1:{self._port}"
        self._lock = threading.Lock()
        self._ending = threading.Event()
        self.started = 0
        self._scheduler = self._start_scheduler()
        self.workers = [self._start_worker() for _ in range(workers)]
        self._keeper = threading.Thread(target=self._keep)
        self._keeper.start()

    def _start_scheduler(self) -> subprocess.Popen:
        return self._start("scheduler", ["--host", "127.0.0.1", "--port", str(self._port), "--dashboard-address", ":0"])

    def _start_worker(self, prefix: Sequence[str] = ()) -> subprocess.Popen:
        self.started += 1
        options = [self.address, "--nthreads", "1", "--no-nanny", "--no-dashboard", "--death-timeout", "120"]
        return self._start("worker", [*options, "--local-directory", str(self._folder)], prefix)

    def _start(self, kind: str, options: list[str], prefix: Sequence[str] = ()) -> subprocess.Popen:
        command = [*prefix, sys.executable, "-m", f"distributed.cli.dask_{kind}", *options]
        with (self._folder / f"{kind}.log").open("ab") as log:
            return subprocess.Popen(command, stdout=log, stderr=log, env={**os.environ, "OMP_NUM_THREADS": "1"})

    def _keep(self) -> None:
        while not self._ending.wait(0.2):
            with self._lock:
                self.workers = [worker if worker.poll() is None else self._start_worker() for worker in self.workers]

    @property
    def scheduler_pid(self) -> int:
        """Of its process."""
        return self._scheduler.pid

    def kill_worker(self, which: int) -> None:
        """At once, as for lack of memory."""
        with self._lock:
            self.workers[which % len(self.workers)].send_signal(signal.SIGKILL)

    def restart_scheduler(self) -> None:
        """It is killed, and another one comes a second later."""
        self._scheduler.kill()
        self._scheduler.wait()
        time.sleep(1)
        self._scheduler = self._start_scheduler()

    def leave_alone(self, prefix: Sequence[str] = ()) -> None:
        """Kill all workers for good; with a prefix, one comes whose command begins with it."""
        self._ending.set()
        self._keeper.join()
        for worker in self.workers:
            worker.kill()
            worker.wait()
        self.workers = [self._start_worker(prefix)] if prefix else []

    def close(self) -> None:
        """End everything."""
        self.leave_alone()
        self._scheduler.kill()
        self._scheduler.wait()


@contextmanager
def open_dask(folder: Path, workers: int) -> Iterator[DaskCluster]:
    """A cluster for as long as the test wants it."""
    cluster = DaskCluster(folder, workers)
    try:
        yield cluster
    finally:
        cluster.close()


class Watch:
    """Progress that remembers, and does something when so many pixels are done."""

    def __init__(self) -> None:
        self.said: list[str] = []
        self.plans: list[tuple[int, object]] = []
        self.steps = 0

    def after(self, steps: int, action: object) -> None:
        """Call ``action`` once, after so many advances."""
        self.plans.append((steps, action))

    def begin(self, task: str, pixels: int) -> None:
        """Nothing."""

    def advance(self, pixels: int) -> None:
        """One more."""
        self.steps += 1
        for steps, action in self.plans:
            if steps == self.steps:
                assert callable(action)
                action()

    def say(self, text: str) -> None:
        """Keep it."""
        self.said.append(text)
