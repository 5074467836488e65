from pathlib import Path

import pytest

from docs.make_commands import PAGE, describe_commands
from overtrace.models.card import Card, DecodeParameters, DetectParameters, Score
from overtrace.raster.scaling import Scaling
from overtrace.vector.sinks import SINKS

FORMATS = Path(__file__).parents[2] / "docs" / "formats.md"


def test_commands_page_is_what_the_commands_say():
    assert PAGE.read_text() == describe_commands(), "run make docs"


@pytest.mark.parametrize("part", [Card, DecodeParameters, DetectParameters, Score, Scaling])
def test_every_key_of_the_card_is_explained(part):
    text = FORMATS.read_text()
    names = getattr(part, "model_fields", None) or part.__dataclass_fields__
    assert [name for name in names if f"`{name}`" not in text] == []


def test_every_extension_is_explained():
    text = FORMATS.read_text()
    assert [suffix for suffix in SINKS if f"`{suffix}`" not in text] == []
