"""A group of processes around a container: limits that hold whatever the engine does, and counters that outlive it.

Both kinds of Linux are known: one tree for all controllers (version 2), or one for each (version 1).
"""

import os
import signal
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path

ROOT = Path("/sys/fs/cgroup")
MONITORS = ("conmon",)
WAIT_S = 5.0
STEP_S = 0.02


@dataclass(slots=True)
class Counters:
    """What happened in a group."""

    reached_memory: bool = False
    """It asked for more than it may have at some time."""
    killed_for_memory: bool = False
    reached_processes: bool = False
    peak_memory_bytes: int | None = None


@dataclass(slots=True)
class Group:
    """A group by its name; one that could not be made has no limits and counts nothing."""

    name: str
    is_made: bool
    _counters: Counters = field(default_factory=Counters)

    @classmethod
    @contextmanager
    def make(cls, name: str, memory_bytes: int, processes: int, *, made: bool = True) -> "Iterator[Group]":
        """A group while the context lasts; what is left in it then is killed."""
        group = cls(name, made)
        try:
            if made:
                _limit(name, memory_bytes, processes)
            yield group
        finally:
            if made:
                group.kill()
                _remove(name)

    def look(self) -> None:
        """Keep the counters of groups inside that may be gone at the next look (version 1)."""
        if not self.is_made or _is_unified():
            return
        for file in (ROOT / "memory" / self.name).glob("*/memory.oom_control"):
            self._counters.killed_for_memory |= _read_events(file).get("oom_kill", 0) > 0
        for file in (ROOT / "pids" / self.name).glob("*/pids.events"):
            self._counters.reached_processes |= _read_events(file).get("max", 0) > 0

    def read(self) -> Counters:
        """What has happened."""
        counters = self._counters
        if not self.is_made:
            return counters
        if _is_unified():
            place = ROOT / self.name
            events = _read_events(place / "memory.events")
            counters.reached_memory = events.get("oom", 0) > 0
            counters.killed_for_memory = events.get("oom_kill", 0) > 0
            counters.reached_processes = _read_events(place / "pids.events").get("max", 0) > 0
            counters.peak_memory_bytes = _read_number(place / "memory.peak")
            return counters
        memory = ROOT / "memory" / self.name
        peak, limit = (_read_number(memory / f"memory.{name}_in_bytes") for name in ("max_usage", "limit"))
        # New kernels do not count refusals any more, and the group inside, which tells who was killed, may be gone.
        is_full = peak is not None and limit is not None and peak >= limit
        counters.reached_memory = is_full or bool(_read_number(memory / "memory.failcnt"))
        counters.reached_processes |= _read_events(ROOT / "pids" / self.name / "pids.events").get("max", 0) > 0
        counters.peak_memory_bytes = peak
        return counters

    def kill(self, *, monitor: bool = True) -> None:
        """End all that runs in it; what forks meanwhile, too.

        Args:
            monitor: also what the engine itself has there, which tells it how the rest has ended.
        """
        deadline = time.monotonic() + WAIT_S
        while self.is_made and (alive := _list_processes(self.name, monitor)):
            for process in alive:
                with suppress(ProcessLookupError):
                    os.kill(process, signal.SIGKILL)
            if time.monotonic() > deadline:
                return
            time.sleep(STEP_S)


def remove_groups(prefix: str) -> None:
    """End what runs in groups whose names begin so, and remove them."""
    for name in sorted({place.name for root in _roots() for place in root.glob(f"{prefix}*")}):
        Group(name, is_made=True).kill()
        _remove(name)


def can_make() -> bool:
    """Whether this process may make groups with limits."""
    name = f"overtrace-try-{os.getpid()}"
    try:
        _limit(name, 2**26, 64)
    except OSError:
        return False
    finally:
        _remove(name)
    return True


def _is_unified() -> bool:
    return (ROOT / "cgroup.controllers").exists()


def _limit(name: str, memory_bytes: int, processes: int) -> None:
    if _is_unified():
        with suppress(OSError):
            (ROOT / "cgroup.subtree_control").write_text("+memory +pids +cpu")
        place = ROOT / name
        place.mkdir(exist_ok=True)
        (place / "memory.max").write_text(str(memory_bytes))
        with suppress(OSError):
            (place / "memory.swap.max").write_text("0")
        (place / "pids.max").write_text(str(processes))
        with suppress(OSError):
            (place / "cgroup.subtree_control").write_text("+memory +pids +cpu")
        return
    memory, pids = ROOT / "memory" / name, ROOT / "pids" / name
    memory.mkdir(exist_ok=True)
    with suppress(OSError):
        # In the newest kernels it is always so.
        (memory / "memory.use_hierarchy").write_text("1")
    (memory / "memory.limit_in_bytes").write_text(str(memory_bytes))
    with suppress(OSError):
        (memory / "memory.memsw.limit_in_bytes").write_text(str(memory_bytes))
    pids.mkdir(exist_ok=True)
    (pids / "pids.max").write_text(str(processes))


def _roots() -> list[Path]:
    """Of all trees."""
    if _is_unified():
        return [ROOT]
    return [place for place in ROOT.glob("*") if place.is_dir() and not place.is_symlink()]


def _places(name: str) -> list[Path]:
    """The folders of a group, in all trees."""
    return [root / name for root in _roots() if (root / name).is_dir()]


def _list_processes(name: str, monitor: bool) -> set[int]:
    found: set[int] = set()
    for place in _places(name):
        for file in place.glob("**/cgroup.procs"):
            if file.parent.name in MONITORS and not monitor:
                continue
            with suppress(OSError):
                found.update(int(line) for line in file.read_text().split())
    return found - {0, os.getpid()}


def _remove(name: str) -> None:
    deadline = time.monotonic() + WAIT_S
    while places := _places(name):
        for place in places:
            for folder, _, _ in os.walk(place, topdown=False):
                with suppress(OSError):
                    os.rmdir(folder)
        if time.monotonic() > deadline:
            return
        time.sleep(STEP_S)


def _read_events(file: Path) -> dict[str, int]:
    try:
        rows = [line.split() for line in file.read_text().splitlines()]
    except OSError:
        return {}
    return {row[0]: int(row[1]) for row in rows if len(row) == 2 and row[1].isdigit()}


def _read_number(file: Path) -> int | None:
    try:
        return int(file.read_text())
    except (OSError, ValueError):
        return None
