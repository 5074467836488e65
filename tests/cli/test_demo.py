import subprocess
import sys

import pyogrio


def run(*arguments):
    command = [sys.executable, "-c", "from overtrace.cli.main import main; main()", "demo", *map(str, arguments)]
    return subprocess.run(command, capture_output=True, text=True, check=False)


def test_the_demo_offline_says_so_and_traces(tmp_path):
    done = run("--offline", "--out", tmp_path / "results")
    assert done.returncode == 0, done.stderr
    assert "not a real image" in done.stdout
    table = tmp_path / "results" / "drawn_canopy.gpkg"
    assert f"wrote {table}" in done.stdout
    assert pyogrio.read_info(table)["features"] > 50
    assert "<html" in (tmp_path / "results" / "drawn_canopy.html").read_text()


def test_the_demo_without_a_network_proposes_offline(tmp_path, monkeypatch):
    for name, value in {"PIP_NO_INDEX": "1", "PIP_FIND_LINKS": tmp_path, "XDG_CACHE_HOME": tmp_path / "cache"}.items():
        monkeypatch.setenv(name, str(value))
    done = run("--out", tmp_path / "results")
    assert done.returncode == 1
    assert done.stderr.startswith("overtrace: error: pip could not download deepforest==2.1.0")
    assert "--offline" in done.stderr
    assert done.stderr.count("\n") == 1
