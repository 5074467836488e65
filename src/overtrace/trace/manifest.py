"""What a scratch folder holds: resuming is allowed only for the same image, model and parameters."""

import hashlib
import json
import os
import platform
from collections.abc import Mapping
from pathlib import Path

from overtrace.errors import BadManifest
from overtrace.raster.aside import is_running
from overtrace.raster.store import Store

NAME = "manifest.json"
OWNER = "process"
DEVICE = "device"

Facts = Mapping[str, object]


def describe_file(path: str) -> dict[str, object]:
    """What tells whether a file is still the same, without reading it; only the path for what is no local file."""
    if not os.path.exists(path):
        return {"path": path}
    status = os.stat(path)
    return {"path": os.path.abspath(path), "bytes": status.st_size, "modified_ns": status.st_mtime_ns}


def digest(path: Path) -> str:
    """sha256 of a file, in hexadecimal."""
    with open(path, "rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def claim(store: Store) -> None:
    """Make a scratch store this process's own.

    Raises:
        BadManifest: if another run of this machine is working in it; of another machine's nobody can tell.
    """
    here = platform.node()
    try:
        number, _, machine = store.read(OWNER).decode().partition(" ")
        owner = int(number) if machine in ("", here) else os.getpid()
    except (FileNotFoundError, ValueError):
        owner = os.getpid()
    if os.name == "posix" and is_running(owner):
        raise BadManifest(f"process {owner} is working in {store.address}: wait for it, or choose another --scratch")
    store.write(OWNER, [f"{os.getpid()} {here}".encode()])


def write_manifest(store: Store, facts: Facts) -> None:
    """Say in the scratch store what it is for."""
    store.write(NAME, [json.dumps(facts, indent=1, sort_keys=True).encode()])


def has_manifest(store: Store) -> bool:
    """Whether a run has worked in a store; to search it could take minutes."""
    try:
        store.read(NAME)
    except FileNotFoundError:
        return False
    return True


def check_manifest(store: Store, facts: Facts) -> None:
    """Make sure that the scratch store was made for these facts.

    Raises:
        BadManifest: if it was made for others, or says nothing.
    """
    try:
        stored = json.loads(store.read(NAME))
    except (FileNotFoundError, ValueError) as error:
        raise BadManifest(f"{store.address} has no readable manifest: run without --resume to start anew") from error
    wanted = json.loads(json.dumps(facts))
    changed = sorted(key for key in stored.keys() | wanted.keys() if stored.get(key) != wanted.get(key))
    if changed:
        key = changed[0]
        raise BadManifest(
            f"cannot resume: {key} was {json.dumps(stored.get(key))} and is {json.dumps(wanted.get(key))} now: "
            "use what it was, or run without --resume to start anew"
        )


def check_device(store: Store, device: str) -> None:
    """Make sure that all answers of a scratch store are those of one kind of device, whose last digits may differ.

    Raises:
        BadManifest: if they would not be.
    """
    try:
        before = store.read(DEVICE).decode()
    except FileNotFoundError:
        store.write(DEVICE, [device.encode()])
        return
    if before != device:
        raise BadManifest(
            f"cannot resume: the network ran on {before} and would run on {device} now: go on where it began, or run "
            "without --resume to start anew"
        )
