"""The log is a chain: whatever is changed of it afterwards is found, by whoever looks."""

import hashlib
import json
import random
import shutil
import sqlite3
from functools import partial

import pytest
from sqlalchemy import func, select, text
from typer.testing import CliRunner

from overtrace.cli.main import app
from overtrace.errors import BadOption
from overtrace.host.audit import audit, audit_database
from overtrace.host.database import Database, open_database
from overtrace.host.events import NOTHING, Head, digest_line, find_head, record
from overtrace.host.schema import migrate, open_store
from overtrace.host.tables import Event, Fact
from tests.support.people import AT, add_person, after
from tests.support.races import race
from tests.support.web import post, serve_contest, wait_for

COLUMNS = ("id", "at", "actor", "action", "subject", "details", "digest")


def write(database: Database, number: int, **details) -> None:
    with database.write() as session:
        record(session, "host", "test.written", f"submission:{number}", after(seconds=number), **details)


@pytest.fixture(scope="module")
def kept(tmp_path_factory):
    """A log of twelve lines in a file."""
    path = tmp_path_factory.mktemp("kept") / "host.db"
    database = open_store(f"sqlite:///{path}")
    for number in range(12):
        write(database, number, sha256=f"{number:064x}", name="Zoë", share=number / 7)
    database.engine.dispose()
    with sqlite3.connect(path) as connection:
        connection.execute("PRAGMA wal_checkpoint(TRUNCATE)")
    return path


@pytest.fixture
def copy(kept, tmp_path):
    return shutil.copy(kept, tmp_path / "host.db")


def look(path, held=None):
    engine = open_database(f"sqlite:///{path}")
    try:
        return audit_database(Database(engine), held)
    finally:
        engine.dispose()


def change(path, *statements):
    with sqlite3.connect(path) as connection:
        for statement in statements:
            connection.execute(*statement) if isinstance(statement, tuple) else connection.execute(statement)


def test_a_log_as_it_was_written_is_whole(database):
    for number in range(5):
        write(database, number, text='"é\\\u2028', nothing=None, count=10**20, share=1e-300)
    found = audit_database(database)
    assert (found.faults, found.head.number) == ([], 5)
    with database.read() as session:
        assert find_head(session) == found.head


def test_the_digest_of_a_line_worked_by_hand():
    line = {"id": 1, "at": 5, "actor": "host", "action": "a.b", "subject": "host", "details": {"b": 1, "a": "é"}}
    said = (
        '{"action":"a.b","actor":"host","at":5,"before":"%s","details":{"a":"\\u00e9","b":1},"id":1,"subject":"host"}'
    )
    assert digest_line(NOTHING, line) == hashlib.sha256((said % NOTHING).encode()).hexdigest()


def test_one_bit_of_any_value_of_the_log_is_found(copy):
    rng = random.Random(7)
    with sqlite3.connect(copy) as connection:
        rows = connection.execute(f"SELECT {', '.join(COLUMNS)} FROM events").fetchall()
    for _ in range(80):
        row = rng.choice(rows)
        name = rng.choice(COLUMNS)
        value = row[COLUMNS.index(name)]
        if isinstance(value, int):
            wrong = value ^ 1 << rng.randrange(8, 40)
        else:
            stored = bytearray(value.encode())
            stored[rng.randrange(len(stored))] ^= 1 << rng.randrange(8)
            wrong = bytes(stored)
        place = "CAST(? AS TEXT)" if isinstance(wrong, bytes) else "?"
        change(copy, (f"UPDATE events SET {name} = {place} WHERE id = ?", (wrong, row[0])))
        assert look(copy).faults, (name, value, wrong)
        change(copy, (f"UPDATE events SET {name} = ? WHERE id = ?", (value, wrong if name == "id" else row[0])))
    assert look(copy).faults == []


