"""Packages that a verb needs and that not everyone has."""

from importlib.util import find_spec


def need_host(verb: str) -> None:
    """Raise BadOption where the packages of a host are missing."""
    from overtrace.errors import BadOption

    for name in ("fastapi", "sqlalchemy", "yaml"):
        if find_spec(name) is None:
            raise BadOption(f"{verb} needs {name}: pip install 'overtrace[host]'")
