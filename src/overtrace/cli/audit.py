"""``overtrace audit``: whether what a host has written down was changed since."""

import json
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from overtrace.cli.submit import SERVER_HELP, TOKEN

if TYPE_CHECKING:
    from overtrace.host.audit import Audit
    from overtrace.host.events import Head

app = typer.Typer(no_args_is_help=True, help="Check the log of a host.")


@app.callback()
def _audit() -> None:
    """Check the log of a host."""


@app.command()
def verify(
    place: Annotated[
        Path | None, typer.Argument(help="A contest file, its folder, the folder that a host keeps, or an archive.")
    ] = None,
    db: Annotated[str, typer.Option(envvar="OVERTRACE_DB", help="Of a host that keeps it elsewhere.")] = "",
    server: Annotated[str, typer.Option(help=SERVER_HELP)] = "",
    token: Annotated[str, TOKEN] = "",
    held: Annotated[
        list[Path] | None, typer.Option(help="A receipt, or a head that was saved; may be given several times.")
    ] = None,
    json_out: Annotated[bool, typer.Option("--json", help="Print what came of it as JSON.")] = False,
) -> None:
    """Digest each line of the log anew: one that was changed, removed, put in or moved is named.

    Exits with 0 if all is as it was written, and with 1 if not. Who can write to the database could write all lines and
    all digests anew, or leave off the last lines: what shows that is a digest in other hands, by --held. Save
    SERVER/api/v1/log/head now and then; receipts hold one, too. With --server all lines are checked here if the token
    is one of an organiser; without a token, the host is asked whether its lines are still those of --held.
    """
    from overtrace.cli.extras import need_host
    from overtrace.errors import BadData, BadOption

    need_host("audit")
    if (place is not None) + bool(server) + (bool(db) and place is None and not server) != 1:
        raise BadOption("audit verify: name a contest file or a folder, or give --db or --server, one of them")
    digests = {str(path): _read_held(path) for path in held or []}
    found, whole = _ask(server, token, digests) if server else (_look(place, db, digests), True)
    if json_out:
        head = {"line": found.head.number, "sha256": found.head.digest}
        typer.echo(json.dumps({"whole": not found.faults, "head": head, "faults": found.faults}, indent=1))
    else:
        for fault in found.faults:
            typer.echo(fault)
    if found.faults:
        count = f"{len(found.faults):,} fault{'s' * (len(found.faults) > 1)}"
        raise BadData(f"the log is not as it was written: {count}; look for who has changed it, and take a copy back")
    if json_out:
        return
    said = "the log is as it was written" if whole else "the log, of which the host alone sees the lines, has its head"
    typer.echo(f"{said}: {found.head.number:,} lines, the last with {found.head.digest}")
    for source, one in digests.items():
        typer.echo(f"it holds line {one.number:,}, which {source} names")


def _read_held(path: Path) -> "Head":
    from overtrace.errors import BadData
    from overtrace.host.receipts import read_held

    try:
        return read_held(path.read_text())
    except (OSError, UnicodeDecodeError) as error:
        raise BadData(f"--held {path} cannot be read: {error}") from error
    except BadData as error:
        raise BadData(f"--held {path}: {error}") from error


def _look(place: Path | None, db: str, held: "dict[str, Head]") -> "Audit":
    from zipfile import is_zipfile

    from overtrace.host.audit import audit_database
    from overtrace.host.database import Database, open_database
    from overtrace.host.places import find_database

    if place is not None and is_zipfile(place):
        from overtrace.host.restore import audit_archive

        return audit_archive(place, held)
    return audit_database(Database(open_database(db or find_database(place or Path()))), held)


def _ask(server: str, token: str, held: "dict[str, Head]") -> "tuple[Audit, bool]":
    from overtrace.cli.tokens import find_token
    from overtrace.errors import BadOption, NotAllowed
    from overtrace.host.connection import Connection
    from overtrace.host.remote_audit import audit_server

    try:
        token = find_token(server, token)
    except BadOption:
        if not held:
            raise
    connection = Connection(server, token)
    try:
        return audit_server(connection, held, whole=bool(token)), bool(token)
    except NotAllowed:
        if not held:
            raise
        return audit_server(Connection(server), held, whole=False), False
    finally:
        connection.close()
