"""What a worker of a cluster does: it has the scratch store and the network in common with the client, no more."""

import hashlib
from dataclasses import dataclass
from functools import partial
from pathlib import Path

from distributed import get_worker

from overtrace import __version__
from overtrace.errors import BadCluster, OvertraceError
from overtrace.models.runtime import Runtime, find_device
from overtrace.raster.arrays import write_whole
from overtrace.raster.handles import is_address
from overtrace.raster.store import Store
from overtrace.trace.bench import Step, open_bench

TOKEN = "token"
"""A file in the scratch store by which workers know that it is the client's."""


@dataclass(frozen=True, slots=True)
class Order:
    """What a worker needs to begin."""

    scratch: Store
    sha256: str
    """Of the model file, which lies in the scratch store."""


@dataclass(frozen=True, slots=True)
class Said:
    """What a worker says when it is asked whether it can work."""

    version: str
    sees_scratch: bool
    missing: str | None
    """The first image that it does not see."""
    has_cuda: bool


def name_model(sha256: str) -> str:
    """Of a model file in the scratch store."""
    return f"model-{sha256}.onnx"


def introduce(scratch: Store, token: str, images: list[str], runtime: Runtime) -> Said:
    """Look around; runs on the worker's event loop, so it must be short."""
    try:
        sees_scratch = scratch.read(TOKEN).decode() == token
    except OSError:
        sees_scratch = False
    missing = next((path for path in images if not is_address(path) and not Path(path).exists()), None)
    return Said(__version__, sees_scratch, missing, find_device(runtime) == "cuda")


def work(order: Order, store: Store, token: str, step: Step, index: int) -> bool:
    """Do a step with a group or a node."""
    here = get_worker()
    try:
        bench = open_bench(store, token)
        bench.find_model = partial(fetch_model, order, Path(here.local_directory))
        bench.threads = here.state.nthreads
        return bench.work(step, index)
    except OvertraceError as error:
        failure = type(error)(str(error))
    # Without what caused it, which may be something that cannot be sent.
    raise failure


def fetch_model(order: Order, folder: Path) -> Path:
    """The model file in a worker's own folder; it comes from the scratch store once.

    Raises:
        BadCluster: if the store gives something else.
    """
    path = folder / name_model(order.sha256)
    if not path.exists():
        content = order.scratch.read(path.name)
        if hashlib.sha256(content).hexdigest() != order.sha256:
            raise BadCluster(f"{order.scratch.address}/{path.name} is not what was written: mend the store")
        write_whole(path, [content])
    return path
