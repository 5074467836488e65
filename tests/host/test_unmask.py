"""Answers of containers under the names of the truth, and what tells two of them apart."""

import json

import pytest

from overtrace.host.contest import Effort
from overtrace.host.unmask import Name, Orders, unmask

NAMES = (
    Name(stem="f00", number=7, part="", name="north", true_number=1),
    Name(stem="a11", number=9, part="", name="south", true_number=2),
)


@pytest.fixture
def read(tmp_path):
    """What files of some kind hold; what is written lies in ``into``, which is empty before."""

    def read(kind, **files):
        paths = []
        for name, text in files.items():
            path = tmp_path / name.replace("_", ".")
            path.write_text(text)
            paths.append(path)
        into = tmp_path / f"into-{len(list(tmp_path.glob('into-*')))}"
        into.mkdir()
        return unmask(Orders(kind=kind, files=tuple(paths), into=into, names=NAMES, effort=Effort())), into

    return read


def test_trees_that_moved_are_another_answer_wherever_the_column_of_the_image_is(read):
    for rows in ("image,x,y\n{i},{x},2\n", "x,image,y\n{x},{i}.png,2\n", "x,y,image\n{x},2,{i}\n"):
        one, into = read("trees", answer_csv=rows.format(i="f00", x=1))
        other, _ = read("trees", answer_csv=rows.format(i="f00", x=5))
        assert one.faults == other.faults == ()
        assert set(one.answers) == {"/north"}
        assert one.answers != other.answers
        assert "north" in (into / "answer.csv").read_text()


def test_a_row_that_says_there_is_no_building_is_no_answer(read):
    head = "ImageId,BuildingId,PolygonWKT_Pix,Confidence\n"
    ring = '"POLYGON ((0 0,9 0,9 9,0 0))"'
    for nothing in ("a11,-1,POLYGON EMPTY,1\n", "a11,1,POLYGON EMPTY,1\n", "a11,1,polygon  empty,1\n"):
        found, into = read("footprints", answer_csv=f"{head}f00,1,{ring},1\n{nothing}")
        assert (found.faults, set(found.answers)) == ((), {"/north"})
        assert "south" in (into / "answer.csv").read_text()
    # Neither is the number of a building.
    again, _ = read("footprints", answer_csv=f"f00,3,{ring},1\n{head}")
    assert again.answers == found.answers


def draw(name, *corners):
    features = [{"type": "Feature", "properties": {}, "geometry": {"coordinates": [corner]}} for corner in corners]
    return json.dumps({"type": "FeatureCollection", "name": name, "features": features})


def test_a_file_an_image_is_told_apart_by_its_objects_and_not_by_the_name_that_it_had(read):
    found, into = read("footprints", f00_geojson=draw("f00", 1, 2), a11_geojson=draw("a11"))
    assert (found.faults, set(found.answers)) == ((), {"/north"})
    assert sorted(path.name for path in into.iterdir()) == ["north.geojson", "south.geojson"]
    assert read("footprints", f00_geojson=draw("b22", 2, 1))[0].answers == found.answers
    assert read("footprints", f00_geojson=draw("f00", 1, 3))[0].answers != found.answers
    boxes = "<a><filename>f00</filename>{}</a>"
    one, into = read("trees", f00_xml=boxes.format("<bndbox>1</bndbox>"), a11_xml=boxes.format(""))
    assert (set(one.answers), (into / "north.xml").exists()) == ({"/north"}, True)
    assert read("trees", f00_csv="x,y\n1,2\n", a11_csv="x,y\n\n")[0].answers.keys() == {"/north"}
    # What cannot be read is left to the scorer to refuse.
    assert read("footprints", f00_geojson="{")[0].answers.keys() == {"/north"}


@pytest.mark.parametrize(
    ("kind", "files", "said"),
    [
        ("footprints", {"f00_geojson": "{}", "b22_geojson": "{}"}, "no image has the name"),
        ("footprints", {"b22_geojson": "{}"}, "it holds 0 files that end in .csv"),
        ("trees", {"answer_csv": "image,x,y\nb22,1,1\n"}, "found 'b22'"),
        ("trees", {"answer_csv": "x,y\n1,1\n"}, "found no column image"),
        ("labels", {"f00_png": "x"}, "it is missing"),
    ],
)
def test_names_of_no_image_are_said(read, kind, files, said):
    found, _ = read(kind, **files)
    assert [said in fault.found for fault in found.faults] == [True]
    assert all("north" not in fault.model_dump_json() for fault in found.faults)
