"""Pages: templates filled in, and what goes to a browser with them."""

import functools
import hashlib
from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any
from urllib.parse import quote, unquote, urlencode

from jinja2 import Environment, FileSystemLoader, StrictUndefined
from markupsafe import Markup
from starlette.requests import Request
from starlette.responses import HTMLResponse, JSONResponse, RedirectResponse, Response

from overtrace.host import markdown
from overtrace.host.removals import is_over
from overtrace.host.uploads import Gap
from overtrace.host.web.errors import LogInFirst, TooOften, describe, wants_json
from overtrace.host.web.settings import find_settings
from overtrace.host.web.visitors import FIELD, FORM, drop_cookie, find_visitor, make_form_token, name_cookie, set_cookie

HERE = Path(__file__).parent
STATIC = HERE / "static"
SAID = "overtrace_said"
"""A cookie with one line for the next page."""
SHORT_S = 60


def render(request: Request, page: str, facts: Mapping[str, Any] | None = None, status: int = 200) -> HTMLResponse:
    """A page, for whoever asks."""
    settings = find_settings(request)
    said = unquote(request.cookies.get(name_cookie(settings, SAID), ""))
    text = (
        _environment()
        .get_template(page)
        .render(
            contest=settings.contest,
            visitor=find_visitor(request),
            at=request.state.at,
            path=request.url.path,
            newest=request.app.state.ticker.newest,
            head=request.app.state.ticker.head,
            read_only=settings.read_only,
            said=said,
            provider=settings.provider is not None,
            has_winners=is_over(settings.contest, request.state.at),
            frozen=settings.frozen,
            form_token=lambda: _draw_form_token(request),
            form_token_value=lambda: make_form_token(request),
            **(facts or {}),
        )
    )
    response = HTMLResponse(text, status)
    if find_visitor(request).person is not None:
        # Not for whoever comes to this browser later, by its way back.
        response.headers["Cache-Control"] = "no-store"
    if said:
        drop_cookie(response, settings, SAID)
    made = getattr(request.state, "form_cookie", "")
    if made:
        set_cookie(response, settings, FORM, made, None)
    return response


def go(request: Request, path: str, said: str = "") -> RedirectResponse:
    """To another page, after a form; with one line that is said there."""
    response = RedirectResponse(path, 303)
    if said:
        set_cookie(response, find_settings(request), SAID, quote(said), SHORT_S)
    return response


def answer_error(request: Request, error: Exception) -> Response:
    """One line, as whoever asked reads it."""
    if isinstance(error, LogInFirst) and not wants_json(request) and request.method == "GET":
        target = request.url.path + (f"?{request.url.query}" if request.url.query else "")
        return RedirectResponse(f"/account/login?{urlencode({'next': target})}", 303)
    status, line = describe(error)
    headers = {"Retry-After": str(error.wait_s)} if isinstance(error, TooOften) else {}
    headers |= getattr(error, "headers", None) or {}
    if wants_json(request):
        more = {"received": error.received} if isinstance(error, Gap) else {}
        return JSONResponse({"error": line, **more}, status, headers)
    return _draw_error(status, line, headers)


def _draw_error(status: int, line: str, headers: Mapping[str, str]) -> HTMLResponse:
    # Without who asks, or the database, which may be what is wrong.
    text = _environment().get_template("error.html").render(line=line, status=status)
    return HTMLResponse(text, status, headers)


def _draw_form_token(request: Request) -> Markup:
    return Markup('<input type="hidden" name="{}" value="{}">').format(FIELD, make_form_token(request))


@functools.cache
def _environment() -> Environment:
    environment = Environment(
        loader=FileSystemLoader(HERE / "pages"),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.filters |= {
        "time": show_time,
        "day": show_day,
        "age": show_age,
        "bytes": show_bytes,
        "number": show_number,
        "sentence": lambda words: f"{words[:1].upper()}{words[1:]}." if words else "",
        "markdown": lambda text: Markup(markdown.render(text)),
    }
    environment.globals["static"] = find_static
    return environment


@functools.cache
def find_static(name: str) -> str:
    """The address of a file of the pages, which changes with its bytes."""
    digest = hashlib.sha256((STATIC / name).read_bytes()).hexdigest()
    return f"/static/{name}?{digest[:12]}"


def show_time(time: datetime | None) -> Markup:
    """A time in UTC; a script adds that of the reader."""
    if time is None:
        return Markup("")
    utc = time.astimezone(UTC)
    form = "%Y-%m-%d %H:%M:%S" if utc.second else "%Y-%m-%d %H:%M"
    return Markup('<time datetime="{}">{}&nbsp;UTC</time>').format(f"{utc:%Y-%m-%dT%H:%M:%SZ}", f"{utc:{form}}")


def show_day(time: datetime) -> Markup:
    """A time of these months, where a column says that it is UTC."""
    utc = time.astimezone(UTC)
    return Markup('<time datetime="{}">{}</time>').format(f"{utc:%Y-%m-%dT%H:%M:%SZ}", f"{utc:%d %b %H:%M}".lstrip("0"))


def show_age(passed: timedelta) -> str:
    """A stretch of time in its two largest units."""
    seconds = max(0, int(passed.total_seconds()))
    parts = [(seconds // 86400, "d"), (seconds // 3600 % 24, "h"), (seconds // 60 % 60, "min"), (seconds % 60, "s")]
    first = next((i for i, (number, _) in enumerate(parts) if number), 3)
    return " ".join(f"{number} {unit}" for number, unit in parts[first : first + 2] if number or unit == "s")


def show_bytes(size: int) -> str:
    """In the largest unit that leaves a whole number before the point."""
    number = float(size)
    for unit in ("bytes", "KiB", "MiB"):
        if number < 1024:
            return f"{number:.0f} {unit}" if unit == "bytes" else f"{number:.1f} {unit}"
        number /= 1024
    return f"{number:.1f} GiB"


def show_number(value: float | None, digits: int = 4) -> str:
    """A score; a dash where there is none."""
    return "–" if value is None else f"{value:.{digits}f}"  # noqa: RUF001
