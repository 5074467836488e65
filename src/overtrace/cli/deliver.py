"""``overtrace deliver``: send a winner's container to a host."""

from pathlib import Path
from typing import Annotated

import typer

from overtrace.cli.submit import SERVER, TOKEN


def deliver(
    image: Annotated[Path, typer.Argument(help="The container image: a file of docker save, or an OCI archive.")],
    weights: Annotated[Path, typer.Argument(help="The weights of its one model: one file.")],
    server: Annotated[str, SERVER],
    token: Annotated[str, TOKEN] = "",
) -> None:
    """Deliver the container and the weights that a team among the first places was asked for, and hand them over.

    If that is broken off, the same command goes on where it stopped. By the SHA-256 of the weights, which is announced
    before they come, the team claims them. The token is found as by overtrace submit; it needs the scopes read and
    submit.
    """
    from overtrace.cli.extras import CLIENT, need_host

    need_host("deliver", CLIENT)

    from overtrace.cli.progress import Bar
    from overtrace.cli.tokens import find_token
    from overtrace.host import client
    from overtrace.host.connection import Connection

    connection = Connection(server, find_token(server, token))
    try:
        with Bar("MB") as bar:
            files = [
                client.read_answer(path, "", "", bar, kind) for path, kind in ((image, "image"), (weights, "weights"))
            ]
            made = client.deliver(connection, server, files, bar)
    finally:
        connection.close()
    typer.echo(f"{made['state']}: {made['reason']}")
    typer.echo(f"image, SHA-256 {made['image']}")
    typer.echo(f"weights, SHA-256 {made['weights']}")
