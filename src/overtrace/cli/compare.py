"""``overtrace compare``: which of several answers is better, and which differences are chance."""

import json
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

if TYPE_CHECKING:
    from overtrace.challenges.compare import Comparison


def compare(
    protocol: Annotated[str, typer.Argument(help="itc, sceneparsing, camvid, deepglobe, trees or own.")],
    answers: Annotated[list[Path], typer.Argument(help="Two or more answers to the same truth.")],
    truth: Annotated[Path, typer.Option(help="What is true: a file, a folder or an archive.")],
    profile: Annotated[str, typer.Option(help="A named variant of the rule, such as itc-uncapped.")] = "",
    ids: Annotated[Path | None, typer.Option(help="A list of the images that count.")] = None,
    ignore: Annotated[
        Path | None, typer.Option(help="Masks of ground that nobody labelled: PNGs named as the images (itc, own).")
    ] = None,
    classes: Annotated[int, typer.Option(help="How many classes index PNGs have, from label 0 (own).")] = 0,
    pixel_size: Annotated[float, typer.Option(help="Metres a unit (trees, own), or units a pixel (deepglobe).")] = 1.0,
    resamples: Annotated[int, typer.Option(help="How often images are drawn again.")] = 2000,
    level: Annotated[float, typer.Option(help="Of the intervals.")] = 0.95,
    seed: Annotated[int, typer.Option(help="Of the draws.")] = 0,
    json_file: Annotated[Path | None, typer.Option("--json", help="Write all figures as JSON.")] = None,
    workers: Annotated[int, typer.Option(help="Workers; 0 for one a core.")] = 0,
) -> None:
    """Say which of several answers are better than others beyond chance."""
    import os

    from overtrace.cli.quick import leave, load_kernels

    load_kernels(protocol)
    from overtrace.challenges.challenge import Question
    from overtrace.challenges.compare import compare_files
    from overtrace.cli.score import write

    question = Question(truth, answers[0], profile, ids, ignore, classes, pixel_size, workers or os.cpu_count() or 1)
    comparison = compare_files(protocol, question, answers, resamples, level, seed)
    if json_file is not None:
        write(json_file, json.dumps(comparison.as_json(), indent=1) + "\n")
    _print(comparison)
    leave()


def _print(comparison: "Comparison") -> None:
    from overtrace.cli.tables import format_table

    order = sorted(range(len(comparison.names)), key=lambda a: comparison.standings[a].rank)
    rows: list[dict[str, str | int | float]] = []
    for a in order:
        standing = comparison.standings[a]
        tied = f"{standing.best_rank}-{standing.worst_rank}" if standing.worst_rank > standing.best_rank else "no"
        rows.append(
            {
                "rank": standing.rank,
                "answer": comparison.names[a],
                "score": standing.score,
                f"{comparison.level:.0%} from": standing.low,
                "to": standing.high,
                "tied": tied,
                "rank by ranks": comparison.rank_by_ranks[a],
            }
        )
    typer.echo(format_table(rows))
    typer.echo("\nshare of draws in which a row beats a column:")
    typer.echo(format_table([_beats(comparison, a, order) for a in order]))
    first = comparison.verdicts[0]
    images, parts = len(first.sample.images), len(first.sample.parts)
    draws = f"{comparison.resamples:,} draws of {images:,} images within {parts:,} part{'s' * (parts > 1)}"
    typer.echo(f"\n{first.protocol} ({first.profile}): {draws}, seed {comparison.seed}")


def _beats(comparison: "Comparison", a: int, order: list[int]) -> dict[str, str | int | float]:
    shares: dict[str, str | int | float] = {
        str(place + 1): float(comparison.standings[a].beats[b]) for place, b in enumerate(order)
    }
    return {"": f"{order.index(a) + 1} {comparison.names[a]}", **shares}
