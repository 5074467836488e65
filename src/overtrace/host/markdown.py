"""Markdown that strangers write, as HTML that is safe to show."""

import functools

import nh3
from markdown_it import MarkdownIt

HEADINGS = {f"h{level}" for level in range(1, 7)}
TABLES = {"table", "tbody", "td", "th", "thead", "tr"}
TEXT = {"a", "blockquote", "br", "code", "del", "em", "hr", "li", "ol", "p", "pre", "s", "strong", "ul"}
"""No images: they would tell their server who reads the page."""
ATTRIBUTES = {"a": {"href", "title"}, "ol": {"start"}}
SCHEMES = {"http", "https", "mailto"}


def render(text: str) -> str:
    """CommonMark with tables and strike-through, as HTML; tags that were written by hand are shown as text."""
    return nh3.clean(
        _parser().render(text),
        tags=HEADINGS | TABLES | TEXT,
        attributes=ATTRIBUTES,
        url_schemes=SCHEMES,
        link_rel="nofollow noopener noreferrer",
    )


def find_title(text: str) -> str:
    """The first heading, as plain text; empty where there is none."""
    tokens = _parser().parse(text)
    opened = next((i for i, token in enumerate(tokens) if token.type == "heading_open"), None)
    if opened is None:
        return ""
    parts = tokens[opened + 1].children or []
    return " ".join("".join(part.content or " " * (part.type == "softbreak") for part in parts).split())[:200]


def count_words(text: str) -> int:
    """Between blanks."""
    return len(text.split())


@functools.cache
def _parser() -> MarkdownIt:
    # maxNesting is 20 there: quotes in quotes end.
    return MarkdownIt("commonmark", {"html": False}).enable(["table", "strikethrough"])
