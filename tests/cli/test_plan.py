"""``overtrace plan``: what is counted, and what is made of it."""

import json

import pytest

from benchmarks.scene import write_image
from overtrace.cli.plan import show_bytes, show_hours
from overtrace.trace.forecast import Rates, Work, forecast
from tests.support.commands import run_well
from tests.support.identity_model import write_identity_model


def test_a_forecast_worked_by_hand():
    work = Work(pixels=7_200_000_000, blocks=6_000, tasks=1_500, side=2, pixel_bytes=21_600_000_000)
    rates = Rates(network=1_000_000, polygons=10_000_000, scratch=0.5, objects=0.001, writing=1_000, files=2, samples=2)
    found = forecast(work, rates, threads=2)
    # 7.2 G pixels at 1 M a second by 2 threads are an hour; 7.2 M objects at 1,000 a second by one process are two.
    assert (found.network_hours, found.polygons_hours, found.writing_hours) == (1.0, 0.1, 2.0)
    assert found.hours == 3.0
    assert (found.scratch_bytes, found.objects, found.files) == (3_600_000_000, 7_200_000, 12_000)


def test_an_image_is_planned_before_anything_is_started(tmp_path):
    image = write_image(tmp_path / "canopy.tif", 900)
    model = write_identity_model(tmp_path / "identity.onnx")
    before = sorted(path.name for path in tmp_path.iterdir())
    command = ["plan", str(image), "--model", str(model), "--block", "384", "--samples", "1", "--cluster", "local:4"]
    facts = json.loads(run_well(*command, "--json"))
    # 900 pixels in cells of 384: 3 blocks a side; three bands of one byte.
    assert (facts["work"]["blocks"], facts["work"]["tasks"], facts["work"]["pixel_bytes"]) == (9, 9, 3 * 900**2)
    assert (facts["threads"], facts["rates"]["samples"]) == (4, 1)
    assert facts["rates"]["network"] > 0
    assert 100 < facts["expected"]["objects"] < 1000
    assert facts["hours"] > 0
    assert sorted(path.name for path in tmp_path.iterdir()) == before


@pytest.mark.parametrize(("count", "shown"), [(0, "0 B"), (999, "999 B"), (2_660_000, "2.66 MB"), (3.1e17, "310 PB")])
def test_bytes_in_the_unit_that_fits(count, shown):
    assert show_bytes(count) == shown


@pytest.mark.parametrize(("hours", "shown"), [(0.01, "36 s"), (0.5, "30 min"), (1234.56, "1,234.6 h")])
def test_a_time_in_the_unit_that_fits(hours, shown):
    assert show_hours(hours) == shown
