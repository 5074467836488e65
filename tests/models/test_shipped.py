import subprocess
import sys

import pytest

from overtrace.errors import BadModel
from overtrace.models import shipped
from overtrace.models.shipped import find_model, has_model
from tests.support.packages import install


@pytest.fixture
def package(tmp_path, monkeypatch):
    """A package that ships two files."""
    (tmp_path / "files").mkdir()
    for name in ("trees.onnx", "trees-fp32.onnx", "notes.txt"):
        (tmp_path / "files" / name).touch()
    monkeypatch.setattr(shipped, "files", lambda package: tmp_path)
    return tmp_path / "files"


@pytest.fixture
def site(tmp_path, monkeypatch):
    """The only folder that packages are installed in; that of streets may be somewhere else."""
    folder = tmp_path / "site"
    folder.mkdir()
    others = [path for path in sys.path if "-packages" not in path and "overtrace-streets" not in path]
    monkeypatch.setattr(sys, "path", [str(folder), *others])
    monkeypatch.delitem(sys.modules, "overtrace_streets", raising=False)
    return folder


def test_shipped_files_are_found_by_name(package):
    assert list(shipped.shipped().items()) == [
        ("trees", package / "trees.onnx"),
        ("trees-fp32", package / "trees-fp32.onnx"),
    ]
    assert find_model("trees") == package / "trees.onnx"


def test_others_are_found_by_path(package, tmp_path):
    (tmp_path / "mine.onnx").touch()
    assert find_model(tmp_path / "mine.onnx") == tmp_path / "mine.onnx"


@pytest.mark.parametrize(
    ("name", "words"),
    [("oaks", "no model is called oaks: wanted one of trees"), ("a/b.onnx", "does not exist"), (".", "is a folder")],
)
def test_what_is_not_there(package, name, words):
    with pytest.raises(BadModel, match=words):
        find_model(name)


def test_other_packages_bring_models(package, site):
    folder = install(site, "oak-models", "oaks", "oaks-fp32")
    assert shipped.brought() == shipped.Brought(
        {"oaks": folder / "files" / "oaks.onnx", "oaks-fp32": folder / "files" / "oaks-fp32.onnx"}, ()
    )
    assert find_model("oaks") == folder / "files" / "oaks.onnx"
    assert has_model("oaks")
    with pytest.raises(BadModel, match="wanted one of trees, trees-fp32, oaks, oaks-fp32"):
        find_model("elms")


def test_a_name_means_one_model(package, site):
    first = install(site, "a-models", "oaks")
    install(site, "b-models", "elms", "oaks", "trees")
    assert find_model("trees") == package / "trees.onnx"
    assert find_model("oaks") == first / "files" / "oaks.onnx"
    assert sorted(shipped.brought().models) == ["elms", "oaks"]
    assert shipped.brought().faults == ("package b-models brings oaks, trees, which another one has: left out",)


@pytest.mark.parametrize("module", ["", "not_there.at_all"])
def test_a_package_whose_files_are_gone(package, site, module):
    install(site, "oak-models", module=module)
    with pytest.raises(BadModel, match=r"no model is called oaks: .*package oak-models brings no model.*install it"):
        find_model("oaks")
    assert find_model("trees") == package / "trees.onnx"


def test_a_package_that_fails(package, site):
    install(site, "oak-models", "oaks", module="oaks_inside")
    (site / "oak_models-1.0.dist-info" / "entry_points.txt").write_text("[overtrace.models]\nx = oaks_inside.deeper\n")
    assert shipped.brought().faults[0].startswith("package oak-models brings no model")


@pytest.mark.parametrize("name", ["streets", "streets-fp32"])
def test_streets_come_apart(package, site, name):
    with pytest.raises(BadModel, match=f"^{name} is for non-commercial use .*pip install overtrace-streets"):
        find_model(name)
    assert has_model(name)


def test_streets_whose_files_are_gone(package, site):
    install(site, "overtrace-streets")
    with pytest.raises(BadModel, match="package overtrace-streets brings no model"):
        find_model("streets")


def test_own_models_and_files_are_found_without_asking_packages(tmp_path):
    code = f"""
import sys
from overtrace.models.shipped import find_model, has_model
open({str(tmp_path / "a.onnx")!r}, "w").close()
find_model("trees"), find_model({str(tmp_path / "a.onnx")!r}), has_model({str(tmp_path / "a.onnx")!r})
sys.exit("importlib.metadata" in sys.modules)
"""
    subprocess.run([sys.executable, "-c", code], check=True)
