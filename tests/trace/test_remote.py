"""Images traced where they lie: the same polygons, each byte fetched once, no secret in anything that is written."""

import pytest

from benchmarks.scene import write_image
from overtrace.errors import BadImage
from overtrace.raster import remote
from overtrace.raster.mosaic import MosaicRule
from overtrace.raster.ranges import Ranges
from overtrace.trace.options import Options
from overtrace.trace.pipeline import trace
from tests.raster.test_index import asset, item, write_items
from tests.support.identity_model import write_identity_model
from tests.support.mosaics import cut
from tests.support.range_server import serve_ranges
from tests.support.runs import run as run_command
from tests.trace.test_pipeline import assert_same, read_table

SECRET = "hush4711"


@pytest.fixture
def server(tmp_path, monkeypatch):
    monkeypatch.setattr(remote, "PAUSES_S", (0.01, 0.02))
    monkeypatch.setattr(remote, "_known", Ranges())
    monkeypatch.setattr(remote, "_sizes", {})
    (tmp_path / "served").mkdir()
    with serve_ranges(tmp_path / "served") as ranges:
        ranges.password = f"sig={SECRET}"
        yield ranges


def holders(folder):
    """Files in which the secret stands."""
    return [path for path in folder.rglob("*") if path.is_file() and SECRET.encode() in path.read_bytes()]


def test_a_run_that_a_server_breaks_off_resumes_and_no_secret_is_written(tmp_path, server, capfd):
    model = write_identity_model(tmp_path / "identity.onnx", window=256, margin=32)
    image = write_image(server.folder / "canopy.tif", 1000)
    trace([image], [tmp_path / "here.gpkg"], Options(model=str(model)))
    address = f"{server.address}/canopy.tif?sig={SECRET}"
    outs = [tmp_path / "out" / f"crowns.{kind}" for kind in ("gpkg", "geojson", "json")]
    outs[0].parent.mkdir()
    server.always, server.after = 403, 3
    options = {"model": str(model), "block": 256, "workers": 1}
    with pytest.raises(BadImage, match=r"canopy\.tif\?sig=\.\.\.: rows \d+ to \d+, columns \d+ to \d+ cannot be read"):
        trace([address], outs, Options(**options))
    assert any((tmp_path / "out").rglob("*.scratch"))
    assert holders(tmp_path) == []
    server.always = None
    report = tmp_path / "out" / "crowns.html"
    summary = trace([address], outs, Options(**options, resume=True, executor="processes"), report=report)
    assert holders(tmp_path) == []
    assert SECRET not in f"{summary}{capfd.readouterr()}"
    assert_same(read_table(outs[0]), read_table(tmp_path / "here.gpkg"))


def test_nothing_is_said_beside_the_summary(tmp_path, server):
    write_identity_model(tmp_path / "identity.onnx", window=256, margin=32)
    write_image(server.folder / "canopy.tif", 600)
    address = f"{server.address}/canopy.tif?sig={SECRET}"
    done = run_command("trace", address, "--model", "identity.onnx", "--out", "a.gpkg", cwd=tmp_path)
    assert (done.returncode, done.stderr) == (0, "")


def test_a_mosaic_of_signed_addresses_is_fetched_once(tmp_path, server):
    model = write_identity_model(tmp_path / "identity.onnx", window=256, margin=32)
    image = write_image(tmp_path / "canopy.tif", 900)
    trace([image], [tmp_path / "here.gpkg"], Options(model=str(model)))
    cut(image, server.folder / "parts", across=3)
    names = sorted(path.name for path in (server.folder / "parts").iterdir())
    addresses = [f"{server.address}/parts/{name}?sig={SECRET}" for name in names]
    items = [
        item(name, "2020-05-01T00:00:00Z", {"image": asset(href)}) for name, href in zip(names, addresses, strict=True)
    ]
    (tmp_path / "items").mkdir()
    index = write_items(tmp_path / "items" / "items.json", *items)
    trace([index], [tmp_path / "there.gpkg"], Options(model=str(model), mosaic=MosaicRule(), block=300))
    assert_same(read_table(tmp_path / "there.gpkg"), read_table(tmp_path / "here.gpkg"))
    size = sum(path.stat().st_size for path in (server.folder / "parts").iterdir())
    assert server.fetched <= 1.1 * size
    assert holders(tmp_path) == [index]
