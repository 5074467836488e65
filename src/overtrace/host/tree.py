"""YAML as plain values, and the line on which each of them stands.

Scalars are those of YAML 1.2: ``no`` is a word, and a time is text, so that what it lacks can be told.
"""

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import yaml

from overtrace.formats.faults import Fault

Key = tuple[str | int, ...]
"""Keys and places from the top; lists count from 0."""


class _Loader(yaml.SafeLoader):
    """Without the resolvers of YAML 1.1."""

    yaml_implicit_resolvers: dict[str, Any] = {}  # noqa: RUF012


for _kind, _pattern, _first in (
    ("bool", r"true|True|false|False", "tTfF"),
    ("null", r"~|null|Null|NULL|", ["~", "n", "N", ""]),
    ("int", r"[-+]?(0|[1-9][0-9_]*)", "-+0123456789"),
    ("float", r"[-+]?(\.[0-9]+|[0-9]+(\.[0-9]*)?)([eE][-+]?[0-9]+)?", "-+0123456789."),
):
    _Loader.add_implicit_resolver(f"tag:yaml.org,2002:{_kind}", re.compile(f"^(?:{_pattern})$"), list(_first))


@dataclass(frozen=True, slots=True)
class Tree:
    """What a text holds."""

    value: Any
    """Mappings, lists and scalars; None for an empty text."""
    lines: Mapping[Key, int]
    """From 1: of the key, or of the item of a list."""
    faults: list[Fault] = field(default_factory=list)

    def find_line(self, path: Key) -> int:
        """The line of a value, or of the nearest thing around it that is there."""
        while path and path not in self.lines:
            path = path[:-1]
        return self.lines.get(path, 1)

    def find_value(self, key: Key) -> Any:
        """The value at a key that has a line."""
        value = self.value
        for part in key:
            value = value[part]
        return value


def parse_tree(text: str, shown: str) -> Tree:
    """The values of a text, with all that is wrong with it as YAML.

    Args:
        text: one document.
        shown: what faults call the file.
    """
    loader = None
    try:
        loader = _Loader(text)
        node = loader.get_single_node()
        walk = _Walk(loader, shown)
        value = None if node is None else walk.read(node, (), ())
    except yaml.MarkedYAMLError as error:
        mark = error.problem_mark or error.context_mark
        line = 1 if mark is None else mark.line + 1
        said = ", ".join(part for part in (error.problem, error.context) if part)
        return Tree(None, {}, [Fault(f"{shown}:{line}", "", f"no YAML: {said}", _find_remedy(said))])
    except yaml.YAMLError as error:
        return Tree(None, {}, [Fault(f"{shown}:1", "", f"no YAML: {' '.join(str(error).split())}", "write plain text")])
    except RecursionError:
        return Tree(None, {}, [Fault(f"{shown}:1", "", "no YAML that is read: it is nested too deep", "write it flat")])
    finally:
        if loader is not None:
            loader.dispose()
    return Tree(value, walk.lines, walk.faults)


def _find_remedy(said: str) -> str:
    if "\\t" in said:
        return "indent with blanks, not with a tab"
    if "mapping values are not allowed" in said:
        return "put text that holds a colon into quotes"
    if "single document" in said:
        return "write one contest a file, without a line of ---"
    if "alias" in said:
        return "name an anchor that stands above"
    return "check the quotes, brackets and blanks there and in the line above"


class _Walk:
    """From nodes to values."""

    def __init__(self, loader: _Loader, shown: str) -> None:
        self._loader, self._shown = loader, shown
        self.lines: dict[Key, int] = {}
        self.faults: list[Fault] = []

    def read(self, node: yaml.Node, path: Key, above: tuple[int, ...]) -> Any:
        """The value of a node; what is wrong goes to the faults."""
        self.lines.setdefault(path, node.start_mark.line + 1)
        if id(node) in above:
            self._add(node, path, "it holds itself", "write it out")
            return None
        above = (*above, id(node))
        if isinstance(node, yaml.MappingNode):
            return self._read_mapping(node, path, above)
        if isinstance(node, yaml.SequenceNode):
            return [self.read(item, (*path, i), above) for i, item in enumerate(node.value)]
        try:
            return self._loader.construct_object(node)
        except (yaml.YAMLError, ValueError):
            self._add(node, path, f"found the tag {node.tag}", "wanted plain text or a number: leave the tag out")
            return None

    def _read_mapping(self, node: yaml.MappingNode, path: Key, above: tuple[int, ...]) -> dict[str, Any]:
        found: dict[str, Any] = {}
        for key, value in node.value:
            if not isinstance(key, yaml.ScalarNode):
                self._add(key, path, "a key is no word", "wanted KEY: VALUE")
                continue
            place = (*path, key.value)
            if key.value in found:
                self._add(key, place, f"it stands on line {self.lines[place]} too", "keep one of them")
                continue
            self.lines[place] = key.start_mark.line + 1
            found[key.value] = self.read(value, place, above)
        return found

    def _add(self, node: yaml.Node, path: Key, found: str, wanted: str) -> None:
        self.faults.append(Fault(f"{self._shown}:{node.start_mark.line + 1}", show_path(path), found, wanted))


def show_path(path: Key) -> str:
    """``phases[0].start``."""
    return "".join(f"[{key}]" if isinstance(key, int) else f".{key}" for key in path).removeprefix(".")
