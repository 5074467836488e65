import zipfile
from pathlib import Path

import numpy as np
import pytest

from overtrace.challenges.deepglobe import city_of, score_footprints
from overtrace.challenges.footprint_files import read_footprints
from overtrace.errors import BadAnswer
from overtrace.scoring.footprints import UTILITIES

HEAD = "ImageId,BuildingId,PolygonWKT_Pix,PolygonWKT_Geo\n"


def square(x: int, side: int = 10, z: str = " 0") -> str:
    corners = [(x, 0), (x + side, 0), (x + side, side), (x, side), (x, 0)]
    return '"POLYGON ((' + ",".join(f"{a} {b}{z}" for a, b in corners) + '))"'


TRUTH = HEAD + "\n".join(
    [
        f"AOI_2_Vegas_img1,1,{square(0)},{square(0)}",
        f"AOI_2_Vegas_img1,2,{square(20)},{square(0)}",
        'AOI_2_Vegas_img2,-1,"POLYGON EMPTY","POLYGON EMPTY"',
        f"AOI_3_Paris_img1,1,{square(0)},{square(0)}",
        "",
    ]
)
ANSWER = "\n".join(
    [
        "# found by hand",
        f"AOI_2_Vegas_img1,1,{square(0, z='')},0.9",
        f"AOI_2_Vegas_img2,1,{square(0)},0.9",
        "AOI_3_Paris_img1,1,POLYGON EMPTY,1",
    ]
)


def write(path: Path, text: str) -> Path:
    path.write_text(text)
    return path


@pytest.fixture
def truth(tmp_path):
    return read_footprints(write(tmp_path / "truth.csv", TRUTH), answer=False)


@pytest.mark.parametrize("packed", [True, False])
def test_each_city_and_their_plain_mean(tmp_path, truth, packed):
    path = write(tmp_path / "answer.csv", ANSWER)
    if packed:
        with zipfile.ZipFile(tmp_path / "answer.zip", "w") as archive:
            archive.write(path, "team/answer.csv")
        path = tmp_path / "answer.zip"
    score = score_footprints(truth, read_footprints(path, answer=True))
    vegas, paris = score.cities
    # One of two houses found, one invented: 2 x 1 / (2 + 2). Of Paris nothing is found.
    assert (vegas.name, vegas.images, vegas.hits, vegas.found, vegas.true, vegas.f1) == ("AOI_2_Vegas", 2, 1, 2, 2, 0.5)
    assert (paris.hits, paris.found, paris.true, paris.f1) == (0, 0, 1, 0)
    assert score.score == 0.25
    np.testing.assert_array_equal(score.counts.hits, [1, 0, 0])


def test_a_part_of_the_images(tmp_path, truth):
    answer = read_footprints(write(tmp_path / "answer.csv", ANSWER), answer=True)
    assert score_footprints(truth, answer, images=["AOI_2_Vegas_img1"]).score == pytest.approx(2 / 3)
    with pytest.raises(BadAnswer, match="no image to score"):
        score_footprints(truth, answer, images=["AOI_9"])


def test_the_truth_is_found_in_itself(tmp_path, truth):
    again = read_footprints(write(tmp_path / "a.csv", TRUTH.replace(HEAD, "")), answer=False)
    for rule in (None, UTILITIES):
        score = score_footprints(truth, again) if rule is None else score_footprints(truth, again, rule)
        assert [city.f1 for city in score.cities] == [1, 1]


def test_a_city():
    assert city_of("AOI_2_Vegas_img5979") == "AOI_2_Vegas"


@pytest.mark.parametrize(
    ("answer", "said"),
    [
        ("", "AOI_2_Vegas_img1: the image is missing: answer every image, an empty one by POLYGON EMPTY"),
        (ANSWER.replace("AOI_3_Paris_img1", "AOI_3_Paris_img9"), "AOI_3_Paris_img1: the image is missing"),
        (ANSWER + f"\nAOI_9,1,{square(0)},1", "AOI_9: the truth has no such image"),
        (ANSWER.replace("0.9", "sure", 1), "line 2: found the confidence 'sure': wanted a number"),
        (ANSWER.replace("0.9", "nan", 1), "line 2: found the confidence 'nan'"),
        (ANSWER.replace("POLYGON ((0", "POLYGON (0", 1), r"line 2: found 'POLYGON \(0 0,10 0.*: wanted POLYGON"),
        (ANSWER.replace("POLYGON EMPTY", "POINT (1 1)"), r"line 4: found 'POINT \(1 1\)'"),
        (ANSWER.replace("POLYGON EMPTY", ""), "line 4: found ''"),
        ("AOI_2_Vegas_img1,1", "line 1: found 2 columns: wanted ImageId,BuildingId,PolygonWKT_Pix,Confidence"),
        (ANSWER.replace("0.9", "x"), "and 1 more: overtrace check lists them"),
        ('a,1,"POLYGON', "line 1"),
    ],
)
def test_what_is_wrong_with_an_answer(tmp_path, truth, answer, said):
    with pytest.raises(BadAnswer, match=said):
        score_footprints(truth, read_footprints(write(tmp_path / "answer.csv", answer), answer=True))


@pytest.mark.parametrize(("name", "data"), [("a.csv", b"\xff\xfe\x00\x01"), ("a.png", b"x")])
def test_what_is_no_table(tmp_path, name, data):
    (tmp_path / name).write_bytes(data)
    with pytest.raises(BadAnswer, match=r"is no text|holds no \.csv file"):
        read_footprints(tmp_path / name, answer=True)
