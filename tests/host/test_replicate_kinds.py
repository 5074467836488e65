"""Containers that answer scenes, buildings and trees, for real."""

import json
import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from overtrace.challenges.challenge import Question
from overtrace.challenges.protocols import score_files
from overtrace.host.contest_file import read_contest
from overtrace.host.replicate import replicate
from overtrace.host.replication import Delivery, Reason, Report, Verdict, read_claimed
from tests.support.containers import MODEL, digest, make_image, write_weights
from tests.support.kinds import EACH_TREES, GEOJSON, PROGRAMS, make_kind

pytestmark = pytest.mark.skipif(
    shutil.which("podman") is None or shutil.which("runc") is None or os.getuid() != 0,
    reason="podman and runc are not installed, or this is not root: no container can be run with all its limits",
)


def answer_here(contest: Path, program: str, weights: Path, folder: Path) -> Path:
    """What a program answers to the images under their own names, without a container."""
    images = sorted((contest.parent / "images").glob("*/*.png"))
    for name in ("input/images", "weights", "output"):
        (folder / name).mkdir(parents=True)
    for image in images:
        shutil.copy(image, folder / "input" / "images")
    (folder / "input" / "images.json").write_text(json.dumps({image.name: n for n, image in enumerate(images, 1)}))
    shutil.copy(weights, folder / "weights")
    (folder / "program.py").write_text(program)
    subprocess.run([sys.executable, folder / "program.py", str(folder)], check=True, capture_output=True)
    return folder / "output"


@pytest.fixture
def run(base, tmp_path):
    def run(challenge: str, program: str, *, ran: str = "") -> Report:
        """A team that claims what a program answers, and delivers it, or another one."""
        contest = make_kind(challenge, tmp_path / "contest", images=7)
        file = read_contest(contest)
        phase = file.contest.phases[0]
        weights = write_weights(tmp_path / "model.safetensors", MODEL)
        answer = answer_here(contest, program, weights, tmp_path / "here")
        truth, profile = file.folder / phase.truth, file.contest.profile
        verdict = score_files(challenge, Question(truth, answer, profile, pixel_size_m=file.contest.pixel_size))
        claimed = read_claimed(challenge, json.loads(json.dumps(verdict.as_json())))
        assert 0.3 < claimed.score < 0.95
        image = make_image(tmp_path / "team.tar", base, ran or program)
        delivery = Delivery(image=image, weights=weights, weights_sha256=digest(weights))
        return replicate(file, phase, delivery, claimed, tmp_path / "out", seed=1)

    return run


HONEST = {name: (name, program) for name, program in PROGRAMS.items()}
HONEST |= {"deepglobe, a GeoJSON an image": ("deepglobe", GEOJSON), "trees, a CSV an image": ("trees", EACH_TREES)}


@pytest.mark.parametrize("name", HONEST)
def test_an_honest_container_is_verified(run, name):
    challenge, program = HONEST[name]
    report = run(challenge, program)
    assert (report.verdict, report.reason) == (Verdict.VERIFIED, Reason.NONE), report
    # What it answers was seen to come from its weights, and none was seen to change when it was run again.
    assert report.runs[2].name == "sample, all weights shuffled"
    assert [note for note in report.notes if "shown" in note or "changed" in note] == []
    if challenge == "deepglobe":
        assert [one.name for one in report.scores] == ["", "AOI_2_Dark", "AOI_3_Light"]
        assert len(report.runs) == 5


@pytest.mark.parametrize("challenge", PROGRAMS)
def test_a_program_that_does_not_use_the_weights_is_caught(run, challenge):
    built_in = f"model = {MODEL}"
    program = PROGRAMS[challenge]
    report = run(challenge, program, ran=program.replace("model = weights()[0]", built_in))
    assert (report.verdict, report.reason) == (Verdict.FAILED, Reason.TWO_MODELS), report
    assert "are the same with other weights" in report.said
