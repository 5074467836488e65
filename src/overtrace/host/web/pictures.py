"""Pictures of the errors of one's own submissions, and what two of them differ in; of no test phase."""

from dataclasses import dataclass
from typing import Literal

from fastapi import APIRouter, Request
from starlette.responses import Response

from overtrace.errors import NotFound, Refused
from overtrace.host import overlays
from overtrace.host.overlays import Change
from overtrace.host.results import find_pictured, list_results
from overtrace.host.sheets import Drawn, Sheet
from overtrace.host.tables import Submission
from overtrace.host.web.settings import Host, Settings
from overtrace.host.web.views import render
from overtrace.host.web.visitors import Known, Someone

MOST_ROWS = 100
"""Of a table."""
KEPT = {"Cache-Control": "private, max-age=600"}
"""What is drawn of a submission does not change."""
router = APIRouter(prefix="/submissions/{submission_id}")


@dataclass(frozen=True, slots=True)
class Pictured:
    """A submission and its pictures."""

    submission: Submission
    sheet: Sheet


@router.get("/pictures")
def pictures(request: Request, host: Host, known: Someone, submission_id: str) -> Response:
    """All that is drawn of a submission."""
    one = _open(request, host, known, submission_id)
    with host.database.read() as session:
        results = list_results(session, host.contest, known.id, known.at)
    phase = one.submission.phase
    others = [
        other.submission
        for other in results
        if other.pictured and other.submission.phase == phase and other.submission.id != submission_id
    ]
    return render(request, "pictures.html", {"one": one, "others": others, "errors": overlays.ERRORS})


@router.get("/pictures/{row}")
def picture(request: Request, host: Host, known: Someone, submission_id: str, row: int) -> Response:
    """One image."""
    one = _open(request, host, known, submission_id)
    drawn = _find(one.sheet, row)
    shown = overlays.draw(drawn, overlays.sort_errors(drawn), _read(host, drawn.photo)) if not drawn.wrong else ""
    rows = [other.row for other in one.sheet.pictures]
    place = rows.index(row)
    facts = {"before": rows[place - 1] if place else None, "after": rows[place + 1] if rows[place + 1 :] else None}
    return render(
        request, "picture.html", {"one": one, "drawn": drawn, "svg": shown, "errors": overlays.ERRORS, **facts}
    )


@router.get("/pictures/{row}/{panel}")
def panel(
    request: Request,
    host: Host,
    known: Someone,
    submission_id: str,
    row: int,
    panel: Literal["outlines", "photo", "truth", "answer", "wrong"],
) -> Response:
    """What is shown of an image."""
    drawn = _find(_open(request, host, known, submission_id).sheet, row)
    if panel == "outlines":
        return _show_svg(overlays.draw(drawn, overlays.sort_errors(drawn), _read(host, drawn.photo)))
    data = _read(
        host, {"photo": drawn.photo, "truth": drawn.truth, "answer": drawn.answer, "wrong": drawn.wrong}[panel]
    )
    if data is None:
        raise NotFound(f"there is no {panel} of this image")
    return Response(data, media_type="image/jpeg" if panel == "photo" else "image/png", headers=KEPT)


@router.get("/against/{other_id}")
def difference(request: Request, host: Host, known: Someone, submission_id: str, other_id: str) -> Response:
    """What two submissions differ in."""
    one, other, changes = _compare(request, host, known, submission_id, other_id)
    drawn = {change.row for change in changes if _is_drawn(one.sheet, other.sheet, change.row)}
    facts = {"changes": changes[:MOST_ROWS], "count": len(changes), "drawn": drawn}
    return render(request, "difference.html", {"one": one, "other": other, **facts})


@router.get("/against/{other_id}/{row}")
def changed(request: Request, host: Host, known: Someone, submission_id: str, other_id: str, row: int) -> Response:
    """One image in which they differ."""
    one, other, _ = _compare(request, host, known, submission_id, other_id)
    if not _is_drawn(one.sheet, other.sheet, row):
        raise NotFound("this image is not drawn: look at those that are")
    facts: dict[str, object] = {"row": row, "name": one.sheet.images[row].name}
    if one.sheet.unit != "pixels":
        layers = overlays.sort_difference(row, one.sheet, other.sheet)
        present = [layer for layer, lines in layers.items() if lines]
        facts |= {"svg": _draw_difference(host, one.sheet, other.sheet, row), "present": present}
    return render(request, "changed.html", {"one": one, "other": other, **facts})


@router.get("/against/{other_id}/{row}/{panel}")
def changed_panel(
    request: Request,
    host: Host,
    known: Someone,
    submission_id: str,
    other_id: str,
    row: int,
    panel: Literal["outlines", "pixels"],
) -> Response:
    """What is shown of such an image."""
    one, other, _ = _compare(request, host, known, submission_id, other_id)
    if not _is_drawn(one.sheet, other.sheet, row):
        raise NotFound("this image is not drawn: look at those that are")
    if panel == "outlines":
        return _show_svg(_draw_difference(host, one.sheet, other.sheet, row))
    maps = [_read(host, _find(sheet, row).wrong) for sheet in (one.sheet, other.sheet)]
    if maps[0] is None or maps[1] is None:
        raise NotFound("there are no pixels of this image")
    return Response(overlays.draw_pixels(maps[0], maps[1]), media_type="image/png", headers=KEPT)


def _open(request: Request, host: Settings, known: Known, submission_id: str) -> Pictured:
    with host.database.read() as session:
        submission = find_pictured(session, host.contest, known.id, submission_id, known.at)
    return Pictured(submission, request.app.state.read_sheet(submission.sheet))


def _compare(
    request: Request, host: Settings, known: Known, submission_id: str, other_id: str
) -> tuple[Pictured, Pictured, list[Change]]:
    one, other = (_open(request, host, known, name) for name in (submission_id, other_id))
    truths = [{score.truth for score in pictured.submission.scores} for pictured in (one, other)]
    names = [[image.name for image in pictured.sheet.images] for pictured in (one, other)]
    if one.submission.phase != other.submission.phase or truths[0] != truths[1] or names[0] != names[1]:
        raise Refused("these two were scored against different truths: compare two of one phase")
    return one, other, overlays.compare(one.sheet, other.sheet)


def _is_drawn(first: Sheet, second: Sheet, row: int) -> bool:
    """Objects are known of all images, pixels of those alone that are drawn."""
    drawn = [sheet.find(row) is not None for sheet in (first, second)]
    return all(drawn) if first.unit == "pixels" or not first.has_objects else any(drawn)


def _draw_difference(host: Settings, first: Sheet, second: Sheet, row: int) -> str:
    drawn = first.find(row) or _find(second, row)
    return overlays.draw(drawn, overlays.sort_difference(row, first, second), _read(host, drawn.photo))


def _find(sheet: Sheet, row: int) -> Drawn:
    found = sheet.find(row)
    if found is None:
        raise NotFound("this image is not drawn: look at those that are")
    return found


def _read(host: Settings, sha256: str) -> bytes | None:
    """A photo or a map; None where there is none, as in a contest out of an archive."""
    try:
        return b"".join(host.blobs.read(sha256)) if sha256 else None
    except NotFound:
        return None


def _show_svg(svg: str) -> Response:
    return Response(svg, media_type="image/svg+xml", headers=KEPT)
