"""Containers, for real: built here without an engine, run by podman."""

import json
import os
import shutil
from pathlib import Path

import pytest

from overtrace.challenges.challenge import Question
from overtrace.challenges.protocols import score_files
from overtrace.host.contest_file import ContestFile, read_contest
from overtrace.host.replicate import replicate
from overtrace.host.replication import Claimed, Delivery, Report, Verdict, read_claimed
from tests.support.containers import (
    HONEST,
    MODEL,
    answer_here,
    digest,
    make_base,
    make_contest,
    make_image,
    write_weights,
)

pytestmark = pytest.mark.skipif(
    shutil.which("podman") is None or shutil.which("runc") is None or os.getuid() != 0,
    reason="podman and runc are not installed, or this is not root: no container can be run with all its limits",
)


@pytest.fixture(scope="module")
def base(tmp_path_factory) -> Path:
    return make_base(tmp_path_factory.mktemp("base") / "base.tar")


@pytest.fixture(scope="module")
def place(tmp_path_factory) -> Path:
    """A contest, weights, and what an honest team claims of them."""
    folder = tmp_path_factory.mktemp("woods")
    contest = make_contest(folder / "contest")
    weights = write_weights(folder / "model.safetensors", MODEL)
    answer = answer_here(contest, HONEST, weights, folder / "here")
    verdict = score_files("itc", Question(contest.parent / "truth", answer))
    (folder / "claimed.json").write_text(json.dumps(verdict.as_json()))
    return folder


@pytest.fixture
def file(place) -> ContestFile:
    return read_contest(place / "contest" / "contest.yaml")


@pytest.fixture
def claimed(place) -> Claimed:
    return read_claimed("itc", json.loads((place / "claimed.json").read_text()))


@pytest.fixture
def try_program(base, place, file, claimed, tmp_path):
    """Replicates a container with a program of its own."""

    def run(program: str, weights: Path | None = None, **changes) -> Report:
        image = make_image(tmp_path / "team.tar", base, program, changes.pop("files", None))
        weights = weights or place / "model.safetensors"
        delivery = Delivery(image=image, weights=weights, weights_sha256=digest(weights))
        options = {"file": file, "claimed": claimed, **changes}
        contest = options.pop("file")
        return replicate(
            contest, contest.contest.phases[0], delivery, options.pop("claimed"), tmp_path / "out", **options
        )

    return run


def test_an_honest_container_is_verified(try_program, claimed, tmp_path):
    report = try_program(HONEST)
    assert (report.verdict, report.reason) == (Verdict.VERIFIED, ""), report
    assert [(one.name, one.found) for one in report.scores] == [("", claimed.score), *sorted(claimed.parts.items())]
    assert 0.3 < claimed.score < 0.9
    assert set(claimed.parts) == {"dark", "light"}
    assert Report.model_validate_json((tmp_path / "out" / "report.json").read_text()) == report
    assert "answered 8 images" in (tmp_path / "out" / "log.txt").read_text()
