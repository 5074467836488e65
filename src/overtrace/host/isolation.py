"""What this machine can run strangers' programs and answers in: found out by running something in it."""

import io
import json
import os
import platform
import shutil
import subprocess
import sys
import tarfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from enum import StrEnum
from functools import cache
from hashlib import sha256
from pathlib import Path
from typing import Any

from overtrace.errors import BadOption
from overtrace.host import cgroups
from overtrace.host.bounded import mount_bounded
from overtrace.host.bubblewrap import box, find_bubblewrap
from overtrace.host.containers import Ended, Engine, EngineFailed, Mount, clean_environment, load, remove_image, run
from overtrace.host.contest import Container
from overtrace.host.scratch import STORE, own_scratch

MIB = 2**20
TRY = Container(seconds=120, memory_bytes=64 * MIB, cpus=1, processes=16, tmp_bytes=2 * MIB, image_bytes=32 * MIB)
LINKS = ("bin", "sbin", "lib", "lib32", "lib64")
"""In most systems, to folders in /usr."""
LOOK = """
import json, os, socket
said = {"uid": os.getuid(), "interfaces": [name for _, name in socket.if_nameindex()]}
for line in open("/proc/self/status"):
    if line.startswith(("CapEff", "NoNewPrivs", "Seccomp:")):
        said[line.split(":")[0]] = line.split()[1]
for place in ("/", "/usr"):
    try:
        open(place + "/overtrace-try", "w").close()
        said["wrote"] = place
    except OSError:
        pass
try:
    with open("/tmp/full", "wb") as file:
        for _ in range(8):
            file.write(bytes(2**20))
    said["tmp"] = "unbounded"
except OSError:
    pass
print("said", json.dumps(said))
"""
HOARD = "x = []\nfor _ in range(64): x.append(bytearray(2**22))\nprint('said unbounded')"
"""Four times what it may have."""
FORK = "import os, time\nfor _ in range(64):\n    if os.fork() == 0: time.sleep(9)\nprint('said unbounded')"


class Level(StrEnum):
    """From the best to the worst."""

    CONTAINERS = "containers"
    """Foreign images run with all limits; answers are scored in a box."""
    CONTAINERS_ONLY = "containers, no box for the scorer"
    BOX = "a box for the scorer, no containers"
    """Foreign images are refused."""
    NONE = "none"
    """Foreign images are refused; the scorer has limits, and sees the disk."""


@dataclass(frozen=True, slots=True)
class Attempt:
    """One way, tried."""

    name: str
    works: bool
    said: str
    """What it gives, or why it does not."""
    remedy: str = ""


@dataclass(frozen=True, slots=True)
class Isolation:
    """What was found."""

    engine: Engine | None
    box: bool
    attempts: tuple[Attempt, ...]

    @property
    def level(self) -> Level:
        """How good it is."""
        if self.engine is not None:
            return Level.CONTAINERS if self.box else Level.CONTAINERS_ONLY
        return Level.BOX if self.box else Level.NONE

    def as_json(self) -> dict[str, Any]:
        """For programs."""
        names = ("name", "works", "said", "remedy")
        return {
            "level": self.level.value,
            "runs_images": self.engine is not None,
            "engine": None if self.engine is None else f"{self.engine.name} {self.engine.runtime}".strip(),
            "scorer_in_a_box": self.box,
            "attempts": [{name: getattr(attempt, name) for name in names} for attempt in self.attempts],
        }


def find_engine() -> Engine:
    """What runs containers here.

    Raises:
        BadOption: if nothing does.
    """
    found = isolation()
    if found.engine is None:
        why = "; ".join(f"{attempt.name}: {attempt.said}" for attempt in found.attempts if not attempt.works)
        raise BadOption(f"this machine cannot run foreign images ({why}): overtrace doctor says what to install")
    return found.engine


@cache
def isolation(*, thorough: bool = False) -> Isolation:
    """Try what there is, until an engine works.

    Args:
        thorough: try the others, too.
    """
    attempts: list[Attempt] = []
    engine: Engine | None = None
    for name, runtime in (("podman", "runc"), ("podman", "crun"), ("docker", "")):
        if engine is not None and not thorough:
            break
        found, attempt = try_engine(name, runtime)
        attempts.append(attempt)
        engine = engine or found
    attempts.append(try_box())
    return Isolation(engine, attempts[-1].works, tuple(attempts))


def try_engine(name: str, runtime: str) -> tuple[Engine | None, Attempt]:
    """Load an image and run three programs in it: one looks round, one takes memory, one forks."""
    shown = f"{name} {runtime}".strip()
    remedy = f"apt-get install {shown}" if name == "podman" else "install docker, and start its daemon"
    missing = [program for program in (name, runtime) if program and shutil.which(program) is None]
    if missing:
        return None, Attempt(shown, False, f"{' and '.join(missing)} not installed", remedy)
    if os.geteuid() != 0:
        return None, Attempt(shown, False, "only root can bound what a container writes", "run it as root")
    engine = Engine(name, runtime, name == "podman" and cgroups.can_make())
    try:
        faults = list(_try(engine))
    except (EngineFailed, BadOption, OSError) as error:
        return None, Attempt(shown, False, " ".join(str(error).split()), _advise(str(error), remedy))
    if faults:
        return None, Attempt(shown, False, ", ".join(faults), "")
    given = "no network, no capability, read-only root, seccomp; memory, processes, time, /tmp and output bounded"
    return engine, Attempt(shown, True, given)


def _advise(said: str, remedy: str) -> str:
    if "hybrid mode" in said:
        return "apt-get install runc, which knows this kind of control groups"
    return remedy if "daemon" in said.lower() else ""


