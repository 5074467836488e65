"""``overtrace submit``: send an answer in to a host."""

import json
from pathlib import Path
from typing import Annotated

import typer

SERVER_HELP = "Address of the host, such as https://contest.example.org."
SERVER = typer.Option(envvar="OVERTRACE_SERVER", help=SERVER_HELP)
TOKEN = typer.Option(envvar="OVERTRACE_TOKEN", help="Of your account there; better not on the command line.")


def submit(
    file: Annotated[Path, typer.Argument(help="The answer: one file or archive.")],
    server: Annotated[str, SERVER],
    phase: Annotated[str, typer.Option(help="Of the contest.")],
    token: Annotated[str, TOKEN] = "",
    note: Annotated[str, typer.Option(help="For your team, beside the submission.")] = "",
) -> None:
    """Send an answer in; if that is broken off, the same command goes on where it stopped.

    Prints the receipt, which the host has signed, and saves it beside the answer. Deadlines go by when the file was
    announced, which is before it is sent. The token may stand in ~/.config/overtrace/tokens.toml, with mode 600, in a
    line "ADDRESS" = "TOKEN". Look at the answer first with overtrace check.
    """
    from overtrace.cli.extras import CLIENT, need_host

    need_host("submit", CLIENT)

    from overtrace.cli.progress import Bar
    from overtrace.cli.tokens import find_token
    from overtrace.host import client
    from overtrace.host.connection import Connection

    connection = Connection(server, find_token(server, token))
    try:
        with Bar("MB") as bar:
            answer = client.read_answer(file, phase, note, bar)
            noted = client.find_note(server, answer)
            made = client.submit(connection, answer, noted, bar)
        place = client.save_receipt(answer, made)
        noted.unlink(missing_ok=True)
    finally:
        connection.close()
    typer.echo(f"submission {made['number']} is accepted: {made['reason']}")
    typer.echo(json.dumps(made["receipt"], indent=1))
    typer.echo(f"saved as {place}")
