"""``overtrace contest``: the file that a contest is made of."""

import json
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

if TYPE_CHECKING:
    from overtrace.host.contest import Contest, Phase
    from overtrace.host.contest_file import ContestFile
    from overtrace.host.trial import Trial

app = typer.Typer(no_args_is_help=True, help="Check, begin and describe the file that a contest is made of.")


@app.command()
def check(
    file: Annotated[Path, typer.Argument(help="The contest file, such as contest.yaml.")],
    dry_run: Annotated[
        bool, typer.Option("--dry-run", help="Score the truth against itself, to see what the boards will show.")
    ] = False,
    workers: Annotated[int, typer.Option(help="Workers of --dry-run; 0 for one a core.")] = 0,
) -> None:
    """List every fault of a contest file: line, key, what came, what is wanted.

    Truth and lists of images are read as the scorer reads them. Exits with 0 if all is in order, and with 1 if not;
    what may be missing is told, and is no fault.
    """
    _needs_host()
    import os

    from overtrace.host.canaries import find_canaries
    from overtrace.host.contest_file import find_data_faults, inspect_contest, list_gaps

    found, faults = inspect_contest(file)
    if found is not None and not faults:
        _load_kernels(found)
        faults = find_data_faults(found)
    trials: list[Trial] = []
    if found is not None and not faults and dry_run:
        from overtrace.host.trial import try_boards

        trials, faults = try_boards(found, workers or os.cpu_count() or 1)
    for fault in faults:
        typer.echo(str(fault))
    if found is None or faults:
        from overtrace.errors import BadContest

        raise BadContest(f"{file} has {len(faults):,} fault{'s' * (len(faults) > 1)}: mend what is listed above")
    contest = found.contest
    rule = contest.profile or "the first profile"
    typer.echo(f"{file} is in order: {contest.title} ({contest.challenge}, {rule})")
    typer.echo(_describe_phases(contest, datetime.now(UTC)))
    for truth, laid in find_canaries(contest, found.folder).items():
        if laid:
            typer.echo(f"canaries: {len(laid):,} images of {truth} are in no list: they are not scored")
    for gap in list_gaps(contest):
        typer.echo(f"missing: {gap}")
    if trials:
        typer.echo(f"\n{_describe_trials(trials)}")


@app.command()
def new(
    name: Annotated[str, typer.Argument(help="itc, sceneparsing or deepglobe.")],
    folder: Annotated[Path | None, typer.Argument(help="Where; a folder of its name unless told.")] = None,
) -> None:
    """Write a complete example of a contest, with small drawn data: open today, and ready to be hosted.

    Its dates are moved so that it takes answers on the day on which it is made.
    """
    _needs_host()
    from overtrace.host.examples import make_example

    file = make_example(name, folder or Path(name), datetime.now(UTC))
    typer.echo(f"wrote {file}")
    typer.echo(f"look at it:  overtrace contest check {file} --dry-run")
    typer.echo(f"open it:     overtrace host {file}")


@app.command()
def archive(
    file: Annotated[Path, typer.Argument(help="The contest file.")],
    out: Annotated[Path | None, typer.Option(help="The archive; NAME.zip of the contest if not given.")] = None,
    db: Annotated[str, typer.Option(envvar="OVERTRACE_DB", help="As for overtrace host.")] = "",
    store: Annotated[str, typer.Option(help="As for overtrace host.")] = "",
    folder: Annotated[Path | None, typer.Option(help="As for overtrace host.")] = None,
    with_truth: Annotated[bool, typer.Option("--with-truth", help="Put in what is true.")] = False,
) -> None:
    """Write a contest into one file: its rows, what was sent in, and the files of its contest file.

    The host may run meanwhile. overtrace host ARCHIVE opens it again: with what is true as a contest that runs, else to
    be looked at. It holds accounts with their password hashes, the key that receipts are signed with, and which images
    count for which board: keep it as you keep the host's folder. Who is logged in, tokens, letters and parts of uploads
    are left out.
    """
    from overtrace.cli.extras import need_host

    need_host("contest archive")

    from overtrace.host.archive import write_archive
    from overtrace.host.blobs import open_blobs
    from overtrace.host.contest_file import read_contest
    from overtrace.host.places import BLOBS, find_folder
    from overtrace.host.schema import open_store

    found = read_contest(file, truth=with_truth)
    kept = folder if folder is not None or (db and store) else find_folder(file)
    out = out or Path(f"{found.contest.name}.zip")
    database = open_store(db or f"sqlite:///{kept}/host.db")
    manifest = write_archive(
        found, database, open_blobs(store or f"{kept}/{BLOBS}"), out, datetime.now(UTC), truth=with_truth
    )
    size = sum(entry.size for entry in manifest.files)
    typer.echo(
        f"wrote {out}: {len(manifest.files):,} files, {size:,} bytes unpacked, {manifest.log:,} lines of the log"
    )
    typer.echo(f"it holds {'what is true, ' if with_truth else ''}accounts and the signing key: keep it to yourself")
    typer.echo(f"look into it:  overtrace audit verify {out}")
    typer.echo(f"open it:       overtrace host {out}")


