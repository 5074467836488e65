"""Containers of strangers: loaded into a store of their own, run with nothing but what they are given, and ended.

What a container gets: its image, read-only; what is mounted; a small ``/tmp`` in memory; a clock. What it does not get:
a network, capabilities, root, new privileges, the environment, more memory, processes or time than the limits say.
"""

import json
import os
import secrets
import select
import subprocess
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

from overtrace.host.cgroups import Group
from overtrace.host.contest import Container
from overtrace.host.tail import Tail

NOBODY = 65534
OPEN_FILES = 1024
LOOK_S = 0.1
GRACE_S = 20.0
"""Beyond its time, for what the engine itself takes to start and to clean up."""
LOAD_S = 3600.0
OWN_TMP = ("unshare", "--mount", "sh", "-c", 'mount --bind "$1" /var/tmp && shift && exec "$@"', "sh")
"""Podman unpacks OCI archives in /var/tmp, whatever it is told: what it sees there is a folder of a fixed size."""
SLACK_BYTES = 64 * 2**20
"""By which the engine's own limits lie above those of the group around them, which are those that count."""
SLACK_PROCESSES = 16


class EngineFailed(Exception):
    """The engine, and not what it ran, has failed."""


@dataclass(frozen=True, slots=True)
class Engine:
    """A program that runs containers, and how it is called on this machine."""

    name: str
    """podman or docker."""
    runtime: str
    """runc or crun; empty for that of the engine."""
    grouped: bool
    """Whether a group of processes can be made here, whose counters tell why something was ended."""

    @property
    def is_podman(self) -> bool:
        """Podman keeps a store wherever it is told; docker has one."""
        return self.name == "podman"

    def command(self, store: Path | None) -> list[str]:
        """The program with its options.

        Args:
            store: a folder for podman's images and containers.
        """
        if not self.is_podman:
            return [self.name]
        places = [] if store is None else _place(store)
        group = ["--cgroup-manager", "cgroupfs"] if self.grouped else []
        runtime = ["--runtime", self.runtime] if self.runtime else []
        return [self.name, *places, *group, *runtime, "--events-backend", "none"]


def _place(store: Path) -> list[str]:
    return ["--root", f"{store}/root", "--runroot", f"{store}/run", "--tmpdir", f"{store}/libpod"]


@dataclass(frozen=True, slots=True)
class Mount:
    """A folder or file of this machine, as a container sees it."""

    source: Path
    target: str
    writable: bool = False


@dataclass(frozen=True, slots=True)
class Ended:
    """How a container ended."""

    exit_code: int | None
    """None if its time ran out, or if it was not wanted any more."""
    out_of_time: bool
    out_of_memory: bool
    out_of_processes: bool
    seconds: float
    peak_memory_bytes: int | None
    log: str
    """The beginning and the end of what it said."""


def load(engine: Engine, archive: Path, store: Path | None, scratch: Path) -> str:
    """Load an image; its id.

    Args:
        archive: docker-archive or OCI archive, packed by gzip, xz, zstd or not at all.
        store: a folder on a file system of its own, so that an image that unpacks to too much fills no other.
        scratch: on the same file system.
    Raises:
        EngineFailed: with what the engine says of it.
    """
    environment = {**clean_environment(), "TMPDIR": str(scratch)}
    command = [*engine.command(store), "load", "--quiet", "--input", str(archive)]
    if engine.is_podman:
        command = [*OWN_TMP, str(scratch), *command]
    try:
        done = subprocess.run(
            command, stdin=subprocess.DEVNULL, capture_output=True, timeout=LOAD_S, env=environment, cwd="/"
        )
    except subprocess.TimeoutExpired as error:
        raise EngineFailed(f"loading took more than {LOAD_S:.0f} s") from error
    said = done.stdout.decode(errors="replace")
    if done.returncode:
        raise EngineFailed(tell(done.stderr))
    loaded = [line.rpartition(": ")[2].strip() for line in said.splitlines() if line.startswith("Loaded image")]
    names = [name for line in loaded for name in line.split(",") if name]
    ids = {find_id(engine, store, name) for name in names}
    if len(ids) != 1:
        raise EngineFailed(f"the archive holds {len(ids)} images: wanted one")
    return ids.pop()


def find_id(engine: Engine, store: Path | None, name: str) -> str:
    """The id of an image, without ``sha256:``."""
    command = [*engine.command(store), "image", "inspect", name]
    done = subprocess.run(command, stdin=subprocess.DEVNULL, capture_output=True, env=clean_environment(), cwd="/")
    if done.returncode:
        raise EngineFailed(tell(done.stderr))
    return str(json.loads(done.stdout)[0]["Id"]).removeprefix("sha256:")


def remove_image(engine: Engine, store: Path | None, image: str) -> None:
    """Take an image out of the store of the engine."""
    _call(engine, store, "rmi", "--force", image)


def remove_containers(engine: Engine, store: Path | None, prefix: str) -> None:
    """End and remove the containers whose names begin so."""
    command = [*engine.command(store), "ps", "--all", "--quiet", "--filter", f"name=^{prefix}"]
    try:
        done = subprocess.run(
            command, stdin=subprocess.DEVNULL, capture_output=True, timeout=GRACE_S, env=clean_environment(), cwd="/"
        )
    except subprocess.TimeoutExpired:
        return
    found = done.stdout.decode(errors="replace").split()
    if found:
        _call(engine, store, "rm", "--force", *found)


