import pytest
from hypothesis import given
from hypothesis import strategies as st
from rasterio.transform import Affine

from overtrace.raster.grid import Box, Grid
from overtrace.raster.lattice import Lattice

lattices = st.tuples(st.integers(1, 40), st.integers(0, 12)).map(lambda pair: Lattice(pair[0] + 2 * pair[1], pair[1]))


def grid(height, width):
    return Grid(height, width, Affine.identity(), None, None)


def pixels(box):
    return {(row, col) for row in range(box.row, box.row + box.height) for col in range(box.col, box.col + box.width)}


@given(lattices, st.integers(1, 1000))
def test_every_pixel_is_kept_once(lattice, length):
    assert [i for span in lattice.cover(length) for i in span.keep] == list(range(length))


@given(lattices, st.integers(1, 1000))
def test_windows_have_one_size_and_lie_on_the_lattice(lattice, length):
    for number, span in enumerate(lattice.cover(length)):
        assert len(span.read) == lattice.size
        assert span.read.start == number * lattice.stride - lattice.margin
        assert span.keep.start - span.read.start == lattice.margin


@given(lattices, st.integers(1, 60), st.integers(1, 60), st.integers(1, 80))
def test_cores_tile_the_image_and_windows_tile_their_core(lattice, height, width, block):
    blocks = lattice.blocks(grid(height, width), block)
    assert [block.index for block in blocks] == list(range(len(blocks)))
    assert sum(block.core.height * block.core.width for block in blocks) == height * width
    assert set().union(*(pixels(block.core) for block in blocks)) == pixels(Box(0, 0, height, width))
    for each in blocks:
        assert sum(window.keep.height * window.keep.width for window in each.windows) == len(pixels(each.core))
        assert set().union(*(pixels(window.keep) for window in each.windows)) == pixels(each.core)


@given(lattices, st.integers(1, 60), st.integers(1, 60), st.integers(1, 80))
def test_windows_do_not_depend_on_the_block(lattice, height, width, block):
    windows = [window for each in lattice.blocks(grid(height, width), block) for window in each.windows]
    whole = lattice.blocks(grid(height, width), max(height, width))[0].windows
    assert sorted(windows, key=repr) == sorted(whole, key=repr)


@given(lattices, st.integers(1, 100), st.integers(1, 100), st.integers(1, 100))
def test_what_a_block_reads_holds_its_windows(lattice, height, width, block):
    for each in lattice.blocks(grid(height, width), block):
        for window in each.windows:
            assert each.read.row <= window.read.row
            assert each.read.col <= window.read.col
            assert window.read.row + window.read.height <= each.read.row + each.read.height
            assert window.read.col + window.read.width <= each.read.col + each.read.width


def test_a_block_is_rounded_up_to_whole_cells():
    blocks = Lattice(512, 64).blocks(grid(1000, 1000), 400)
    assert [block.core for block in blocks] == [
        Box(0, 0, 768, 768),
        Box(0, 768, 768, 232),
        Box(768, 0, 232, 768),
        Box(768, 768, 232, 232),
    ]


def test_a_margin_that_leaves_nothing_is_refused():
    with pytest.raises(ValueError, match="leaves nothing"):
        Lattice(64, 32)


def test_blocks_of_a_country_are_made_when_they_are_asked_for():
    blocks = Lattice(512, 64).blocks(grid(1_000_000, 1_000_000), 1024)
    assert (len(blocks), blocks.down, blocks.across) == (869**2, 869, 869)
    assert blocks[870].core == Box(1152, 1152, 1152, 1152)
    last = blocks[-1]
    assert (last.index, last.core.row + last.core.height) == (869**2 - 1, 1_000_000)
    with pytest.raises(IndexError):
        blocks[869**2]
