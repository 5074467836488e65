"""Errors of one's own submissions drawn, and what two of them differ in; nothing of it in a test phase."""

import io
import re
import zipfile

import numpy as np
import pytest
import yaml
from fastapi.routing import APIRoute
from PIL import Image

from overtrace.challenges.challenge import Question
from overtrace.challenges.photos import Photos
from overtrace.challenges.protocols import score_files
from overtrace.host import overlays, submissions
from overtrace.host.contest_file import inspect_contest, read_contest
from overtrace.host.draws import unpack
from overtrace.host.examples import make_answer, make_example
from overtrace.host.illustrating import draw_sheet
from overtrace.host.outcome import Mark, Outcome
from overtrace.host.overlays import Change
from overtrace.host.sheets import Drawn, Judged, Line, Sheet
from overtrace.host.tables import State, Submission
from overtrace.host.web import pictures
from tests.support.web import NOON, make_board, make_phase, serve_contest, wait_for, write_contest

ROUTES = [route.path for route in pictures.router.routes if isinstance(route, APIRoute)]
HALF = b"x,y\n0,0\n500,500\n"
"""One of two trees, and one that is none."""
OTHER = b"x,y\n7173.57241,0\n"
MOST = 2


@pytest.fixture(scope="module", params=["itc", "sceneparsing", "deepglobe"])
def sheets(request, tmp_path_factory) -> tuple[Sheet, Sheet, dict[str, bytes]]:
    """Those of a good and of a bad answer to an example, and their blobs."""
    path = make_example(request.param, tmp_path_factory.mktemp("example") / request.param)
    file = read_contest(path)
    phase = next(phase for phase in file.contest.phases if phase.pictures)
    made, blobs = [], {}
    for quality in (0.9, 0.5):
        answer = make_answer(path, phase.name, quality, np.random.default_rng(int(10 * quality)))
        question = Question(file.resolve(phase.truth), answer, file.contest.profile)
        verdict = score_files(request.param, question)
        sheet, texts = draw_sheet(verdict, Photos(file.resolve(phase.images)), MOST)
        blobs |= {sha256: unpack(text) for sha256, text in texts.items()}
        made.append(Sheet.model_validate_json(blobs[sheet]))
        told = [row["errors"] if "errors" in row else row["wrong pixels"] for row in verdict.explain().images]
        assert [image.errors for image in made[-1].images] == told
    return made[0], made[1], blobs


def test_the_worst_and_some_by_lot_are_drawn_over_the_images(sheets):
    for sheet in sheets[:2]:
        worst = [one.row for one in sheet.pictures if one.is_worst]
        errors = np.array([image.errors for image in sheet.images])
        if sheet.unit == "objects":
            assert worst == np.argsort(-errors, kind="stable")[:MOST].tolist()
        assert len(worst) == MOST
        assert len(sheet.pictures) <= 2 * MOST
        assert all(sheets[2][one.photo].startswith(b"\xff\xd8") for one in sheet.pictures)
    lots = [{one.row for one in sheet.pictures} for sheet in sheets[:2]]
    assert len(lots[0] & lots[1]) >= MOST


def test_outlines_are_those_that_were_counted(sheets):
    for sheet in sheets[:2]:
        for one in sheet.pictures:
            image = sheet.images[one.row]
            if sheet.unit == "objects":
                hits = {line.object for line in one.lines if line.layer == "hit"}
                missed = {line.object for line in one.lines if line.layer == "missed"}
                assert hits == set(image.found)
                assert missed <= set(image.missed)
                assert all((line.object == -1) == (line.layer in ("false", "cut")) for line in one.lines)
            else:
                wrong = np.asarray(Image.open(io.BytesIO(sheets[2][one.wrong])))
                assert (wrong == 2).sum() == image.errors


