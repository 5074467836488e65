"""Markdown: what strangers write is shown, and does nothing else."""

import re
import time

import pytest

from overtrace.host.markdown import count_words, find_title, render

HOSTILE = [
    "<script>alert(1)</script>",
    "<img src=x onerror=alert(1)>",
    "[a](javascript:alert(1))",
    "[a](JaVaScRiPt:alert(1))",
    "[a](java\tscript:alert(1))",
    "[a](&#106;avascript:alert(1))",
    "[a](data:text/html;base64,PHNjcmlwdD5hbGVydCgxKTwvc2NyaXB0Pg==)",
    "[a](vbscript:x)",
    "[a](file:///etc/passwd)",
    '[a](https://x.org "\\" onmouseover=alert(1) x=\\"")',
    '[a](<https://x.org" onclick="alert(1)>)',
    "<javascript:alert(1)>",
    "[a][b]\n\n[b]: javascript:alert(1)",
    "![a](https://evil.example/spy.png)",
    "![a](javascript:alert(1))",
    "<iframe src=https://evil.example></iframe>",
    "<svg><style><img src=x onerror=alert(1)></style></svg>",
    "<math><mtext></form><form><mglyph><style></math><img src onerror=alert(1)>",
    "<a href='javascript:alert(1)'>x</a>",
    "<form action=/account/erase method=post><input type=submit></form>",
    "<style>body{display:none}</style>",
    "<base href=https://evil.example>",
    "<meta http-equiv=refresh content='0;url=https://evil.example'>",
    '```html"onload=alert(1)\n<script>alert(1)</script>\n```',
    "| a |\n|---|\n| <script>alert(1)</script> |",
    "<!-- --><script>alert(1)</script>",
    "<![CDATA[<script>alert(1)</script>]]>",
]
TAG = re.compile(r"<(/?)([a-zA-Z0-9!?-]+)([^>]*)>")


@pytest.mark.parametrize("text", HOSTILE)
def test_hostile_markdown_does_nothing(text):
    html = render(text)
    for _, tag, attributes in TAG.findall(html):
        assert tag in {"a", "p", "code", "pre", "table", "thead", "tbody", "tr", "th", "td", "em", "strong"}
        assert not re.search(r"\s(on\w+|style|src|class|id)\s*=", re.sub(r'"[^"]*"', '""', attributes))
    assert not re.search(r"""href="(?!https?:|mailto:)""", html)


def test_markdown_is_shown():
    html = render(
        "# Method\n\nA *small* **net**, `n = 3`:\n\n| a | b |\n|---|---|\n| 1 | 2 |\n\n1. one\n2. two\n\n~~no~~"
    )
    for part in (
        "<h1>Method</h1>",
        "<em>small</em>",
        "<strong>net</strong>",
        "<code>n = 3</code>",
        "<td>1</td>",
        "<li>one",
    ):
        assert part in html
    assert "<s>no</s>" in html


def test_links_lead_out_without_a_trace():
    assert render("[paper](https://arxiv.org/abs/1)") == (
        '<p><a href="https://arxiv.org/abs/1" rel="nofollow noopener noreferrer">paper</a></p>\n'
    )


@pytest.mark.parametrize(
    "text", ["[" * 20_000, "> " * 5_000 + "x", "*a " * 20_000, "`" * 20_001, "- " * 5_000, "![[]()" * 5_000]
)
def test_hostile_markdown_ends_soon(text):
    begun = time.process_time()
    render(text)
    assert time.process_time() - begun < 5


def test_words_are_counted_between_blanks():
    assert [count_words(text) for text in ("", " \n", "one", "one two\nthree\u00a0four")] == [0, 0, 1, 4]


@pytest.mark.parametrize(
    ("text", "title"),
    [
        ("", ""),
        ("no heading\n\n    # code", ""),
        ("words\n\n## Crowns by *distance* and `seeds`\n# Later", "Crowns by distance and seeds"),
        ("Under\nlined\n====", "Under lined"),
        ("# <b>bold</b> [link](https://x.org)", "<b>bold</b> link"),
        (f"# {'x' * 300}", "x" * 200),
    ],
)
def test_the_title_is_the_first_heading(text, title):
    assert find_title(text) == title
