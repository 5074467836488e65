import io
import json
import random
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import rasterio
from PIL import Image
from PIL.PngImagePlugin import PngInfo
from rasterio.transform import from_origin

from overtrace.errors import BadContest
from overtrace.host.contest_file import read_contest
from overtrace.host.disguise import disguise, list_originals, write_inputs
from overtrace.host.stripping import strip
from overtrace.raster.source import open_raster
from tests.support.containers import SETS, make_contest


@pytest.fixture
def file(tmp_path):
    return read_contest(make_contest(tmp_path / "contest", 3))


def test_images_are_shuffled_over_data_sets_under_names_that_say_nothing(file, tmp_path):
    originals = list_originals(file.contest, file.contest.phases[0], file.folder)
    assert [(one.part, one.name, one.number) for one in originals] == [
        (part, f"{part}_{i}", 3 * p + i + 1) for p, part in enumerate(SETS) for i in range(3)
    ]
    masks = disguise(originals, random.Random(1))
    write_inputs(masks, tmp_path)
    listed = json.loads((tmp_path / "images.json").read_text())
    assert listed == {mask.file: mask.number for mask in masks}
    assert sorted(path.name for path in (tmp_path / "images").iterdir()) == sorted(listed)
    assert not any(part in json.dumps(listed) for part in SETS)
    assert {mask.original for mask in masks} == set(originals)
    for mask in masks:
        ours, theirs = (tmp_path / "images" / mask.file), file.folder / "images" / mask.original.part
        np.testing.assert_array_equal(Image.open(ours), Image.open(theirs / f"{mask.original.name}.png"))
    others = disguise(originals, random.Random(2))
    assert not {mask.stem for mask in masks} & {mask.stem for mask in others}
    assert [mask.original for mask in masks] != [mask.original for mask in others]


def test_an_image_that_is_missing_is_named(file):
    (file.folder / "images" / "dark" / "dark_1.png").unlink()
    with pytest.raises(BadContest, match="has no image called dark_1 for data set dark"):
        list_originals(file.contest, file.contest.phases[0], file.folder)


def test_a_phase_without_images_says_what_to_do(file):
    phase = file.contest.phases[0].model_copy(update={"images": None})
    with pytest.raises(BadContest, match="phase test has no images: name the folder or zip of them"):
        list_originals(file.contest, phase, file.folder)


PIXELS = np.random.default_rng(0).integers(0, 255, (20, 30, 3)).astype(np.uint8)


def make_png() -> bytes:
    out, info = io.BytesIO(), PngInfo()
    info.add_text("Comment", "secret place")
    Image.fromarray(PIXELS).save(out, "PNG", pnginfo=info, dpi=(300, 300))
    return out.getvalue()


def make_jpeg() -> bytes:
    out = io.BytesIO()
    Image.fromarray(PIXELS).save(out, "JPEG", comment="secret place", exif=b"Exif\0\0MM\0*secret place")
    return out.getvalue()


@pytest.mark.parametrize("make", [make_png, make_jpeg])
def test_what_files_say_of_themselves_is_taken_off_and_pixels_stay(make):
    data = make()
    assert b"secret place" in data
    stripped = strip(data, "a")
    assert b"secret place" not in stripped
    np.testing.assert_array_equal(Image.open(io.BytesIO(stripped)), Image.open(io.BytesIO(data)))


def test_a_geotiff_keeps_the_size_of_its_pixels_and_not_its_place(tmp_path):
    path = tmp_path / "a.tif"
    facts = {"height": 20, "width": 30, "count": 4, "dtype": "uint16", "nodata": 7, "crs": "EPSG:32633"}
    pixels = np.arange(2400, dtype=np.uint16).reshape(4, 20, 30)
    with rasterio.open(path, "w", "GTiff", transform=from_origin(400_000, 5_500_000, 0.25, 0.25), **facts) as file:
        file.write(pixels)
        file.descriptions = ("red", "green", "blue", "nir")
        file.update_tags(PLACE="secret place")
    out = tmp_path / "b.tif"
    out.write_bytes(strip(path.read_bytes(), "a.tif"))
    assert b"secret place" not in out.read_bytes()
    with rasterio.open(out) as file:
        np.testing.assert_array_equal(file.read(), pixels)
        assert (file.nodata, file.descriptions, file.crs.to_epsg()) == (7, ("red", "green", "blue", "nir"), 32631)
    before, after = (replace(open_raster(one).grid) for one in (path, out))
    np.testing.assert_allclose(after.pixel_size_m, before.pixel_size_m, rtol=1e-3)


@pytest.mark.parametrize("data", [b"", b"GIF89a", make_png()[:200], make_jpeg()[:20], b"II*\0" + bytes(40)])
def test_a_damaged_image_is_refused(data: bytes):
    with pytest.raises(BadContest, match="woods/a"):
        strip(data, str(Path("woods/a")))
