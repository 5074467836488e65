"""What tests of verbs share."""

import json
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from tests.challenges.test_deepglobe import ANSWER, TRUTH
from tests.challenges.test_itc import RESULT


@pytest.fixture
def score_files(tmp_path) -> Path:
    """A truth and an answer of each protocol, whose scores are known."""
    for side in ("truth", "answer"):
        for name in ("scenes", "points"):
            (tmp_path / side / name).mkdir(parents=True)
        Image.fromarray(np.full((4, 4), 3, np.uint8)).save(tmp_path / side / "scenes" / "a.png")
    data = {
        "images": [{"id": 1, "height": 2, "width": 3}],
        "categories": [{"id": 1, "name": "crown"}],
        "annotations": [{**RESULT, "id": 1, "area": 3, "iscrowd": 0}],
    }
    (tmp_path / "truth" / "itc.json").write_text(json.dumps(data))
    (tmp_path / "answer" / "itc.json").write_text(json.dumps([RESULT]))
    (tmp_path / "truth" / "buildings.csv").write_text(TRUTH)
    (tmp_path / "answer" / "buildings.csv").write_text(ANSWER)
    (tmp_path / "truth" / "points" / "a.csv").write_text("x,y\n0,0\n")
    (tmp_path / "answer" / "points" / "a.csv").write_text("x,y\n0,5\n0,50\n")
    return tmp_path
