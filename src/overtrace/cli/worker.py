"""``overtrace worker``: score for a host that is elsewhere."""

from pathlib import Path
from typing import Annotated

import typer


def worker(
    folder: Annotated[Path, typer.Argument(help="The contest's folder with its truth, as the host has it.")],
    server: Annotated[str, typer.Option(help="Address of the host, such as https://contest.example.org.")],
    token: Annotated[
        str,
        typer.Option(envvar="OVERTRACE_TOKEN", help="An organiser's token for work; better not on the command line."),
    ] = "",
    name: Annotated[str, typer.Option(help="As organisers see it; if not given, that of this machine.")] = "",
) -> None:
    """Claim submissions of a host, score them here, and say what came of it, until told to stop.

    What is true is read here and never sent: the host and the worker compare digests of it.
    """
    from overtrace.cli.extras import need_host

    need_host("worker")

    import logging
    import threading

    from overtrace.errors import BadOption
    from overtrace.host.contest_file import read_contest
    from overtrace.host.local_worker import name_worker
    from overtrace.host.remote import RemoteQueue
    from overtrace.host.worker import Worker, stop_when_told

    if not token:
        raise BadOption("worker: no token: make one for work on the page My account, and set OVERTRACE_TOKEN")
    logging.basicConfig(format="%(name)s: %(message)s")
    stop = threading.Event()
    stop_when_told(stop)
    file = read_contest(folder / "contest.yaml" if folder.is_dir() else folder)
    queue = RemoteQueue(server, token)
    chosen = name or name_worker(0)
    typer.echo(f"{chosen} works for {server}")
    try:
        Worker(chosen, queue, file.contest, file.folder, stop).run()
    finally:
        queue.close()
