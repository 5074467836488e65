import numpy as np
import pytest

pytest.importorskip("torch")

from overtrace.data.neon import Part
from overtrace.learn.recipe import Fit, NetworkChoice, Recipe, Source
from overtrace.learn.sources import choose_places, read_pools
from tests.support.labelled import write_urban, write_voc

SOURCE = Source(weight=1, pixel_size_m=(0.3, 0.6), own_size=0.5)
RECIPE = Recipe(
    name="r",
    version="1",
    seed=3,
    network=NetworkChoice(size="s"),
    fit=Fit(steps=1, batch=1, crop_px=32, learning_rate=1e-3, weight_decay=0, warm_up=0, average=0.5),
    urban_california=SOURCE,
    neon=SOURCE,
)


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    folder = tmp_path_factory.mktemp("data")
    lists = {
        "train": [(f"chico_{year}_{i}", 1000.0 * i) for year in (2018, 2020) for i in range(13)],
        "val": [("chico_2016_0", 0.0)],
    }
    write_urban(folder / "urban_california", lists, {"chico_2018_5": [(50, 50)]})
    return folder


def test_no_ground_is_learned_and_tuned_or_measured(folder):
    learned, tuned = choose_places(folder, RECIPE)
    grounds = [{place.ground for place in places} for places in (learned, tuned)]
    assert (len(learned), len(tuned)) == (22, 2)
    assert not grounds[0] & grounds[1]
    assert (26911, 0, 4000000) not in grounds[0] | grounds[1]
    assert choose_places(folder, RECIPE) == (learned, tuned)


def test_pools_hold_both_data_sets(folder, monkeypatch):
    part = ("2019_YELL_2_541000_4977000_image_crop", (0, 40), (0, 50))
    (folder / "neon_yell").mkdir()
    write_voc(folder / "neon_yell", part[0], (40, 50), [(5, 5, 25, 30)])
    monkeypatch.setattr("overtrace.data.neon.LEARNED", (Part(*part),))
    learned, _ = choose_places(folder, RECIPE)
    urban, neon = read_pools(folder, RECIPE, learned[:3])
    assert [crowns.name for crowns in urban.images] == [place.name for place in learned[:3]]
    assert [crowns.pixel_size_m for crowns in (*urban.images, *neon.images)] == [0.6, 0.6, 0.6, 0.1]
    np.testing.assert_array_equal(neon.images[0].boxes, [(5, 5, 25, 30)])
