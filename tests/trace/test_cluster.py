"""The same answer on a cluster, whatever happens to it; a drawn canopy whose planes are known."""

import random
import subprocess
from pathlib import Path

import numpy as np
import pyogrio
import pytest
import rasterio

from benchmarks.scene import write_image
from overtrace.cli.trace import describe
from overtrace.errors import BadCluster, BadImage, BadOption
from overtrace.trace import cluster, connect
from overtrace.trace.options import Options
from overtrace.trace.pipeline import trace
from tests.support.dask_cluster import Watch, open_dask
from tests.support.identity_model import write_identity_model

SIZE = 2048
BLOCKS = 36


@pytest.fixture(scope="module")
def scene(tmp_path_factory) -> tuple[Path, Path]:
    """An image of 36 blocks, and the model that reads its planes."""
    folder = tmp_path_factory.mktemp("scene")
    return write_image(folder / "canopy.tif", SIZE), write_identity_model(folder / "identity.onnx")


def read_table(path: Path) -> list[np.ndarray]:
    """Columns and geometries of a file of polygons, by id."""
    meta, _, geometry, columns = pyogrio.raw.read(path)
    table = dict(zip(meta["fields"], columns, strict=True))
    order = np.argsort(table["id"])
    return [geometry[order], *(table[name][order] for name in sorted(table))]


def assert_same(found: list[np.ndarray], expected: list[np.ndarray]) -> None:
    assert len(found[0]) == len(expected[0]) > 1000
    for one, other in zip(found, expected, strict=True):
        assert np.array_equal(one, other), "a column differs"


def run(scene, out: Path, watch: Watch | None = None, **options) -> dict:
    return trace([scene[0]], [out], Options(model=str(scene[1]), block=256, **options), progress=watch)


@pytest.fixture(scope="module")
def expected(scene, tmp_path_factory) -> list[np.ndarray]:
    out = tmp_path_factory.mktemp("expected") / "whole.gpkg"
    trace([scene[0]], [out], Options(model=str(scene[1]), block=2048, workers=1))
    return read_table(out)


def test_a_local_cluster_gives_the_same_bytes(scene, expected, tmp_path):
    watch = Watch()
    summary = run(scene, tmp_path / "out.gpkg", watch, cluster="local:2")
    assert_same(read_table(tmp_path / "out.gpkg"), expected)
    assert summary["cluster"] == {"threads": 2, "again": 0, "lost_seconds": 0.0, "schedulers_lost": 0}
    assert watch.said[0].startswith("dashboard of the cluster: http://")
    assert [path.name for path in tmp_path.iterdir()] == ["out.gpkg"]


def test_workers_killed_at_random_and_a_new_scheduler_give_the_same_bytes(scene, expected, tmp_path):
    chance, watch = random.Random(8), Watch()
    with open_dask(tmp_path, 2) as dask:
        for steps in (3, 12, BLOCKS + 7, BLOCKS + 20):
            watch.after(steps, lambda: dask.kill_worker(chance.randrange(2)))
        watch.after(20, dask.restart_scheduler)
        summary = run(scene, tmp_path / "out.gpkg", watch, cluster=dask.address)
    assert_same(read_table(tmp_path / "out.gpkg"), expected)
    facts = summary["cluster"]
    assert facts["schedulers_lost"] == 1
    assert facts["again"] > 0
    assert facts["lost_seconds"] > 0
    assert f"{facts['again']} tasks were done again, which cost at most" in describe(summary)
    assert any("the scheduler is lost" in line for line in watch.said)
    assert any(line.startswith("worker tcp://") and "is gone: others do " in line for line in watch.said)


def test_what_a_cluster_leaves_goes_on_without_one(scene, expected, tmp_path, monkeypatch):
    monkeypatch.setattr(cluster, "BACK_WITHIN_S", 3.0)
    watch, out = Watch(), tmp_path / "out.gpkg"
    with open_dask(tmp_path, 2) as dask:
        watch.after(5, dask.leave_alone)
        with pytest.raises(BadCluster, match=r"no worker came back within 3 s; the next is predict block \d+ \(rows"):
            run(scene, out, watch, cluster=dask.address)
    assert not out.exists()
    before = {path.name for path in (tmp_path / ".out.gpkg.scratch").rglob("answer-*")}
    assert len(before) >= 5
    run(scene, out, resume=True)
    assert_same(read_table(out), expected)


def test_a_block_that_cannot_be_done_is_named(scene, tmp_path):
    damaged = tmp_path / "damaged.tif"
    content = bytearray(scene[0].read_bytes())
    with rasterio.open(scene[0]) as image:
        offset = int(image.get_tag_item("BLOCK_OFFSET_3_3", dm="TIFF", bidx=1))
    content[offset : offset + 2000] = bytes(2000)
    damaged.write_bytes(content)
    with pytest.raises(
        BadImage, match=r"predict block \d+ \(rows \d+ to \d+, columns .* failed 3 times: .* is damaged"
    ):
        run((damaged, scene[1]), tmp_path / "out.gpkg", cluster="local:1")
    assert not (tmp_path / "out.gpkg").exists()


def test_workers_that_do_not_see_the_scratch_folder_are_told_of(scene, tmp_path):
    private = tmp_path / "private"
    private.mkdir()
    hide = f'mount -t tmpfs tmpfs {private} && exec "$@"'
    prefix = ["unshare", "--mount", "sh", "-c", hide, "sh"]
    if subprocess.run([*prefix, "true"], capture_output=True, check=False).returncode:
        pytest.skip("hiding a folder from a process takes root")
    with open_dask(tmp_path, 0) as dask:
        dask.leave_alone(prefix)
        with pytest.raises(BadCluster, match=r"worker tcp://.* does not see .*: give --scratch a folder that all"):
            run(scene, private / "out.gpkg", cluster=dask.address)
    assert list(private.iterdir()) == []


def test_a_scheduler_that_is_not_there_is_one_line(scene, tmp_path, monkeypatch):
    monkeypatch.setattr(connect, "ANSWER_S", 1.0)
    with pytest.raises(BadCluster, match="no scheduler answers there"):
        run(scene, tmp_path / "out.gpkg", cluster="tcp://127.0.0.1:1")
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(
    ("options", "said"),
    [
        ({"cluster": "local:0"}, "wanted tcp://HOST:PORT"),
        ({"cluster": "10.0.0.1:8786"}, "wanted tcp://HOST:PORT"),
        ({"cluster": "slurm:nowhere.toml"}, "cannot be read"),
        ({"cluster": "local:2", "workers": 3}, "leave them out with --cluster"),
        ({"scratch": "ftp://host/folder"}, "wanted a folder or s3://"),
        ({"scratch": "s3://bucket"}, "wanted a folder or s3://"),
    ],
)
def test_what_makes_no_sense_is_refused(scene, tmp_path, options, said):
    with pytest.raises(BadOption, match=said):
        run(scene, tmp_path / "out.gpkg", **options)
    assert list(tmp_path.iterdir()) == []


def test_settings_of_slurm_are_checked_before_anything_is_started(scene, tmp_path):
    settings = tmp_path / "slurm.toml"
    settings.write_text('queue = "gpu"\n')
    with pytest.raises(BadOption, match="how many jobs"):
        run(scene, tmp_path / "out.gpkg", cluster=f"slurm:{settings}")
    settings.write_text("jobs = 2\n[")
    with pytest.raises(BadOption, match="is no TOML"):
        run(scene, tmp_path / "out.gpkg", cluster=f"slurm:{settings}")
