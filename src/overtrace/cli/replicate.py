"""``overtrace replicate``: run a winner's container again, and say whether its score stands."""

import json
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

if TYPE_CHECKING:
    from overtrace.host.contest import Phase
    from overtrace.host.contest_file import ContestFile
    from overtrace.host.replication import Claimed, Report


def replicate(
    contest: Annotated[Path, typer.Argument(help="The contest file, with truth and images beside it.")],
    image: Annotated[Path, typer.Option(help="The container image, as podman save or docker save write it.")],
    weights: Annotated[Path, typer.Option(help="The file of weights.")],
    claimed: Annotated[Path, typer.Option(help="The scores of the board: JSON of overtrace score --json.")],
    out: Annotated[Path, typer.Option(help="A folder to be written: report.json and log.txt.")],
    phase: Annotated[str, typer.Option(help="Of the contest; the last with truth unless told.")] = "",
    board: Annotated[str, typer.Option(help="Of the phase; the first unless told.")] = "",
    weights_sha256: Annotated[str, typer.Option(help="Of the weights, as the team claimed it beforehand.")] = "",
    tolerance: Annotated[
        float | None, typer.Option(help="By which a score may differ; that of the contest unless told.", min=0)
    ] = None,
) -> None:
    """Run a winner's container again, and say whether its score comes out.

    Without network, root or capabilities, within the limits of the contest file, over all images of the phase in one
    folder, under names that say nothing. A part of them is run again with other weights, to see whether one model
    answers for all data sets. Exits with 0 if the result is verified or within the tolerance, and with 1 otherwise.
    """
    from overtrace.cli.extras import need_host

    need_host("replicate", ("yaml", "pydantic"))

    from overtrace.errors import BadOption
    from overtrace.host.contest_file import read_contest
    from overtrace.host.replicate import LOG, REPORT
    from overtrace.host.replicate import replicate as run
    from overtrace.host.replication import Delivery

    file = read_contest(contest / "contest.yaml" if contest.is_dir() else contest)
    chosen = _find_phase(file, phase)
    for option, path in (("--image", image), ("--weights", weights)):
        if not path.is_file():
            raise BadOption(f"{option} {path} does not exist: check the path")
    said = weights_sha256.lower().removeprefix("sha256:")
    if said and (len(said) != 64 or set(said) - set("0123456789abcdef")):
        raise BadOption(f"--weights-sha256 {weights_sha256} is no SHA-256: wanted 64 hexadecimal digits")
    delivery = Delivery(image=image, weights=weights, weights_sha256=said)
    wanted = _read_claimed(file, claimed)
    report = run(file, chosen, delivery, wanted, out, board=board, tolerance=tolerance)
    _print(report)
    typer.echo(f"wrote {out / REPORT} and {out / LOG}")
    if not report.passed:
        raise typer.Exit(1)


def _find_phase(file: "ContestFile", name: str) -> "Phase":
    from overtrace.errors import BadOption

    scored = [phase for phase in file.contest.phases if phase.truth is not None]
    found = [phase for phase in scored if phase.name == name] if name else scored[-1:]
    if not found:
        raise BadOption(f"no phase {name} takes answers: use one of {', '.join(phase.name for phase in scored)}")
    return found[0]


def _read_claimed(file: "ContestFile", path: Path) -> "Claimed":
    from overtrace.errors import BadOption
    from overtrace.host.replication import read_claimed

    try:
        said = json.loads(path.read_bytes())
    except (OSError, ValueError) as error:
        raise BadOption(
            f"--claimed {path} cannot be read: {error}: wanted what overtrace score --json writes"
        ) from error
    if not isinstance(said, dict):
        raise BadOption(f"--claimed {path} is no JSON object: wanted what overtrace score --json writes")
    return read_claimed(file.contest.challenge, said)


def _print(report: "Report") -> None:
    from overtrace.cli.tables import format_table

    if report.scores:
        rows = [
            {
                "": one.name or "score",
                "claimed": _show(one.claimed),
                "found": _show(one.found),
                "difference": _show(one.difference),
            }
            for one in report.scores
        ]
        typer.echo(format_table(rows))
    typer.echo(
        format_table(
            [
                {
                    "run": one.name,
                    "images": one.images,
                    "seconds": f"{one.seconds:.1f}",
                    "memory": "" if one.peak_memory_bytes is None else f"{one.peak_memory_bytes / 2**20:,.0f} MiB",
                    "exit": "ended" if one.exit_code is None else one.exit_code,
                }
                for one in report.runs
            ]
        )
        if report.runs
        else "nothing was run"
    )
    for note in report.notes:
        typer.echo(f"note: {note}")
    for fault in report.faults[:10]:
        typer.echo(f"{fault.file} {fault.where}: {fault.found}: {fault.wanted}")
    reason = f" ({report.reason.value})" if report.reason else ""
    typer.echo(f"{report.verdict.value}{reason}: {report.said}")


def _show(value: float | None) -> str:
    return "n/a" if value is None else f"{value:.6f}"
