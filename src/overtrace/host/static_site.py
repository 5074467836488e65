"""A contest as a folder of pages that needs no host: what anyone sees without an account, with links that stay inside.

The pages are those of the host, asked for by nobody in particular: what is not public cannot get into them.
"""

import asyncio
import csv
import io
import os
import re
import shutil
from collections.abc import Mapping
from pathlib import Path
from posixpath import dirname, relpath
from tempfile import TemporaryDirectory, mkdtemp

import httpx
from sqlalchemy import select

from overtrace.errors import BadOption
from overtrace.host.app import create_app
from overtrace.host.blobs import open_blobs
from overtrace.host.canaries import NAMED
from overtrace.host.contest_file import read_contest
from overtrace.host.database import Database
from overtrace.host.public import publish
from overtrace.host.rates import Rates
from overtrace.host.schema import open_store
from overtrace.host.standings import list_boards
from overtrace.host.tables import Event
from overtrace.host.web.settings import Settings, Traffic

ADDRESS = "http://localhost"
FREE = Traffic(requests=Rates(10**9, 1e-6))
API = {"/api/v1/key": "key.json", "/api/v1/phases": "phases.json", "/api/v1/log/head": "log_head.json"}
START = ("/", "/rules", "/data", "/board", "/teams", "/winners", "/announcement", "/certificate", *API)
KEPT = re.compile(
    r"/(|rules|data|board|teams|winners|announcement(\.json)?|certificate|api/v1/(key|phases|log/head)"
    r"|board/[a-z0-9-]+/[a-z0-9-]+(\.json|\.csv)?|teams/[A-Za-z0-9]+|static/[\w.-]+)"
)
"""Addresses that become files; a link to any other one becomes text."""
TAG = re.compile(r"<(?:a|link|script|img)\b[^>]*>")
LINK = re.compile(r'\b(href|src)="(/[^"]*)"')
LIVE = re.compile(r' hx-[a-z]+="[^"]*"')
MARK = "overtrace-site"
"""A file by which a folder is known that this wrote, and may write anew."""


def export_site(file: Path, out: Path, db: str, *, log: bool = False) -> int:
    """Write the folder of a contest by its file and its database.

    Returns:
        How many files it has.
    Raises:
        BadContest: if the contest file is not in order.
        BadOption: if the folder cannot be written.
    """
    public = publish(read_contest(file, truth=False))
    database = open_store(db)
    try:
        with TemporaryDirectory() as scratch:
            # Nothing is sent in, and no file of a team is asked for.
            blobs, spool = open_blobs(scratch), Path(scratch)
            return write_site(
                Settings(public, ADDRESS, database, blobs, spool, traffic=FREE, frozen=True), out, log=log
            )
    finally:
        database.engine.dispose()


def write_site(settings: Settings, out: Path, *, log: bool = False) -> int:
    """Write the folder, which appears whole or not at all.

    Args:
        settings: of a host that need not run; ``frozen``.
        out: a folder that is not there, or that this wrote before.
        log: whether what was done when by whom is written too, by ids, as CSV.
    Returns:
        How many files it has.
    Raises:
        BadOption: if the folder cannot be written, or has something else in it.
    """
    if out.exists() and not (out / MARK).is_file() and (not out.is_dir() or any(out.iterdir())):
        raise BadOption(f"--out {out} has something else in it: name a folder that is not there yet")
    files = asyncio.run(_collect(settings))
    files[MARK] = f"{settings.contest.name}\n".encode()
    if log:
        files["log.csv"] = _write_log(settings.database)
    try:
        out.parent.mkdir(parents=True, exist_ok=True)
        aside = Path(mkdtemp(prefix=f".{out.name}-", dir=out.parent))
        try:
            _write(files, aside)
            _replace(aside, out)
        finally:
            shutil.rmtree(aside, ignore_errors=True)
    except OSError as error:
        raise BadOption(f"--out {out} cannot be written: {error.strerror}: name another folder") from error
    return len(files)


async def _collect(settings: Settings) -> dict[str, bytes]:
    """All files, by their place in the folder."""
    boards = [f"/board/{phase.name}/{board.name}" for phase, board in list_boards(settings.contest)]
    pages = await _fetch(settings, [*START, *boards])
    places = {address: _name(address) for address in pages}
    return {
        place: _turn(pages[address], place, places) if place.endswith(".html") else pages[address]
        for address, place in places.items()
    }


async def _fetch(settings: Settings, waiting: list[str]) -> dict[str, bytes]:
    """What a visitor without an account gets at addresses, and at those to which their pages lead."""
    transport = httpx.ASGITransport(create_app(settings))
    found: dict[str, bytes] = {}
    seen = set(waiting)
    async with httpx.AsyncClient(transport=transport, base_url=settings.address) as client:
        while waiting:
            address = waiting.pop()
            answer = await client.get(address)
            if answer.status_code == 404:
                continue
            answer.raise_for_status()
            found[address] = answer.content
            if answer.headers["content-type"].startswith("text/html"):
                fresh = {link for link in _find_links(answer.text) if KEPT.fullmatch(link)} - seen
                seen |= fresh
                waiting += sorted(fresh)
    return found


def _find_links(page: str) -> list[str]:
    return [_strip(link[2]) for tag in TAG.findall(page) for link in LINK.finditer(tag)]


def _strip(link: str) -> str:
    return re.split(r"[?#]", link)[0]


def _name(address: str) -> str:
    """The place of an address in the folder."""
    if address in API:
        return API[address]
    name = address.removeprefix("/") or "index"
    return name if name.startswith("static/") or name.endswith((".json", ".csv")) else f"{name}.html"


def _turn(page: bytes, place: str, places: Mapping[str, str]) -> bytes:
    """A page whose links lead to files beside it."""

    def lead(link: re.Match[str]) -> str:
        address, _, part = link[2].partition("#")
        to = places.get(_strip(address))
        if to is None:
            return ""
        return f'{link[1]}="{relpath(to, dirname(place) or ".")}{"#" + part if part else ""}"'

    text = LIVE.sub("", page.decode())
    return TAG.sub(lambda tag: LINK.sub(lead, tag[0]), text).encode()


def _write_log(database: Database) -> bytes:
    text = io.StringIO(newline="")
    writer = csv.writer(text)
    writer.writerow(["number", "at", "actor", "action", "subject", "sha256"])
    with database.read() as session:
        for event in session.scalars(select(Event).where(Event.action != NAMED).order_by(Event.id)):
            writer.writerow([event.id, event.at.isoformat(), event.actor, event.action, event.subject, event.digest])
    return text.getvalue().encode()


def _write(files: Mapping[str, bytes], folder: Path) -> None:
    for name, content in sorted(files.items()):
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(content)
    # mkdtemp makes folders that nobody else can read.
    folder.chmod(0o755)


def _replace(aside: Path, out: Path) -> None:
    """Put a folder in the place of one, which goes once the other one stands there."""
    if not out.exists():
        os.rename(aside, out)
        return
    old = Path(mkdtemp(prefix=f".{out.name}-", dir=out.parent))
    os.rename(out, old / "old")
    os.rename(aside, out)
    shutil.rmtree(old)
