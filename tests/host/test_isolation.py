"""What a box and a container keep in, tried for real."""

import json
import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from overtrace.errors import BadOption
from overtrace.host import isolation
from overtrace.host.bubblewrap import box, find_bubblewrap
from overtrace.host.isolation import Attempt, Isolation, Level, find_engine, find_excess
from overtrace.host.scorer_process import Scorer, clean_environment
from tests.host.test_scorer import make_task, write
from tests.support import hostile

needs_box = pytest.mark.skipif(find_bubblewrap() is None, reason="bubblewrap is not installed: nothing is boxed")
needs_podman = pytest.mark.skipif(
    shutil.which("podman") is None or shutil.which("runc") is None or os.getuid() != 0,
    reason="podman and runc are not installed, or this is not root: no container can be run with all its limits",
)


def run_boxed(program: str, *shown: Path) -> str:
    command = box([sys.executable, "-I", "-S", "-c", program], shown)
    done = subprocess.run(command, capture_output=True, text=True, env=clean_environment(), cwd="/", timeout=120)
    assert done.returncode == 0, done.stderr
    return done.stdout.strip()


@needs_box
def test_a_box_shows_what_it_is_given_and_lets_nothing_be_changed(tmp_path):
    for name in ("truth", "host"):
        (tmp_path / name).mkdir()
        (tmp_path / name / "file").write_text(name)
    looks = f"""
import os, socket
print(open({str(tmp_path / "truth" / "file")!r}).read())
for place in ({str(tmp_path / "host" / "file")!r}, "/etc/shadow", "/etc/passwd", "/root/.ssh", "/var/lib"):
    assert not os.path.exists(place), place
for place in ("/x", "/usr/x", {str(tmp_path / "truth" / "x")!r}, {str(tmp_path / "truth" / "file")!r}):
    try:
        open(place, "a").close()
        raise SystemExit(f"wrote {{place}}")
    except OSError:
        pass
assert [name for _, name in socket.if_nameindex()] == ["lo"]
assert {os.getpid()} not in map(int, filter(str.isdigit, os.listdir("/proc")))
assert len([name for name in os.listdir("/proc") if name.isdigit()]) <= 3
assert os.getuid() == 65534
assert "CapEff:\\t0000000000000000" in open("/proc/self/status").read()
"""
    assert run_boxed(looks, tmp_path / "truth") == "truth"
    assert (tmp_path / "truth" / "file").read_text() == "truth"


@needs_box
def test_a_scorer_in_a_box_scores_and_sees_no_other_answer(tmp_path):
    from overtrace.host.samples import write_sample

    write_sample("itc", "", tmp_path)
    shown = (tmp_path / "truth", tmp_path / "answer", tmp_path / "sent")
    path = write(tmp_path, "a.zip", hostile.zip_bomb())
    link = tmp_path / "sent" / "link.json"
    link.symlink_to(tmp_path / "secret.json")
    (tmp_path / "secret.json").write_text("[]")
    with Scorer("itc", "", shown) as scorer:
        outcome = scorer.ask(make_task(tmp_path))
        assert outcome.kind == "scored", outcome
        command = Path(f"/proc/{scorer.start()}/cmdline").read_bytes()
        assert b"bwrap" in command.split(b"\0")[0]
        outcome = scorer.ask(make_task(tmp_path, path))
        assert (outcome.kind, "at most" in outcome.faults[0].wanted + outcome.faults[0].found) == ("rejected", True)
        outcome = scorer.ask(make_task(tmp_path, link))
        assert (outcome.kind, outcome.faults[0].found) == ("rejected", "it does not exist") or outcome.kind == "broken"
        assert scorer.ask(make_task(tmp_path)).kind == "scored"


@needs_podman
def test_this_machine_runs_containers_with_all_limits():
    engine, attempt = isolation.try_engine("podman", "runc")
    assert engine is not None, attempt
    assert engine.grouped
    assert "seccomp" in attempt.said


EXCESS = {
    "it is root": {"uid": 0},
    "it has the capabilities 00000000a80425fb": {"CapEff": "00000000a80425fb"},
    "it can get new privileges": {"NoNewPrivs": "0"},
    "it has no seccomp filter": {"Seccomp": "0"},
    "it has the network lo, eth0": {"interfaces": ["lo", "eth0"]},
    "it can write to /usr": {"wrote": "/usr"},
    "its /tmp has no limit": {"tmp": "unbounded"},
}


@pytest.mark.parametrize("said", EXCESS)
def test_whatever_a_container_has_too_much_is_said(said):
    sound = {"uid": 65534, "CapEff": "0" * 16, "NoNewPrivs": "1", "Seccomp": "2", "interfaces": ["lo"]}
    assert list(find_excess(sound, seccomp=True)) == []
    assert list(find_excess(sound | EXCESS[said], seccomp=True)) == [said]


def test_without_an_engine_foreign_images_are_refused(monkeypatch):
    attempts = (Attempt("podman runc", False, "podman not installed", "apt-get install podman runc"),)
    monkeypatch.setattr(isolation, "isolation", lambda: Isolation(None, False, attempts))
    with pytest.raises(BadOption, match=r"cannot run foreign images .podman runc: podman not installed.: overtrace d"):
        find_engine()


def test_levels_go_from_containers_to_none():
    engine = isolation.Engine("podman", "runc", True)
    found = [Isolation(one, boxed, ()).level for one in (engine, None) for boxed in (True, False)]
    assert found == list(Level)
    assert json.dumps(Isolation(engine, True, ()).as_json())
