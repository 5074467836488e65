"""``overtrace status``: what became of the submissions of one's team."""

import json
from typing import TYPE_CHECKING, Annotated, Any

import typer

from overtrace.cli.submit import SERVER, TOKEN

if TYPE_CHECKING:
    from overtrace.host.connection import Connection


def status(
    server: Annotated[str, SERVER],
    number: Annotated[
        int | None, typer.Argument(help="Of one submission, to see its faults; all if not given.")
    ] = None,
    token: Annotated[str, TOKEN] = "",
    json_out: Annotated[bool, typer.Option("--json", help="Print all that the host says, as JSON.")] = False,
) -> None:
    """Show the submissions of your team, the newest first: state, scores that are shown, and what each cost.

    Of a team that was asked for its container, also what became of that.

    The token is found as by overtrace submit; it needs the scope read.
    """
    from overtrace.cli.extras import CLIENT, need_host

    need_host("status", CLIENT)

    from overtrace.cli.tokens import find_token
    from overtrace.errors import NotFound
    from overtrace.formats.faults import Fault
    from overtrace.host.client import API
    from overtrace.host.connection import Connection

    connection = Connection(server, find_token(server, token))
    try:
        found = connection.ask("GET", f"{API}/submissions")["submissions"]
        delivery = None if json_out or number is not None else _find_delivery(connection)
    finally:
        connection.close()
    if number is not None:
        found = [one for one in found if one["number"] == number]
        if not found:
            raise NotFound(f"your team has no submission {number}: overtrace status lists them")
    if json_out:
        typer.echo(json.dumps(found, indent=1))
        return
    typer.echo(_describe(found) or "your team has no submissions yet")
    if delivery is not None:
        typer.echo(f"container: {'; '.join([delivery['state'], delivery['reason'], *delivery['missing']])}")
    for fault in found[0]["faults"] if number is not None else []:
        typer.echo(str(Fault(**fault)))


def _find_delivery(connection: "Connection") -> dict[str, Any] | None:
    """What a winner was asked for; None for the others."""
    from overtrace.errors import NotFound
    from overtrace.host.client import API

    try:
        return dict(connection.ask("GET", f"{API}/delivery"))
    except NotFound:
        return None


def _describe(found: list[dict[str, Any]]) -> str:
    from overtrace.cli.tables import format_table

    return format_table(
        [
            {
                "number": one["number"],
                "phase": one["phase"],
                "file": one["name"],
                "begun (UTC)": one["received_at"][:19].replace("T", " "),
                "state": one["state"],
                "scores": _describe_scores(one),
                "": one["reason"],
            }
            for one in found
        ]
    )


def _describe_scores(one: dict[str, Any]) -> str:
    # On a ladder an earlier score may stay.
    shown = [
        f"{board} {score['score']:.4f}" + " (stays)" * bool(score.get("stays"))
        for board, score in one["scores"].items()
    ]
    return ", ".join([*shown, *(f"{board} later" for board in one["withheld"])])
