"""Writes the section of the shipped models in docs/models.md from their cards, what was measured, and their pictures:
``make docs``.
"""

import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from benchmarks.record import list_models, read_speeds
from overtrace.models.card import Card, Score, read_card
from overtrace.models.listing import (
    Figure,
    gather,
    pick_agreement,
    pick_scores,
    show,
    tell_bands,
    tell_classes,
    tell_pixel_size,
)
from overtrace.models.metadata import digest_network

PAGE = Path(__file__).with_name("models.md")
PICTURES = PAGE.with_name("pictures") / "captions.json"
"""By model, what ``benchmarks.pictures`` drew: ``file`` and ``caption`` of each."""
BEGIN, END = "<!-- from here on made by make docs -->\n", "<!-- up to here -->\n"
COLUMNS = ("model", "MB", "sees", "classes", "figures", "agreement", "alone", "whole", "licence", "data", "recipe")
RUNTIMES = {"openvino": "OpenVINO", "onnxruntime": "ONNX Runtime"}


def update_page(page: str) -> str:
    """The page with its section made anew."""
    before, _, rest = page.partition(BEGIN)
    _, _, after = rest.partition(END)
    return f"{before}{BEGIN}\n{describe_models(list_models(), read_speeds())}\n{END}{after}"


def describe_models(paths: Mapping[str, Path], speeds: Mapping[str, Mapping[str, Any]]) -> str:
    """The table, and what stands under it.

    Args:
        speeds: as ``benchmarks.networks --shipped`` measured them; those of another network are left out.
    """
    cards = {name: read_card(path) for name, path in paths.items()}
    known = {
        name: speeds[name]
        for name, path in paths.items()
        if name in speeds and speeds[name]["network"] == digest_network(path)
    }
    rows = [_describe_model(name, cards[name], path, known.get(name)) for name, path in paths.items()]
    lines = [_draw_row(COLUMNS), "|---" * len(COLUMNS) + "|", *map(_draw_row, rows), ""]
    lines += _tell_occasions(known)
    lines += ["### What they were trained on", "", *_tell_trainings(cards), ""]
    pictures = json.loads(PICTURES.read_text()) if PICTURES.exists() else {}
    shown = [picture for name in paths for picture in pictures.get(name, [])]
    if shown:
        lines += ["### Good and bad results", "", "On tiles that were held back.", ""]
    for picture in shown:
        lines += [f"![{picture['caption']}](pictures/{picture['file']})", "", f"*{picture['caption']}*", ""]
    return "\n".join(lines)


def _describe_model(name: str, card: Card, path: Path, speed: Mapping[str, Any] | None) -> tuple[str, ...]:
    alone, whole = ("not measured", "not measured") if speed is None else _tell_speed(speed)
    return (
        f"`{name}` ({card.precision})",
        f"{path.stat().st_size / 1e6:.1f}",
        f"{tell_bands(card)}, {tell_pixel_size(card)}",
        tell_classes(card),
        "<br>".join(map(_tell_figure, gather(pick_scores(card)))) or "none",
        "<br>".join(map(_tell_agreement, pick_agreement(card))) or "none",
        alone,
        whole,
        card.licence,
        "<br>".join(card.attribution),
        _link_recipe(card.recipe.split()[0]),
    )


def _tell_figure(figure: Figure) -> str:
    more = f" (**{figure.more}** with {figure.views} views)" if figure.views else ""
    return f"{figure.name} **{figure.one}**{more} on {figure.data}"


def _tell_agreement(score: Score) -> str:
    return f"{score.name} **{show(score)}** on {score.data}"


def _tell_speed(speed: Mapping[str, Any]) -> tuple[str, str]:
    alone = "<br>".join(f"{shown} {speed[name]:.2f}" for name, shown in RUNTIMES.items())
    return alone, f"{speed['whole']:.2f} ({speed['of']})"


def _tell_occasions(speeds: Mapping[str, Mapping[str, Any]]) -> list[str]:
    """On which machine speeds were measured, and which of them."""
    occasions: dict[str, list[str]] = {}
    for name, speed in speeds.items():
        text = f"{speed['machine']}; {speed['date']} UTC; commit {speed['commit']}; load before {speed['load']}"
        occasions.setdefault(text, []).append(f"`{name}`")
    return [f"Speeds of {', '.join(names)}: {text}.\n" for text, names in occasions.items()]


def _tell_trainings(cards: Mapping[str, Card]) -> list[str]:
    trainings: dict[str, list[str]] = {}
    for name, card in cards.items():
        trainings.setdefault(card.training, []).append(f"`{name}`")
    return [f"- {', '.join(names)}: {training}" for training, names in trainings.items()]


def _link_recipe(path: str) -> str:
    """A link where the recipe is one of the project."""
    return f"[{path}](../{path})" if (PAGE.parents[1] / path).is_file() else f"`{path}`"


def _draw_row(cells: Sequence[str]) -> str:
    return f"| {' | '.join(cell.replace('|', '/') for cell in cells)} |"


if __name__ == "__main__":
    PAGE.write_text(update_page(PAGE.read_text()))
