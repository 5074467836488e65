"""Our profiles beside what the official codes printed; README.md tells how that was obtained."""

import hashlib
import json
from functools import cache
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import pytest

from overtrace.challenges.deepglobe import BuildingScore, Footprints, read_footprints, score_footprints
from overtrace.scoring.footprints import SOLARIS, TOPCODER, UTILITIES
from tests.golden.sets import DRAWN, REAL, write_set

PROFILES = {"topcoder": TOPCODER, "utilities": UTILITIES, "solaris-stable": SOLARIS, "cw-eval-stable": SOLARIS}
CROSSING = ("utilities", "generated")
"""evaluateScene.py ends with an error where a true outline crosses itself."""
PAIRS = [(code, name) for code in PROFILES for name in (*DRAWN, *REAL) if (code, name) != CROSSING]
CHIP = "Atlanta_nadir8_catid_10300100023BC100_743501"
APART = {
    # A court between "), (" is read as part of the outline.
    ("topcoder", "oddities"): {"AOI_2_Vegas_spaced_court": [0, 1, 1]},
    ("topcoder", "off-nadir"): {
        f"{CHIP}_{place}": [hits, 1, 1] for place, hits in {3736839: 116, 3738639: 153, 3739539: 121}.items()
    },
    # POLYGON EMPTY is a footprint unless its number is -1; of two halves Rtree may name the second one first.
    ("utilities", "oddities"): {"AOI_2_Vegas_numbered_empty": [0, 1, 1], "AOI_2_Vegas_two_halves": [3, 0, 0]},
    # The number -1 says nothing.
    **{
        (code, "oddities"): {"AOI_2_Vegas_minus_one": [1, 0, 0], "AOI_2_Vegas_minus_one_answered": [1, 0, 0]}
        for code in ("solaris-stable", "cw-eval-stable")
    },
}
"""What the codes say of images in which we mean to differ: see docs/protocols.md."""


def golden(code: str, name: str) -> dict[str, Any]:
    return json.loads((Path(__file__).parent / "spacenet" / f"{code}.json").read_text())["sets"][name]


@cache
def read(name: str) -> tuple[Footprints, Footprints, dict[str, str]]:
    with TemporaryDirectory() as folder:
        truth, answer = write_set(name, Path(folder))
        digests = {path.name: hashlib.sha256(path.read_bytes()).hexdigest() for path in (truth, answer)}
        return read_footprints(truth, answer=False), read_footprints(answer, answer=True), digests


def score(code: str, name: str) -> BuildingScore:
    return score_footprints(*read(name)[:2], PROFILES[code])


def count_images(found: BuildingScore) -> dict[str, list[int]]:
    counts = found.counts
    rows = zip(counts.hits, counts.found - counts.hits, counts.true - counts.hits, strict=True)
    return {image: [int(count) for count in row] for image, row in zip(found.images, rows, strict=True)}


@pytest.mark.parametrize("name", [*DRAWN, *REAL])
def test_the_set_is_the_one_that_was_recorded(name):
    assert all(golden(code, name)["sha256"] == read(name)[2] for code in (*PROFILES, "solaris"))


@pytest.mark.parametrize(("code", "name"), PAIRS)
def test_every_image_is_counted_as_the_code_counts_it(code, name):
    said, ours = golden(code, name)["images"], count_images(score(code, name))
    # evaluateScene.py does not name images that are empty on both sides.
    theirs = {image: said.get(image, [0, 0, 0]) for image in ours}
    assert said.keys() <= ours.keys()
    assert {image: counts for image, counts in theirs.items() if counts != ours[image]} == APART.get((code, name), {})


@pytest.mark.parametrize(("code", "name"), [pair for pair in PAIRS if pair not in APART and "cw-eval" not in pair[0]])
def test_every_city_is_scored_as_the_code_scores_it(code, name):
    said, ours = golden(code, name), score(code, name)
    cities = {city.name: city for city in ours.cities}
    if name == "off-nadir" and code != "topcoder":
        # For these the images of one place are no city.
        said["cities"] = {}
    for city, (hits, false, missed, f1) in said["cities"].items():
        if city != "Total":
            own = cities.pop(city)
            assert (own.hits, own.found - own.hits, own.true - own.hits) == (hits, false, missed)
            # The tester prints six digits.
            assert own.f1 == pytest.approx(f1, abs=5.1e-7 if code == "topcoder" else 1e-15)
    assert not cities or name == "off-nadir"
    if code == "topcoder":
        assert ours.score == pytest.approx(said["overall"], abs=5.1e-7)


def test_the_mean_of_the_cities_is_not_what_all_images_together_give():
    # evaluateScene.py prints a total of all images; the contest ranked by the mean.
    hits, false, missed, f1 = golden("utilities", "sn2-sample")["cities"]["Total"]
    assert f1 == pytest.approx(2 * hits / (2 * hits + false + missed))
    assert abs(score("utilities", "sn2-sample").score - f1) > 0.1


def test_a_true_outline_that_crosses_itself_ends_one_code():
    assert golden(*CROSSING)["error"] == "AttributeError: 'NoneType' object has no attribute 'GetGeometryName'"
    assert sum(city.true for city in score(*CROSSING).cities) > 0


@pytest.mark.parametrize(("name", "images"), [("generated", 5), ("sound", 5), ("sn2-sample", 0)])
def test_solaris_itself_leaves_equal_confidences_to_chance(name, images):
    plain, stable = (golden(code, name)["images"] for code in ("solaris", "solaris-stable"))
    assert sum(plain[image] != stable[image] for image in stable) == images
