"""Images read by ranges of bytes from a real server and a real S3: how much is fetched, and what goes wrong."""

import os
import threading
from pathlib import Path

import boto3
import numpy as np
import pytest
import rasterio

from benchmarks.scene import draw_planes, write_image
from overtrace.errors import BadImage
from overtrace.raster import remote
from overtrace.raster.addresses import conceal, reveal
from overtrace.raster.grid import Box
from overtrace.raster.ranges import Ranges
from overtrace.raster.source import find_images, open_raster
from tests.support.range_server import serve_ranges
from tests.support.s3 import BUCKET, serve_s3, set_environment

RGB = (1, 2, 3)
SIZE = 2000


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    folder = tmp_path_factory.mktemp("served")
    write_image(folder / "canopy.tif", SIZE)
    return folder


@pytest.fixture
def server(folder, monkeypatch):
    monkeypatch.setattr(remote, "PAUSES_S", (0.01, 0.02))
    monkeypatch.setattr(remote, "_known", Ranges())
    monkeypatch.setattr(remote, "_sizes", {})
    with serve_ranges(folder) as ranges:
        yield ranges


def tile_bytes(path: Path, box: Box) -> int:
    """Bytes of the tiles that a box touches."""
    with rasterio.open(path) as image:
        tiles = {
            (row // 512, col // 512)
            for row in (*range(box.row, box.row + box.height, 512), box.row + box.height - 1)
            for col in (*range(box.col, box.col + box.width, 512), box.col + box.width - 1)
        }
        return sum(int(image.get_tag_item(f"BLOCK_SIZE_{col}_{row}", "TIFF", bidx=1)) for row, col in tiles)


def test_the_tiles_of_a_window_are_fetched_and_little_else(server, folder):
    raster, box = open_raster(f"{server.address}/canopy.tif"), Box(600, 100, 500, 1200)
    values, valid = raster.read(RGB, box)
    assert valid.all()
    np.testing.assert_array_equal(values, draw_planes(600, 100, 500, 1200))
    assert server.fetched <= 1.1 * tile_bytes(folder / "canopy.tif", box) + 2 * remote.PAGE


def test_a_whole_image_is_fetched_once_by_threads_and_boxes_that_overlap(server, folder):
    raster = open_raster(f"{server.address}/canopy.tif")
    boxes = [Box(row, col, 700, 700) for row in range(0, SIZE, 500) for col in range(0, SIZE, 500)]
    found = {}

    def read(part):
        for i in part:
            found[i] = raster.read(RGB, boxes[i])[0]

    threads = [threading.Thread(target=read, args=(range(i, len(boxes), 4),)) for i in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    np.testing.assert_array_equal(found[5], draw_planes(500, 500, 700, 700))
    assert (folder / "canopy.tif").stat().st_size * 0.98 < server.fetched < (folder / "canopy.tif").stat().st_size * 1.1


def test_a_file_that_changed_is_seen_anew(server, folder):
    for size in (300, 400):
        write_image(folder / "changing.tif", size)
        raster = open_raster(f"{server.address}/changing.tif")
        assert raster.grid.width == size
        np.testing.assert_array_equal(raster.read(RGB, Box(0, 0, 300, 300))[0], draw_planes(0, 0, 300, 300))


@pytest.mark.parametrize("trouble", [503, "short", 429])
def test_what_fails_twice_is_fetched_again(server, trouble):
    server.failures = [trouble] * 2
    raster = open_raster(f"{server.address}/canopy.tif")
    server.failures = [trouble] * 2
    np.testing.assert_array_equal(raster.read(RGB, Box(0, 0, 300, 300))[0], draw_planes(0, 0, 300, 300))
    assert server.failures == []


@pytest.mark.parametrize(
    ("trouble", "said"),
    [
        (503, "its server fails (HTTP 503), 3 times"),
        ("short", "its server does not answer as it should (RemoteProtocolError), 3 times"),
        (403, "its server refuses it (HTTP 403): is the signature in the address expired?"),
    ],
)
def test_what_fails_for_good_names_place_and_address_but_no_secret(server, trouble, said):
    server.password = "sig=hush"
    raster = open_raster(f"{server.address.replace('//', '//me:hush@')}/canopy.tif?year=2020&sig=hush")
    server.always = trouble
    with pytest.raises(BadImage) as error:
        raster.read(RGB, Box(0, 0, 300, 300))
    text = str(error.value)
    assert text.startswith(f"{server.address}/canopy.tif?year=2020&sig=...: rows 0 to 299, columns 0 to 299 cannot")
    assert said in text
    assert "hush" not in f"{text}{raster}"
    server.always = None
    assert raster.read(RGB, Box(0, 0, 300, 300))[1].all()


def test_what_cannot_be_opened_is_told(server, folder):
    (folder / "text.tif").write_text("these are words\n")
    for name, said in (
        ("gone.tif", "gone.tif cannot be opened: it is not there (HTTP 404)"),
        ("text.tif", "text.tif cannot be opened as an image"),
    ):
        with pytest.raises(BadImage) as error:
            open_raster(f"{server.address}/{name}")
        assert said in str(error.value)


@pytest.mark.parametrize(
    ("address", "shown"),
    [
        ("https://x.org/a.tif", "https://x.org/a.tif"),
        ("https://ann:pw@x.org/a.tif", "https://x.org/a.tif"),
        ("https://x.org/a.tif?page=2&X-Amz-Signature=12&sv=3", "https://x.org/a.tif?page=2&X-Amz-Signature=...&sv=3"),
        ("https://x.org/a.tif?sig=a%2Fb&access_token=x", "https://x.org/a.tif?sig=...&access_token=..."),
        ("https://x.org/a.tif?design=b&key=c", "https://x.org/a.tif?design=b&key=..."),
        ("folder/a.tif", "folder/a.tif"),
    ],
)
def test_an_address_is_shown_without_its_secrets(address, shown):
    assert conceal(address) == shown
    assert reveal(shown) == address


def test_a_cloud_without_credentials_says_what_to_set(monkeypatch):
    for name in [name for name in os.environ if name.startswith("AZURE_")]:
        monkeypatch.delenv(name)
    remote._bucket.cache_clear()
    with pytest.raises(BadImage, match=r"az://trees cannot be reached .*: set AZURE_STORAGE_ACCOUNT_NAME and"):
        open_raster("az://trees/a.tif")


def test_images_in_a_bucket(folder, monkeypatch):
    monkeypatch.setattr(remote, "PAUSES_S", (0.01,))
    with serve_s3() as address:
        set_environment(monkeypatch, address)
        remote._bucket.cache_clear()
        client = boto3.client("s3", endpoint_url=address, aws_access_key_id="key", aws_secret_access_key="secret")
        client.upload_file(str(folder / "canopy.tif"), BUCKET, "images/canopy.tif")
        raster = open_raster(f"s3://{BUCKET}/images/canopy.tif")
        np.testing.assert_array_equal(raster.read(RGB, Box(9, 9, 300, 300))[0], draw_planes(9, 9, 300, 300))
        with pytest.raises(BadImage, match="cannot be opened: it is not there"):
            open_raster(f"s3://{BUCKET}/images/gone.tif")
        with pytest.raises(BadImage, match="it is not there"):
            open_raster("s3://nowhere/gone.tif")
        for name in ("b.tif", "a.PNG", "notes.txt", "older/c.tif", ""):
            client.put_object(Bucket=BUCKET, Key=f"stand/{name}", Body=b"")
        assert find_images([f"s3://{BUCKET}/stand/"]) == [f"s3://{BUCKET}/stand/{name}" for name in ("a.PNG", "b.tif")]
        with pytest.raises(BadImage, match="s3://contest/empty/ holds no image: wanted files ending in"):
            find_images([f"s3://{BUCKET}/empty/"])
        with pytest.raises(BadImage, match="s3://nowhere/stand/ cannot be listed: it is not there: check the address"):
            find_images(["s3://nowhere/stand/"])
    remote._bucket.cache_clear()
    with monkeypatch.context() as bare:
        for name in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY"):
            bare.delenv(name)
        bare.setenv("AWS_METADATA_ENDPOINT", "http://127.0.0.1:9")
        with pytest.raises(BadImage, match="no credentials in the environment: set them, or AWS_SKIP_SIGNATURE=true"):
            open_raster(f"s3://{BUCKET}/images/other.tif")
    remote._bucket.cache_clear()
    with pytest.raises(BadImage, match="the store does not answer as it should, 2 times"):
        open_raster(f"s3://{BUCKET}/images/other.tif")
    # A number in an address is no status.
    with pytest.raises(BadImage, match="the store does not answer as it should, 2 times"):
        open_raster(f"s3://{BUCKET}/404/other.tif")
