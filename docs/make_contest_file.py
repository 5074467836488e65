"""Writes the reference in docs/contest_file.md, and docs/contest.schema.json, from the model: ``make docs``."""

import json
from pathlib import Path
from typing import Any

from overtrace.host.contest import make_schema

PAGE = Path(__file__).with_name("contest_file.md")
SCHEMA = Path(__file__).with_name("contest.schema.json")
MARK = "<!-- below: made by `make docs` from the model -->\n"
ORDER = (
    "Contest", "Organiser", "Phase", "Limits", "Board", "Column", "Download", "Track", "Teams", "Description", "Effort",
    "Replication", "Container", "Appeals", "Results", "Award",
)  # fmt: skip


def update_page(page: str) -> str:
    """The page with its reference as the model says it now."""
    opening, mark, _ = page.partition(MARK)
    if not mark:
        raise ValueError(f"{PAGE} has no line {MARK.strip()}")
    schema = make_schema()
    parts = {"Contest": schema, **schema["$defs"]}
    if set(ORDER) != set(parts):
        raise ValueError(f"the parts of the model are {', '.join(sorted(parts))}: put them in order")
    return "\n".join([opening + mark, *(_describe(name, parts[name]) for name in ORDER)])


def describe_schema() -> str:
    """The JSON schema, as ``overtrace contest schema`` prints it."""
    return json.dumps(make_schema(), indent=1) + "\n"


def _describe(name: str, part: dict[str, Any]) -> str:
    rows = [_describe_key(key, facts, key in part.get("required", [])) for key, facts in part["properties"].items()]
    said = " ".join(part["description"].split())
    return "\n".join([f"### {name}\n\n{said}\n\n| key | what | unless told | |\n|---|---|---|---|", *rows, ""])


def _describe_key(key: str, facts: dict[str, Any], required: bool) -> str:
    said = " ".join(facts.get("description", "").replace("``", "`").split())
    return (
        f"| `{key}` | {_describe_kind(facts)} | {'**required**' if required else _describe_default(facts)} | {said} |"
    )


def _describe_default(facts: dict[str, Any]) -> str:
    default = facts["default"]
    if isinstance(default, dict):
        return "as below"
    return "" if default in ("", []) else f"`{json.dumps(default).strip(chr(34))}`"


def _describe_kind(facts: dict[str, Any]) -> str:
    if "anyOf" in facts:
        return " or ".join(_describe_kind(option) for option in facts["anyOf"])
    if "$ref" in facts:
        name = facts["$ref"].rpartition("/")[2]
        return f"[{name}](#{name.lower()})"
    if "enum" in facts:
        return ", ".join(f"`{option}`" for option in facts["enum"])
    if facts["type"] == "array":
        return f"list of {_describe_kind(facts['items'])}"
    if facts.get("format") == "date-time":
        return "time"
    names = {
        "string": "text",
        "integer": "whole number",
        "number": "number",
        "boolean": "true or false",
        "null": "null",
    }
    return names[facts["type"]] + _describe_bounds(facts)


def _describe_bounds(facts: dict[str, Any]) -> str:
    words = {"exclusiveMinimum": "above", "minimum": "from", "maxLength": "at most"}
    return "".join(f", {word} {facts[key]:g}" for key, word in words.items() if key in facts)


if __name__ == "__main__":
    PAGE.write_text(update_page(PAGE.read_text()))
    SCHEMA.write_text(describe_schema())
