"""Containers, for real: built here without an engine, run by podman."""

import json
import os
import re
import shutil
import subprocess
import sys
import tempfile
from contextlib import suppress
from pathlib import Path

import psutil
import pytest
from typer.testing import CliRunner

from overtrace.challenges.challenge import Question
from overtrace.challenges.protocols import score_files
from overtrace.cli.main import app
from overtrace.host.bounded import mount_bounded
from overtrace.host.contest_file import ContestFile, read_contest
from overtrace.host.isolation import find_engine
from overtrace.host.replicate import replicate
from overtrace.host.replication import Claimed, Delivery, Reason, Report, Verdict, read_claimed
from overtrace.host.scratch import PREFIX, own_scratch, sweep
from tests.support.containers import (
    HONEST,
    LIBRARY,
    MODEL,
    answer_here,
    digest,
    make_contest,
    make_image,
    write_weights,
)
from tests.support.web import wait_for

Files = dict[str, bytes]
pytestmark = pytest.mark.skipif(
    shutil.which("podman") is None or shutil.which("runc") is None or os.getuid() != 0,
    reason="podman and runc are not installed, or this is not root: no container can be run with all its limits",
)


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
def run(base, tmp_path):
    """Replicates a container with a program of its own."""

    def run(file: ContestFile, program: str, weights: Path, claimed: Claimed, files: Files | None = None) -> Report:
        image = make_image(tmp_path / "team.tar", base, program, files)
        delivery = Delivery(image=image, weights=weights, weights_sha256=digest(weights))
        return replicate(file, file.contest.phases[0], delivery, claimed, tmp_path / "out")

    return run


@pytest.fixture
def try_program(run, place, file, claimed):
    """The same, beside the claim of an honest team."""

    def try_program(program: str, weights: Path | None = None, claimed=claimed, files: Files | None = None) -> Report:
        return run(file, program, weights or place / "model.safetensors", claimed, files)

    return try_program


def test_an_honest_container_is_verified(try_program, claimed, tmp_path):
    report = try_program(HONEST)
    assert (report.verdict, report.reason) == (Verdict.VERIFIED, ""), report
    assert [(one.name, one.found) for one in report.scores] == [("", claimed.score), *sorted(claimed.parts.items())]
    assert 0.3 < claimed.score < 0.9
    assert set(claimed.parts) == {"dark", "light"}
    assert Report.model_validate_json((tmp_path / "out" / "report.json").read_text()) == report
    assert "answered 8 images" in (tmp_path / "out" / "log.txt").read_text()


def chosen_by(rule: str) -> str:
    """A program with two models, which chooses one for each image."""
    return f"{LIBRARY}\nmodels = weights()\n{rule}\nanswer(choose)\n"


BY_LIGHT = """
def choose(name, pixels):
    return models[pixels[0][0][0] > 130]
"""
GIFTED = (0.0, 1.0, 0.0, -80.0), (0.0, 1.0, 0.0, -220.0)
"""A model for each data set, of no use for the other."""


def test_two_models_in_one_file_of_weights_are_caught(try_program, tmp_path):
    weights = write_weights(tmp_path / "both.safetensors", *GIFTED)
    report = try_program(chosen_by(BY_LIGHT), weights)
    assert (report.verdict, report.reason) == (Verdict.FAILED, Reason.TWO_MODELS), report
    assert re.fullmatch(
        "the (first|second) half of its weights decides (dark|light), and does nothing for (dark|light)", report.said
    )


def test_a_second_model_in_the_code_is_caught(try_program, tmp_path):
    weights = write_weights(tmp_path / "one.safetensors", GIFTED[0])
    report = try_program(chosen_by(f"models.append({GIFTED[1]})\n{BY_LIGHT}"), weights)
    assert (report.verdict, report.reason) == (Verdict.FAILED, Reason.TWO_MODELS), report
    assert report.said == "its answers to light are the same with other weights"


def test_a_second_file_of_weights_is_caught_even_if_the_first_is_known_by_its_digest(try_program, tmp_path):
    """It answers nothing when the delivered weights are changed."""
    weights = write_weights(tmp_path / "one.safetensors", GIFTED[0])
    rule = f"models += read_models('/opt/second.bin')\nassert models[0] == {GIFTED[0]}\n{BY_LIGHT}"
    hidden = write_weights(tmp_path / "two.safetensors", GIFTED[1]).read_bytes()
    padded = hidden + bytes(2**16)
    report = try_program(chosen_by(rule), weights, files={"opt/second.bin": padded})
    assert (report.verdict, report.reason) == (Verdict.FAILED, Reason.TWO_MODELS), report
    assert report.said.startswith("it does not give the same answers without /opt/second.bin (0.1 MiB)")


