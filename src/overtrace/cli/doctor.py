"""``overtrace doctor``: what this machine can run strangers' programs and answers in."""

import json
from typing import Annotated

import typer


def doctor(
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON.")] = False,
) -> None:
    """Say how well this machine keeps strangers' programs and answers apart from itself.

    Each way is tried: an image is loaded and run, takes memory, forks and looks round. Hosts refuse containers where no
    engine works; the scorer, which reads what strangers send, is put into a box where bubblewrap works.
    """
    from overtrace.cli.extras import need_host

    need_host("doctor", ("pydantic",))

    from overtrace.host.isolation import isolation

    found = isolation(thorough=True)
    if as_json:
        typer.echo(json.dumps(found.as_json(), indent=1))
        return
    for attempt in found.attempts:
        typer.echo(f"{'yes' if attempt.works else 'no ':3} {attempt.name}: {attempt.said}")
        if attempt.remedy:
            typer.echo(f"    to have it: {attempt.remedy}")
    engine = found.engine
    images = "are refused" if engine is None else f"run by {engine.name} {engine.runtime}".rstrip()
    scorer = "in a box" if found.box else "in a process with limits, which sees the disk"
    typer.echo(f"isolation: {found.level.value}. Foreign images {images}. Answers are scored {scorer}.")
