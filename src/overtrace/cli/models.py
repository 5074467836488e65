"""overtrace models: the model files that come with the package, and those that other packages bring."""

import json
from typing import TYPE_CHECKING, Annotated

import typer

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

    from rich.table import Column, Table

    from overtrace.models.card import Card


def models(
    as_json: Annotated[bool, typer.Option("--json", help="Print all of the cards as JSON.")] = False,
) -> None:
    """List the models that can be named: precision, size, what they see, classes, licence, scores, training.

    Those that other packages bring are among them; overtrace info NAME prints all that a card says.
    """
    from rich.console import Console
    from rich.text import Text

    from overtrace.models.listing import tell_training
    from overtrace.models.shipped import brought, shipped

    others = brought()
    paths = {**shipped(), **others.models}
    cards, faults = _read_cards(paths)
    for fault in (*others.faults, *faults):
        typer.echo(f"note: {fault}", err=True)
    if as_json:
        facts = [
            {
                "model": name,
                "file": str(paths[name]),
                "bytes": _count_bytes(paths[name]),
                **card.model_dump(mode="json"),
            }
            for name, card in cards.items()
        ]
        typer.echo(json.dumps(facts, indent=2))
        return
    console = Console(markup=False, highlight=False)
    console.print(_list_files(paths, cards))
    console.print()
    console.print(_list_scores(cards))
    by_training: dict[str, list[str]] = {}
    for name, card in cards.items():
        by_training.setdefault(tell_training(card), []).append(name)
    for training, names in by_training.items():
        console.print(Text.assemble("\n", (", ".join(names), "bold"), ": ", training))


def _read_cards(paths: "Mapping[str, Path]") -> "tuple[dict[str, Card], list[str]]":
    """The cards by name, and what is wrong with those that cannot be read: one bad file does not hide the others."""
    from overtrace.errors import BadModel
    from overtrace.models.card import read_card

    cards, faults = {}, []
    for name, path in paths.items():
        try:
            cards[name] = read_card(path)
        except BadModel as error:
            faults.append(str(error))
    return cards, faults


def _count_bytes(path: "Path") -> int:
    return path.stat().st_size


def _list_files(paths: "Mapping[str, Path]", cards: "Mapping[str, Card]") -> "Table":
    from rich.table import Column

    from overtrace.models.listing import tell_bands, tell_classes, tell_pixel_size

    columns = ("model", "precision", Column("MB", justify="right"), "bands", "pixel size", "classes", "licence")
    table = _draw_table(*columns)
    for name, card in cards.items():
        megabytes = f"{_count_bytes(paths[name]) / 1e6:.1f}"
        seen = tell_bands(card), tell_pixel_size(card), tell_classes(card)
        table.add_row(name, card.precision, megabytes, *seen, card.licence)
    return table


def _list_scores(cards: "Mapping[str, Card]") -> "Table":
    from rich.table import Column

    from overtrace.models.listing import Figure, gather, pick_scores

    right = [Column(name, justify="right", no_wrap=True) for name in ("one view", "more views")]
    table = _draw_table("model", "score", *right, "measured on")
    told: dict[tuple[Figure, ...], list[str]] = {}
    for name, card in cards.items():
        told.setdefault(tuple(gather(pick_scores(card))), []).append(name)
    for figures, names in told.items():
        for i, figure in enumerate(figures):
            more = f"{figure.more} ({figure.views})" if figure.views else ""
            table.add_row("" if i else ", ".join(names), figure.name, figure.one, more, figure.data)
        if not figures:
            table.add_row(", ".join(names), "none", "", "", "")
    return table


def _draw_table(*columns: "str | Column") -> "Table":
    from rich.table import Table

    return Table(*columns, box=None, pad_edge=False, padding=(0, 2, 0, 0))