def _try(engine: Engine) -> Iterator[str]:
    """What a container has that it should not have."""
    with _load_probe(engine) as (store, image):
        ended = _run(engine, store, image, LOOK)
        yield from find_excess(_read(ended), seccomp=True)
        ended = _run(engine, store, image, HOARD)
        if "said unbounded" in ended.log:
            yield "memory has no limit"
        elif not ended.out_of_memory:
            how = "ran out of time" if ended.out_of_time else f"exited with {ended.exit_code}"
            yield f"one that takes too much memory {how}, and nothing tells why"
        if "said unbounded" in _run(engine, store, image, FORK).log:
            yield "processes have no limit"


def find_excess(said: dict[str, Any], *, seccomp: bool) -> Iterator[str]:
    """What a program has that it should not have, by what it says of itself."""
    if said["uid"] == 0:
        yield "it is root"
    if int(said["CapEff"], 16):
        yield f"it has the capabilities {said['CapEff']}"
    if said["NoNewPrivs"] != "1":
        yield "it can get new privileges"
    if seccomp and said["Seccomp"] != "2":
        yield "it has no seccomp filter"
    if set(said["interfaces"]) - {"lo"}:
        yield f"it has the network {', '.join(said['interfaces'])}"
    if "wrote" in said:
        yield f"it can write to {said['wrote']}"
    if seccomp and "tmp" in said:
        yield "its /tmp has no limit"


def _run(engine: Engine, store: Path | None, image: str, program: str) -> Ended:
    mounts = [Mount(path, str(path)) for path in _list_system()]
    return run(engine, store, image, mounts, TRY, command=[os.path.realpath(sys.executable), "-I", "-S", "-c", program])


def _list_system() -> list[Path]:
    """What this Python needs to start."""
    inside = [Path("/usr"), *(Path("/", name) for name in LINKS if not Path("/", name).is_symlink())]
    found = [path for path in [*inside, Path(sys.base_prefix)] if path.is_dir()]
    outer = {path for path in found if not any(path != other and path.is_relative_to(other) for other in found)}
    return sorted(outer)


def _read(ended: Ended) -> dict[str, Any]:
    for line in ended.log.splitlines():
        if line.startswith("said {"):
            found: dict[str, Any] = json.loads(line.removeprefix("said "))
            return found
    lines = [line for line in ended.log.splitlines() if line.strip()]
    raise EngineFailed(lines[-1][:300] if lines else f"nothing was run, and it exited with {ended.exit_code}")


@contextmanager
def _load_probe(engine: Engine) -> Iterator[tuple[Path | None, str]]:
    """An image that holds no more than folders, loaded."""
    with own_scratch() as folder:
        archive = folder / "image.tar"
        archive.write_bytes(_make_probe())
        with mount_bounded(folder / STORE, TRY.image_bytes) as store:
            scratch = store / "load"
            scratch.mkdir()
            image = load(engine, archive, store, scratch)
            try:
                yield (store if engine.is_podman else None), image
            finally:
                remove_image(engine, store, image)


def _make_probe() -> bytes:
    """A docker-archive."""
    names = [str(path).lstrip("/") for path in _list_system()]
    links = {name: os.readlink(f"/{name}") for name in LINKS if Path("/", name).is_symlink()}
    layer = _pack({f"{name}/": None for name in ("tmp", "proc", "sys", "dev", "etc", *names)} | links)
    machine = {"x86_64": "amd64", "aarch64": "arm64"}.get(platform.machine(), platform.machine())
    root = {"type": "layers", "diff_ids": [f"sha256:{sha256(layer).hexdigest()}"]}
    config = json.dumps({"architecture": machine, "os": "linux", "config": {}, "rootfs": root}).encode()
    tags = ["localhost/overtrace-try:1"]
    manifest = json.dumps([{"Config": "config.json", "RepoTags": tags, "Layers": ["layer.tar"]}]).encode()
    return _pack({"config.json": config, "layer.tar": layer, "manifest.json": manifest})


def _pack(members: dict[str, Any]) -> bytes:
    """A tar of folders (None), links (text) and files (bytes)."""
    out = io.BytesIO()
    with tarfile.open(fileobj=out, mode="w") as tar:
        for name, content in members.items():
            info = tarfile.TarInfo(name.rstrip("/"))
            info.mode = 0o755
            if content is None:
                info.type = tarfile.DIRTYPE
            elif isinstance(content, str):
                info.type, info.linkname = tarfile.SYMTYPE, content
            else:
                info.size = len(content)
            tar.addfile(info, io.BytesIO(content if isinstance(content, bytes) else b""))
    return out.getvalue()


def try_box() -> Attempt:
    """Run a program under bubblewrap, which looks round."""
    if find_bubblewrap() is None:
        return Attempt("bubblewrap", False, "bwrap not installed", "apt-get install bubblewrap")
    command = box([sys.executable, "-I", "-S", "-c", LOOK], [])
    done = subprocess.run(
        command, stdin=subprocess.DEVNULL, capture_output=True, text=True, env=clean_environment(), cwd="/"
    )
    lines = [line for line in done.stdout.splitlines() if line.startswith("said {")]
    if not lines:
        return Attempt("bubblewrap", False, " ".join(done.stderr.split())[:300] or "nothing was run", "")
    faults = list(find_excess(json.loads(lines[0].removeprefix("said ")), seccomp=False))
    given = "no network, no capability, read-only files, no sight of other processes"
    return Attempt("bubblewrap", not faults, ", ".join(faults) or given)