def test_one_byte_of_the_file_changes_the_log_and_is_found_or_does_not_change_it(kept, tmp_path):
    rng = random.Random(11)
    data = kept.read_bytes()
    page = 4096
    pages = [i for i in range(len(data) // page) if b"test.written" in data[i * page : (i + 1) * page]]
    assert pages
    with sqlite3.connect(kept) as connection:
        written = connection.execute("SELECT * FROM events ORDER BY id").fetchall()
    found = 0
    for i in range(150):
        changed = bytearray(data)
        changed[rng.choice(pages) * page + rng.randrange(page)] ^= 1 << rng.randrange(8)
        path = tmp_path / f"{i}.db"
        path.write_bytes(changed)
        if look(path).faults:
            found += 1
        else:
            with sqlite3.connect(path) as connection:
                assert connection.execute("SELECT * FROM events ORDER BY id").fetchall() == written
        path.unlink()
    assert found > 30


@pytest.mark.parametrize(
    ("statements", "fault"),
    [
        (
            ["DELETE FROM events WHERE id = 5"],
            "line 6 was changed, or lines before it are missing: the one before is 4",
        ),
        (["DELETE FROM events WHERE id = 1"], "line 2 was changed, or lines before it are missing"),
        (["DELETE FROM events WHERE id = 12"], "the log ends at line 11, and its head is another one: line 12"),
        (["DELETE FROM events"], "the log ends at line 0"),
        (
            ["INSERT INTO events SELECT 13, at, actor, action, subject, details, digest FROM events WHERE id = 3"],
            "line 13",
        ),
        (
            [
                "UPDATE events SET id = 99 WHERE id = 3",
                "UPDATE events SET id = 3 WHERE id = 4",
                "UPDATE events SET id = 4 WHERE id = 99",
            ],
            "line 3 was changed",
        ),
        (["UPDATE events SET actor = 'x' WHERE id = 12"], "line 12 was changed"),
        (["UPDATE events SET details = '{ ' || substr(details, 2) WHERE id = 3"], "line 3 are written in another way"),
        (["UPDATE events SET at = 'noon' WHERE id = 3"], "the line after 2 cannot be read"),
        (["UPDATE facts SET value = '{}' WHERE name = 'log head'"], "the head cannot be read"),
        (["DELETE FROM facts WHERE name = 'log head'"], "the head cannot be read: it is not there"),
    ],
)
def test_what_was_done_to_the_log_is_named(copy, statements, fault):
    change(copy, *statements)
    assert fault in "\n".join(look(copy).faults)


def test_a_chain_that_was_written_anew_is_shown_by_a_digest_in_other_hands(copy):
    engine = open_database(f"sqlite:///{copy}")
    with Database(engine).read() as session:
        line = session.get_one(Event, 9)
        held = {"receipt.json": Head(line.id, line.digest)}
    with Database(engine).write() as session:
        before = NOTHING
        for event in session.scalars(select(Event).order_by(Event.id)):
            if event.id == 4:
                event.actor = "person:x"
            said = {key: getattr(event, key) for key in ("id", "actor", "action", "subject", "details")}
            at = session.scalar(text(f"SELECT at FROM events WHERE id = {event.id}"))
            before = event.digest = digest_line(before, {**said, "at": at})
        session.get_one(Fact, "log head").value = {"number": 12, "sha256": before}
    engine.dispose()
    assert look(copy).faults == []
    assert look(copy, held).faults == ["line 9 is another one than receipt.json names"]


def test_an_end_that_was_left_off_is_shown_by_a_digest_in_other_hands():
    assert audit([], None, {"head.json": Head(7, "x")}).faults == [
        "line 7, which head.json names, is missing: the log ends at 0"
    ]


def test_writers_at_one_time_make_one_chain(database):
    def write_some(writer: int) -> None:
        for number in range(6):
            with database.write() as session:
                session.scalar(select(func.count()).select_from(Event))
                record(session, "host", "test.first", f"submission:{writer}", AT, number=number)
                if number == 3:
                    session.rollback()
                else:
                    record(session, "host", "test.second", f"submission:{writer}", AT, number=number)

    assert not any(race(*[partial(write_some, writer) for writer in range(8)]))
    found = audit_database(database)
    assert (found.faults, found.head.number) == ([], 8 * 5 * 2)
    with database.read() as session:
        lines = session.scalars(select(Event).order_by(Event.id)).all()
    # Both lines of a transaction stand together.
    assert all(one.subject == other.subject for one, other in zip(lines[::2], lines[1::2], strict=True))
    assert [line.id for line in lines] == list(range(1, 81))


def test_what_is_undone_is_not_in_the_log(database):
    with database.write() as session:
        record(session, "host", "test.lost", "host", AT)
        session.rollback()
    with database.write() as session:
        record(session, "host", "test.kept", "host", AT)
        with session.begin_nested() as undone:
            record(session, "host", "test.lost", "host", AT)
            with session.begin_nested():
                record(session, "host", "test.lost", "host", AT)
            undone.rollback()
        with session.begin_nested():
            record(session, "host", "test.kept", "host", AT)
    with database.read() as session:
        assert session.scalars(select(Event.action).order_by(Event.id)).all() == ["test.kept"] * 2


def test_what_json_cannot_hold_is_no_line(database):
    with pytest.raises(ValueError, match="JSON"), database.write() as session:
        record(session, "host", "test.wrong", "host", AT, share=float("nan"))


def test_a_log_from_before_is_chained_by_a_step(address):
    engine = open_database(address)
    migrate(engine, "0001")
    with pytest.raises(BadOption, match="start the host once"):
        audit_database(Database(engine))
    with engine.begin() as connection:
        for number in (1, 2, 5):
            said = {"number": number, "details": json.dumps({"b": "é", "a": [1, 0.1]})}
            connection.execute(
                text("INSERT INTO events VALUES (:number, 17, 'host', 'test.old', 'host', :details)"), said
            )
    engine.dispose()
    database = open_store(address)
    write(database, 1)
    found = audit_database(database)
    assert (found.faults, found.head.number) == ([], 6)
    database.engine.dispose()


def test_the_command_checks_folders_databases_and_hosts(tmp_path):
    run = partial(CliRunner().invoke, app)
    with serve_contest(tmp_path) as host:
        ada, olga = host.add_person("Ada"), add_person(host.settings.database, "Olga")
        host.add_team("Engines", ada)
        sent = host.submit(ada)
        receipt = host.program(ada, "read").get(f"/api/v1/submissions/{sent}/receipt").json()
        (tmp_path / "receipt.json").write_text(json.dumps(receipt))
        (tmp_path / "head.json").write_text(host.client().get("/api/v1/log/head").text)
        tokens = {
            name: host.program(one, "read").headers["Authorization"][7:] for name, one in (("a", ada), ("o", olga))
        }
        held = ["--held", str(tmp_path / "receipt.json"), "--held", str(tmp_path / "head.json")]
        server = ["audit", "verify", "--server", host.address]
        found = [
            run(["audit", "verify", str(tmp_path), *held]),
            run([*server, "--token", tokens["o"], *held]),
            run([*server, "--token", tokens["a"], *held]),
        ]
        assert [one.exit_code for one in found] == [0, 0, 0]
        assert f"it holds line {receipt['log']}, which" in found[0].output
        assert "the log is as it was written" in found[1].output
        assert "of which the host alone sees the lines" in found[2].output
        assert run([*server, "--token", tokens["a"]]).exception is not None
        change(tmp_path / "host.db", f"UPDATE events SET actor = 'host' WHERE id = {receipt['log']}")
        for one in (run(["audit", "verify", str(tmp_path)]), run([*server, "--token", tokens["o"]])):
            assert f"line {receipt['log']} was changed" in one.output
        change(tmp_path / "host.db", f"UPDATE events SET digest = '{'0' * 64}' WHERE id = {receipt['log']}")
        asked = run([*server, "--token", tokens["a"], *held])
        assert f"line {receipt['log']} is not the one that" in asked.output


@pytest.mark.parametrize("options", [[], ["nowhere"], [".", "--server", "http://127.0.0.1:9"]])
def test_a_wrong_call_is_told(options):
    assert isinstance(CliRunner().invoke(app, ["audit", "verify", *options]).exception, BadOption)


def test_every_page_shows_the_head_of_the_log(tmp_path):
    with serve_contest(tmp_path) as host:
        olga = host.add_person("Olga")
        post(host.enter(olga), "/organise", "/organise/boards/test/all/release")

        def shows_head() -> bool:
            digest = host.client().get("/api/v1/log/head").json()["log_sha256"]
            return digest[:16] in host.client().get("/rules").text

        wait_for(shows_head)
