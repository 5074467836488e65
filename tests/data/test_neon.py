import numpy as np
import pytest

from overtrace.data import neon
from overtrace.data.neon import SMALL, Part, ellipses, open_neon, read_boxes, read_part
from overtrace.errors import BadData
from tests.support.labelled import write_voc


def test_an_ellipse_touches_the_four_sides_of_its_box():
    labels = ellipses(np.array([[3.0, 2, 13, 8]]), (12, 16))
    rows, cols = np.nonzero(labels)
    assert (cols.min(), rows.min(), cols.max() + 1, rows.max() + 1) == (3, 2, 13, 8)
    assert labels.sum() == pytest.approx(np.pi * 5 * 3, rel=0.1)
    np.testing.assert_array_equal(labels[:10], labels[9::-1])


def test_a_pixel_goes_to_the_crown_it_is_deeper_in():
    labels = ellipses(np.array([[0.0, 0, 10, 10], [6, 0, 16, 10]]), (10, 16))
    np.testing.assert_array_equal(labels == 1, (labels == 2)[:, ::-1])
    assert labels[5, 7] == 1
    assert labels[5, 8] == 2


def test_a_small_crown_keeps_its_place_in_a_large_one():
    labels = ellipses(np.array([[8.0, 8, 12, 12], [0, 0, 30, 30]]), (30, 30))
    assert labels[10, 10] == 1
    assert labels[15, 15] == 2


def test_a_box_may_overhang_the_image():
    assert ellipses(np.array([[-5.0, -5, 5, 5]]), (8, 8))[0, 0] == 1


def test_a_part_is_the_same_cut_from_the_whole(tmp_path):
    boxes = [(5, 5, 25, 30), (20, 20, 45, 44), (50, 10, 60, 22)]
    write_voc(tmp_path, SMALL, (60, 80), boxes)
    np.testing.assert_array_equal(read_boxes(tmp_path / f"{SMALL}.xml"), boxes)
    whole = read_part(tmp_path, Part(SMALL, (0, 60), (0, 80)))
    part = read_part(tmp_path, Part(SMALL, (12, 50), (10, 49)))
    for plane in ("image", "labels", "peaks", "ignore"):
        np.testing.assert_array_equal(getattr(part, plane), getattr(whole, plane)[12:50, 10:49])
    # The first box is cut on two sides, the third lies beyond the edge.
    np.testing.assert_array_equal(part.boxes, [(0, 0, 15, 18), (10, 8, 35, 32)])
    np.testing.assert_array_equal(part.centres, [(7, 8.5), (22, 19.5)])
    assert part.kinds.shape == (2,)
    rest = read_part(tmp_path, Part(SMALL, (8, 18), (46, 60)))
    np.testing.assert_array_equal(rest.labels, np.minimum(whole.labels[8:18, 46:60], 1))
    np.testing.assert_array_equal(rest.boxes, [(4, 2, 14, 10)])
    assert part.pixel_size_m == 0.1


def test_no_ground_has_two_purposes():
    purposes = {"learned": neon.LEARNED, "tuned": neon.TUNED, "measured": neon.MEASURED}
    parts = [(purpose, part) for purpose, parts in purposes.items() for part in parts]
    for purpose, part in parts:
        for other_purpose, other in parts:
            if purpose != other_purpose and part.tile == other.tile:
                gaps = [
                    max(a[0], b[0]) - min(a[1], b[1]) for a, b in ((part.rows, other.rows), (part.cols, other.cols))
                ]
                assert max(gaps) * neon.PIXEL_SIZE_M >= 5


def test_parts_are_opened_by_what_they_are_for(tmp_path):
    write_voc(tmp_path, SMALL, (1035, 1249), [(20, 30, 60, 80)])
    data = open_neon(tmp_path, parts="tuned")
    assert data.names == (f"{SMALL} rows 0-1035 cols 0-400",)
    found = data.read(0)
    assert found.image.shape == (1035, 400, 3)
    assert found.kinds.tolist() == [0]
    with pytest.raises(
        BadData, match=r"crop2.jpg does not exist: wanted the image and the boxes of a tile beside each"
    ):
        open_neon(tmp_path, parts="measured")


def test_boxes_that_cannot_be_read(tmp_path):
    write_voc(tmp_path, SMALL, (1035, 1249), [])
    for text in ("", "<a><bndbox><xmin>1</xmin></bndbox></a>"):
        (tmp_path / f"{SMALL}.xml").write_text(text)
        with pytest.raises(BadData, match=r"xml cannot be read as boxes: .*: wanted Pascal VOC XML"):
            open_neon(tmp_path, parts="tuned").read(0)