def test_a_model_chosen_by_names_does_not_get_its_score(try_program, tmp_path):
    weights = write_weights(tmp_path / "both.safetensors", *GIFTED)
    report = try_program(chosen_by("choose = lambda name, pixels: models['light' in name]"), weights)
    assert (report.verdict, report.reason) == (Verdict.FAILED, Reason.SCORE)
    assert next(one.found for one in report.scores if one.name == "light") == 0


def test_the_command_line_fails_a_better_claim_than_what_is_found(base, place, claimed, tmp_path):
    image = make_image(tmp_path / "team.tar", base, HONEST)
    better = {"score": claimed.score + 0.011, "parts": claimed.parts}
    (tmp_path / "claimed.json").write_text(json.dumps(better))
    weights = place / "model.safetensors"
    options = [
        "--image",
        image,
        "--weights",
        weights,
        "--claimed",
        tmp_path / "claimed.json",
        "--out",
        tmp_path / "out",
    ]
    done = CliRunner().invoke(app, ["replicate", str(place / "contest"), *map(str, options)])
    assert done.exit_code == 1, done.output
    lines = done.output.splitlines()
    assert lines[-1] == f"wrote {tmp_path}/out/report.json and {tmp_path}/out/log.txt"
    said = f"found {claimed.score:.6f}, claimed {better['score']:.6f}, by 0.011000"
    assert lines[-2] == f"failed (another score): {said}"
    report = Report.model_validate_json((tmp_path / "out" / "report.json").read_text())
    assert (report.verdict, report.reason, report.said) == (Verdict.FAILED, Reason.SCORE, said)
    assert report.notes == ("no digest of weights was claimed beforehand: they may have been trained later",)


def test_other_weights_than_claimed_are_not_run(place, file, claimed, tmp_path):
    image, weights = tmp_path / "image.tar", place / "model.safetensors"
    image.write_bytes(b"")
    delivery = Delivery(image=image, weights=weights, weights_sha256="0" * 64)
    report = replicate(file, file.contest.phases[0], delivery, claimed, tmp_path / "out")
    assert (report.verdict, report.reason) == (Verdict.FAILED, Reason.WRONG_WEIGHTS)
    assert report.runs == ()


@pytest.mark.parametrize(("lacks", "reason"), [("image", Reason.NO_IMAGE), ("weights", Reason.NO_WEIGHTS)])
def test_what_is_not_there_is_not_delivered(place, file, claimed, tmp_path, lacks, reason):
    path = place / "model.safetensors"
    paths = {"image": path, "weights": path, lacks: None}
    delivery = Delivery(**paths, weights_sha256=digest(path))
    report = replicate(file, file.contest.phases[0], delivery, claimed, tmp_path / "out")
    assert (report.verdict, report.reason) == (Verdict.NOT_DELIVERED, reason)


