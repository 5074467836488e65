"""Training as it goes on a real machine: killed, resumed, and in two processes at once."""

import csv
import random
import signal
import time

import numpy as np
import pytest

torch = pytest.importorskip("torch")

from tests.support.runs import run, start, write_recipe, write_squares  # noqa: E402

ONE = ("--accelerator", "cpu", "--threads", "1")
CARD = {"window": 64, "margin": 8, "int8": False}


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    folder = tmp_path_factory.mktemp("train")
    write_squares(folder / "squares", 2)
    write_recipe(folder / "long.toml", fit__steps=60, fit__keep_every=7, card=CARD)
    fit = {"steps": 6, "batch": 4, "crop_px": 64, "learning_rate": 1e-4}
    write_recipe(folder / "shared.toml", fit=fit, card=CARD)
    return folder


def read_checkpoint(out):
    return torch.load(out / "checkpoint.pt", weights_only=True)


def read_losses(out):
    return list(csv.DictReader((out / "losses.csv").open()))


def kill_at(step, out, *arguments, cwd):
    """Ends a run with SIGKILL soon after it has written the row of a step."""
    process = start("train", *arguments, "--out", out, *ONE, cwd=cwd)
    path, until = cwd / out / "losses.csv", time.monotonic() + 90
    while not (path.exists() and f"\n{step}," in path.read_text()):
        assert process.poll() is None, process.stderr.read()
        assert time.monotonic() < until
        time.sleep(0.002)
    time.sleep(random.uniform(0, 0.03))
    process.kill()
    process.communicate()
    assert process.returncode == -signal.SIGKILL


def test_killed_twice_and_resumed_is_the_same_to_the_last_bit(folder):
    done = run("train", "long.toml", "--out", "whole", *ONE, cwd=folder)
    assert done.returncode == 0, done.stderr
    kill_at(random.randint(1, 25), "killed", "long.toml", cwd=folder)
    kill_at(random.randint(30, 50), "killed", "long.toml", "--resume", cwd=folder)
    done = run("train", "long.toml", "--out", "killed", "--resume", *ONE, cwd=folder)
    assert done.returncode == 0, done.stderr
    assert (folder / "killed" / "losses.csv").read_bytes() == (folder / "whole" / "losses.csv").read_bytes()
    for part in ("network", "average"):
        one, other = (read_checkpoint(folder / out)[part] for out in ("whole", "killed"))
        assert all(torch.equal(one[name], other[name]) for name in one)


def test_two_processes_agree_with_one(folder):
    for devices in (1, 2):
        done = run("train", "shared.toml", "--out", f"by{devices}", "--devices", devices, *ONE, cwd=folder)
        assert done.returncode == 0, done.stderr
        assert done.stdout == f"tiny: 6 steps\nwrote by{devices}/tiny.onnx\n"
        assert "Warning" not in done.stderr
    one, two = (np.array([[*map(float, row.values())] for row in read_losses(folder / f"by{i}")]) for i in (1, 2))
    np.testing.assert_allclose(two, one, rtol=1e-4)
    one, two = (read_checkpoint(folder / f"by{i}")["average"] for i in (1, 2))
    for name, weight in one.items():
        # A step moves a weight by 1e-4, and one whose slope is 0 but for rounding in either direction.
        torch.testing.assert_close(two[name], weight, rtol=1e-3, atol=1e-3)
    gaps = torch.cat([(two[name] - weight).abs().flatten() for name, weight in one.items() if weight.ndim > 1])
    assert gaps.mean() < 1e-5


def test_a_batch_that_two_cannot_share_is_one_line_of_one_process(folder):
    write_recipe(folder / "odd.toml", fit__batch=3)
    done = run("train", "odd.toml", "--devices", 2, *ONE, cwd=folder)
    said = "overtrace: error: fit.batch is 3, which 2 processes cannot share: wanted a multiple\n"
    assert (done.returncode, done.stdout, done.stderr) == (1, "", said)


def test_an_error_in_one_process_ends_both(folder):
    write_squares(folder / "broken" / "squares", 4)
    out = folder / "broken" / "out"
    # The header is read when the set is opened, the pixels by whoever draws the image first.
    for path in (folder / "broken" / "squares").glob("*.png"):
        path.write_bytes(path.read_bytes()[:900])
    write_recipe(folder / "broken" / "r.toml", card=CARD)
    done = run("train", "r.toml", "--devices", 2, "--out", out, *ONE, cwd=folder / "broken")
    assert done.returncode in (1, -signal.SIGKILL)
    assert "overtrace: error: " in done.stderr
    assert "frame_" in done.stderr
