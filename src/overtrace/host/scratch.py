"""Folders in which containers of strangers are run, and what a killed process left of them.

Beside each lies a lock that its process holds: the system gives it up when the process ends, however it ends. So who
gets the lock of a folder knows that nobody works in it any more.
"""

import fcntl
import os
import secrets
import shutil
import signal
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from overtrace.host.bounded import find_mounts, unmount
from overtrace.host.cgroups import remove_groups
from overtrace.host.containers import Engine, remove_containers
from overtrace.raster.aside import is_running

PREFIX = "overtrace-containers-"
LOCK = ".lock"
HELPERS = ("podman", "conmon", "runc", "crun")
WAIT_S = 10.0
STEP_S = 0.05
STORE = "store"
"""The folder of podman's images and containers in one."""


@contextmanager
def own_scratch() -> Iterator[Path]:
    """An empty folder; it goes with the end of the context, or is swept up if this process is killed."""
    folder = Path(tempfile.gettempdir(), f"{PREFIX}{secrets.token_hex(6)}")
    lock = folder.with_suffix(LOCK)
    # Written aside, so that it is locked before anyone can see it.
    aside = lock.with_name(f".{lock.name}")
    handle = os.open(aside, os.O_RDWR | os.O_CREAT | os.O_EXCL, 0o600)
    try:
        fcntl.flock(handle, fcntl.LOCK_EX)
        os.write(handle, str(os.getpid()).encode())
        aside.rename(lock)
        folder.mkdir(mode=0o700)
        try:
            yield folder
        finally:
            shutil.rmtree(folder, ignore_errors=True)
            lock.unlink(missing_ok=True)
    finally:
        os.close(handle)


def sweep(engine: Engine) -> int:
    """End containers, take away mounts and remove folders of processes of this user that were killed.

    Returns:
        How many folders are gone.
    """
    locks = sorted(Path(tempfile.gettempdir()).glob(f"{PREFIX}*{LOCK}"))
    return sum(_sweep_one(engine, lock) for lock in locks)


def _sweep_one(engine: Engine, lock: Path) -> bool:
    try:
        handle = os.open(lock, os.O_RDWR | os.O_NOFOLLOW)
    except OSError:
        return False
    try:
        if os.fstat(handle).st_uid != os.getuid():
            return False
        fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
        number = os.read(handle, 20).decode()
        folder = lock.with_suffix("")
        _end_containers(engine, folder, number)
        _end_helpers(folder)
        unmount(folder)
        if find_mounts(folder):
            return False
        shutil.rmtree(folder, ignore_errors=True)
        lock.unlink(missing_ok=True)
        return True
    except BlockingIOError:
        return False
    finally:
        os.close(handle)


def _end_containers(engine: Engine, folder: Path, number: str) -> None:
    """Those of a process, unless another one has its number now."""
    if not number.isdigit() or is_running(int(number)):
        return
    store = folder / STORE
    if store.is_dir() or not engine.is_podman:
        remove_containers(engine, store if engine.is_podman else None, f"overtrace-{number}-")
    remove_groups(f"overtrace-{number}-")


def _end_helpers(folder: Path) -> None:
    """What still cleans up after a container there would make the folder anew."""
    deadline = time.monotonic() + WAIT_S
    while (alive := _find_helpers(folder)) and time.monotonic() < deadline:
        for process in alive:
            with suppress(ProcessLookupError):
                os.kill(process, signal.SIGKILL)
        time.sleep(STEP_S)


def _find_helpers(folder: Path) -> list[int]:
    found = []
    for place in Path("/proc").glob("[0-9]*"):
        with suppress(OSError):
            named = str(folder).encode() in (place / "cmdline").read_bytes()
            if named and (place / "comm").read_text().strip() in HELPERS:
                found.append(int(place.name))
    return found
