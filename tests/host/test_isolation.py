"""What a box and a container keep in, tried for real."""

import json
import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from overtrace.errors import BadOption
from overtrace.host import isolation
from overtrace.host.bubblewrap import box, find_bubblewrap
from overtrace.host.contest_file import read_contest
from overtrace.host.isolation import Attempt, Isolation, Level, find_engine, find_excess
from overtrace.host.replicate import replicate
from overtrace.host.replication import Claimed, Delivery, Reason, Verdict
from overtrace.host.rerun import NAMES
from overtrace.host.scorer_process import Scorer, clean_environment
from tests.host.test_scorer import make_task, write
from tests.support import hostile
from tests.support.containers import MODEL, digest, make_contest, make_image, write_weights

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


PEEK = """
import json, os, glob

def look(path):
    try:
        with open(path, "rb") as file:
            return file.read(2**16).decode(errors="replace")
    except OSError as error:
        return error.strerror

def write(path, text):
    try:
        with open(path, "w") as file:
            file.write(text)
        return "written"
    except OSError as error:
        return error.strerror

def listed(path):
    try:
        return os.listdir(path)
    except OSError as error:
        return error.strerror

closed = ("/proc/sysrq-trigger", "/proc/sys/kernel/core_pattern", "/proc/sys/vm/drop_caches", "/proc/1/oom_score_adj")
secret = ("kcore", "keys", "timer_list", "sched_debug", "scsi/scsi", "kallsyms", "acpi", "1/mem")
print("found", json.dumps({
    "processes": [name for name in os.listdir("/proc") if name.isdigit()],
    "lines": [look(path) for path in glob.glob("/proc/[0-9]*/cmdline")],
    "environ": [look(path) for path in glob.glob("/proc/[0-9]*/environ")],
    "files": [os.readlink(path) for path in glob.glob("/proc/[0-9]*/fd/*") if os.path.lexists(path)],
    "above": [listed(f"/proc/{place}HERE") for place in ("1/root", *(f"self/fd/{n}/../../../.." for n in range(16)))],
    "mounts": look("/proc/self/mountinfo").splitlines(),
    "secret": {name: look("/proc/" + name)[:4000] for name in secret},
    "written": {path: write(path, "0") for path in closed},
    "etc": {path: look(path) for path in ("/etc/hosts", "/etc/resolv.conf", "/etc/passwd")},
    "disks": [name for name in os.listdir("/dev") if name.startswith(("sd", "vd", "nvme", "loop", "mem", "kmsg"))],
}))
raise SystemExit(9)
"""
GIVEN = ("/input", "/output", "/weights")
OWN = ("/dev", "/etc/", "/proc", "/run", "/sys", "/tmp", *GIVEN)


@needs_podman
def test_a_container_that_peeks_at_proc_sees_itself_alone(base, tmp_path, monkeypatch):
    monkeypatch.setenv("OVERTRACE_DB", "postgresql+psycopg://contest:canary@db")
    contest = read_contest(make_contest(tmp_path / "contest", 1))
    image = make_image(tmp_path / "canary.tar", base, PEEK.replace("HERE", str(tmp_path)))
    weights = tmp_path / "canary.safetensors"
    delivery = Delivery(image=image, weights=write_weights(weights, MODEL), weights_sha256=digest(weights))
    weights.chmod(0o600)
    report = replicate(contest, contest.contest.phases[0], delivery, Claimed(score=1), tmp_path / "out")
    assert (report.verdict, report.reason) == (Verdict.FAILED, Reason.EXIT), report
    log = (tmp_path / "out" / "log.txt").read_text()
    found = json.loads(next(line for line in log.splitlines() if line.startswith("found")).removeprefix("found"))
    assert found["processes"] == ["1"]
    assert [line.split("\0")[-2] for line in found["lines"]] == ["/program.py"]
    assert all("OVERTRACE" not in text and "canary" not in text for text in found["environ"])
    assert all(file.startswith(("pipe:", "/dev/null", "/proc/")) for file in found["files"]), found["files"]
    assert not any(isinstance(names, list) for names in found["above"]), found["above"]
    places = [line.split()[4] for line in found["mounts"]]
    assert {place for place in places if not place.startswith(OWN)} == {"/"}
    # Where its mounts come from says neither which run this is, nor whose.
    roots = [line.split()[3] for line in found["mounts"] if line.split()[4].startswith(GIVEN)]
    assert len(roots) == len(GIVEN)
    assert [name for name in roots if re.search("run-|changed|canary", name)] == [], roots
    told = {name for name, text in found["secret"].items() if text.strip("\0 ")}
    assert {name: found["secret"][name] for name in told if not refused(found["secret"][name])} == {}
    assert "written" not in {said for place, said in found["written"].items() if place != "/proc/1/oom_score_adj"}
    assert found["disks"] == []
    assert found["etc"].pop("/etc/passwd").startswith("65534:")
    assert found["etc"] == {f"/etc/{name}": text for name, text in NAMES.items()}


def refused(said: str) -> bool:
    """An error, or addresses of the kernel that are all 0."""
    errors = ("Permission denied", "No such file", "Operation not permitted", "Is a directory", "Input/output error")
    return said.startswith(errors) or {line.split()[0] for line in said.splitlines()[:50]} == {"0" * 16}


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
