"""Packages that bring models, as an installer leaves them."""

from pathlib import Path

from tests.support.networks import write_conv_model


def install(site: Path, package: str, *names: str, module: str = "") -> Path:
    """Put a package with models into a folder of packages; one without a module says so and is not there."""
    facts = site / f"{package.replace('-', '_')}-1.0.dist-info"
    facts.mkdir(parents=True)
    (facts / "METADATA").write_text(f"Metadata-Version: 2.1\nName: {package}\nVersion: 1.0\n")
    (facts / "entry_points.txt").write_text(f"[overtrace.models]\nmodels = {module or package.replace('-', '_')}\n")
    folder = site / (module or package.replace("-", "_"))
    if names:
        (folder / "files").mkdir(parents=True)
        (folder / "__init__.py").write_text("raise RuntimeError('a package of models is not to be run')\n")
    for name in names:
        write_conv_model(folder / "files" / f"{name}.onnx", name=name)
    return folder
