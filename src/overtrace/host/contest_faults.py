"""What is wrong with the keys and values of a contest file: where, what came, what was wanted."""

import json
from difflib import get_close_matches
from typing import Any, get_args

from pydantic import BaseModel, ValidationError
from pydantic_core import ErrorDetails

from overtrace.formats.faults import Fault, show
from overtrace.host.contest import Contest
from overtrace.host.tree import Key, Tree, show_path

PATTERNS = {
    "^[a-z0-9]": "wanted small letters, digits and hyphens, as in test-2026",
    "^([0-9a-f]": "wanted the 64 small hexadecimal digits of a SHA-256, as sha256sum prints them",
    "^[^@": "wanted an e-mail address",
}
"""By the beginning of the pattern."""
KINDS = {
    "string_type": "wanted text: put it in quotes",
    "string_too_short": "wanted some text",
    "bool_type": "wanted true or false",
    "int_type": "wanted a whole number",
    "int_from_float": "wanted a whole number",
    "float_type": "wanted a number",
    "finite_number": "wanted a finite number",
    "tuple_type": "wanted a list: begin each item with a hyphen",
    "model_type": "wanted keys and values",
    "model_attributes_type": "wanted keys and values",
    "too_short": "wanted at least one",
}


def find_model_faults(tree: Tree, shown: str) -> tuple[Contest | None, list[Fault]]:
    """The contest of a file, or all that keeps it from being one.

    Args:
        tree: the file, in order as YAML.
        shown: what faults call it.
    """
    try:
        # As JSON, so that a number is no text, and true is no number.
        return Contest.model_validate_json(json.dumps(tree.value, default=str), strict=True), []
    except ValidationError as error:
        found = [_describe(one, tree, shown) for one in error.errors() if not _is_echo(one)]
        return None, sorted(found, key=lambda fault: int(fault.file.rpartition(":")[2]))


def _is_echo(error: ErrorDetails) -> bool:
    """A list whose only fault is that its items have some."""
    return error["type"] == "too_short" and bool(error["input"])


def _describe(error: ErrorDetails, tree: Tree, shown: str) -> Fault:
    path: Key = tuple(error["loc"])
    found, wanted = _say(error, path)
    return Fault(f"{shown}:{tree.find_line(path)}", show_path(path), found, wanted)


def _say(error: ErrorDetails, path: Key) -> tuple[str, str]:
    kind, came = error["type"], f"found {_show(error['input'])}"
    context = error.get("ctx", {})
    if kind == "missing":
        return "it is missing", _tell(path)
    if kind == "extra_forbidden":
        return "there is no such key", _find_nearest(str(path[-1]), list(_find_fields(path[:-1])))
    if kind == "literal_error":
        options = [option.strip("'") for option in str(context["expected"]).replace(" or ", ", ").split(", ")]
        return came, _find_nearest(str(error["input"]), options)
    if kind == "value_error":
        said, _, wanted = str(context["error"]).rpartition(": ")
        return said, wanted
    if kind == "string_pattern_mismatch":
        return came, next(words for begin, words in PATTERNS.items() if context["pattern"].startswith(begin))
    if kind == "string_too_long":
        return f"{came}, {len(str(error['input'])):,} letters", f"at most {context['max_length']:,} are shown"
    if kind in ("greater_than", "greater_than_equal"):
        return came, f"wanted {'more than' if kind == 'greater_than' else 'at least'} {next(iter(context.values())):g}"
    return came, KINDS.get(kind, error["msg"])


def _show(value: object) -> str:
    return json.dumps(value) if isinstance(value, bool) else "nothing" if value is None else show(value)


def _find_nearest(word: str, options: list[str]) -> str:
    near = get_close_matches(word.lower(), options, n=1)
    return f"did you mean {near[0]}?" if near else f"wanted one of {', '.join(options)}"


def _tell(path: Key) -> str:
    said = (_find_fields(path[:-1])[str(path[-1])].description or "").split("\n")[0].rstrip(".")
    return f"add it ({said[:1].lower()}{said[1:]})" if said else "add it"


def _find_fields(path: Key) -> dict[str, Any]:
    """The fields of the part of a contest that a path leads to."""
    part: Any = Contest
    for key in path:
        if isinstance(key, str):
            part = _find_part(part.model_fields[key].annotation)
    return dict(part.model_fields)


def _find_part(kind: Any) -> Any:
    """The model in an annotation such as ``tuple[Phase, ...]``."""
    if isinstance(kind, type) and issubclass(kind, BaseModel):
        return kind
    return next((part for part in map(_find_part, get_args(kind)) if part is not None), None)
