import warnings
from concurrent.futures import ThreadPoolExecutor

from overtrace.raster.handles import forget_handle, open_handle
from tests.support.images import noise, write_image


def test_threads_that_open_an_image_without_a_place_do_not_warn(tmp_path):
    path = write_image(tmp_path / "a.png", noise(), driver="PNG")

    def open_often(_: int) -> None:
        for _ in range(50):
            open_handle(path)
            forget_handle(path)

    with warnings.catch_warnings(record=True) as seen:
        warnings.simplefilter("always")
        with ThreadPoolExecutor(8) as pool:
            list(pool.map(open_often, range(8)))
    assert not seen
