import json
from pathlib import Path

import pytest

from docs import make_contest_file, make_models
from docs.make_commands import PAGE, describe_commands
from overtrace.models.card import Card, DecodeParameters, DetectParameters, Score
from overtrace.models.metadata import digest_network
from overtrace.raster.scaling import Scaling
from overtrace.vector.sinks import SINKS
from tests.support.networks import write_conv_model

FORMATS = Path(__file__).parents[2] / "docs" / "formats.md"


def test_commands_page_is_what_the_commands_say():
    assert PAGE.read_text() == describe_commands(), "run make docs"


def test_contest_file_page_is_what_the_model_says():
    page = make_contest_file.PAGE.read_text()
    assert page == make_contest_file.update_page(page), "run make docs"
    assert make_contest_file.SCHEMA.read_text() == make_contest_file.describe_schema(), "run make docs"


def test_every_key_of_the_contest_file_is_explained():
    schema = make_contest_file.make_schema()
    keys = [(name, key) for name, part in schema["$defs"].items() for key in part["properties"].items()]
    assert [f"{name}.{key}" for name, (key, facts) in keys if not facts.get("description")] == []
    assert [key for key, facts in schema["properties"].items() if not facts.get("description")] == []


def test_models_page_is_what_the_cards_say():
    page = make_models.PAGE.read_text()
    assert page == make_models.update_page(page), "run make docs"


def test_pictures_of_models_are_there_and_small():
    captions = json.loads(make_models.PICTURES.read_text()) if make_models.PICTURES.exists() else {}
    shown = {picture["file"] for pictures in captions.values() for picture in pictures}
    files = list(make_models.PICTURES.parent.glob("*.jpg"))
    assert {path.name for path in files} == shown
    assert [path.name for path in files if path.stat().st_size > 150_000] == []


def test_speeds_of_another_network_are_not_told(tmp_path):
    path = write_conv_model(tmp_path / "a.onnx")
    speed = {"openvino": 1.25, "onnxruntime": 2.5, "whole": 3.75, "of": "nothing"}
    occasion = {"machine": "A computer", "date": "today", "commit": "abc", "load": "0"}
    for network, told in (digest_network(path), True), ("another", False):
        text = make_models.describe_models({"a": path}, {"a": {"network": network, **speed, **occasion}})
        assert ("1.25" in text, "3.75 (nothing)" in text, "A computer" in text) == (told,) * 3
        assert ("not measured" in text) != told


@pytest.mark.parametrize("part", [Card, DecodeParameters, DetectParameters, Score, Scaling])
def test_every_key_of_the_card_is_explained(part):
    text = FORMATS.read_text()
    names = getattr(part, "model_fields", None) or part.__dataclass_fields__
    assert [name for name in names if f"`{name}`" not in text] == []


def test_every_extension_is_explained():
    text = FORMATS.read_text()
    assert [suffix for suffix in SINKS if f"`{suffix}`" not in text] == []
