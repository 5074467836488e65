"""overtrace export: make a model file of a network that was trained elsewhere, or of a run."""

from pathlib import Path
from typing import Annotated

import typer

from overtrace.errors import BadOutput


def export(
    source: Annotated[
        str,
        typer.Argument(
            help="An ONNX file; a checkpoint of TernausNetV2, detectron2 or detectree2 (.pt, .pth, .pkl); a folder of "
            "a transformers model, or hub:OWNER/NAME."
        ),
    ],
    card: Annotated[Path, typer.Option(help="A TOML file that tells what the model is: see docs/models.md.")],
    out: Annotated[Path, typer.Option(help="The model file to write, .onnx.")],
) -> None:
    """Make a model file that trace and answer run of a network from elsewhere."""
    from overtrace.cli.torch import needs_torch
    from overtrace.models.adapt import adapt_onnx
    from overtrace.models.card import read_card
    from overtrace.models.description import read_description, read_entries

    if not out.absolute().parent.is_dir():
        raise BadOutput(f"folder {out.parent} does not exist: make it, or choose another --out")

    if source.lower().endswith(".onnx"):
        adapt_onnx(Path(source), read_description(card), out)
    else:
        needs_torch("export")
        if Path(source).suffix.lower() in (".pt", ".pth", ".pkl"):
            from overtrace.learn.adapt_checkpoints import export_checkpoint

            export_checkpoint(Path(source), read_entries(card), out)
        else:
            from overtrace.learn.adapt_transformers import export_transformers

            export_transformers(source, read_entries(card), out)
    made = read_card(out)
    typer.echo(f"wrote {out}: {made.name}, {made.task}, {', '.join(made.classes[:5])}")
