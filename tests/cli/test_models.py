import json

import pytest

from overtrace.models import shipped
from overtrace.models.listing import AGREEMENT, CHOSEN, PARTS
from tests.support.commands import run
from tests.support.networks import write_conv_model
from tests.support.packages import install


@pytest.fixture
def list_models(tmp_path, monkeypatch):
    """Runs ``overtrace models`` beside the packages of a folder."""
    site = tmp_path / "site"
    site.mkdir()

    def listed(*arguments):
        monkeypatch.setenv("PYTHONPATH", str(site), prepend=":")
        done = run("models", *arguments, env=None)
        assert done.returncode == 0, done.stderr
        return done

    return site, listed


def test_it_fits_into_100_columns(list_models, monkeypatch):
    monkeypatch.setenv("COLUMNS", "100")
    lines = list_models[1]().stdout.splitlines()
    assert lines[0].split() == ["model", "precision", "MB", "bands", "pixel", "size", "classes", "licence"]
    assert max(map(len, lines)) <= 100
    assert [line.split()[1] for line in lines[1 : 1 + len(shipped.shipped())]].count("int8") >= 1


def test_it_says_what_the_cards_say(list_models, monkeypatch):
    monkeypatch.setenv("COLUMNS", "400")
    text = list_models[1]().stdout
    for facts in json.loads(list_models[1]("--json").stdout):
        assert facts["model"] in text
        assert facts["licence"] in text
        assert f"{facts['bytes'] / 1e6:.1f}" in text
        told = [score for score in facts["scores"] if not score["name"].startswith(AGREEMENT)]
        shown = [score for score in told if not score["name"].endswith(PARTS) and not score["data"].endswith(CHOSEN)]
        assert shown
        assert all(f"{score['value']:.4f}" in text for score in shown)


def test_models_of_other_packages_stand_with_ours(list_models):
    site, listed = list_models
    folder = install(site, "oak-models", "oaks")
    assert "oaks" in listed().stdout
    assert str(folder / "files" / "oaks.onnx") in [facts["file"] for facts in json.loads(listed("--json").stdout)]


def test_a_broken_package_is_a_line_and_hides_nothing(list_models):
    site, listed = list_models
    install(site, "gone-models")
    write_conv_model(install(site, "oak-models", "oaks") / "files" / "elms.onnx").write_bytes(b"no model")
    done = listed("--json")
    assert {"trees", "oaks"} <= {facts["model"] for facts in json.loads(done.stdout)}
    first, second = done.stderr.splitlines()
    assert first.startswith("note: package gone-models brings no model")
    assert second.startswith("note: ")
    assert "elms.onnx is no ONNX file" in second
