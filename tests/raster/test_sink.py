"""Label rasters hold what was written, whatever the blocks and their order."""

import numpy as np
import pytest
import rasterio

from overtrace.errors import BadOutput
from overtrace.raster.grid import Box, Grid
from overtrace.raster.sink import open_labels
from tests.support.objects import UTM, make_grid, small_disk


def cut(grid: Grid, block: int) -> list[Box]:
    return [
        Box(row, col, min(block, grid.height - row), min(block, grid.width - col))
        for row in range(0, grid.height, block)
        for col in range(0, grid.width, block)
    ]


def write_all(path, grid, labels, boxes):
    sink = open_labels(path, grid)
    for box in boxes:
        sink.write(box, labels[box.row : box.row + box.height, box.col : box.col + box.width])
    sink.finish()
    sink.commit()


@pytest.mark.parametrize("block", [100, 128, 300, 384, 777, 2000])
def test_blocks_of_any_size_in_any_order_make_the_same_raster(tmp_path, block):
    grid = make_grid()
    rng = np.random.default_rng(block)
    labels = rng.integers(0, 3, (grid.height, grid.width)) * (2**32 - 3) // 2
    boxes = cut(grid, block)
    rng.shuffle(boxes)
    write_all(tmp_path / "labels.tif", grid, labels, boxes)
    with rasterio.open(tmp_path / "labels.tif") as written:
        np.testing.assert_array_equal(written.read(1), labels)
        assert (written.crs, written.transform, written.dtypes[0]) == (UTM, grid.transform, "uint32")
        assert written.block_shapes == [(128, 128)]
        assert written.compression.value == "ZSTD"
    assert [path.name for path in tmp_path.iterdir()] == ["labels.tif"]


def test_each_tile_is_stored_once(tmp_path):
    grid = make_grid()
    labels = np.random.default_rng(0).integers(0, 1000, (grid.height, grid.width))
    write_all(tmp_path / "whole.tif", grid, labels, cut(grid, 2000))
    write_all(tmp_path / "cut.tif", grid, labels, cut(grid, 111))
    assert (tmp_path / "cut.tif").stat().st_size == (tmp_path / "whole.tif").stat().st_size


def test_large_grids_need_ids_of_64_bits(tmp_path):
    grid = Grid(70_000, 70_000, make_grid().transform, UTM, (0.5, 0.5))
    sink = open_labels(tmp_path / "labels.tif", grid)
    sink.write(Box(69_990, 69_990, 10, 10), np.full((10, 10), 70_000 * 70_000 - 1))
    sink.finish()
    sink.commit()
    with rasterio.open(tmp_path / "labels.tif") as written:
        window = rasterio.windows.Window(69_995, 69_995, 5, 5)
        assert written.dtypes[0] == "int64"
        assert (written.read(1, window=window) == 70_000 * 70_000 - 1).all()
    assert (tmp_path / "labels.tif").stat().st_size < 10_000_000


@pytest.mark.parametrize("kilobytes", [40, 400, 1500])
def test_a_full_disk_leaves_no_file(tmp_path, kilobytes):
    grid = make_grid()
    labels = np.random.default_rng(0).integers(0, 2**32, (grid.height, grid.width))
    with small_disk(tmp_path / "disk", kilobytes) as disk:
        with pytest.raises(BadOutput, match="no space left"):
            write_all(disk / "labels.tif", grid, labels, cut(grid, 256))
        assert not list(disk.iterdir())