def test_what_two_differ_in_is_the_difference_of_what_they_found(sheets):
    good, bad, blobs = sheets
    changes = overlays.compare(good, bad)
    assert changes == sorted(changes, key=lambda change: -change.size)
    assert overlays.compare(good, good) == []
    back = {change.row: change for change in overlays.compare(bad, good)}
    for change in changes:
        other = back[change.row]
        assert (change.first, change.second, change.errors) == (other.second, other.first, other.errors[::-1])
        own = good.images[change.row], bad.images[change.row]
        assert set(own[0].found) | set(own[0].missed) == set(own[1].found) | set(own[1].missed)
        assert change.first == set(own[0].found) - set(own[1].found)
    if good.unit == "objects":
        drawn = next(change for change in changes if good.find(change.row) or bad.find(change.row))
        layers = overlays.sort_difference(drawn.row, good, bad)
        assert {line.object for line in layers["first"]} == drawn.first
        assert {line.object for line in layers["second"]} == drawn.second
    else:
        row = next(one.row for one in good.pictures if bad.find(one.row))
        found = np.asarray(
            Image.open(io.BytesIO(overlays.draw_pixels(blobs[good.find(row).wrong], blobs[bad.find(row).wrong])))
        )
        assert (found == 3).sum() - (found == 4).sum() == bad.images[row].errors - good.images[row].errors


def line(layer: str, key: int = -1, told: str = "") -> Line:
    return Line(layer=layer, told=told, path="M0 0 1 0 1 1Z", object=key)


def test_a_difference_worked_by_hand():
    frame = (0, 0, 9, 9)
    first = Drawn(
        row=0, name="a", note="", is_worst=True, frame=frame, lines=(line("hit", 1), line("hit", 2), line("missed", 3))
    )
    sheets = [
        Sheet(unit="objects", images=(Judged(name="a", errors=1, found=(1, 2), missed=(3, 4)),), pictures=(first,)),
        Sheet(unit="objects", images=(Judged(name="a", errors=2, found=(2, 3), missed=(1, 4)),), pictures=()),
    ]
    (change,) = overlays.compare(*sheets)
    assert change == Change(0, "a", frozenset({1}), frozenset({3}), (1, 2))
    layers = overlays.sort_difference(0, *sheets)
    assert {name: [one.object for one in lines] for name, lines in layers.items() if lines} == {
        "first": [1],
        "second": [3],
        "both": [2],
    }


def test_what_is_said_of_an_outline_cannot_end_the_picture():
    drawn = Drawn(
        row=0, name="a", note="", is_worst=True, frame=(0, 0, 9, 9), lines=(line("hit", 1, "</title><script>"),)
    )
    svg = overlays.draw(drawn, overlays.sort_errors(drawn), None)
    assert "<script>" not in svg
    assert "&lt;/title&gt;&lt;script&gt;" in svg
    with pytest.raises(ValueError, match="path"):
        Line(layer="hit", told="", path='M0 0"/><script>', object=1)


@pytest.fixture(scope="module")
def host(tmp_path_factory):
    boards = [make_board("public"), make_board("late", shown="after")]
    phases = [
        make_phase("trial", test=False, pictures=3),
        make_phase("test", boards=boards),
        make_phase("ladder", test=False, boards=[make_board(ladder=0.01)]),
        make_phase("plain", test=False),
    ]
    with serve_contest(tmp_path_factory.mktemp("pictures"), *phases) as served, served.working():
        yield served


@pytest.fixture(scope="module")
def olga(host):
    return host.add_person("Olga")


def submit(host, person, phase: str, *answers: bytes) -> list[str]:
    sent = [host.submit(person, answer, phase) for answer in answers]
    wait_for(lambda: all(host.look(one).state == "scored" for one in sent), 60)
    return sent


def try_all(client, one: str, other: str, part: str = "") -> list[int]:
    """Ask for every address of pictures that has a part."""
    answers = []
    for path in (route for route in ROUTES if part in route):
        panels = ("outlines", "photo", "truth", "answer", "wrong", "pixels") if path.endswith("{panel}") else ("",)
        for panel in panels:
            named = path.replace("{submission_id}", one).replace("{other_id}", other)
            answers.append(client.get(named.replace("{row}", "0").replace("{panel}", panel)))
    return [answer.status_code for answer in answers]