def run(
    engine: Engine,
    store: Path | None,
    image: str,
    mounts: Sequence[Mount],
    limits: Container,
    is_wanted: Callable[[], bool] = lambda: True,
    command: Sequence[str] = (),
) -> Ended:
    """Run a container to its end, or to the end of its time.

    Args:
        image: its id.
        mounts: all that it sees of this machine.
        is_wanted: asked several times a second whether to go on.
        command: in the place of the arguments that the image names.
    Raises:
        EngineFailed: if it cannot be started for a reason that lies in this machine.
    """
    name = f"overtrace-{os.getpid()}-{secrets.token_hex(4)}"
    with Group.make(name, limits.memory_bytes, limits.processes, made=engine.grouped) as group:
        arguments = [*engine.command(store), "run", *_confine(engine, name, group, limits, mounts), image, *command]
        begun = time.monotonic()
        tail = Tail()
        process = subprocess.Popen(
            arguments,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            env=clean_environment(),
            cwd="/",
            start_new_session=True,
        )
        try:
            in_time = _follow(process, tail, group, begun + limits.seconds, is_wanted)
        finally:
            _end(engine, store, name, process, group)
        counters = group.read()
    seconds = time.monotonic() - begun
    code = process.returncode if in_time else None
    failed = code not in (0, None)
    return Ended(
        exit_code=code,
        out_of_time=not in_time,
        # Its flag OOMKilled says false on old kernels: what counts is how it ended, and that memory had run out.
        out_of_memory=failed and (counters.killed_for_memory or (code == 137 and counters.reached_memory)),
        out_of_processes=failed and counters.reached_processes,
        seconds=seconds,
        peak_memory_bytes=counters.peak_memory_bytes,
        log=tail.text(),
    )


def _confine(engine: Engine, name: str, group: Group, limits: Container, mounts: Sequence[Mount]) -> list[str]:
    memory = limits.memory_bytes + SLACK_BYTES * group.is_made
    processes = limits.processes + SLACK_PROCESSES * group.is_made
    options = [
        "--rm",
        f"--name={name}",
        "--pull=never",
        "--network=none",
        "--log-driver=none",
        "--read-only",
        f"--tmpfs=/tmp:rw,size={limits.tmp_bytes},nosuid,nodev,mode=1777",
        "--cap-drop=all",
        "--security-opt=no-new-privileges",
        f"--user={NOBODY}:{NOBODY}",
        f"--memory={memory}",
        f"--memory-swap={memory}",
        f"--pids-limit={processes}",
        f"--cpus={limits.cpus}",
        # Podman asks for more than root may have in a container of its own.
        f"--ulimit=nofile={OPEN_FILES}:{OPEN_FILES}",
        f"--ulimit=nproc={processes}:{processes}",
        "--ulimit=core=0:0",
        f"--shm-size={2**26}",
        "--hostname=contest",
        *(f"--device={device}" for device in limits.devices),
    ]
    if engine.is_podman:
        # Should this process be killed, the container ends by itself.
        options += [f"--timeout={limits.seconds + int(GRACE_S)}", "--read-only-tmpfs=false", "--http-proxy=false"]
    if group.is_made:
        options.append(f"--cgroup-parent=/{group.name}")
    for mount in mounts:
        # Names with a comma cannot be told apart from options.
        mode = "" if mount.writable else ",readonly"
        options.append(f"--mount=type=bind,source={mount.source},target={mount.target}{mode}")
    return options


def _follow(
    process: subprocess.Popen[bytes], tail: Tail, group: Group, deadline: float, is_wanted: Callable[[], bool]
) -> bool:
    """Read what it says until it ends; False if its time runs out first, or nobody waits any more."""
    assert process.stdout is not None
    pipe = process.stdout.fileno()
    while True:
        now = time.monotonic()
        if now > deadline or not is_wanted():
            return False
        group.look()
        ready, _, _ = select.select([pipe], [], [], min(LOOK_S, max(0.0, deadline - now)))
        if not ready:
            continue
        part = os.read(pipe, 2**16)
        if not part:
            break
        tail.add(part)
    try:
        process.wait(max(0.1, deadline - time.monotonic()))
    except subprocess.TimeoutExpired:
        return False
    return True


def _end(engine: Engine, store: Path | None, name: str, process: subprocess.Popen[bytes], group: Group) -> None:
    """Leave nothing of it, whatever state it is in."""
    if process.poll() is None:
        group.kill(monitor=False)
        _call(engine, store, "kill", "--signal=KILL", name)
        try:
            process.wait(GRACE_S)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()
    _call(engine, store, "rm", "--force", name)
    if process.stdout is not None:
        process.stdout.close()


def _call(engine: Engine, store: Path | None, *arguments: str) -> None:
    command = [*engine.command(store), *arguments]
    try:
        subprocess.run(
            command, stdin=subprocess.DEVNULL, capture_output=True, timeout=GRACE_S, env=clean_environment(), cwd="/"
        )
    except subprocess.TimeoutExpired:
        return


def clean_environment() -> dict[str, str]:
    """What the engine needs of the environment; secrets of the host are not among it."""
    kept = ("PATH", "HOME", "XDG_RUNTIME_DIR", "DOCKER_HOST")
    return {"LANG": "C.UTF-8", **{name: os.environ[name] for name in kept if name in os.environ}}


def tell(said: bytes) -> str:
    """What an engine says, in one line."""
    text = " ".join(said.decode(errors="replace").split()) or "it says nothing"
    return "".join(letter if letter.isprintable() else "?" for letter in text)[:500]