@app.command()
def canaries(
    file: Annotated[Path, typer.Argument(help="The contest file.")],
    count: Annotated[int, typer.Option(min=1, max=1000, help="Of each truth; of each data set if it has several.")] = 3,
) -> None:
    """Write made-up images into the truth of test phases, which tell when somebody has seen it.

    Such an image has objects of another one, turned upside down, and a name or id like the others. It stands in no list
    (ids) and is never scored; an answer that names one is refused like any with a wrong name, and organisers see it.
    For COCO files, tables of buildings and folders of index PNGs. Do it before the contest opens: it changes the truth,
    and workers and backups need the new one.
    """
    _needs_host()
    from overtrace.host.canaries import lay_canaries
    from overtrace.host.contest_file import read_contest

    found = read_contest(file)
    for truth, laid in lay_canaries(found.contest, found.folder, count).items():
        typer.echo(f"laid {laid:,} canaries in {found.resolve(truth)}")
    typer.echo(f"look at it:  overtrace contest check {file} --dry-run")
    typer.echo("if the host runs: start it and its workers again, and rescore what was scored")


@app.command()
def schema() -> None:
    """Print the JSON schema of the contest file, for editors that check while one writes."""
    from overtrace.host.contest import make_schema

    typer.echo(json.dumps(make_schema(), indent=1))


@app.command()
def site(
    file: Annotated[Path, typer.Argument(help="The contest file.")],
    out: Annotated[Path, typer.Option(help="The folder; one that this wrote before is written anew.")],
    db: Annotated[str, typer.Option(envvar="OVERTRACE_DB", help="As for overtrace host.")] = "",
    folder: Annotated[Path | None, typer.Option(help="That the host keeps; HOST beside the contest file.")] = None,
    log: Annotated[bool, typer.Option("--log", help="Write what was done when, by ids of whom, as log.csv.")] = False,
) -> None:
    """Write a contest as a folder of pages that needs no host: boards, teams, results, phases, CSV and JSON.

    It holds what anyone sees without an account, and no e-mail addresses; links stay inside, so that it opens from a
    disk, and from any web server. The key of the host and a page that checks certificates are in it. The host may run.
    """
    from overtrace.cli.extras import need_host

    need_host("contest site")

    from overtrace.host.places import find_database
    from overtrace.host.static_site import export_site

    count = export_site(file, out, db or find_database(folder or file), log=log)
    typer.echo(f"wrote {out}: {count:,} files; begin at {out / 'index.html'}")


def _needs_host() -> None:
    from overtrace.errors import BadOption

    try:
        import yaml  # noqa: F401
    except ModuleNotFoundError as error:
        raise BadOption("contest needs pyyaml: pip install 'overtrace[host]'") from error


def _load_kernels(file: "ContestFile") -> None:
    from overtrace.cli.quick import load_kernels

    load_kernels(file.contest.challenge)


def _describe_phases(contest: "Contest", now: datetime) -> str:
    from overtrace.cli.tables import format_table

    return format_table(
        [
            {
                "phase": phase.name,
                "from (UTC)": _show(phase.start),
                "to (UTC)": _show(phase.end),
                "now": "later" if now < phase.start else "over" if now >= phase.end else "open",
                "a team may send": _describe_limits(phase),
                "boards": ", ".join(f"{board.name} ({board.shown})" for board in phase.boards) or "none",
            }
            for phase in contest.phases
        ]
    )


def _show(time: datetime) -> str:
    """To the minute, unless it has more."""
    text = time.replace(tzinfo=None).isoformat(sep=" ")
    return text.removesuffix(":00")


def _describe_limits(phase: "Phase") -> str:
    if phase.truth is None:
        return "nothing"
    limits = phase.limits
    parts = [
        "" if limits.per_day is None else f"{limits.per_day} a day",
        "" if limits.total is None else f"{limits.total} in all",
        f"{limits.at_once} at once",
    ]
    return ", ".join(part for part in parts if part)


def _describe_trials(trials: "list[Trial]") -> str:
    """One line a board, then its columns."""
    lines = []
    for trial in trials:
        lines.append(f"{trial.phase}, board {trial.board}: the truth scores {trial.score!r}")
        lines += [f"  {title}: {'n/a' if value is None else repr(value)}" for title, value in trial.columns.items()]
    return "\n".join(lines)