def test_a_team_sees_the_errors_of_its_own_submissions(host, ada):
    one, other = submit(host, ada, "trial", HALF, OTHER)
    browser = host.enter(ada)
    assert f"/submissions/{one}/pictures" in browser.get("/submissions").text
    page = re.sub(r"\s+", " ", browser.get(f"/submissions/{one}/pictures").text)
    assert f"/submissions/{one}/against/{other}" in page
    svg = browser.get(f"/submissions/{one}/pictures/0/outlines")
    assert svg.headers["content-type"] == "image/svg+xml"
    assert [svg.text.count(f'class="{layer}"') for layer in ("hit", "false", "missed")] == [1, 1, 1]
    assert browser.get(f"/submissions/{one}/pictures/0").status_code == 200
    assert browser.get(f"/submissions/{one}/pictures/7").status_code == 404
    difference = browser.get(f"/submissions/{one}/against/{other}").text
    assert "They differ at 1 of 1 images" in re.sub(r"\s+", " ", difference)
    stranger = host.add_person("Eve")
    host.add_team("Others", stranger)
    assert set(try_all(host.enter(stranger), one, other)) <= {404, 422}
    assert not {200, 500} & set(try_all(host.client(), one, other))


@pytest.mark.parametrize("phase", ["test", "ladder", "plain"])
def test_no_address_shows_a_picture_of_a_test_phase(host, ada, olga, phase):
    one, other = submit(host, ada, phase, HALF, OTHER)
    (drawn,) = submit(host, ada, "trial", b"x,y\n0,1\n")
    assert host.look(one).sheet == ""
    for name in (one, other):
        # What a host drew when its file was another one is shown as little.
        with host.settings.database.write() as session:
            session.get_one(Submission, name).sheet = host.look(drawn).sheet
    browser, program = host.enter(ada), host.program(ada, "read")
    for client in (browser, program, host.enter(olga)):
        asked = [*try_all(client, one, other), *try_all(client, one, drawn), *try_all(client, drawn, one, "against")]
        assert len(asked) > 30
        assert not {200, 500} & set(asked)
    listed = browser.get("/submissions").text
    assert [f"/submissions/{name}/pictures" in listed for name in (one, other, drawn)] == [False, False, True]


def test_a_worker_with_another_file_gives_no_pictures_to_a_test_phase(host, ada):
    marks = tuple(Mark(board=name, value=0.5, columns={}, verdict={}) for name in ("public", "late"))
    outcome = Outcome(kind="scored", marks=marks, sheet="1" * 64)
    (sent,) = submit(host, ada, "test", b"x,y\n3,3\n")
    with host.settings.database.write() as session:
        found = session.get_one(Submission, sent)
        found.state = State.RUNNING
        for score in list(found.scores):
            session.delete(score)
        session.flush()
        assert submissions.finish_scored(session, host.settings.contest, sent, outcome, NOON)
    assert host.look(sent).sheet == ""


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({"test": True}, "is a test, and pictures tell what is true"),
        ({"boards": [make_board(ladder=0.01)]}, "has a ladder, and pictures tell what it hides"),
        ({"boards": [make_board(shown="after")]}, "has no board that is shown live"),
    ],
)
def test_pictures_are_for_phases_that_may_show_them(tmp_path, changes, said):
    file = write_contest(tmp_path, make_phase("trial", test=False))
    content = yaml.safe_load(file.path.read_text())
    content["phases"][0] |= {"pictures": 3, **changes}
    file.path.write_text(yaml.safe_dump(content))
    _, faults = inspect_contest(file.path)
    assert said in str(faults[0])


def test_photos_come_from_a_zip_archive_too(tmp_path):
    image = Image.new("RGB", (8, 4), (10, 200, 10))
    (tmp_path / "in").mkdir()
    image.save(tmp_path / "in" / "one.png")
    with zipfile.ZipFile(tmp_path / "all.zip", "w") as archive:
        archive.write(tmp_path / "in" / "one.png", "deep/in/one.png")
    photos = [Photos(tmp_path / place).read("one", "", (4, 8)) for place in ("in", "all.zip")]
    assert photos[0] == photos[1]
    assert (photos[1].height, photos[1].width) == (4, 8)
    assert isinstance(Photos(tmp_path / "all.zip").read("two", "", (4, 8)), str)
