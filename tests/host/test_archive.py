"""A contest in one file: opened again it shows the same boards, log and receipts; nothing hostile is opened."""

import hashlib
import json
import os
import re
import signal
import stat
import subprocess
import sys
import tracemalloc
import zipfile
from datetime import UTC, datetime
from pathlib import Path

import httpx
import pytest
from sqlalchemy import select
from typer.testing import CliRunner

from overtrace.cli.main import app
from overtrace.errors import BadData, BadOption, BadOutput, NotFound
from overtrace.host.archive import MANIFEST, write_archive
from overtrace.host.archive_file import Archive
from overtrace.host.blobs import Blobs, open_blobs
from overtrace.host.contest_file import read_contest
from overtrace.host.database import Database
from overtrace.host.kept import TABLES, list_tables
from overtrace.host.receipts import find_key, make_receipt, show_public_key, verify
from overtrace.host.restore import audit_archive, find_contest, restore
from overtrace.host.rows import dump_row
from overtrace.host.schema import open_store
from overtrace.host.standings import find_board, read_standing
from overtrace.host.submissions import hide
from overtrace.host.table_base import Base
from overtrace.host.tables import Submission, Team
from tests.support.people import PASSWORD, add_person
from tests.support.web import CANARY, GOOD, NOON, PERFECT, POOR, Served, make_phase, serve_contest, wait_for

RUN = [sys.executable, "-c", "from overtrace.cli.main import main; main()"]
BOARD = "/api/v1/boards/test/all"
DOCUMENT = b"%PDF how we did it"


@pytest.fixture(scope="module")
def contest(tmp_path_factory):
    """A contest with two teams, a document and scores; its folder, its address and what it shows."""
    folder = tmp_path_factory.mktemp("kept")
    phase = make_phase(downloads=[{"title": "Images", "file": "images.zip"}])
    with serve_contest(folder, phase) as host:
        people = [host.add_person(name) for name in ("Ada", "Bob", "Olga")]
        host.add_team("Engines", people[0])
        host.add_team("Looms", people[1])
        sent = [host.submit(people[0], PERFECT), host.submit(people[1], GOOD), host.submit(people[0], POOR)]
        for submission, value in zip(sent, (1.0, 0.5, 0.25), strict=True):
            host.give(submission, value)
        keep_document(host.settings.database, host.settings.blobs, folder, DOCUMENT)
        with host.settings.database.write() as session:
            hide(session, sent[2], NOON, "person:x")
        yield host


def keep_document(database: Database, blobs: Blobs, folder: Path, content: bytes) -> None:
    """Let the first team have described its method."""
    path, sha256 = folder / "document", hashlib.sha256(content).hexdigest()
    path.write_bytes(content)
    blobs.put(path, sha256)
    with database.write() as session:
        session.scalars(select(Team).order_by(Team.id)).first().document = sha256


@pytest.fixture
def archive(contest, tmp_path) -> Path:
    return write(contest, tmp_path / "trees.zip")


def write(host: Served, out: Path, **options) -> Path:
    settings = host.settings
    write_archive(host.file, settings.database, settings.blobs, out, NOON, **options)
    return out


def show(database: Database, contest) -> dict:
    with database.read() as session:
        board = read_standing(session, contest, *find_board(contest, "test", "all"), NOON).as_json()
        key = show_public_key(find_key(session))
        receipts = [
            make_receipt(session, contest, one) for one in session.scalars(select(Submission).order_by(Submission.id))
        ]
    for receipt in receipts:
        assert verify(json.dumps(receipt), key)["log"]
    return {"board": board, "key": key, "receipts": receipts}


def read_all(database: Database) -> dict:
    found = {}
    with database.read() as session:
        for table, kept in list_tables():
            rows = session.execute(select(table).order_by(*table.primary_key)).mappings()
            found[table.name] = [dump_row(table, dict(row)) for row in rows] if kept.archived else []
    # The host makes these anew beside its pages, at any time.
    del found["ties"]
    return found