HOSTILE = {
    "memory": ("x = []\nwhile True: x.append(bytearray(2**22))", Reason.MEMORY, "more than 64 MiB"),
    "memory of a child": (
        "import os\nif os.fork() == 0:\n    x = []\n    while True: x.append(bytearray(2**22))\nos.wait(); 1 / 0",
        Reason.MEMORY,
        "more than 64 MiB",
    ),
    "time": ("while True: pass", Reason.TIME, "ended after 4 s"),
    "deaf": (
        "import signal, time\nfor s in range(1, 32):\n    try: signal.signal(s, signal.SIG_IGN)\n"
        "    except (OSError, ValueError): pass\ntime.sleep(99)",
        Reason.TIME,
        "ended after 4 s",
    ),
    "fork": ("import os\nwhile True: os.fork()", Reason.PROCESSES, "more than 24 processes"),
    "output": (
        "f = open('/output/answer.json', 'wb')\nwhile True: f.write(bytes(2**20))",
        Reason.DISK,
        "its /output is full: it holds 8 MiB",
    ),
    "many files": (
        "n = 0\nwhile True:\n    open(f'/output/{n}', 'w').close()\n    n += 1",
        Reason.DISK,
        "its /output is full",
    ),
    "some files": (
        "for n in range(100): open(f'/output/{n}.json', 'w').close()",
        Reason.MANY_FILES,
        "more files than there are images",
    ),
    "link": (
        "import os\nos.symlink('/etc/shadow', '/output/answer.json')",
        Reason.LINKS,
        "/output/answer.json is a symbolic link",
    ),
    "folder link": ("import os\nos.symlink('/etc', '/output/answers')", Reason.LINKS, "answers is a symbolic link"),
    "hard link": (
        "import os\nopen('/output/answer.json', 'w').close()\nos.link('/output/answer.json', '/output/b')",
        Reason.LINKS,
        "is a hard link",
    ),
    "pipe": ("import os\nos.mkfifo('/output/answer.json')", Reason.LINKS, "/output/answer.json is a pipe"),
    "holes": (
        "f = open('/output/answer.json', 'wb')\nf.truncate(2**40)",
        Reason.DISK,
        "is larger than the output may be",
    ),
    "nothing": ("print('done')", Reason.NO_ANSWER, "no file in /output"),
    "error": ("raise ValueError('no \\x1b[31mGPU')", Reason.EXIT, "it exited with 1: ValueError: no \ufffd[31mGPU"),
    "no answer": ("open('/output/answer.json', 'w').write('[')", Reason.FAULTS, "answer.json : no JSON"),
    "deep": ("open('/output/answer.json', 'w').write('[' * 10**6)", Reason.FAULTS, "answer.json : no JSON"),
    "strange": (
        "open('/output/answer.json', 'w').write('[{\"image_id\": 0}]')",
        Reason.FAULTS,
        "answer.json /0/image_id: found 0: use the ids of images.json",
    ),
    "root": (
        "import errno\nfor p in ('/', '/usr', '/input', '/input/images', '/weights', '/opt', '/proc', '/sys'):\n"
        "    try: open(p + '/x', 'w'); print('wrote', p)\n    except OSError as e: print(errno.errorcode[e.errno])\n"
        "raise SystemExit(9)",
        Reason.EXIT,
        "it exited with 9",
    ),
    "network": (
        "import socket\ntry: socket.create_connection(('1.1.1.1', 80), 2)\nexcept OSError as e: print('NET', e)\n"
        "print([n for _, n in socket.if_nameindex()])\nraise SystemExit(9)",
        Reason.EXIT,
        "it exited with 9: ['lo']",
    ),
    "chatty": (
        "for n in range(200000): print('x' * 100)\nprint('the end')\nraise SystemExit(9)",
        Reason.EXIT,
        "it exited with 9: the end",
    ),
}


@pytest.fixture(scope="module")
def small(tmp_path_factory) -> ContestFile:
    """A contest whose containers may take little."""
    folder = tmp_path_factory.mktemp("small") / "contest"
    limits = {"seconds": 15, "memory_bytes": 2**26, "processes": 24, "output_bytes": 2**23}
    return read_contest(make_contest(folder, 1, **limits))


@pytest.fixture(scope="module")
def brief(small) -> ContestFile:
    """The same, and little time."""
    text = small.path.read_text()
    short = small.path.with_name("brief.yaml")
    short.write_text(text.replace('"seconds": 15', '"seconds": 4'))
    return read_contest(short)


def look_at_host() -> tuple[list[str], list[str], list[str]]:
    """Mounts, groups and scratch folders of replications."""
    mounts = [line for line in Path("/proc/self/mounts").read_text().splitlines() if PREFIX in line]
    groups = [str(path) for path in Path("/sys/fs/cgroup").glob("**/overtrace-*") if str(os.getpid()) in path.name]
    return mounts, groups, [str(path) for path in Path(tempfile.gettempdir()).glob(f"{PREFIX}*")]


@pytest.mark.parametrize("name", HOSTILE)
def test_a_hostile_container_ends_in_a_named_verdict_and_leaves_nothing(run, small, brief, tmp_path, name):
    program, reason, said = HOSTILE[name]
    before = look_at_host()
    weights = write_weights(tmp_path / "model.safetensors", MODEL)
    report = run(brief if reason is Reason.TIME else small, program, weights, Claimed(score=1))
    assert (report.verdict, report.reason) == (Verdict.FAILED, reason), report
    assert said in report.said
    assert look_at_host() == before
    assert not [one for one in psutil.process_iter(["cmdline"]) if "/program.py" in (one.info["cmdline"] or [])]
    assert (
        report.runs[0].seconds < (brief if reason is Reason.TIME else small).contest.replication.container.seconds + 20
    )
    log = (tmp_path / "out" / "log.txt").read_text()
    assert len(log) < 200_000
    assert "wrote" not in log
    assert "\x1b" not in log


