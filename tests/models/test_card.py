import dataclasses
import json

import pytest
from pydantic import ValidationError

from overtrace.decode.parameters import Parameters
from overtrace.errors import BadModel
from overtrace.models.card import DecodeParameters, Score, read_card, write_card
from overtrace.models.metadata import read_metadata, write_metadata
from overtrace.raster.scaling import Scaling
from tests.support.networks import conv_card, write_conv_model, write_conv_network


def test_a_card_comes_back_as_it_was(tmp_path):
    score = Score(name="F1", value=0.7, data="val", by="points at 6 m", date="2026-11-21", commit="abc")
    card = conv_card(scores=(score,), scaling=Scaling({"uint16": 2047}, None), attribution=("NEON",))
    write_card(write_conv_network(tmp_path / "a.onnx"), card, tmp_path / "b.onnx")
    assert read_card(tmp_path / "b.onnx") == card


def test_decode_parameters_are_those_of_decode():
    assert DecodeParameters().model_dump() == dataclasses.asdict(Parameters())


@pytest.mark.parametrize(
    "changes",
    [
        {"nonsense": 1},
        {"task": "magic"},
        {"pixel_size_m": (0.6, 0.1)},
        {"margin": 32},
        {"planes": ()},
        {"classes": ()},
        {"decode": {"interior": 0}},
        {"decode": {"peak_px": 9, "min_seed_px": 1}},
        {"decode": {"peak_px": 2, "min_seed_px": 2}},
        {"scaling": {"divide": 255}},
    ],
)
def test_a_card_that_makes_no_sense_is_refused(changes):
    with pytest.raises(ValidationError):
        conv_card(**changes)


def test_files_that_are_not_ours(tmp_path):
    bare = write_conv_network(tmp_path / "a.onnx")
    with pytest.raises(BadModel, match=r"a\.onnx is an ONNX file without an overtrace card"):
        read_card(bare)
    card = json.loads(conv_card().model_dump_json()) | {"format_version": 2}
    write_metadata(bare, {"overtrace": json.dumps(card)}, bare)
    with pytest.raises(BadModel, match="card that this version cannot read: format_version") as caught:
        read_card(bare)
    assert "\n" not in str(caught.value)


def test_the_keys_that_deepness_reads(tmp_path):
    path = write_conv_model(tmp_path / "a.onnx")
    values = {key: json.loads(value) for key, value in read_metadata(path).items()}
    assert values["model_type"] == "Regressor"
    assert values["class_names"] == {"0": "interior", "1": "touch", "2": "distance"}
    assert values["resolution"] == 24.5
    assert values["tile_size"] == values["tiles_size"] == 64
    assert values["tiles_overlap"] == 25
    assert values["seg_thresh"] == 0.502
    assert values["seg_small_segment"] == 8


def test_deepness_draws_planes_apart_where_channel_0_is_the_background(tmp_path):
    path = write_conv_model(tmp_path / "a.onnx", planes=("touch", "interior", "distance"))
    assert json.loads(read_metadata(path)["model_type"]) == "Segmentor"
