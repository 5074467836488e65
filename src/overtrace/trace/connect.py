"""From what ``--cluster`` says to a cluster that can do the work, or one line that says why it cannot."""

import logging
import re
import shutil
import tomllib
import uuid
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from overtrace import __version__
from overtrace.errors import BadCluster, BadOption
from overtrace.models.runtime import Device
from overtrace.raster.progress import Progress
from overtrace.trace.plan import Plan

try:
    import dask
    import distributed
except ImportError as error:
    raise BadOption("--cluster: Dask is not installed: pip install 'overtrace[cluster]'") from error

from overtrace.trace.cluster import Cluster
from overtrace.trace.worker import TOKEN, Order, Said, introduce, name_model

ANSWER_S = 20.0
"""A scheduler that is there answers within this."""
WORKER_S = 120.0
"""A cluster that somebody else started has a worker within this."""
MOST_FILES = 100
"""Of a mosaic that workers are asked whether they see."""
SCHEDULER = re.compile(r"(tcp|tls|ws|wss|ucx)://[^/]+")


@dataclass(frozen=True, slots=True)
class Address:
    """What ``--cluster`` names."""

    kind: str
    """``scheduler``, ``local`` or ``slurm``."""
    text: str
    workers: int = 0
    """Of ``local``; the jobs of ``slurm``."""
    settings: dict[str, Any] | None = None
    """Of ``slurm``: what dask_jobqueue.SLURMCluster takes."""


def parse_cluster(text: str) -> Address:
    """tcp://HOST:PORT, local:N or slurm:FILE.

    Raises:
        BadOption: for anything else, or a file that cannot be read.
    """
    kind, _, rest = text.partition(":")
    if kind == "local" and rest.isdecimal() and int(rest) > 0:
        return Address("local", text, int(rest))
    if kind == "slurm" and rest:
        return _read_slurm(text, Path(rest))
    if SCHEDULER.fullmatch(text.rstrip("/")):
        return Address("scheduler", text)
    raise BadOption(f"--cluster {text}: wanted tcp://HOST:PORT of a Dask scheduler, local:WORKERS or slurm:FILE")


def _read_slurm(text: str, path: Path) -> Address:
    try:
        settings = tomllib.loads(path.read_text())
    except OSError as error:
        raise BadOption(f"--cluster {text}: {path} cannot be read: {error.strerror}") from error
    except tomllib.TOMLDecodeError as error:
        raise BadOption(f"--cluster {text}: {path} is no TOML: {error}") from error
    jobs = settings.pop("jobs", None)
    if not isinstance(jobs, int) or jobs < 1:
        raise BadOption(f"--cluster {text}: {path} must say how many jobs there are to be, as in jobs = 20")
    return Address("slurm", text, jobs, settings)


def ask_threads(address: Address) -> int:
    """How many threads the workers of a scheduler have.

    Raises:
        BadCluster: if it does not answer, or has none.
    """
    with _quiet():
        client = _connect(address.text)
        try:
            threads = sum(client.nthreads().values())
        finally:
            client.close(timeout=2)
    if not threads:
        raise BadCluster(f"--cluster {address.text}: no worker is there yet: start some, or say --threads")
    return int(threads)


@contextmanager
def open_cluster(plan: Plan, progress: Progress) -> Iterator[Cluster]:
    """A cluster whose workers are those of this version, and see the images and the scratch store.

    Raises:
        BadCluster: if it cannot be reached or its workers cannot do the work.
        BadOption: if what starts it is not installed, or is given settings that it does not know.
    """
    assert plan.options.cluster is not None
    address = parse_cluster(plan.options.cluster)
    with _quiet(), _start(address) as connect:
        client = connect()
        try:
            device = _inspect(client, address, plan, progress)
        finally:
            client.close(timeout=2)
        cluster = Cluster(connect, Order(plan.scratch, plan.sha256), progress, device)
        try:
            yield cluster
        finally:
            cluster.close()


@contextmanager
def _quiet() -> Iterator[None]:
    """What happens is said in one line each by ``Cluster``; Dask says it in pages."""
    # Dask gives several of its loggers levels of their own.
    names = [name for name in logging.root.manager.loggerDict if name.partition(".")[0] == "distributed"]
    before = {name: logging.getLogger(name).level for name in names}
    for name in names:
        logging.getLogger(name).setLevel(logging.CRITICAL + 1)
    try:
        yield
    finally:
        for name, level in before.items():
            logging.getLogger(name).setLevel(level)


@contextmanager
def _start(address: Address) -> Iterator[Callable[[], distributed.Client]]:
    """What gives a client of the cluster, which is started if it is ours to start."""
    if address.kind == "scheduler":
        yield lambda: _connect(address.text)
        return
    cluster = _start_local(address) if address.kind == "local" else _start_slurm(address)
    try:
        yield lambda: _connect(cluster)
    finally:
        cluster.close(timeout=10)


