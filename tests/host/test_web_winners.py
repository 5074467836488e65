"""After the end: winners are asked, deliver by page and by client, or drop out, on a host whose clock is turned."""

import hashlib
import json
import re
from datetime import timedelta

import pytest
from typer.testing import CliRunner

from overtrace.cli.main import app
from overtrace.cli.progress import Bar
from overtrace.errors import NotFound, Refused
from overtrace.host.client import deliver, read_answer
from overtrace.host.connection import Connection
from overtrace.host.dossiers import declare_complete
from tests.support.submissions import add_score
from tests.support.web import END, make_phase, post, serve_contest, wait_for

DAY = timedelta(days=1)
DUE = END + 7 * DAY
IMAGE, WEIGHTS = b"image " * 100_000, b"weights " * 1000
NAMES = ("Ada", "Bob", "Cy", "Dee")


@pytest.fixture
def host(tmp_path):
    rules = {"replication": {"winners": 2}, "description": {"required": False}}
    with serve_contest(tmp_path, make_phase("final"), **rules) as served:
        yield served


@pytest.fixture
def people(host):
    """Four teams in this order, which lack nothing."""
    made = [host.add_person(name) for name in NAMES]
    for number, person in enumerate(made):
        team = host.add_team(f"Team {person.name}", person)
        add_score(host.settings.database, team, person, 0.9 - number / 10)
        with host.settings.database.write() as session:
            declare_complete(session, person.id, host.clock())
    return made


def ask(host):
    host.clock.fixed = END
    olga = host.add_person("Olga")
    assert post(host.enter(olga), "/organise/winners", "/organise/winners/ask").status_code == 303
    return olga


def ranks(host):
    board = host.client().get("/api/v1/boards/final/all").json()
    return [(row["rank"], row["team"]) for row in board["rows"]], [one["team"] for one in board["removed"]]


def count_letters(host, person, words):
    return sum(
        person.email in text and words in text for text in (path.read_text() for path in host.mails.glob("*.eml"))
    )


def turn(host, at, person, words, letters):
    """The clock; and wait for what the host does of itself."""
    host.clock.fixed = at
    wait_for(lambda: count_letters(host, person, words) == letters)


def deliver_by_client(host, person, folder):
    """As ``overtrace deliver`` does."""
    (folder / "image.tar").write_bytes(IMAGE)
    (folder / "weights.bin").write_bytes(WEIGHTS)
    program = host.program(person, "read", "submit")
    connection = Connection(host.address, program.headers["authorization"].removeprefix("Bearer "))
    files = [
        read_answer(folder / name, "", "", Bar(), kind)
        for name, kind in (("image.tar", "image"), ("weights.bin", "weights"))
    ]
    try:
        return deliver(connection, host.address, files, Bar())
    finally:
        connection.close()


def status(host, person):
    """What ``overtrace status`` says."""
    token = host.program(person, "read").headers["authorization"].removeprefix("Bearer ")
    done = CliRunner().invoke(app, ["status", "--server", host.address, "--token", token])
    assert done.exit_code == 0, done.output
    return done.output


def test_the_next_follows_one_that_never_replies(host, people, tmp_path, monkeypatch):
    ada, bob, cy, dee = people
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path / "state"))
    with pytest.raises(NotFound, match="was not asked"):
        deliver_by_client(host, ada, tmp_path)
    olga = ask(host)
    wait_for(lambda: count_letters(host, bob, "asked for its container") == 1)
    made = deliver_by_client(host, ada, tmp_path)
    assert (made["state"], made["missing"]) == ("delivered", [])
    assert "\ncontainer: delivered; image and weights are here, and wait to be run\n" in status(host, ada)
    assert "container: asked; asked to deliver; the container image is missing; the weights" in status(host, bob)
    assert "container" not in status(host, dee)
    # The same command once more finds it done.
    assert deliver_by_client(host, ada, tmp_path) == made
    turn(host, DUE - 3 * DAY, bob, "Reminder", 1)
    turn(host, DUE - DAY, bob, "Reminder", 2)
    turn(host, DUE, cy, "asked for its container", 1)
    turn(host, DUE, bob, "no final rank", 1)
    assert (count_letters(host, ada, "Reminder"), count_letters(host, dee, "container")) == (0, 0)
    assert ranks(host) == ([(1, "Team Ada"), (2, "Team Cy"), (3, "Team Dee")], ["Team Bob"])
    assert "the container image is missing" in host.client().get("/board/final/all").text
    page = host.client().get("/winners").text
    assert [state in page for state in ("delivered", "not delivered", "moved up")] == [True] * 3
    with pytest.raises(Refused, match="is not delivered"):
        deliver_by_client(host, bob, tmp_path)
    olga = host.enter(olga)
    log = olga.get("/organise/log?action=delivery.").text
    wanted = ("delivery.asked", "delivery.reminded", "delivery.file kept", "delivery.not delivered")
    assert [word in log for word in wanted] == [True] * 4
    sent = [olga.get(link).content for link in read_links(olga)]
    assert sent == [IMAGE, WEIGHTS]


