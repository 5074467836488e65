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
    protocol: Annotated[str, typer.Argument(help="itc, sceneparsing, camvid, deepglobe, trees or own.")],
    truth: Annotated[Path, typer.Option(help="What is true: a file, a folder or an archive.")],
    answers: Annotated[Path, typer.Option(help="What is scored: a file, a folder or an archive.")],
    profile: Annotated[str, typer.Option(help="A named variant of the rule, such as itc-uncapped.")] = "",
    ids: Annotated[Path | None, typer.Option(help="A list of the images that count.")] = None,
    ignore: Annotated[
        Path | None, typer.Option(help="Masks of ground that nobody labelled: PNGs named as the images (itc, own).")
    ] = None,
    classes: Annotated[int, typer.Option(help="How many classes index PNGs have, from label 0 (own).")] = 0,
    pixel_size: Annotated[float, typer.Option(help="Metres a unit (trees, own), or units a pixel (deepglobe).")] = 1.0,
    json_file: Annotated[Path | None, typer.Option("--json", help="Write the score and its parts as JSON.")] = None,
    per_image: Annotated[Path | None, typer.Option(help="Write a row for each image as CSV.")] = None,
    report: Annotated[Path | None, typer.Option(help="Write what the score hides as one HTML page.")] = None,
    images: Annotated[Path | None, typer.Option(help="A folder of the images, for the pictures of --report.")] = None,
    workers: Annotated[int, typer.Option(help="Workers; 0 for one a core.")] = 0,
) -> None:
    """Score an answer by the official rule of its field."""
    import os

    from overtrace.cli.quick import leave, load_kernels

    load_kernels(protocol)

    from overtrace.challenges.challenge import Question
    from overtrace.challenges.protocols import score_files
    from overtrace.errors import BadOption

    if images is not None and (report is None or not images.is_dir()):
        raise BadOption("--images needs --report" if report is None else f"--images {images} is no folder")
    question = Question(truth, answers, profile, ids, ignore, classes, pixel_size, workers or os.cpu_count() or 1)
    verdict = score_files(protocol, question)
    if json_file is not None:
        write(json_file, json.dumps(verdict.as_json(), indent=1) + "\n")
    if per_image is not None:
        write(per_image, _as_csv(verdict.images))
    if report is not None:
        _report(report, verdict, images)
    _print(verdict)
    leave()


def write(path: Path, text: str) -> None:
    """Write a file aside, then rename it."""
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
    from overtrace.cli.tables import format_table

    typer.echo(format_table(verdict.table[:MOST_ROWS]))
    if len(verdict.table) > MOST_ROWS:
        typer.echo(f"and {len(verdict.table) - MOST_ROWS} more: --json FILE has them all")
    typer.echo(f"{verdict.protocol} ({verdict.profile}): {verdict.score!r}")
