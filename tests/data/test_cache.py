import pickle
from collections.abc import Callable
from concurrent.futures import ProcessPoolExecutor, ThreadPoolExecutor
from dataclasses import fields, replace
from pathlib import Path

import numpy as np
import pytest

from overtrace.data.cache import keep
from overtrace.data.labelled import DataSet, Labelled, Scene
from overtrace.data.split import subset
from overtrace.errors import BadOutput
from tests.support.labelled import draw_crowns

IMAGE_BYTES = sum(
    getattr(draw_crowns(), field.name).nbytes
    for field in fields(draw_crowns())
    if field.name not in ("name", "pixel_size_m")
)


class Source:
    """Reads squares, and writes down what was read."""

    def __init__(self, log: Path, size: float | None = 0.6) -> None:
        self.log, self.size = log, size

    def __call__(self, i: int) -> Labelled:
        with self.log.open("a") as log:
            log.write(f"{i}\n")
        return replace(draw_crowns(), name=f"squares {i}", pixel_size_m=self.size)


def make(read: Callable[[int], Labelled], facts: str = "facts", truth: str = "objects") -> DataSet:
    names = tuple(f"squares {i}" for i in range(4))
    return DataSet("squares", truth, ("crown",), ("red", "green", "blue"), names, read, facts=facts)


@pytest.fixture
def source(tmp_path):
    return Source(tmp_path / "log")


def what_was_read(source: Source) -> list[int]:
    return list(map(int, source.log.read_text().split()))


@pytest.mark.parametrize("size", [0.6, None])
def test_an_image_is_the_same_from_the_source_the_file_and_memory(tmp_path, size):
    source = Source(tmp_path / "log", size)
    expected = source(1)
    kept = keep(make(source), tmp_path / "cache")
    fresh, remembered, filed = kept.read(1), kept.read(1), keep(make(source), tmp_path / "cache").read(1)
    assert what_was_read(source) == [1, 1]
    assert remembered is fresh
    for field in fields(expected):
        for found in (fresh, filed):
            np.testing.assert_array_equal(getattr(found, field.name), getattr(expected, field.name))
            if isinstance(getattr(found, field.name), np.ndarray):
                assert getattr(found, field.name).dtype == getattr(expected, field.name).dtype
                assert not getattr(found, field.name).flags.writeable


def test_scenes_are_kept_too(tmp_path):
    scene = Scene("squares 0", None, np.zeros((3, 4, 3), np.uint8), np.arange(12, dtype=np.uint8).reshape(3, 4))
    data = make(lambda i: scene, truth="classes")
    keep(data, tmp_path).read(0)
    found = keep(data, tmp_path).read(0)
    assert isinstance(found, Scene)
    np.testing.assert_array_equal(found.classes, scene.classes)


def test_another_source_is_another_file(tmp_path, source):
    for facts in ("one", "two", "one"):
        keep(make(source, facts), tmp_path / "cache").read(0)
    assert what_was_read(source) == [0, 0]


def test_parts_share_what_the_whole_has(tmp_path, source):
    keep(make(source), tmp_path / "cache").read(3)
    part = keep(subset(make(source), [3, 2]), tmp_path / "cache")
    assert [part.read(i).name for i in range(2)] == ["squares 3", "squares 2"]
    assert what_was_read(source) == [3, 2]


@pytest.mark.parametrize("damage", ["cut", "changed", "emptied"])
def test_a_damaged_file_is_made_again(tmp_path, source, damage):
    keep(make(source), tmp_path / "cache").read(0)
    (path,) = (tmp_path / "cache").rglob("*.arrays")
    whole = path.read_bytes()
    broken = {"cut": whole[:-20], "changed": whole[:-20] + bytes(20), "emptied": b""}[damage]
    path.write_bytes(broken)
    found = keep(make(source), tmp_path / "cache").read(0)
    np.testing.assert_array_equal(found.labels, draw_crowns().labels)
    assert path.read_bytes() == whole
    assert what_was_read(source) == [0, 0]


def test_memory_is_bounded_and_keeps_what_was_read_last(tmp_path, source):
    kept = keep(make(source), tmp_path / "cache", most_bytes=2 * IMAGE_BYTES + 100)
    first, second = kept.read(0), kept.read(1)
    assert kept.read(0) is first
    kept.read(2)
    assert kept.read(0) is first
    assert kept.read(1) is not second
    assert what_was_read(source) == [0, 1, 2]
    small = keep(make(source), tmp_path / "cache", most_bytes=10)
    assert small.read(0) is not small.read(0)


def test_what_goes_to_another_process_leaves_memory_behind(tmp_path, source):
    kept = keep(make(source), tmp_path / "cache")
    kept.read(0)
    sent = pickle.dumps(kept)
    assert len(sent) < 2000
    assert pickle.loads(sent).read(0).labels.max() > 0
    assert what_was_read(source) == [0]


def test_threads_and_processes_may_fill_one_folder_at_once(tmp_path, source):
    kept = keep(make(source), tmp_path / "cache", most_bytes=0)
    with ThreadPoolExecutor(4) as threads, ProcessPoolExecutor(2) as processes:
        found = [*threads.map(kept.read, [0, 0, 0, 0, 1, 1]), *processes.map(kept.read, [0, 1, 0, 1])]
    assert all((image.labels == draw_crowns().labels).all() for image in found)
    assert len(list((tmp_path / "cache").rglob("*"))) == 1 + 2


def test_a_folder_that_cannot_be_written(tmp_path, source):
    (tmp_path / "cache").write_text("a file")
    with pytest.raises(BadOutput, match=r"cannot be written: .*: free space, or name another folder"):
        keep(make(source), tmp_path / "cache").read(0)


def test_a_set_without_facts_is_not_kept(tmp_path, source):
    with pytest.raises(ValueError, match="squares has no facts"):
        keep(make(source, ""), tmp_path)
