"""Writes docs/commands.md from the commands themselves: ``make docs``."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

from typer.main import get_command

from overtrace.cli.main import app

PAGE = Path(__file__).with_name("commands.md")


def describe_commands() -> str:
    """The page: each verb with its arguments, its options and their defaults."""
    verbs = [_describe_verb(name, verb) for name, verb in _list_verbs("", get_command(app))]
    opening = "# Commands\n\nMade by `make docs` from the commands themselves; `overtrace VERB --help` says the same.\n"
    return "\n".join([opening, *verbs])


def _list_verbs(group: str, verbs: Any) -> Iterator[tuple[str, Any]]:
    """The verbs of a group and of the groups in it, by name."""
    for name, verb in sorted(verbs.commands.items()):
        if hasattr(verb, "commands"):
            yield from _list_verbs(f"{group}{name} ", verb)
        else:
            yield f"{group}{name}", verb


def _describe_verb(name: str, verb: Any) -> str:
    rows = [_describe_parameter(parameter) for parameter in verb.params if parameter.name != "help"]
    arguments = [p for p in verb.params if p.param_type_name == "argument"]
    usage = " ".join(["overtrace", name, *(_metavar(p) if p.required else f"[{_metavar(p)}]" for p in arguments)])
    paragraphs = "\n\n".join(" ".join(paragraph.split()) for paragraph in (verb.help or "").split("\n\n"))
    table = "\n".join(["| option | default | |", "|---|---|---|", *rows]) + "\n" if rows else ""
    return f"## {name}\n\n    {usage} [OPTIONS]\n\n{paragraphs}\n\n{table}"


def _metavar(parameter: Any) -> str:
    name = parameter.metavar or parameter.name.upper()
    return name + "..." * (parameter.nargs == -1 and not name.endswith("..."))


def _describe_parameter(parameter: Any) -> str:
    if parameter.param_type_name == "argument":
        return f"| `{_metavar(parameter)}` | | {parameter.help or ''} |"
    flags = ", ".join(f"`{flag}`" for flag in [*parameter.opts, *parameter.secondary_opts])
    value = "" if parameter.is_flag or not parameter.metavar else f" `{parameter.metavar}`"
    default = "" if parameter.default is None or parameter.default is False else f"`{parameter.default}`"
    shown = "required" if parameter.required else default
    return f"| {flags}{value} | {shown} | {parameter.help or ''} |"


if __name__ == "__main__":
    PAGE.write_text(describe_commands())