def read_links(olga):
    page = olga.get("/organise/winners").text
    return [f"/organise/winners/{part.split(chr(34))[0]}" for part in page.split('href="/organise/winners/')[1:]]


def test_a_delivery_by_pages_alone(host, people):
    olga = ask(host)
    ada = host.enter(people[0])
    here = "/team/delivery"
    for kind, content in (("image", IMAGE), ("weights", WEIGHTS)):
        assert "Missing before it can be handed over" in ada.get(here).text
        sent = post(ada, here, f"{here}/file", files={"file": (f"{kind}.bin", content)}, kind=kind)
        assert sent.status_code == 303
    assert post(ada, here, f"{here}/hand-over").status_code == 303
    assert "delivered" in ada.get(here).text
    # It stands.
    again = post(ada, "/team", f"{here}/file", files={"file": ("image.bin", b"other")}, kind="image")
    assert again.status_code == 409
    assert "ask the organisers" in again.text
    assert post(ada, "/team", f"{here}/decline", sure="yes").status_code == 409
    record_by_page(host, olga, ada)


def record_by_page(host, olga, ada):
    """Organisers give the report of another machine, and see more of it than the others."""
    here, olga = "/organise/winners", host.enter(olga)
    page = olga.get(here).text
    assert "Containers are not run here: no worker for containers has started" in page
    one = re.search(r'action="(/organise/winners/\w+)/verdict"', page)[1]
    digests = {"archive": hashlib.sha256(IMAGE).hexdigest(), "weights": hashlib.sha256(WEIGHTS).hexdigest()}
    scores = ({"name": "", "claimed": 0.9, "found": 0.897}, {"name": "woods", "claimed": 0.9, "found": None})
    facts = {"verdict": "within tolerance", "said": "found 0.897000", "scores": scores, "notes": ("<b>odd</b>",)}
    times = {"begun_at": END.isoformat(), "ended_at": END.isoformat()}
    report = json.dumps({**facts, **times, "tolerance": 0.005, "digests": digests})
    files = {"file": ("report.json", report)}
    assert post(ada, "/account", f"{one}/verdict", files=files).status_code == 403
    assert post(olga, here, f"{one}/verdict", files={"file": ("report.json", b"{}")}).status_code == 400
    assert post(olga, here, f"{one}/verdict", files=files).status_code == 303
    page, public = olga.get(here).text, host.client().get("/winners").text
    assert [words in page for words in ("woods", "0.897000", "&lt;b&gt;odd", digests["archive"])] == [True] * 4
    assert [words in public for words in ("within tolerance", "Found 0.897000.", "woods", "odd")] == [
        True,
        True,
        False,
        False,
    ]
    assert olga.get(f"{one}/log.txt").status_code == 404
    assert post(olga, here, f"{one}/run").status_code == 303
    assert "wait to be run" in host.client().get("/winners").text


def test_one_that_declines_has_said_so(host, people):
    ask(host)
    bob = host.enter(people[1])
    assert post(bob, "/team/delivery", "/team/delivery/decline").status_code == 400
    assert post(bob, "/team/delivery", "/team/delivery/decline", sure="yes").status_code == 303
    wait_for(lambda: count_letters(host, people[2], "asked for its container") == 1)
    assert ranks(host) == ([(1, "Team Ada"), (2, "Team Cy"), (3, "Team Dee")], ["Team Bob"])


def test_pages_of_winners_are_for_those_whom_they_concern(host, people):
    organiser = host.add_person("Olga")
    early = host.enter(organiser)
    assert "ends at 2026-06-01" in early.get("/organise/winners").text
    assert post(early, "/account", "/organise/winners/ask").status_code == 409
    assert '<a href="/winners"' not in early.get("/").text
    host.clock.fixed = END
    olga = host.enter(organiser)
    assert '<a href="/winners"' in olga.get("/").text
    assert post(olga, "/organise/winners", "/organise/winners/ask").status_code == 303
    dee, one = host.enter(people[3]), read_deadline_form(olga)
    assert "was not asked" in dee.get("/team/delivery").text
    assert post(dee, "/account", "/team/delivery/file", files={"file": ("a", b"a")}, kind="image").status_code == 409
    for path in ("/organise/winners/ask", f"/organise/winners/{one}/drop", f"/organise/winners/{one}/deadline"):
        assert post(dee, "/account", path, reason="x", until="2027-01-01").status_code == 403
        assert olga.post(path, data={"reason": "x"}).status_code == 403
    assert dee.get(f"/organise/winners/{one}/image.bin").status_code == 403
    assert olga.get(f"/organise/winners/{one}/image.bin").status_code == 404
    assert post(olga, "/organise/winners", f"/organise/winners/{one}/deadline", until="soon").status_code == 400
    assert post(olga, "/organise/winners", f"/organise/winners/{one}/deadline", until="2026-07-01").status_code == 303
    assert "2026-07-01 00:00" in host.client().get("/winners").text
    assert host.client().get("/api/v1/delivery").status_code == 401


def read_deadline_form(olga):
    return olga.get("/organise/winners").text.split('action="/organise/winners/')[1].split("/")[0]
