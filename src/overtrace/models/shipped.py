"""The model files that come with the package, and those that other packages bring.

A package brings models by an entry point of the group ``overtrace.models``, whose value is a package with a folder
``files``; each ``.onnx`` in there is a model by its name. Nothing of such a package is run. Looking for them takes
longer than most verbs take to start, so they are looked for when a name is not one of our own, or a list is wanted.
"""

import os
from dataclasses import dataclass
from importlib.resources import files
from pathlib import Path

from overtrace.errors import BadModel

GROUP = "overtrace.models"
STREETS = ("streets", "streets-fp32")
"""Models of ours that are not for commercial use, and so come as a package of their own."""


@dataclass(frozen=True, slots=True)
class Brought:
    """What other packages bring."""

    models: dict[str, Path]
    faults: tuple[str, ...]
    """One line for each package that does not bring what it says."""


def shipped() -> dict[str, Path]:
    """Path of each model file in the package, by name and in its order."""
    return _models_in(Path(str(files("overtrace.models"))))


def brought() -> Brought:
    """The models of other packages; of those with the same name ours, or that of the first package, is the one."""
    from importlib.metadata import entry_points

    models: dict[str, Path] = {}
    faults = []
    points = entry_points(group=GROUP)
    for package, module in sorted((point.dist.name if point.dist else point.name, point.module) for point in points):
        found = {name: path for folder in _find_folders(module) for name, path in _models_in(folder).items()}
        taken = sorted(found.keys() & (shipped().keys() | models.keys()))
        if not found:
            faults.append(
                f"package {package} brings no model: there is no .onnx file in {module}/files, install it anew"
            )
        if taken:
            faults.append(f"package {package} brings {', '.join(taken)}, which another one has: left out")
        models = found | models
    return Brought({name: models[name] for name in sorted(models.keys() - shipped().keys())}, tuple(faults))


def has_model(name: str) -> bool:
    """Whether a model is called so, rather than an image; other packages are asked only about what is no file."""
    return name in shipped() or (not os.path.exists(name) and (name in STREETS or name in brought().models))


def find_model(name: str | Path) -> Path:
    """The file that the user means: one of the shipped, by its name, or any other, by its path.

    Raises:
        BadModel: if there is no such file.
    """
    path = Path(name)
    own = shipped()
    if str(name) in own:
        return own[str(name)]
    if path.is_file() and (path.suffix == ".onnx" or os.sep in str(name)):
        return path
    others = brought()
    if str(name) in others.models:
        return others.models[str(name)]
    if path.is_file():
        return path
    raise BadModel(_explain(path, os.sep in str(name), [*own, *others.models], others.faults))


def _explain(path: Path, has_folder: bool, names: list[str], faults: tuple[str, ...]) -> str:
    """Why no file is meant by a name."""
    known = ", ".join(names) or "(none is shipped)"
    more = "".join(f" ({fault})" for fault in faults)
    if path.is_dir():
        return f"{path} is a folder: name a model file (.onnx), or one of {known}"
    if path.suffix or has_folder:
        return f"{path} does not exist: check the path, or use one of {known}"
    if str(path) in STREETS:
        return (
            f"{path} is for non-commercial use and comes apart: pip install overtrace-streets "
            f"(it is packages/overtrace-streets in the source), or use one of {known}{more}"
        )
    return f"no model is called {path}: wanted one of {known}, or the path of a model file{more}"


def _find_folders(module: str) -> list[Path]:
    """Where a package lies, which is not imported; nowhere if it is not there."""
    from importlib.util import find_spec

    try:
        spec = find_spec(module)
    except Exception:  # a package around it is imported, and may fail in any way
        return []
    return [] if spec is None else [Path(place) for place in spec.submodule_search_locations or ()]


def _models_in(package: Path) -> dict[str, Path]:
    return {path.stem: path for path in sorted((package / "files").glob("*.onnx"), key=lambda path: path.stem)}
