"""``overtrace host``: a contest from one file, ready in seconds."""

from pathlib import Path
from typing import Annotated

import typer


def host(
    contest: Annotated[Path | None, typer.Argument(help="The contest file, or an archive; none with --demo.")] = None,
    db: Annotated[
        str, typer.Option(envvar="OVERTRACE_DB", help="sqlite:///FILE or postgresql+psycopg://USER@HOST/NAME.")
    ] = "",
    store: Annotated[str, typer.Option(help="Where files are kept: a folder or s3://BUCKET/PREFIX.")] = "",
    folder: Annotated[
        Path | None, typer.Option(help="For what the host keeps; if not given, HOST beside the contest file.")
    ] = None,
    interface: Annotated[str, typer.Option(help="The address that it listens at.")] = "127.0.0.1",
    port: Annotated[int, typer.Option(help="0 for any that is free.")] = 8000,
    address: Annotated[str, typer.Option(help="As browsers see it, such as https://contest.example.org.")] = "",
    mail: Annotated[
        str,
        typer.Option(envvar="OVERTRACE_MAIL", help="smtp://USER:PASSWORD@HOST, smtps://..., file:FOLDER, console:."),
    ] = "console:",
    mail_from: Annotated[str, typer.Option(help="Who letters come from; if not given, the first organiser.")] = "",
    workers: Annotated[int, typer.Option(min=0, help="That score beside it; 0 if all are elsewhere.")] = 1,
    read_only: Annotated[bool, typer.Option("--read-only", help="Let it only be looked at.")] = False,
    demo: Annotated[bool, typer.Option("--demo", help="Show a contest with teams that do not exist.")] = False,
) -> None:
    """Hold a contest: pages, API, letters and a worker, until told to stop.

    Everything is kept in one folder unless --db and --store name other places. The worker is a process of its own, and
    the only one that opens what is true. What holds a password is better named by the environment: OVERTRACE_DB and
    OVERTRACE_MAIL take the place of --db and --mail. OpenID Connect is offered if OVERTRACE_OPENID_ISSUER,
    OVERTRACE_OPENID_CLIENT and OVERTRACE_OPENID_SECRET are set.

    An archive of overtrace contest archive is opened in a folder of its name, or in --folder: as a contest that runs if
    it holds what is true, and else, or with --read-only, to be looked at. The same command opens it there again.
    """
    from overtrace.cli.extras import need_host
    from overtrace.errors import BadOption

    need_host("host")
    if demo == (contest is not None):
        raise BadOption("host: name a contest file, or give --demo, one of the two: overtrace contest new writes one")

    from tempfile import TemporaryDirectory
    from zipfile import is_zipfile

    from overtrace.host.restore import find_contest
    from overtrace.host.serve import Plan, make_private, serve

    common = (db, store, interface, port, address)
    if contest is not None and is_zipfile(contest):
        place = folder or contest.with_suffix("")
        read_only = open_archive(contest, place, db, store, read_only=read_only)
        serve(Plan(find_contest(place), place, *common, mail, mail_from, workers, read_only=read_only), typer.echo)
        return
    if contest is not None:
        place = folder or contest.parent / "host"
        serve(Plan(contest, place, *common, mail, mail_from, workers, read_only=read_only), typer.echo)
        return

    from overtrace.host.demo import PASSWORD, write_demo

    with TemporaryDirectory(prefix="overtrace-demo-") as scratch:
        place = folder or Path(scratch)
        file = place / "contest" / "contest.yaml"
        if not file.exists():
            make_private(place)
            file = write_demo(place)
        typer.echo(
            f"All accounts, such as organiser@example.org or ines.carvalho@example.org, have the password: {PASSWORD}"
        )
        letters = f"file:{(place / 'mails').absolute()}"
        serve(Plan(file, place, *common, letters, mail_from, max(1, workers), True), typer.echo)


def open_archive(archive: Path, folder: Path, db: str, store: str, *, read_only: bool) -> bool:
    """Open an archive in a folder; whether it is only to be looked at."""
    from overtrace.host.restore import restore

    manifest = restore(archive, folder, db, store)
    how = "to be looked at" if read_only or not manifest.truth else "as a contest that runs"
    typer.echo(f"{archive}, made {manifest.made_at:%Y-%m-%d %H:%M} UTC, is opened in {folder} {how}")
    return read_only or not manifest.truth
