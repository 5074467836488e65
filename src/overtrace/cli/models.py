"""overtrace models: the model files that come with the package."""

import json
from typing import Annotated

import typer


def models(
    as_json: Annotated[bool, typer.Option("--json", help="Print the cards as JSON.")] = False,
) -> None:
    """List the models that are shipped: precision, size, pixel sizes, classes, licence, scores."""
    from rich.console import Console
    from rich.table import Table

    from overtrace.models.card import read_card
    from overtrace.models.shipped import shipped

    cards = [(name, path, read_card(path)) for name, path in shipped()]
    if as_json:
        facts = [
            {"model": name, "bytes": path.stat().st_size, **card.model_dump(mode="json")} for name, path, card in cards
        ]
        typer.echo(json.dumps(facts, indent=2))
        return
    table = Table("model", "precision", "MB", "pixel, m", "classes", "licence", "scores", box=None, pad_edge=False)
    for name, path, card in cards:
        table.add_row(
            name,
            card.precision,
            f"{path.stat().st_size / 1e6:.1f}",
            "any" if card.pixel_size_m is None else "{:g} to {:g}".format(*card.pixel_size_m),
            ", ".join(card.classes),
            card.licence,
            "\n".join(f"{score.name} {score.value:g}" for score in card.scores) or "none",
        )
    Console().print(table)