@pytest.mark.parametrize("kind", ["sqlite", "postgresql"])
def test_an_archive_opens_as_the_same_contest(contest, archive, tmp_path, kind, request):
    db = ""
    if kind == "postgresql":
        cluster = request.getfixturevalue("cluster")
        db = cluster.address(cluster.create())
    manifest = restore(archive, tmp_path / "opened", db)
    database = open_store(db or f"sqlite:///{tmp_path / 'opened' / 'host.db'}")
    opened = read_contest(find_contest(tmp_path / "opened"), truth=False).contest
    assert show(database, opened) == show(contest.settings.database, contest.file.contest)
    assert read_all(database) == read_all(contest.settings.database)
    assert manifest.log > 10
    blobs = open_blobs(str(tmp_path / "opened" / "blobs"))
    for data in (PERFECT, GOOD, POOR, DOCUMENT):
        assert b"".join(blobs.read(hashlib.sha256(data).hexdigest())) == data
    # From PostgreSQL it goes on to a file, and back.
    again = write_archive(contest.file, database, blobs, tmp_path / "again.zip", NOON)
    assert [entry for entry in again.files if entry.name.startswith("rows/")] == [
        entry for entry in manifest.files if entry.name.startswith("rows/")
    ]
    database.engine.dispose()


def test_an_archive_is_opened_once_and_found_again(archive, tmp_path):
    restore(archive, tmp_path / "opened")
    marked = tmp_path / "opened" / "host.db"
    before = marked.stat().st_mtime_ns
    restore(archive, tmp_path / "opened")
    assert marked.stat().st_mtime_ns == before
    (tmp_path / "other").mkdir()
    (tmp_path / "other" / "mine.txt").write_text("mine")
    with pytest.raises(BadOutput, match="holds something else"):
        restore(archive, tmp_path / "other")
    with pytest.raises(BadOption, match="holds a contest already"):
        restore(archive, tmp_path / "third", f"sqlite:///{marked}")
    assert sorted(path.name for path in tmp_path.iterdir()) == ["opened", "other", "trees.zip"]


def test_truth_is_in_an_archive_only_if_asked_for(contest, archive, tmp_path):
    with zipfile.ZipFile(archive) as packed:
        answers = {f"blobs/{hashlib.sha256(PERFECT).hexdigest()}"}
        assert not any(CANARY.encode() in packed.read(name) for name in packed.namelist() if name not in answers)
    whole = write(contest, tmp_path / "whole.zip", truth=True)
    with zipfile.ZipFile(whole) as packed:
        assert packed.read("contest/truth/a.csv") == PERFECT
    restore(whole, tmp_path / "opened")
    assert read_contest(find_contest(tmp_path / "opened")).contest == contest.file.contest


def test_nobody_else_can_read_an_archive_or_what_is_opened_of_it(archive, tmp_path):
    restore(archive, tmp_path / "opened")
    for path in (archive, tmp_path / "opened"):
        assert stat.S_IMODE(path.stat().st_mode) & 0o077 == 0


def test_what_lets_someone_in_is_not_in_an_archive(contest, tmp_path):
    ada = add_person(contest.settings.database, "Eve", NOON)
    contest.enter(ada)
    contest.program(ada, "read")
    with zipfile.ZipFile(write(contest, tmp_path / "a.zip")) as packed:
        assert not {f"rows/{name}.jsonl" for name in ("visits", "tokens", "codes", "mails")} & set(packed.namelist())


def test_an_archive_that_cannot_be_made_leaves_nothing(contest, tmp_path):
    empty = open_blobs(str(tmp_path / "empty"))
    with pytest.raises(NotFound, match="has no blob"):
        write_archive(contest.file, contest.settings.database, empty, tmp_path / "a.zip", NOON)
    assert [path.name for path in tmp_path.iterdir()] == ["empty"]


def test_memory_does_not_grow_with_what_was_sent_in(contest, tmp_path):
    write(contest, tmp_path / "a.zip")
    restore(tmp_path / "a.zip", tmp_path / "first")
    copy = open_store(f"sqlite:///{tmp_path / 'first' / 'host.db'}")
    blobs = open_blobs(str(tmp_path / "first" / "blobs"))
    keep_document(copy, blobs, tmp_path, os.urandom(32 * 2**20))
    tracemalloc.start()
    write_archive(contest.file, copy, blobs, tmp_path / "b.zip", NOON)
    restore(tmp_path / "b.zip", tmp_path / "second")
    _, most = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert most < 16 * 2**20
    copy.engine.dispose()


