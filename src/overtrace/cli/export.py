"""overtrace export: make model files of a run, or of a network that was trained elsewhere."""

from pathlib import Path
from typing import Annotated

import typer

from overtrace.errors import BadOption, BadOutput


def export(
    source: Annotated[
        str,
        typer.Argument(
            help="The folder of a run; an ONNX file; a checkpoint of TernausNetV2, detectron2 or detectree2 (.pt, "
            ".pth, .pkl); a folder of a transformers model, or hub:OWNER/NAME."
        ),
    ],
    card: Annotated[
        Path | None, typer.Option(help="A TOML file that tells what the model is; a run needs none.")
    ] = None,
    out: Annotated[Path | None, typer.Option(help="The model file to write, .onnx; those of a run go to it.")] = None,
    data: Annotated[Path, typer.Option(help="Of a run: the folder that its recipe's data is in.")] = Path(),
) -> None:
    """Make model files that trace and answer run."""
    from overtrace.cli.torch import needs_torch
    from overtrace.models.card import read_card

    if (Path(source) / "checkpoint.pt").is_file():
        needs_torch("export")
        _export_run(Path(source), data)
        return
    if card is None or out is None:
        raise BadOption(f"{source} is not the folder of a run: give --card and --out, see docs/models.md")
    if not out.absolute().parent.is_dir():
        raise BadOutput(f"folder {out.parent} does not exist: make it, or choose another --out")
    _export_elsewhere(source, card, out)
    made = read_card(out)
    typer.echo(f"wrote {out}: {made.name}, {made.task}, {', '.join(made.classes[:5])}")


def _export_run(run: Path, data: Path) -> None:
    from overtrace.cli.progress import Steps
    from overtrace.cli.train import describe
    from overtrace.learn.finish import finish_run

    with Steps() as steps:
        typer.echo(describe(finish_run(run, data, steps)))


def _export_elsewhere(source: str, card: Path, out: Path) -> None:
    from overtrace.cli.torch import needs_torch
    from overtrace.models.adapt import adapt_onnx
    from overtrace.models.description import read_description, read_entries

    if source.lower().endswith(".onnx"):
        adapt_onnx(Path(source), read_description(card), out)
        return
    needs_torch("export")
    if Path(source).suffix.lower() in (".pt", ".pth", ".pkl"):
        from overtrace.learn.adapt_checkpoints import export_checkpoint

        export_checkpoint(Path(source), read_entries(card), out)
    else:
        from overtrace.learn.adapt_transformers import export_transformers

        export_transformers(source, read_entries(card), out)
