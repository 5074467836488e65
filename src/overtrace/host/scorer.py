"""``python -m overtrace.host.scorer CHALLENGE [PROFILE [pictures]]``: one answer in a line of JSON, one outcome out.

It loads what the challenge needs once and forks for each answer. The child has limits of memory, time and files of its
own and reads what strangers sent; the parent reads no more of it than the outcome. The parent is started with an empty
environment and without open files, so that neither has a secret or a connection of the host.
"""

import os
import resource
import select
import signal
import sys
import tempfile
import time
import traceback
from pathlib import Path
from typing import NoReturn

from overtrace.challenges.challenge import Question
from overtrace.challenges.compare import draw_scores
from overtrace.challenges.inspection import Claim
from overtrace.challenges.own import PIXELS
from overtrace.challenges.protocols import check_files, score_files
from overtrace.host.contest import Effort
from overtrace.host.marking import Task, mark, name_scorer
from overtrace.host.outcome import MOST_LINE_BYTES, Outcome, break_off, reject
from overtrace.host.samples import write_sample

OUT_OF_MEMORY = 71
"""What a child exits with that was given no more memory."""
MOST_WRITTEN_BYTES = 64 * 2**20
"""Of a file; compiled kernels are kept on disk."""
MOST_FILES = 256
SAMPLE_CLASSES = 2
FEW = 2
"""Draws."""
DIE_WITH_PARENT = 1
"""PR_SET_PDEATHSIG of Linux's prctl."""


def main() -> None:
    """Answer tasks until nobody asks."""
    die_with_parent()
    load(*sys.argv[1:])
    print("ready", flush=True)
    for line in sys.stdin:
        print(run(Task.model_validate_json(line)).model_dump_json(), flush=True)


def load(challenge: str, profile: str = "", pictures: str = "") -> None:
    """Load what a challenge needs, so that children have it from the start."""
    name_scorer()
    with tempfile.TemporaryDirectory() as folder:
        truth, answer = write_sample(challenge, profile, Path(folder))
        classes = SAMPLE_CLASSES if profile == PIXELS else 0
        check_files(challenge, Claim(answer, profile=profile, classes=classes))
        verdict = score_files(challenge, Question(truth, answer, profile, classes=classes))
        draw_scores(verdict.sample, FEW)
        if pictures:
            from overtrace.challenges.photos import Photos
            from overtrace.host.illustrating import draw_sheet

            draw_sheet(verdict, Photos(answer), FEW)


def run(task: Task) -> Outcome:
    """Score an answer in a process of its own."""
    ours, theirs = os.pipe()
    process = os.fork()
    if process == 0:
        _be_child(task, theirs)
    os.close(theirs)
    try:
        text = _read(ours, time.monotonic() + task.effort.seconds)
    finally:
        os.close(ours)
    if text is None:
        os.kill(process, signal.SIGKILL)
    _, status = os.waitpid(process, 0)
    return _out_of_time(task.effort) if text is None else _understand(text, status, task.effort)


def _be_child(task: Task, pipe: int) -> NoReturn:
    code = 1
    try:
        die_with_parent()
        nothing = os.open(os.devnull, os.O_RDWR)
        os.dup2(nothing, 0)
        os.dup2(nothing, 1)
        limit(task.effort)
        outcome = _mark(task)
        if outcome is None:
            code = OUT_OF_MEMORY
        else:
            _write(pipe, outcome.model_dump_json().encode())
            code = 0
    except MemoryError:
        code = OUT_OF_MEMORY
    finally:
        os._exit(code)


def _mark(task: Task) -> Outcome | None:
    """None if there was no memory for it."""
    try:
        return mark(task)
    except MemoryError:
        return None
    except RuntimeError as error:
        # What Python says when there is no memory for the stack of a thread.
        return None if "can't start new thread" in str(error) else break_off(traceback.format_exc())
    except Exception:
        return break_off(traceback.format_exc())


def limit(effort: Effort) -> None:
    """Bound what this process may take from here on."""
    memory = _count_data_bytes() + effort.memory_bytes
    # Twice, for two threads: the parent watches the clock, and this is for the case that it is not there any more.
    seconds = 2 * effort.seconds + 1
    for kind, most in (
        (resource.RLIMIT_DATA, memory),
        (resource.RLIMIT_CPU, seconds),
        (resource.RLIMIT_FSIZE, MOST_WRITTEN_BYTES),
        (resource.RLIMIT_NOFILE, MOST_FILES),
        (resource.RLIMIT_CORE, 0),
    ):
        resource.setrlimit(kind, (most, most))


def _count_data_bytes() -> int:
    """What is taken already, most of it shared with the parent."""
    with open("/proc/self/statm") as file:
        return int(file.read().split()[5]) * resource.getpagesize()


def _read(pipe: int, deadline: float) -> bytes | None:
    """All that a child says; None if it is still running at the deadline."""
    parts: list[bytes] = []
    length = 0
    while length <= MOST_LINE_BYTES:
        ready, _, _ = select.select([pipe, 0], [], [], max(0.0, deadline - time.monotonic()))
        if not ready:
            return None
        if 0 in ready:
            # Nobody asks while a task runs: whoever asked has ended, and the child ends with this process.
            sys.exit(1)
        part = os.read(pipe, 2**16)
        if not part:
            break
        length += len(part)
        parts.append(part)
    return b"".join(parts)


def _understand(text: bytes, status: int, effort: Effort) -> Outcome:
    code = os.waitstatus_to_exitcode(status)
    if code == OUT_OF_MEMORY:
        return _out_of_memory(effort)
    if code == -signal.SIGXCPU:
        return _out_of_time(effort)
    if code:
        return break_off(
            f"the scorer was ended by {signal.Signals(-code).name}" if code < 0 else f"it exited with {code}"
        )
    return Outcome.model_validate_json(text)


def _out_of_memory(effort: Effort) -> Outcome:
    mib = effort.memory_bytes // 2**20
    return reject("out of memory", f"scoring may take {mib:,} MiB: send a smaller answer")


def _out_of_time(effort: Effort) -> Outcome:
    return reject("out of time", f"scoring may take {effort.seconds:,} s: send a smaller answer")


def _write(pipe: int, data: bytes) -> None:
    rest = memoryview(data)
    while rest:
        rest = rest[os.write(pipe, rest) :]


def die_with_parent() -> None:
    """Let the system end this process when the one that started it ends, however that ends."""
    if sys.platform == "linux":
        import ctypes

        ctypes.CDLL(None).prctl(DIE_WITH_PARENT, signal.SIGKILL)


if __name__ == "__main__":
    main()