def repack(archive: Path, out: Path, change) -> Path:
    """An archive with other members; their digests in the manifest are right, as a forger would see to."""
    with zipfile.ZipFile(archive) as packed:
        members = {name: packed.read(name) for name in packed.namelist()}
    manifest = json.loads(members.pop(MANIFEST))
    infos = change(members, manifest) or {}
    if "keep" not in infos:
        sizes = {name: (len(data), hashlib.sha256(data).hexdigest()) for name, data in members.items()}
        manifest["files"] = [{"name": name, "size": size, "sha256": one} for name, (size, one) in sizes.items()]
    members[MANIFEST] = json.dumps(manifest).encode()
    with zipfile.ZipFile(out, "w", zipfile.ZIP_DEFLATED) as packed:
        for name, data in members.items():
            info = zipfile.ZipInfo(name)
            info.compress_type = zipfile.ZIP_DEFLATED
            info.external_attr = infos.get(name, 0o600) << 16
            packed.writestr(info, data)
    return out


def put(name, data=b"x"):
    return lambda members, manifest: members.update({name: data})


def edit(name, old, new):
    def change(members, manifest):
        assert old in members[name]
        members[name] = members[name].replace(old, new, 1)

    return change


def link(members, manifest):
    members["contest/link"] = b"/etc/passwd"
    return {"contest/link": stat.S_IFLNK | 0o777}


def forget(members, manifest):
    del members["rows/events.jsonl"]


def lie(members, manifest):
    members["rows/people.jsonl"] = members["rows/people.jsonl"].replace(b"Ada", b"Eda")
    return {"keep": True}


def cut(members, manifest):
    lines = members["rows/events.jsonl"].splitlines(keepends=True)
    members["rows/events.jsonl"] = b"".join(lines[:-1])


HOSTILE = {
    "out of the folder": (put("contest/../../evil"), "leads out of it"),
    "absolute": (put("/etc/evil"), "leads out of it"),
    "backslashes": (put("contest/..\\..\\evil"), "leads out of it"),
    "control letters": (put("contest/a\nb"), "leads out of it"),
    "another place": (put("host.db"), "does not belong there"),
    "another table": (put("rows/alembic.jsonl", b"{}\n"), "no table"),
    "a link": (link, "no plain file"),
    "a bomb": (put("contest/zeros", bytes(2**27)), "would unpack to"),
    "a blob of another digest": (put(f"blobs/{'0' * 64}"), "another digest"),
    "without a log": (forget, "has no rows/events.jsonl"),
    "a file that is another one": (lie, "not what the manifest says"),
    "a changed line": (edit("rows/events.jsonl", b'"submission.scored"', b'"submission.failed"'), "was changed"),
    "a log that is cut": (cut, "the log in it was changed"),
    "other columns": (edit("rows/people.jsonl", b'"name"', b'"surname"'), "other columns"),
    "no JSON": (edit("rows/people.jsonl", b"{", b"("), "rows/people.jsonl"),
    "a row that breaks off": (edit("rows/people.jsonl", b"\n", b""), "people"),
    "a row that fits nowhere": (edit("rows/submissions.jsonl", b'"team_id":"', b'"team_id":"x'), "do not fit"),
    "another kind": (lambda members, manifest: manifest.update(kind="x"), "of kind 'x'"),
    "more in the manifest": (lambda members, manifest: manifest.update(more="x"), "its manifest"),
}


@pytest.mark.parametrize("kind", HOSTILE)
def test_a_hostile_archive_is_refused_and_leaves_nothing(archive, tmp_path, kind):
    change, message = HOSTILE[kind]
    wrong = repack(archive, tmp_path / "wrong.zip", change)
    with pytest.raises((BadData, BadOption), match=re.escape(message)):
        restore(wrong, tmp_path / "opened")
    assert sorted(path.name for path in tmp_path.iterdir()) == ["trees.zip", "wrong.zip"]


def test_two_members_of_one_name_are_refused(archive, tmp_path):
    with zipfile.ZipFile(archive, "a") as packed, pytest.warns(UserWarning, match="Duplicate"):
        packed.writestr("rows/events.jsonl", "")
    with pytest.raises(BadData, match="not those of its manifest"):
        restore(archive, tmp_path / "opened")


