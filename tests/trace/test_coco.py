"""The COCO data set is whole, and means what its official tools read in it."""

import json

import pytest

from overtrace.errors import BadOutput
from overtrace.trace.coco import open_coco
from overtrace.vector.tables import Header, ImageInfo
from tests.support.objects import make_batch, make_grid, make_header, small_disk


def write_all(path, header, batches):
    sink = open_coco(path, header)
    for batch in batches:
        sink.write(batch)
    sink.finish()
    sink.commit()


def test_members_worked_by_hand(tmp_path):
    grid = make_grid()
    write_all(tmp_path / "a.json", make_header(grid), [make_batch(grid, 2), make_batch(grid, 0), make_batch(grid, 1)])
    written = json.loads((tmp_path / "a.json").read_text())
    assert written["images"] == [{"id": 1, "file_name": "forest.tif", "width": 1200, "height": 1000}]
    assert [category["name"] for category in written["categories"]] == ["tree", 'so-called "shrub"']
    assert [annotation["id"] for annotation in written["annotations"]] == [1, 2, 3]
    second = written["annotations"][1]
    del second["segmentation"]
    assert second == {
        "id": 2, "image_id": 1, "category_id": 2, "bbox": [10, 0, 4, 4], "area": 12, "iscrowd": 0, "score": 0.75
    }  # fmt: skip


def test_no_objects_are_an_empty_list(tmp_path):
    write_all(tmp_path / "a.json", make_header(make_grid()), [])
    assert json.loads((tmp_path / "a.json").read_text())["annotations"] == []


def test_official_tools_load_it(tmp_path):
    coco = pytest.importorskip("pycocotools.coco")
    grid = make_grid()
    header = Header((ImageInfo("a.tif", grid), ImageInfo("b.tif", grid)), ("tree", "shrub"), grid.crs)
    write_all(tmp_path / "a.json", header, [make_batch(grid, 150)])
    data = coco.COCO(str(tmp_path / "a.json"))
    assert (data.getImgIds(), data.getCatIds(), len(data.getAnnIds(imgIds=[1]))) == ([1, 2], [1, 2], 150)
    mask = data.annToMask(data.anns[102])
    # The second object of the second row: 4 x 4 pixels with a hole of 2 x 2.
    assert mask[10:14, 10:14].tolist() == [[1, 1, 1, 1], [1, 0, 0, 1], [1, 0, 0, 1], [1, 1, 1, 1]]
    assert mask.sum() == data.anns[102]["area"]


def test_a_full_disk_leaves_no_file(tmp_path):
    grid = make_grid()
    with small_disk(tmp_path / "disk", 50) as disk:
        with pytest.raises(BadOutput, match="no space left"):
            write_all(disk / "a.json", make_header(grid), [make_batch(grid, 1000)])
        assert not list(disk.iterdir())
