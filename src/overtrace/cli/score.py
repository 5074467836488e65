"""``overtrace score``: how good an answer is, by the official rule of its field."""

import csv
import io
import json
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

if TYPE_CHECKING:
    from overtrace.challenges.challenge import Row, Verdict

MOST_ROWS = 40


def score(
    protocol: Annotated[str, typer.Argument(help="itc, sceneparsing, camvid, deepglobe or trees.")],
    truth: Annotated[Path, typer.Option(help="What is true: a file, a folder or an archive.")],
    answers: Annotated[Path, typer.Option(help="What is scored: a file, a folder or an archive.")],
    profile: Annotated[str, typer.Option(help="A named variant of the rule, such as itc-uncapped.")] = "",
    ids: Annotated[Path | None, typer.Option(help="A list of the images that count (deepglobe, trees).")] = None,
    pixel_size: Annotated[float, typer.Option(help="Metres in a unit of the coordinates (trees).")] = 1.0,
    json_file: Annotated[Path | None, typer.Option("--json", help="Write the score and its parts as JSON.")] = None,
    per_image: Annotated[Path | None, typer.Option(help="Write a row for each image as CSV.")] = None,
    report: Annotated[Path | None, typer.Option(help="Write what the score hides as one HTML page.")] = None,
    images: Annotated[Path | None, typer.Option(help="A folder of the images, for the pictures of --report.")] = None,
    workers: Annotated[int, typer.Option(help="Workers; 0 for one a core.")] = 0,
) -> None:
    """Score an answer by the official rule of its field."""
    import os

    from overtrace.challenges.challenge import Question
    from overtrace.challenges.protocols import score_files
    from overtrace.errors import BadOption

    if images is not None and (report is None or not images.is_dir()):
        raise BadOption("--images needs --report" if report is None else f"--images {images} is no folder")
    question = Question(truth, answers, profile, ids, pixel_size, workers or os.cpu_count() or 1)
    verdict = score_files(protocol, question)
    if json_file is not None:
        _write(json_file, json.dumps(verdict.as_json(), indent=1) + "\n")
    if per_image is not None:
        _write(per_image, _as_csv(verdict.images))
    if report is not None:
        _report(report, verdict, images)
    _print(verdict)


def _write(path: Path, text: str) -> None:
    """Aside, then renamed."""
    from overtrace.raster.aside import open_aside

    aside = open_aside(path)
    with aside.guard():
        aside.path.write_text(text)
    aside.commit()


def _report(path: Path, verdict: "Verdict", images: Path | None) -> None:
    from overtrace.challenges.photos import Photos
    from overtrace.challenges.report import write_report

    write_report(path, verdict, None if images is None else Photos(images))


def _as_csv(rows: "Sequence[Row]") -> str:
    text = io.StringIO(newline="")
    writer = csv.DictWriter(text, list(rows[0]) if rows else [])
    writer.writeheader()
    writer.writerows(rows)
    return text.getvalue()


def _print(verdict: "Verdict") -> None:
    from rich.console import Console
    from rich.table import Table

    table = Table(box=None, pad_edge=False)
    for name in verdict.table[0] if verdict.table else ():
        table.add_column(name, justify="left" if isinstance(verdict.table[0][name], str) else "right")
    for row in verdict.table[:MOST_ROWS]:
        table.add_row(*(f"{value:.4f}" if isinstance(value, float) else str(value) for value in row.values()))
    console = Console()
    console.print(table)
    if len(verdict.table) > MOST_ROWS:
        typer.echo(f"and {len(verdict.table) - MOST_ROWS} more: --json FILE has them all")
    typer.echo(f"{verdict.protocol} ({verdict.profile}): {verdict.score!r}")
