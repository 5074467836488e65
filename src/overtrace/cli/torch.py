"""The verbs that need torch say so in one line where it is not installed."""

from importlib.util import find_spec

from overtrace.errors import BadOption

PACKAGES = ("torch", "lightning_fabric", "tensorboard", "onnx", "nncf")


def needs_torch(verb: str) -> None:
    """Make sure that what training needs is installed.

    Raises:
        BadOption: if it is not.
    """
    missing = [package for package in PACKAGES if find_spec(package) is None]
    if missing:
        raise BadOption(f"{verb} needs {', '.join(missing)}: pip install 'overtrace[train]'")