@pytest.mark.parametrize("share", [0, 0.1, 0.5, 0.99])
def test_an_archive_that_breaks_off_is_refused(archive, tmp_path, share):
    data = archive.read_bytes()
    archive.write_bytes(data[: int(len(data) * share)])
    with pytest.raises(BadData, match="no archive"):
        Archive(archive)


def test_one_changed_byte_is_found_or_changes_nothing(archive, tmp_path):
    data = archive.read_bytes()
    found = 0
    for i in range(0, len(data), max(1, len(data) // 60)):
        archive.write_bytes(data[:i] + bytes([data[i] ^ 0x40]) + data[i + 1 :])
        try:
            with Archive(archive) as opened:
                for number, name in enumerate(opened.list_names("")):
                    opened.copy(name, tmp_path / f"{i}-{number}")
        except BadData:
            found += 1
    assert found > 40


def test_a_newer_archive_is_refused(archive, tmp_path):
    newer = repack(archive, tmp_path / "newer.zip", lambda members, manifest: manifest.update(schema_step="9999"))
    with pytest.raises((BadData, BadOption), match="9999"):
        restore(newer, tmp_path / "opened")


def test_every_table_says_how_it_is_kept():
    """Whoever adds a table says in host/kept.py whether archives hold it, and what in it is a person's."""
    assert set(TABLES) == set(Base.metadata.tables)
    for table, kept in list_tables():
        assert {*kept.secret, *kept.typed, *kept.blobs, *kept.claims} <= {column.name for column in table.columns}
        assert not kept.address or kept.address in table.columns
        assert not kept.results or "submission_id" in table.columns
    columns = [(table, column) for table, _ in list_tables() for column in table.columns]
    digests = {f"{table.name}.{column.name}" for table, column in columns if "sha256" in column.name}
    blobs = {f"{table.name}.{name}" for table, kept in list_tables() for name in kept.blobs}
    # Of models that lie elsewhere, and of files that are on their way.
    assert digests - blobs <= {"declarations.sha256", "uploads.sha256"}


def test_the_command_writes_an_archive_and_opens_it_to_be_looked_at(contest, tmp_path):
    folder = contest.mails.parent
    out = tmp_path / "trees.zip"
    options = ["--db", f"sqlite:///{folder / 'host.db'}", "--store", str(folder / "blobs")]
    made = CliRunner().invoke(app, ["contest", "archive", str(contest.file.path), "--out", str(out), *options])
    assert made.exit_code == 0, made.output
    assert "keep it to yourself" in made.output
    looked = CliRunner().invoke(app, ["audit", "verify", str(out)])
    assert "the log is as it was written" in looked.output
    said = tmp_path / "said"
    with said.open("w") as file:
        process = subprocess.Popen([*RUN, "host", str(out), "--port", "0"], stdout=file, stderr=subprocess.STDOUT)
    try:
        wait_for(lambda: re.search(r"http://\S+", said.read_text()), most_s=60)
        found = re.search(r"http://\S+", said.read_text())
        assert found is not None
        with httpx.Client(base_url=found[0]) as browser:
            wait_for(lambda: is_up(browser), most_s=30)
            assert browser.get(BOARD).json() == contest.client().get(BOARD).json()
            head = browser.get("/api/v1/log/head").json()
            page = browser.get("/account/login").text
            token = re.search(r'name="form_token" value="(\w+)"', page)
            assert token is not None
            assert "This is the archive of a contest" in page
            fields = {"form_token": token[1], "email": "olga@example.org", "password": PASSWORD}
            assert browser.post("/account/forgotten", data=fields).status_code == 403
            assert browser.post("/account/login", data=fields).status_code == 303
            assert browser.get("/organise/log").status_code == 200
            assert browser.get("/api/v1/log/head").json()["log_sha256"] == head["log_sha256"]
    finally:
        process.send_signal(signal.SIGINT)
        process.wait(15)
    assert head["log"] == audit_archive(out, {}).head.number
    assert datetime.fromtimestamp(out.stat().st_mtime, UTC)


def is_up(browser: httpx.Client) -> bool:
    try:
        return browser.get("/healthz").status_code == 200
    except httpx.HTTPError:
        return False


def test_a_contest_without_a_host_cannot_be_archived(contest, tmp_path):
    done = CliRunner().invoke(app, ["contest", "archive", str(contest.file.path), "--out", str(tmp_path / "x.zip")])
    assert isinstance(done.exception, BadOption)
