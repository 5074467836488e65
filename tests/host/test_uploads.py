import hashlib
import os
import signal
import subprocess
import sys
from concurrent.futures import ProcessPoolExecutor, ThreadPoolExecutor
from datetime import timedelta
from multiprocessing import get_context

import numpy as np
import pytest

from overtrace.errors import NotFound, Refused
from overtrace.host.schema import open_store
from overtrace.host.tables import FileKind, State
from overtrace.host.uploads import KEPT, MOST_OPEN, Gap
from tests.support.hosted import NOON, Host, answer, append_parts, make_host

CONTENT = bytes(range(256)) * 41


@pytest.fixture
def host(database, tmp_path) -> Host:
    return make_host(database, tmp_path)


def spooled(host: Host) -> list[str]:
    return sorted(path.name for path in host.uploads.spool.iterdir())


@pytest.mark.parametrize("cut", [0, 1, 2, 4095, 4096, 4097, len(CONTENT) - 1, len(CONTENT)])
def test_a_file_goes_on_at_any_byte(host, cut):
    upload = host.announce(host.add_team("owls"), CONTENT)
    assert host.uploads.append(upload, 0, CONTENT[:cut]) == cut
    assert host.uploads.find(upload).received == cut
    assert host.uploads.append(upload, cut, CONTENT[cut:]) == len(CONTENT)
    sent = host.uploads.complete(upload, NOON)
    assert b"".join(host.uploads.blobs.read(sent.sha256)) == CONTENT
    assert spooled(host) == []


def test_bytes_that_are_there_are_passed_over(host):
    upload = host.announce(host.add_team("owls"), CONTENT)
    assert host.uploads.append(upload, 0, CONTENT[:5000]) == 5000
    assert host.uploads.append(upload, 0, CONTENT[:5000]) == 5000
    assert host.uploads.append(upload, 100, CONTENT[100:200]) == 5000
    assert host.uploads.append(upload, 4000, CONTENT[4000:]) == len(CONTENT)
    assert host.uploads.complete(upload, NOON).state == State.QUEUED


def test_who_begins_again_goes_on(host):
    team = host.add_team("owls")
    first = host.announce(team, CONTENT)
    host.uploads.append(first, 0, CONTENT[:10])
    assert host.announce(team, CONTENT, NOON + timedelta(hours=1)) == first
    assert host.uploads.find(first).started_at == NOON
    assert host.announce(host.add_team("bats"), CONTENT) != first


@pytest.mark.parametrize("offset", [11, 5000, -1])
def test_a_gap_is_refused_and_told_where_to_go_on(host, offset):
    upload = host.announce(host.add_team("owls"), CONTENT)
    host.uploads.append(upload, 0, CONTENT[:10])
    with pytest.raises(
        Gap, match=rf"^upload {upload} has 10 bytes, found offset {offset:,}: go on from there$"
    ) as found:
        host.uploads.append(upload, offset, b"x")
    assert found.value.received == 10


def test_more_bytes_than_was_said_are_refused(host):
    upload = host.announce(host.add_team("owls"), CONTENT)
    host.uploads.append(upload, 0, CONTENT)
    with pytest.raises(Refused, match=r"has 10,496 bytes, found more: begin one of the right size"):
        host.uploads.append(upload, len(CONTENT), b"x")
    assert os.path.getsize(host.uploads.spool / upload) == len(CONTENT)


def test_an_upload_that_is_not_whole_is_no_submission(host):
    upload = host.announce(host.add_team("owls"), CONTENT)
    host.uploads.append(upload, 0, CONTENT[:-1])
    with pytest.raises(Gap, match=r"has 10,495 bytes"):
        host.uploads.complete(upload, NOON)


def test_other_bytes_than_was_said_end_the_upload(host):
    upload = host.announce(host.add_team("owls"), CONTENT)
    host.uploads.append(upload, 0, CONTENT[::-1])
    with pytest.raises(
        Refused, match=r"^SHA-256 of a.csv is [0-9a-f]{64}, not [0-9a-f]{64} as announced: send it anew$"
    ):
        host.uploads.complete(upload, NOON)
    assert spooled(host) == []
    with pytest.raises(Refused, match="has ended: begin a new one"):
        host.uploads.complete(upload, NOON)
    with pytest.raises(Refused, match="has ended: begin a new one"):
        host.uploads.append(upload, 0, CONTENT)


