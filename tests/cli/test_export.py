import pytest

torch = pytest.importorskip("torch")

from overtrace.networks.ternausnet_v2 import TernausNetV2  # noqa: E402
from tests.support.images import noise, write_image  # noqa: E402
from tests.support.networks import write_conv_network  # noqa: E402
from tests.support.runs import run  # noqa: E402


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    """A narrow TernausNetV2 of three bands, an image, and cards."""
    folder = tmp_path_factory.mktemp("export")
    torch.manual_seed(0)
    torch.save({"model": TernausNetV2(3, width=2).state_dict()}, folder / "weights.pt")
    (folder / "card.toml").write_text('licence = "MIT"\n')
    (folder / "bare.toml").write_text('version = "2"\n')
    write_image(folder / "a.tif", noise(200, 240))
    write_conv_network(folder / "conv.onnx")
    return folder


def test_a_checkpoint_becomes_a_file_that_trace_runs(folder):
    done = run("export", "weights.pt", "--card", "card.toml", "--out", "m.onnx", cwd=folder)
    assert (done.returncode, done.stdout) == (0, "wrote m.onnx: ternausnet_v2, planes, building\n"), done.stderr
    done = run("trace", "a.tif", "--model", "m.onnx", "--out", "a.gpkg", cwd=folder)
    assert done.returncode == 0, done.stderr
    assert (folder / "a.gpkg").stat().st_size


@pytest.mark.parametrize(
    ("source", "card", "out", "said"),
    [
        ("none.pt", "card.toml", "no.onnx", "none.pt cannot be read as a checkpoint: "),
        ("a.tif", "card.toml", "no.onnx", "a.tif"),
        ("weights.pt", "none.toml", "no.onnx", "none.toml cannot be read as TOML"),
        ("weights.pt", "bare.toml", "no.onnx", "weights.pt: tell the licence of the weights in the card"),
        ("weights.pt", "card.toml", "nowhere/no.onnx", "folder nowhere does not exist"),
        ("conv.onnx", "card.toml", "no.onnx", "card.toml: "),
    ],
)
def test_what_does_not_fit_is_one_line(folder, source, card, out, said):
    before = sorted(folder.iterdir())
    done = run("export", source, "--card", card, "--out", out, cwd=folder)
    assert (done.returncode, done.stdout) == (1, "")
    (line,) = done.stderr.splitlines()
    assert line.startswith("overtrace: error: ")
    assert said in line
    assert sorted(folder.iterdir()) == before
