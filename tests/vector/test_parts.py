"""A folder of GeoParquet files: each holds what lies near, and all together hold everything once."""

import json

import numpy as np
import pyarrow.parquet
import pytest
import shapely

from overtrace.errors import BadOutput
from overtrace.vector import parts
from overtrace.vector.parts import Parts
from tests.support.objects import make_batch, make_grid, make_header


def write(folder, batches, monkeypatch, **limits):
    for name, value in limits.items():
        monkeypatch.setattr(parts, name, value)
    sink = Parts(folder, make_header(make_grid()))
    for batch in batches:
        sink.write(batch)
    sink.finish()
    sink.commit()
    return json.loads((folder / "parts.json").read_text())["parts"]


def test_objects_are_in_the_file_of_their_square_and_nowhere_else(tmp_path, monkeypatch):
    batch = make_batch(make_grid(), 100)
    batches = [batch.take(np.arange(60)), batch.take(np.arange(60, 100))]
    listed = write(tmp_path / "crowns", batches, monkeypatch, CELL_PX=160, MOST_ROWS=7)
    assert len(listed) == 19  # 6 squares of 16 objects, one of 4
    assert {file.name for file in (tmp_path / "crowns").iterdir()} == {part["file"] for part in listed} | {"parts.json"}
    ids = []
    for part in listed:
        table = pyarrow.parquet.read_table(tmp_path / "crowns" / part["file"])
        polygons = shapely.from_wkb(table["geometry"].to_numpy())
        # A square of 160 pixels, and the half of an object on each side of it.
        assert 1 <= len(table) == part["rows"] <= 7
        np.testing.assert_allclose(shapely.total_bounds(polygons), part["bbox"])
        left, _, right, _ = part["bbox"]
        assert (right - left) <= (160 + 4) * make_grid().transform.a
        geo = json.loads(pyarrow.parquet.read_metadata(tmp_path / "crowns" / part["file"]).metadata[b"geo"])
        assert geo["columns"]["geometry"]["covering"]["bbox"]["xmin"] == ["bbox", "xmin"]
        ids += table["id"].to_pylist()
    assert sorted(ids) == sorted(batch.ids.tolist())


def test_a_folder_of_parts_is_replaced_and_another_is_not(tmp_path, monkeypatch):
    batch = make_batch(make_grid(), 10)
    write(tmp_path / "crowns", [batch], monkeypatch, CELL_PX=4)
    listed = write(tmp_path / "crowns", [batch], monkeypatch, CELL_PX=8192)
    assert [part["file"] for part in listed] == ["part-00000-0000-0000-0.parquet"]
    assert len(list((tmp_path / "crowns").iterdir())) == 2
    (tmp_path / "mine").mkdir()
    (tmp_path / "mine" / "letter.txt").write_text("keep me")
    with pytest.raises(BadOutput, match="holds something else"):
        Parts(tmp_path / "mine", make_header(make_grid()))


def test_no_objects_make_an_empty_list_and_an_abort_leaves_nothing(tmp_path, monkeypatch):
    assert write(tmp_path / "crowns", [], monkeypatch) == []
    sink = Parts(tmp_path / "other", make_header(make_grid()))
    sink.write(make_batch(make_grid(), 10))
    sink.abort()
    assert [path.name for path in tmp_path.iterdir()] == ["crowns"]