@pytest.mark.parametrize(
    ("facts", "said"),
    [
        ({"size": 0}, "a.csv has 0 bytes: an empty file is no answer"),
        ({"size": 2**31 + 1}, "a.csv has 2,147,483,649 bytes: at most 2,147,483,648 are taken"),
        ({"sha256": "A" * 64}, "found SHA-256 'A+': wanted 64 hexadecimal digits in small letters"),
        ({"name": "../a.csv"}, "found the name '../a.csv': wanted a file's, without folders"),
        ({"name": "a\nb"}, r"found the name 'a\\nb': wanted"),
        ({"name": ""}, "found the name '': wanted"),
        ({"name": "a" * 201}, "wanted a file's, without folders, of 200 letters at most"),
        ({"phase": "other"}, "the contest has no phase other: use one of test"),
    ],
)
def test_odd_offers_are_refused(host, facts, said):
    with pytest.raises(Refused, match=said):
        host.announce(host.add_team("owls"), CONTENT, **facts)


def test_a_spent_limit_is_told_before_the_upload(database, tmp_path):
    host = make_host(database, tmp_path, {"per_day": 1})
    team = host.add_team("owls")
    host.submit(team)
    with pytest.raises(Refused, match="are spent"):
        host.announce(team, CONTENT)


def test_a_file_whose_day_is_spent_begins_anew_on_the_next(database, tmp_path):
    host = make_host(database, tmp_path, {"per_day": 1})
    team = host.add_team("owls")
    waiting = host.send(team, answer(1))
    host.submit(team, answer(2))
    with pytest.raises(Refused, match="all 1 tries of 2026-03-02"):
        host.uploads.complete(waiting, NOON)
    assert host.announce(team, answer(1), NOON) == waiting
    assert host.uploads.find(waiting).started_at == NOON
    tomorrow = NOON + timedelta(days=1)
    assert host.announce(team, answer(1), tomorrow) == waiting
    assert host.uploads.complete(waiting, tomorrow).received_at == tomorrow


def test_a_team_has_few_files_on_their_way(host):
    team = host.add_team("owls")
    made = [host.announce(team, answer(i)) for i in range(MOST_OPEN)]
    with pytest.raises(Refused, match="4 files of your team are on their way: complete one, or give it up"):
        host.announce(team, answer(9))
    host.uploads.give_up(made[0], NOON)
    assert host.announce(team, answer(9)) not in made


def test_what_nobody_goes_on_with_is_forgotten(host):
    upload = host.announce(host.add_team("owls"), CONTENT)
    host.uploads.append(upload, 0, CONTENT[:10])
    old = (NOON - 2 * KEPT).timestamp()
    assert host.uploads.expire(NOON + KEPT) == 0
    os.utime(host.uploads.spool / upload, (old, old))
    assert host.uploads.expire(NOON + KEPT) == 0
    assert host.uploads.expire(NOON + KEPT + timedelta(seconds=1)) == 1
    assert spooled(host) == []


def test_a_spool_that_was_lost_is_sent_again(host):
    upload = host.announce(host.add_team("owls"), CONTENT)
    host.uploads.append(upload, 0, CONTENT[:5000])
    os.truncate(host.uploads.spool / upload, 300)
    with pytest.raises(Gap, match="has 300 bytes"):
        host.uploads.append(upload, 5000, CONTENT[5000:])
    host.uploads.append(upload, 300, CONTENT[300:])
    assert host.uploads.complete(upload, NOON).size == len(CONTENT)


def test_bytes_that_were_written_but_not_counted_are_written_again(host):
    upload = host.announce(host.add_team("owls"), CONTENT)
    host.uploads.append(upload, 0, CONTENT[:10])
    # As if the process had been killed between the two.
    with (host.uploads.spool / upload).open("ab") as file:
        file.write(b"\0" * (2 * len(CONTENT)))
    host.uploads.append(upload, 10, CONTENT[10:])
    assert host.uploads.complete(upload, NOON).size == len(CONTENT)


