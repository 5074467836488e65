"""Packages that a verb needs and that not everyone has."""


def need_host(verb: str) -> None:
    """Raise BadOption where the packages of a host are missing."""
    from overtrace.errors import BadOption

    try:
        import fastapi  # noqa: F401
        import sqlalchemy  # noqa: F401
        import yaml  # noqa: F401
    except ModuleNotFoundError as error:
        raise BadOption(f"{verb} needs {error.name}: pip install 'overtrace[host]'") from error
