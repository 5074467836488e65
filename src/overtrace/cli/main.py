"""The command ``overtrace``: one file a verb; what they share is how they end.

Verbs import what they need when they run, so that help and a mistyped option answer at once.
"""

import os
import sys
from typing import Annotated

import typer

from overtrace import __version__
from overtrace.cli import audit, certificate, contest
from overtrace.cli.answer import answer
from overtrace.cli.board import board
from overtrace.cli.check import check
from overtrace.cli.compare import compare
from overtrace.cli.deliver import deliver
from overtrace.cli.demo import demo
from overtrace.cli.doctor import doctor
from overtrace.cli.export import export
from overtrace.cli.host import host
from overtrace.cli.info import info
from overtrace.cli.models import models
from overtrace.cli.plan import plan
from overtrace.cli.replicate import replicate
from overtrace.cli.score import score
from overtrace.cli.status import status
from overtrace.cli.submit import submit
from overtrace.cli.trace import trace
from overtrace.cli.train import train
from overtrace.cli.worker import worker
from overtrace.errors import OvertraceError

INTERRUPTED = 130
"""Exit status after Ctrl-C, by the shell's convention of 128 + SIGINT."""

app = typer.Typer(no_args_is_help=True, add_completion=False, pretty_exceptions_enable=False)
for verb in (
    trace,
    plan,
    score,
    check,
    compare,
    train,
    export,
    answer,
    info,
    models,
    demo,
    host,
    worker,
    submit,
    deliver,
    status,
    board,
    replicate,
    doctor,
):
    app.command()(verb)
app.add_typer(contest.app, name="contest")
app.add_typer(certificate.app, name="certificate")
app.add_typer(audit.app, name="audit")


def _print_version(asked: bool) -> None:
    if asked:
        typer.echo(f"overtrace {__version__}")
        raise typer.Exit


@app.callback()
def _overtrace(
    version: Annotated[
        bool, typer.Option("--version", help="Print the version and exit.", callback=_print_version, is_eager=True)
    ] = False,
) -> None:
    """Trace every tree crown in an image of any size."""


def main() -> None:
    """Run the command line: 0 when done, 1 with one line for what the user can put right, 2 for a wrong call."""
    try:
        _run()
    except OvertraceError as error:
        print(f"overtrace: error: {' '.join(str(error).split())}", file=sys.stderr)
        sys.exit(1)
    except KeyboardInterrupt:
        print("overtrace: interrupted", file=sys.stderr)
        sys.exit(INTERRUPTED)
    except BrokenPipeError:
        # The reader has gone: what is left in the buffer must not fail once more when Python exits.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        sys.exit(1)


def _run() -> None:
    try:
        app()
    except SystemExit as leaving:
        sys.stdout.flush()
        if leaving.code == INTERRUPTED:
            raise KeyboardInterrupt from leaving
        raise