def test_a_description_is_a_blob_and_no_submission(host):
    upload = host.announce(host.add_team("owls"), b"%PDF", phase="", name="method.pdf", kind=FileKind.DOCUMENT)
    host.uploads.append(upload, 0, b"%PDF")
    for _ in range(2):
        assert host.uploads.complete_file(upload, NOON).sha256 == hashlib.sha256(b"%PDF").hexdigest()
    with pytest.raises(Refused, match="kind document"):
        host.uploads.complete(upload, NOON)


def test_the_same_bytes_of_two_teams_are_one_blob_and_two_submissions(host):
    first, second = (host.submit(host.add_team(name)) for name in ("owls", "bats"))
    assert first.id != second.id
    stored = [path for path in (host.folder.parent / "blobs").rglob("*") if path.is_file()]
    assert [path.name for path in stored] == [first.sha256]


def test_processes_that_append_at_the_same_time_write_what_was_sent(database, address, tmp_path):
    host = make_host(database, tmp_path)
    content = np.random.default_rng(1).bytes(100_000)
    upload = host.announce(host.add_team("owls"), content)
    with ProcessPoolExecutor(2, get_context("spawn")) as pool:
        ends = [pool.submit(append_parts, address, tmp_path, upload, content, part) for part in (3001, 4099)]
        assert [end.result() for end in ends] == [len(content)] * 2
    assert host.uploads.complete(upload, NOON).size == len(content)


def test_threads_that_complete_and_append_leave_one_submission(database, address, tmp_path):
    host = make_host(database, tmp_path)
    upload = host.send(host.add_team("owls"), CONTENT)

    def work(i: int) -> str:
        own = make_host(open_store(address), tmp_path)
        return own.uploads.complete(upload, NOON).id if i % 2 else str(append_or_refuse(own, upload))

    def append_or_refuse(own: Host, upload: str) -> int:
        try:
            return own.uploads.append(upload, 0, CONTENT)
        except Refused:
            return 0

    with ThreadPoolExecutor(8) as pool:
        ids = {found for found in pool.map(work, range(8)) if len(found) == 26}
    assert len(ids) == 1


KILLED = """
import os, sys
from pathlib import Path
from overtrace.host.schema import open_store
from tests.support.hosted import make_host
address, folder, upload, content = sys.argv[1], Path(sys.argv[2]), sys.argv[3], Path(sys.argv[4]).read_bytes()
uploads = make_host(open_store(address), folder).uploads
at = uploads.find(upload).received
print("ready", flush=True)
while at < len(content):
    at = uploads.append(upload, at, content[at : at + 1000])
    print(at, flush=True)
"""


def test_a_process_that_is_killed_while_it_receives_loses_nothing_that_it_confirmed(database, address, tmp_path):
    host = make_host(database, tmp_path)
    content = np.random.default_rng(2).bytes(60_000)
    (tmp_path / "content").write_bytes(content)
    upload = host.announce(host.add_team("owls"), content)
    confirmed = 0
    for kills in range(2):
        command = [sys.executable, "-c", KILLED, address, str(tmp_path), upload, str(tmp_path / "content")]
        process = subprocess.Popen(command, stdout=subprocess.PIPE, text=True)
        for _ in range(5 + 10 * kills):
            line = process.stdout.readline().strip()
            confirmed = int(line) if line.isdigit() else confirmed
        process.send_signal(signal.SIGKILL)
        for line in process.stdout:
            confirmed = int(line)
        process.wait()
        assert host.uploads.find(upload).received >= confirmed
    at = host.uploads.find(upload).received
    assert 0 < at < len(content)
    host.uploads.append(upload, at, content[at:])
    assert host.uploads.complete(upload, NOON).size == len(content)


def test_there_is_no_such_upload(host):
    with pytest.raises(NotFound, match="there is no upload x: begin a new one"):
        host.uploads.append("x", 0, b"a")