def test_an_image_that_unpacks_to_more_than_it_may_fills_nothing(run, place, tmp_path):
    contest = read_contest(make_contest(tmp_path / "contest", 1, image_bytes=2**24))
    before = look_at_host()
    report = run(contest, HONEST, place / "model.safetensors", Claimed(score=1))
    assert (report.verdict, report.reason) == (Verdict.FAILED, Reason.LARGE_IMAGE), report
    assert look_at_host() == before


@pytest.mark.parametrize("content", [b"", b"no archive", bytes(2**20)])
def test_what_is_no_image_is_said(file, place, tmp_path, content):
    image, weights = tmp_path / "image.tar", place / "model.safetensors"
    image.write_bytes(content)
    delivery = Delivery(image=image, weights=weights, weights_sha256=digest(weights))
    report = replicate(file, file.contest.phases[0], delivery, Claimed(score=1), tmp_path / "out")
    assert (report.verdict, report.reason, report.runs) == (Verdict.FAILED, Reason.BAD_IMAGE, ()), report


def find_programs(owner: int) -> list[psutil.Process]:
    """What runs in containers of a process."""
    found = []
    for one in psutil.process_iter(["name", "cmdline"]):
        named = any(word.startswith(f"overtrace-{owner}-") for word in one.info["cmdline"] or [])
        # Any of them may end while it is looked at.
        with suppress(psutil.Error):
            inside = one.children() if named and one.info["name"] == "conmon" else []
            found += [child for child in inside if "/program.py" in child.cmdline()]
    return found


def test_what_a_killed_run_left_is_swept_up_by_the_next_and_what_a_living_one_has_is_not(base, place, small, tmp_path):
    long = small.path.with_name("long.yaml")
    long.write_text(small.path.read_text().replace('"seconds": 15', '"seconds": 600'))
    image = make_image(tmp_path / "team.tar", base, "import time\ntime.sleep(599)")
    (tmp_path / "claimed.json").write_text('{"score": 1}')
    sweep(find_engine())
    before, weights = look_at_host(), place / "model.safetensors"
    options = {
        "--image": image,
        "--weights": weights,
        "--claimed": tmp_path / "claimed.json",
        "--out": tmp_path / "out",
    }
    program = [sys.executable, "-c", "from overtrace.cli.main import main; main()", "replicate", long]
    killed = subprocess.Popen([*program, *(part for pair in options.items() for part in pair)])
    try:
        wait_for(lambda: find_programs(killed.pid), 120)
        programs = find_programs(killed.pid)
    finally:
        killed.kill()
        killed.wait()
    groups = [str(path) for path in Path("/sys/fs/cgroup").glob(f"**/overtrace-{killed.pid}-*")]
    left = look_at_host()
    assert all(one.is_running() for one in programs)
    assert len(left[0]) > len(before[0])
    assert len(left[2]) == len(before[2]) + 2
    with own_scratch() as mine, mount_bounded(mine / "store", 2**22) as store:
        (store / "kept").write_text("kept")
        own = look_at_host()
        # It ends as soon as it has swept: nothing was delivered.
        report = replicate(
            small,
            small.contest.phases[0],
            Delivery(image=None, weights=None, weights_sha256=""),
            Claimed(score=1),
            tmp_path / "next",
        )
        assert report.reason is Reason.NO_IMAGE
        assert (store / "kept").read_text() == "kept"
        swept = look_at_host()
        assert [set(own[i]) - set(swept[i]) for i in (0, 2)] == [set(left[i]) - set(before[i]) for i in (0, 2)]
    assert look_at_host() == before
    assert not any(one.is_running() for one in programs)
    # What cleans up after containers would make their folders anew.
    lines = [" ".join(one.info["cmdline"] or []) for one in psutil.process_iter(["cmdline"])]
    assert not [line for line in lines for folder in set(left[2]) - set(before[2]) if folder in line]
    assert not [group for group in groups if Path(group).exists()]
