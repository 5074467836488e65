"""Scratch stores: a folder, and a bucket of a real S3 server."""

import numpy as np
import pytest

from overtrace.raster.arrays import Damaged
from overtrace.raster.store import Store, is_whole, open_store, save
from tests.support.s3 import serve_s3, set_environment

ARRAYS = {"small": np.arange(5), "large": np.random.default_rng(0).random(40_000), "none": np.zeros((0, 2))}


@pytest.fixture(scope="module")
def server():
    with serve_s3() as address:
        yield address


@pytest.fixture(params=["folder", "bucket"])
def store(request, tmp_path, monkeypatch) -> Store:
    if request.param == "folder":
        return open_store(tmp_path / "scratch").child("run")
    set_environment(monkeypatch, request.getfixturevalue("server"))
    found = open_store("s3://contest/scratch").child("run")
    found.clear()
    return found


def test_what_is_kept_is_there_again_in_whole_and_in_part(store):
    save(store, "0000/some", ARRAYS)
    for names in (None, ["large"], ["small", "none"]):
        found = store.load("0000/some", names)
        assert list(found) == (names or list(ARRAYS))
        for name, array in found.items():
            np.testing.assert_array_equal(array, ARRAYS[name])
    assert is_whole(store, "0000/some")


def test_what_is_not_there_or_damaged_is_not_whole(store):
    assert not is_whole(store, "0000/some")
    with pytest.raises(FileNotFoundError):
        store.load("0000/some", ["small"])
    save(store, "0000/some", ARRAYS)
    content = store.read("0000/some")
    store.write("0000/some", [content[:-9]])
    assert not is_whole(store, "0000/some")
    with pytest.raises(Damaged):
        store.load("0000/some", ["large"])


def test_a_store_is_searched_and_cleared(store):
    store.write("0000/answer-1", [b"a", b"b"])
    store.child("deeper").write("0001/outlines-2", [b"c"])
    assert store.read("0000/answer-1") == b"ab"
    assert store.holds("outlines-")
    assert not store.holds("labels-")
    store.remove("0000/answer-1")
    store.remove("0000/answer-1")
    assert not store.holds("answer-")
    store.clear()
    assert not store.holds("outlines-")


def test_a_server_that_refuses_is_told_without_any_key(monkeypatch, server):
    set_environment(monkeypatch, server)
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "very-secret")
    with pytest.raises(OSError, match="s3://nobodys/bucket: there is no such bucket") as told:
        open_store("s3://nobodys/bucket").write("some", [b"a"])
    assert "very-secret" not in str(told.value)
