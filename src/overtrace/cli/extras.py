"""Packages that a verb needs and that not everyone has."""

from importlib.util import find_spec

HOST = ("fastapi", "sqlalchemy", "yaml")
CLIENT = ("httpx",)


def need_host(verb: str, packages: tuple[str, ...] = HOST) -> None:
    """Raise BadOption where packages of a host, or of those who use one, are missing."""
    from overtrace.errors import BadOption

    for name in packages:
        if find_spec(name) is None:
            raise BadOption(f"{verb} needs {name}: pip install 'overtrace[host]'")
