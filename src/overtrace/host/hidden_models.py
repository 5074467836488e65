"""Files in a container image that look like weights: what a team has trained belongs into the file of weights.

Names and first bytes are looked at, nothing is opened that is no regular file, and no link is followed. Whoever writes
weights in a way of their own is not found.
"""

import os
import stat
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from overtrace.host.containers import Engine, clean_environment

LEAST_BYTES = 64 * 2**10
MOST_FILES = 2_000_000
MOST_FOUND = 200
SUFFIXES = frozenset(
    (
        *(".onnx", ".ort", ".pt", ".pth", ".ckpt", ".pdparams", ".safetensors", ".h5", ".hdf5", ".keras", ".pb"),
        *(".tflite", ".npz", ".npy", ".gguf", ".ggml", ".engine", ".plan", ".trt", ".caffemodel", ".params"),
        *(".weights", ".joblib", ".pkl", ".pickle", ".mlmodel", ".msgpack", ".torchscript", ".model"),
    )
)
MAGICS = (b"\x89HDF\r\n\x1a\n", b"GGUF", b"\x93NUMPY")
TORCH = b"/data.pkl"
"""In the first entry of an archive of PyTorch."""
SYSTEM = ("/proc/", "/sys/", "/dev/")


@dataclass(frozen=True, slots=True)
class Found:
    """A file that may hold weights."""

    path: str
    """As the container sees it."""
    size: int


@contextmanager
def _open_image(engine: Engine, store: Path | None, image: str) -> Iterator[Path | None]:
    """The files of an image; None where the engine does not show them."""
    if not engine.is_podman or os.geteuid() != 0:
        yield None
        return
    command = [*engine.command(store), "image"]
    options = {"stdin": subprocess.DEVNULL, "capture_output": True, "cwd": "/"}
    done = subprocess.run([*command, "mount", image], env=clean_environment(), **options)  # type: ignore[call-overload]
    try:
        yield Path(os.fsdecode(done.stdout.strip())) if done.returncode == 0 and done.stdout.strip() else None
    finally:
        subprocess.run([*command, "unmount", image], env=clean_environment(), **options)  # type: ignore[call-overload]


def find_hidden(engine: Engine, store: Path | None, image: str) -> list[Found] | None:
    """The files of an image that may hold weights, the largest first; None where it cannot be looked into."""
    with _open_image(engine, store, image) as root:
        return None if root is None else find_in(root)


def find_in(root: Path) -> list[Found]:
    """Files below a folder that may hold weights."""
    found: list[Found] = []
    seen = 0
    for folder, _, names in os.walk(root):
        inside = f"/{os.path.relpath(folder, root)}/".replace("/./", "/")
        seen += len(names)
        if seen > MOST_FILES:
            break
        for name in names:
            path = os.path.join(folder, name)
            facts = os.lstat(path)
            if not stat.S_ISREG(facts.st_mode) or facts.st_size < LEAST_BYTES:
                continue
            if os.path.splitext(name)[1].lower() in SUFFIXES or _looks_like_weights(path):
                found.append(Found(f"{inside}{name}", facts.st_size))
    return sorted(found, key=lambda file: (-file.size, file.path))[:MOST_FOUND]


def _looks_like_weights(path: str) -> bool:
    try:
        handle = os.open(path, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK)
    except OSError:
        return False
    with os.fdopen(handle, "rb") as file:
        head = file.read(256)
    # Safetensors begin with the length of a header in JSON.
    is_safe = head[8:9] == b"{" and int.from_bytes(head[:8], "little") < 2**28 and b'"dtype"' in head
    return head.startswith(MAGICS) or (head.startswith(b"PK") and TORCH in head) or is_safe
