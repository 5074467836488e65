import numpy as np
import rasterio
from PIL import Image

from overtrace.challenges.photos import Photos


def test_photos_are_found_by_name(tmp_path):
    for name in ("a.png", "one/b.jpg", "two/b.jpg", "RGB_c_img1.tif", "notes.txt"):
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).write_bytes(b"x")
    photos = Photos(tmp_path)
    assert photos.find("a.tif", "") == [tmp_path / "a.png"]
    assert photos.find("folder/a.tif", "") == [tmp_path / "a.png"]
    assert photos.find("b", "two") == [tmp_path / "two" / "b.jpg"]
    assert len(photos.find("b", "three")) == 2
    assert photos.find("c_img1", "") == [tmp_path / "RGB_c_img1.tif"]
    assert photos.find("img", "") == []
    assert photos.read("b", "three", None) == "several photos have its name"
    assert photos.read("x", "", None) == "no photo found"
    assert "a.png cannot be read" in photos.read("a", "", None)


def test_sixteen_bits_are_stretched(tmp_path):
    values = np.linspace(300, 700, 3 * 30 * 40).reshape(3, 30, 40).astype(np.uint16)
    options = {"driver": "GTiff", "count": 3, "height": 30, "width": 40, "dtype": "uint16"}
    with rasterio.open(tmp_path / "a.tif", "w", transform=rasterio.Affine(2, 0, 9, 0, -2, 9), **options) as image:
        image.write(values)
    photo = Photos(tmp_path).read("a", "", (60, 80))
    (tmp_path / "a.jpg").write_bytes(photo.jpeg)
    with Image.open(tmp_path / "a.jpg") as picture:
        seen = np.asarray(picture)
    assert (photo.height, photo.width, seen.shape) == (30, 40, (30, 40, 3))
    assert seen.min() < 20
    assert seen.max() > 235
