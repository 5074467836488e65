"""The scorer's process as the worker sees it: started once, asked for one answer after the other, ended at will."""

import os
import select
import subprocess
import sys
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from tempfile import TemporaryDirectory
from types import TracebackType

from overtrace.errors import Unavailable
from overtrace.host.bubblewrap import box, can_box, copy_kernels
from overtrace.host.marking import Task
from overtrace.host.outcome import MOST_LINE_BYTES, Outcome

KEPT = ("PYTHONPATH", "NUMBA_CACHE_DIR", "LD_LIBRARY_PATH")
"""Of the environment, as far as it is set: where to find code. All else may hold secrets."""
SCRATCH = "overtrace-answer-"
"""How folders of a worker are called, before the number of its process: the next one removes those of killed ones."""
START_S = 900.0
"""A new machine compiles kernels."""
GRACE_S = 30.0
"""Beyond the time that scoring may take, for the scorer to say so."""
LOOK_S = 0.2


class ScorerLost(Unavailable):
    """The scorer has ended, or says nothing any more."""


class NotWanted(Exception):
    """Nobody waits for the outcome any more."""


class Scorer:
    """A process that scores for one challenge. It is started by the thread that uses it, and ends with that thread."""

    def __init__(
        self, challenge: str, profile: str = "", shown: Sequence[Path] = (), *, pictures: bool = False
    ) -> None:
        """
        Args:
            shown: folders and files that it may read; where the machine can, it then sees nothing else of the disk.
                Without any it sees all.
            pictures: whether to be ready for drawing errors, too.
        """
        self._command = [sys.executable, "-P", "-m", "overtrace.host.scorer", challenge, profile]
        self._command += ["pictures"] * pictures
        self._shown = [path.absolute() for path in shown]
        self._kernels: TemporaryDirectory[str] | None = None
        self._process: subprocess.Popen[bytes] | None = None

    def __enter__(self) -> "Scorer":
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def start(self, is_wanted: Callable[[], bool] = lambda: True) -> int:
        """Make sure that it runs; its number.

        Raises:
            ScorerLost: if it cannot.
            NotWanted: if nobody waits for it any more.
        """
        if self._process is None or self._process.poll() is not None:
            self.close()
            if self._shown and can_box(*self._shown):
                # What it compiles in the box is lost with it: kernels are compiled before.
                self._launch(self._command, is_wanted)
                self.close()
                self._kernels = TemporaryDirectory(prefix=f"{SCRATCH}{os.getpid()}-kernels-")
                own = copy_kernels(Path(self._kernels.name))
                self._launch(box(self._command, self._shown, own), is_wanted)
            else:
                self._launch(self._command, is_wanted)
        assert self._process is not None
        return self._process.pid

    def _launch(self, command: list[str], is_wanted: Callable[[], bool]) -> None:
        # In a session of its own: Ctrl-C is for those who started it, who then end it.
        self._process = subprocess.Popen(
            command,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            env=clean_environment(),
            cwd="/",
            start_new_session=True,
        )
        self._read_line(self._process, START_S, is_wanted)

    def ask(self, task: Task, is_wanted: Callable[[], bool] = lambda: True) -> Outcome:
        """Score an answer.

        Args:
            is_wanted: asked several times a second whether to go on.
        Raises:
            ScorerLost: if the process ends.
            NotWanted: if the outcome is not wanted any more; nothing of the scorer is left then.
        """
        self.start(is_wanted)
        assert self._process is not None
        assert self._process.stdin is not None
        try:
            self._process.stdin.write(task.model_dump_json().encode() + b"\n")
            self._process.stdin.flush()
        except BrokenPipeError as error:
            raise ScorerLost("the scorer has ended") from error
        line = self._read_line(self._process, task.effort.seconds + GRACE_S, is_wanted)
        return Outcome.model_validate_json(line)

    def close(self) -> None:
        """End the process; the one that it forked ends with it."""
        if self._process is not None:
            self._process.kill()
            self._process.communicate()
            self._process = None
        if self._kernels is not None:
            self._kernels.cleanup()
            self._kernels = None

    def _read_line(self, process: subprocess.Popen[bytes], most_s: float, is_wanted: Callable[[], bool]) -> bytes:
        assert process.stdout is not None
        pipe = process.stdout.fileno()
        deadline = time.monotonic() + most_s
        parts: list[bytes] = []
        length = 0
        while not parts or not parts[-1].endswith(b"\n"):
            if not is_wanted():
                self.close()
                raise NotWanted
            if time.monotonic() > deadline or length > MOST_LINE_BYTES:
                self.close()
                raise ScorerLost(f"the scorer has said nothing that ends within {most_s:.0f} s")
            if not select.select([pipe], [], [], LOOK_S)[0]:
                continue
            part = os.read(pipe, 2**16)
            if not part:
                self.close()
                raise ScorerLost("the scorer has ended")
            length += len(part)
            parts.append(part)
        return b"".join(parts)


def clean_environment() -> dict[str, str]:
    """What a process that reads what strangers sent has of the environment: where code lies, and no secret."""
    kept = {name: os.environ[name] for name in KEPT if name in os.environ}
    # A parent that forks must have no threads.
    return {**kept, "LANG": "C.UTF-8", "OMP_NUM_THREADS": "1", "OPENBLAS_NUM_THREADS": "1"}
