"""Whole training runs of a few steps: files to learn from, a recipe in TOML, and the command itself."""

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image

from tests.support.recipes import make_facts

CORNERS = ((6, 10), (30, 50), (62, 20))
"""Row and column at which the squares of a picture begin."""
SQUARE = 16


def write_squares(folder: Path, count: int = 4, side: int = 96, name: str = "frame", label: str = "roof") -> Path:
    """Writes pictures with three bright squares each, and beside each the JSON in which labelme outlines them."""
    folder.mkdir(parents=True, exist_ok=True)
    for number in range(count):
        rng = np.random.default_rng(number)
        pixels = rng.integers(20, 60, (side, side, 3)).astype(np.uint8)
        shapes = []
        for row, col in CORNERS:
            pixels[row : row + SQUARE, col : col + SQUARE] = rng.integers(180, 220, (SQUARE, SQUARE, 3))
            ends = [[col, row], [col + SQUARE, row + SQUARE]]
            shapes.append({"label": label, "points": ends, "group_id": None, "shape_type": "rectangle", "flags": {}})
        Image.fromarray(pixels).save(folder / f"{name}_{number}.png")
        size = {"imagePath": f"{name}_{number}.png", "imageHeight": side, "imageWidth": side, "imageData": None}
        (folder / f"{name}_{number}.json").write_text(json.dumps({"version": "5.0.1", "shapes": shapes, **size}))
    return folder


def write_recipe(path: Path, **changes: Any) -> Path:
    """Writes a recipe as ``make_recipe`` has it, which learns from ``squares`` beside it."""
    facts = make_facts(**{"data": [{"reader": "labelme", "folder": "squares"}], **changes})
    path.write_text("".join(f"{name} = {to_toml(value)}\n" for name, value in facts.items()))
    return path


def to_toml(value: Any) -> str:
    """A value in one line."""
    if isinstance(value, dict):
        return "{ " + ", ".join(f"{name} = {to_toml(part)}" for name, part in value.items()) + " }"
    if isinstance(value, list | tuple):
        return "[" + ", ".join(map(to_toml, value)) + "]"
    return json.dumps(value)


def start(*arguments: object, **options: Any) -> subprocess.Popen[str]:
    """The command in a process of its own."""
    command = [sys.executable, "-m", "overtrace", *map(str, arguments)]
    return subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, **options)


def run(*arguments: object, timeout: float = 120, **options: Any) -> subprocess.CompletedProcess[str]:
    """The same, until it ends."""
    with start(*arguments, **options) as process:
        out, err = process.communicate(timeout=timeout)
    return subprocess.CompletedProcess(process.args, process.returncode, out, err)
