"""A file appears whole or not at all."""

import os
import subprocess

import pytest

from overtrace.errors import BadOutput
from overtrace.raster.aside import FolderAside, TextAside, open_aside


def test_the_old_file_stays_until_commit(tmp_path):
    final = tmp_path / "a.txt"
    final.write_text("old")
    text = TextAside(final)
    text.put("new")
    text.close()
    assert final.read_text() == "old"
    text.commit()
    assert final.read_text() == "new"
    assert list(tmp_path.iterdir()) == [final]


def test_the_file_beside_is_hidden_and_named_after_the_process(tmp_path):
    aside = open_aside(tmp_path / "crowns.gpkg")
    assert aside.path.name == f".crowns.{os.getpid()}.part.gpkg"


def test_any_failure_removes_the_file_and_its_companions(tmp_path):
    aside = open_aside(tmp_path / "a.gpkg")
    aside.path.with_name(aside.path.name + "-journal").write_bytes(b"x")
    with pytest.raises(KeyboardInterrupt), aside.guard():
        raise KeyboardInterrupt
    assert not list(tmp_path.iterdir())


def test_a_failure_of_the_disk_is_one_line(tmp_path):
    aside = open_aside(tmp_path / "a.gpkg")
    with (
        pytest.raises(BadOutput, match=r"a\.gpkg cannot be written: it broke: check its folder and disk$"),
        aside.guard(),
    ):
        raise OSError("it\nbroke")


def test_what_a_killed_process_left_is_removed(tmp_path):
    gone = subprocess.Popen(["true"])
    gone.wait()
    (tmp_path / f".a.{gone.pid}.part.gpkg").write_bytes(b"x")
    (tmp_path / f".a.{gone.pid}.part.gpkg-wal").write_bytes(b"x")
    running, other = tmp_path / f".a.{os.getppid()}.part.gpkg", tmp_path / f".b.{gone.pid}.part.gpkg"
    for kept in (running, other):
        kept.write_bytes(b"x")
    open_aside(tmp_path / "a.gpkg").discard()
    assert set(tmp_path.iterdir()) == {running, other}


def test_a_missing_folder_is_named(tmp_path):
    with pytest.raises(BadOutput, match=r"folder .*nowhere does not exist: create it first"):
        open_aside(tmp_path / "nowhere" / "a.gpkg")


def test_a_folder_is_no_output(tmp_path):
    with pytest.raises(BadOutput, match="is a folder: name a file in it"):
        open_aside(tmp_path)


def test_a_folder_that_vanished_is_one_line(tmp_path):
    folder = tmp_path / "results"
    folder.mkdir()
    text = TextAside(folder / "a.txt")
    text.put("x")
    text.close()
    next(folder.iterdir()).unlink()
    folder.rmdir()
    with pytest.raises(BadOutput, match="No such file or directory"):
        text.commit()


def test_an_old_folder_stays_until_commit(tmp_path):
    final = tmp_path / "answer"
    final.mkdir()
    (final / "a").write_text("old")
    folder = FolderAside(final, lambda _: True)
    with folder.guard():
        (folder.path / "b").write_text("new")
    assert [path.name for path in final.iterdir()] == ["a"]
    folder.commit()
    assert [path.name for path in final.iterdir()] == ["b"]
    assert list(tmp_path.iterdir()) == [final]


def test_a_folder_that_failed_leaves_nothing(tmp_path):
    folder = FolderAside(tmp_path / "answer", lambda _: False)
    (folder.path / "b").write_text("half")
    with pytest.raises(ZeroDivisionError), folder.guard():
        _ = 1 / 0
    with pytest.raises(BadOutput, match="answer cannot be written: No such file"), folder.guard():
        (folder.path / "b").write_text("gone")
    assert list(tmp_path.iterdir()) == []


def test_a_folder_of_something_else_is_not_replaced(tmp_path):
    (tmp_path / "empty").mkdir()
    FolderAside(tmp_path / "empty", lambda _: False).commit()
    (tmp_path / "empty" / "a").write_text("kept")
    with pytest.raises(BadOutput, match="empty is a folder that holds something else: name another one"):
        FolderAside(tmp_path / "empty", lambda _: False)
    with pytest.raises(BadOutput, match="a is a file: name a folder"):
        FolderAside(tmp_path / "empty" / "a", lambda _: True)
    with pytest.raises(BadOutput, match=r"folder .*nowhere does not exist: create it"):
        FolderAside(tmp_path / "nowhere" / "a", lambda _: True)


def test_what_a_killed_process_left_of_folders(tmp_path):
    gone = subprocess.Popen(["true"])
    gone.wait()
    # It was killed between the moving of the old folder and that of the new one.
    for kind in ("part", "old"):
        (tmp_path / f".answer.{gone.pid}.{kind}").mkdir()
        (tmp_path / f".answer.{gone.pid}.{kind}" / kind).write_text("")
    FolderAside(tmp_path / "answer", lambda _: True).discard()
    assert [path.name for path in tmp_path.rglob("*")] == ["answer", "old"]
