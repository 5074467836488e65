"""What a scratch folder holds: resuming is allowed only for the same image, model and parameters."""

import hashlib
import json
import os
from collections.abc import Mapping
from pathlib import Path

from overtrace.errors import BadManifest
from overtrace.raster.aside import is_running

NAME = "manifest.json"
OWNER = "process"

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


def claim(folder: Path) -> None:
    """Make a scratch folder this process's own.

    Raises:
        BadManifest: if another run is working in it.
    """
    note = folder / OWNER
    try:
        owner = int(note.read_text())
    except (OSError, ValueError):
        owner = os.getpid()
    if os.name == "posix" and is_running(owner):
        raise BadManifest(f"process {owner} is working in {folder}: wait for it, or choose another --scratch folder")
    folder.mkdir(parents=True, exist_ok=True)
    note.write_text(str(os.getpid()))


def write_manifest(folder: Path, facts: Facts) -> None:
    """Say in the scratch folder what it is for."""
    aside = folder / f"{NAME}.part"
    aside.write_text(json.dumps(facts, indent=1, sort_keys=True))
    os.replace(aside, folder / NAME)


def check_manifest(folder: Path, facts: Facts) -> None:
    """Make sure that the scratch folder was made for these facts.

    Raises:
        BadManifest: if it was made for others, or says nothing.
    """
    try:
        stored = json.loads((folder / NAME).read_text())
    except (OSError, ValueError) as error:
        raise BadManifest(f"{folder} has no readable manifest: run without --resume to start anew") from error
    wanted = json.loads(json.dumps(facts))
    changed = sorted(key for key in stored.keys() | wanted.keys() if stored.get(key) != wanted.get(key))
    if changed:
        key = changed[0]
        raise BadManifest(
            f"cannot resume: {key} was {json.dumps(stored.get(key))} and is {json.dumps(wanted.get(key))} now: "
            "use what it was, or run without --resume to start anew"
        )
