import os
import socket

import pytest

from overtrace.host.harvest import BadHarvest, harvest
from overtrace.host.replication import Reason


@pytest.fixture
def places(tmp_path):
    for name in ("output", "taken"):
        (tmp_path / name).mkdir()
    return tmp_path / "output", tmp_path / "taken"


def test_regular_files_are_copied_from_folders_too(places):
    output, taken = places
    (output / "deep").mkdir()
    (output / "a.json").write_text("[]")
    (output / "deep" / "b.png").write_bytes(b"png")
    (output / ".hidden").write_text("")
    found = harvest(output, taken, 10, 100)
    assert (found.names, found.total_bytes) == (("a.json", "b.png"), 5)
    assert (taken / "b.png").read_bytes() == b"png"
    assert sorted(os.listdir(taken)) == ["a.json", "b.png"]


def bind(path):
    with socket.socket(socket.AF_UNIX) as one:
        os.chdir(path.parent)
        one.bind(path.name)


SPECIAL = {
    "link": lambda path: path.symlink_to("/etc/passwd"),
    "dangling link": lambda path: path.symlink_to("/nowhere"),
    "link to a folder": lambda path: path.symlink_to("/etc"),
    "hard link": lambda path: os.link(path.with_name("other"), path),
    "pipe": os.mkfifo,
    "socket": bind,
}


@pytest.mark.parametrize("kind", SPECIAL)
def test_nothing_but_regular_files_is_opened(places, kind, monkeypatch):
    output, taken = places
    monkeypatch.chdir(output)
    (output / "other").write_text("")
    SPECIAL[kind](output / "answer.json")
    with pytest.raises(BadHarvest) as caught:
        harvest(output, taken, 10, 100)
    assert caught.value.reason is Reason.LINKS
    assert not (taken / "answer.json").exists()


@pytest.mark.parametrize(
    ("make", "reason"),
    [
        (lambda output: [(output / str(i)).touch() for i in range(11)], Reason.MANY_FILES),
        (lambda output: (output / "a/b/c/d").mkdir(parents=True), Reason.MANY_FILES),
        (lambda output: (output / "a").write_bytes(bytes(101)), Reason.DISK),
        (lambda output: [(output / name).write_bytes(bytes(60)) for name in "ab"], Reason.DISK),
        (lambda output: os.truncate(os.open(output / "a", os.O_CREAT | os.O_WRONLY), 2**40), Reason.DISK),
        (lambda output: (output / "a\n.json").touch(), Reason.FAULTS),
        (lambda output: None, Reason.NO_ANSWER),
    ],
    ids=["many", "deep", "large", "large together", "holes", "name", "nothing"],
)
def test_too_much_is_refused(places, make, reason):
    output, taken = places
    make(output)
    with pytest.raises(BadHarvest) as caught:
        harvest(output, taken, 10, 100)
    assert caught.value.reason is reason
