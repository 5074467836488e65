"""Which engine a run has."""

from collections.abc import Iterator
from contextlib import contextmanager

from overtrace.models.runtime import find_device
from overtrace.raster.progress import Progress
from overtrace.trace.executor import Engine, open_local
from overtrace.trace.plan import Plan


@contextmanager
def open_engine(plan: Plan, progress: Progress) -> Iterator[Engine]:
    """The engine that the options of a plan name.

    Raises:
        BadCluster: for a cluster that cannot be reached, or whose workers cannot do the work.
    """
    options = plan.options
    if options.cluster is None:
        with open_local(options.executor, plan.workers, find_device(options.runtime)) as local:
            yield local
        return
    from overtrace.trace.connect import open_cluster

    with open_cluster(plan, progress) as cluster:
        yield cluster
