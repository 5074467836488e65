import hashlib
import zipfile

import numpy as np
import pytest
import rasterio

from overtrace.errors import BadDownload
from overtrace.trace import samples


@pytest.fixture
def published(tmp_path, monkeypatch):
    """A small wheel stands for the published one: pip finds it in a folder, as it would on a mirror."""
    index = tmp_path / "index"
    index.mkdir()
    with zipfile.ZipFile(index / samples.WHEEL, "w") as archive:
        archive.writestr(
            "deepforest-2.1.0.dist-info/METADATA", "Metadata-Version: 2.1\nName: deepforest\nVersion: 2.1.0\n"
        )
        archive.writestr("deepforest-2.1.0.dist-info/WHEEL", "Wheel-Version: 1.0\nTag: py3-none-any\n")
        archive.writestr("deepforest-2.1.0.dist-info/RECORD", "")
        archive.writestr("deepforest/data/OSBS_029.tif", b"a tif")
        archive.writestr("deepforest/data/2019_YELL_2_528000_4978000_image_crop2.png", b"a png")
    monkeypatch.setenv("PIP_NO_INDEX", "1")
    monkeypatch.setenv("PIP_FIND_LINKS", str(index))
    monkeypatch.setattr(samples, "SHA256", hashlib.sha256((index / samples.WHEEL).read_bytes()).hexdigest())
    return index


def test_samples_come_out_of_the_wheel(published, tmp_path):
    first, second = samples.fetch_samples(tmp_path / "cache", tmp_path)
    assert (first.image.read_bytes(), second.image.read_bytes()) == (b"a tif", b"a png")
    assert (first.pixel_size_m, second.pixel_size_m) == (None, 0.1)


def test_a_cached_wheel_is_not_downloaded_again(published, tmp_path):
    samples.fetch_wheel(tmp_path)
    (published / samples.WHEEL).unlink()
    assert samples.fetch_wheel(tmp_path).exists()


def test_a_damaged_cache_is_replaced(published, tmp_path):
    samples.fetch_wheel(tmp_path).write_bytes(b"half a wh")
    assert samples.fetch_wheel(tmp_path).read_bytes() == (published / samples.WHEEL).read_bytes()


def test_a_wheel_with_another_digest_is_refused_and_not_kept(published, tmp_path, monkeypatch):
    monkeypatch.setattr(samples, "SHA256", "0" * 64)
    with pytest.raises(BadDownload, match=r"wanted 0000.*--offline"):
        samples.fetch_wheel(tmp_path / "cache")
    assert not (tmp_path / "cache").exists()


def test_no_network_proposes_offline(published, tmp_path):
    (published / samples.WHEEL).unlink()
    with pytest.raises(BadDownload, match=r"No matching distribution.*--offline"):
        samples.fetch_wheel(tmp_path / "cache")


def test_a_cache_that_cannot_be_written_is_said(published, tmp_path):
    (tmp_path / "cache").write_text("a file, not a folder")
    with pytest.raises(BadDownload, match="cannot keep"):
        samples.fetch_wheel(tmp_path / "cache")


def test_the_drawn_sample_is_georeferenced(tmp_path):
    with rasterio.open(samples.draw_sample(tmp_path).image) as image:
        assert image.crs is not None
        assert np.ptp(image.read()) > 100
