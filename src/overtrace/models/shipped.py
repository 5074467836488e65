"""The model files that come with the package."""

import os
from importlib.resources import files
from pathlib import Path

from overtrace.errors import BadModel


def shipped() -> list[tuple[str, Path]]:
    """Name and path of each model file in the package, by name."""
    folder = Path(str(files("overtrace.models"))) / "files"
    return sorted((path.stem, path) for path in folder.glob("*.onnx"))


def find_model(name: str | Path) -> Path:
    """The file that the user means: one of the shipped, by its name, or any other, by its path.

    Raises:
        BadModel: if there is no such file.
    """
    known = dict(shipped())
    if str(name) in known:
        return known[str(name)]
    path, names = Path(name), ", ".join(known) or "(none is shipped)"
    if path.is_file():
        return path
    if path.is_dir():
        raise BadModel(f"{path} is a folder: name a model file (.onnx), or one of {names}")
    if path.suffix or os.sep in str(name):
        raise BadModel(f"{path} does not exist: check the path, or use one of {names}")
    raise BadModel(f"no model is called {name}: wanted one of {names}, or the path of a model file")
