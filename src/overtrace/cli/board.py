"""``overtrace board``: a board of a host."""

import json
from typing import Annotated, Any

import typer

from overtrace.cli.submit import SERVER


def board(
    server: Annotated[str, SERVER],
    phase: Annotated[str, typer.Option(help="Of the contest; that of --board, or the open one, if not given.")] = "",
    name: Annotated[str, typer.Option("--board", help="Of the phase; its first one if not given.")] = "",
    json_out: Annotated[bool, typer.Option("--json", help="Print it as JSON.")] = False,
    csv_out: Annotated[bool, typer.Option("--csv", help="Print it as CSV, at full precision.")] = False,
) -> None:
    """Show a board, as everyone sees it without an account."""
    from overtrace.cli.extras import CLIENT, need_host

    need_host("board", CLIENT)

    from overtrace.errors import BadOption
    from overtrace.host.client import API
    from overtrace.host.connection import Connection

    if json_out and csv_out:
        raise BadOption("board: --json or --csv, one of the two")
    connection = Connection(server)
    try:
        chosen = "/".join(_choose(connection.ask("GET", f"{API}/contest"), phase, name))
        if csv_out:
            typer.echo(connection.read(f"/board/{chosen}.csv"), nl=False)
            return
        found = connection.ask("GET", f"{API}/boards/{chosen}")
    finally:
        connection.close()
    typer.echo(json.dumps(found, indent=1) if json_out else _describe(found))


def _choose(contest: dict[str, Any], phase: str, name: str) -> tuple[str, str]:
    """The phase and the name of a board; those that are named, or the one that the host shows first."""
    from overtrace.errors import NotFound

    if not phase and not name and contest["board"]:
        return contest["board"]["phase"], contest["board"]["board"]
    boards = [(one["name"], other["name"]) for one in contest["phases"] for other in one["boards"]]
    for found in boards:
        if phase in ("", found[0]) and name in ("", found[1]):
            return found
    has = ", ".join("/".join(found) for found in boards) or "none"
    raise NotFound(f"there is no board {name or 'of phase ' + phase}: the contest has {has}")


def _describe(found: dict[str, Any]) -> str:
    from overtrace.cli.tables import format_table

    rows = [
        {
            "rank": row["rank"],
            "tied": _show_ties(row["tied_ranks"]),
            "team": row["team"],
            "score": row["score"],
            "95 % from, to": "{:.4f} {:.4f}".format(*row["interval"]) if row["interval"] else "",
            **{title: "n/a" if value is None else value for title, value in row["columns"].items()},
            "entries": row["submissions"],
            "sent (UTC)": row["received_at"][:19].replace("T", " "),
            "": "provisional" if row["provisional"] else "",
        }
        for row in found["rows"]
    ]
    return f"{found['phase']}, {found['title']}\n{format_table(rows) or 'nobody has a score yet'}"


def _show_ties(ranks: list[int] | None) -> str:
    return "" if ranks is None or ranks[0] == ranks[1] else "{}-{}".format(*ranks)