def _start_local(address: Address) -> Any:
    # Workers look at their own stack so often, for the dashboard; every 10 ms costs a few hundredths of each.
    with dask.config.set({"distributed.worker.profile.interval": "200ms"}):
        return distributed.LocalCluster(
            n_workers=address.workers, threads_per_worker=1, dashboard_address=":0", silence_logs=logging.CRITICAL + 1
        )


def _start_slurm(address: Address) -> Any:
    if shutil.which("sbatch") is None:
        raise BadCluster(f"--cluster {address.text}: there is no sbatch here: run it where Slurm's commands are")
    try:
        from dask_jobqueue import SLURMCluster
    except ImportError as error:
        raise BadOption("--cluster: dask-jobqueue is not installed: pip install 'overtrace[cluster]'") from error
    try:
        cluster = SLURMCluster(**(address.settings or {}))
    except (TypeError, ValueError) as error:
        raise BadOption(f"--cluster {address.text}: {error}") from error
    # Jobs that end, by their time limit perhaps, are followed by others.
    cluster.adapt(minimum_jobs=address.workers, maximum_jobs=address.workers)
    return cluster


def _connect(where: Any) -> distributed.Client:
    try:
        return distributed.Client(where, timeout=ANSWER_S, set_as_default=False, name="overtrace")
    except (OSError, TimeoutError, ValueError) as error:
        raise BadCluster(f"--cluster {where}: no scheduler answers there: is it running, and the port open?") from error


def _inspect(client: distributed.Client, address: Address, plan: Plan, progress: Progress) -> Device:
    """Make sure that the workers can do the work; what the network runs on."""
    progress.say(f"dashboard of the cluster: {client.dashboard_link}")
    _wait_for_worker(client, address, progress)
    token = uuid.uuid4().hex
    plan.scratch.write(TOKEN, [token.encode()])
    plan.scratch.write(name_model(plan.sha256), [plan.model.read_bytes()])
    images = plan.list_files()[:MOST_FILES]
    said = client.run(introduce, plan.scratch, token, images, plan.options.runtime, on_error="return")
    for worker, answer in sorted(said.items()):
        _check(worker, answer, plan)
    workers = client.scheduler_info(n_workers=-1)["workers"]
    threads = sum(worker["nthreads"] for worker in workers.values())
    progress.say(f"{len(workers)} workers, {threads} threads")
    if plan.options.runtime != "onnxruntime":
        return "cpu"
    return _choose_device(said, {name for name, worker in workers.items() if worker["resources"].get("GPU")}, progress)


def _wait_for_worker(client: distributed.Client, address: Address, progress: Progress) -> None:
    if address.kind == "slurm":
        progress.say(f"waiting for the first of {address.workers} jobs to begin")
    try:
        client.wait_for_workers(1, timeout=None if address.kind == "slurm" else WORKER_S)
    except TimeoutError as error:
        raise BadCluster(
            f"--cluster {address.text}: no worker within {WORKER_S:.0f} s: start some: dask worker {address.text}"
        ) from error


def _check(worker: str, answer: Said | BaseException, plan: Plan) -> None:
    if isinstance(answer, BaseException):
        raise BadCluster(
            f"worker {worker} cannot run overtrace ({type(answer).__name__}: {answer}): install overtrace[cluster] "
            f"{__version__} there"
        )
    if answer.version != __version__:
        raise BadCluster(f"worker {worker} runs overtrace {answer.version}, wanted {__version__}: install that there")
    if not answer.sees_scratch:
        raise BadCluster(
            f"worker {worker} does not see {plan.scratch.address}: give --scratch a folder that all workers see, or "
            "s3://BUCKET/PREFIX with its keys in their environment"
        )
    if answer.missing is not None:
        raise BadCluster(
            f"worker {worker} does not see the image {answer.missing}: put it into a folder that all workers see, or "
            "name it by an address such as s3://BUCKET/KEY"
        )


def _choose_device(said: dict[str, Said], with_gpu: set[str], progress: Progress) -> Device:
    """CUDA where workers declare the resource GPU, else the CPU on all of them: never some of both."""
    for worker in sorted(with_gpu):
        if worker in said and not said[worker].has_cuda:
            raise BadCluster(f"worker {worker} declares a GPU, its ONNX Runtime has no CUDA: install onnxruntime-gpu")
    if not with_gpu and any(answer.has_cuda for answer in said.values()):
        progress.say("the CPU is used: start workers with --resources GPU=1, one for each GPU, to use CUDA")
    return "cuda" if with_gpu else "cpu"
