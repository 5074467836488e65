"""``overtrace check``: everything that is wrong with an answer, before a contest says so one fault at a time."""

import json
from pathlib import Path
from typing import Annotated

import typer


def check(
    protocol: Annotated[str, typer.Argument(help="itc, sceneparsing, camvid, deepglobe, trees or own.")],
    answers: Annotated[Path, typer.Option(help="What is checked: a file, a folder or an archive.")],
    truth: Annotated[Path | None, typer.Option(help="What is true, if it is known.")] = None,
    ids: Annotated[
        Path | None, typer.Option(help="A list of the images, by id or name: without truth, those that may be named.")
    ] = None,
    profile: Annotated[str, typer.Option(help="A named variant of the rule, such as itc-uncapped.")] = "",
    classes: Annotated[int, typer.Option(help="How many classes index PNGs have, from label 0 (own).")] = 0,
    json_file: Annotated[Path | None, typer.Option("--json", help="Write what was found as JSON.")] = None,
) -> None:
    """List every fault of an answer: file, place, what was found, what is wanted.

    Exits with 0 if the answer is in order, and with 1 if it has faults; notes are no faults. At most 1,000 faults of a
    file are listed.
    """
    from overtrace.cli.quick import leave, load_kernels

    load_kernels(protocol)

    from overtrace.challenges.inspection import Claim
    from overtrace.challenges.protocols import check_files, find_challenge
    from overtrace.cli.score import write
    from overtrace.errors import BadAnswer

    claim = Claim(answers, truth, ids, profile, classes)
    found = check_files(protocol, claim)
    if json_file is not None:
        content = found.as_json(protocol, find_challenge(protocol).choose_profile(claim))
        write(json_file, json.dumps(content, indent=1) + "\n")
    for fault in found.faults:
        typer.echo(str(fault))
    for note in found.notes:
        typer.echo(f"note: {note}")
    if found.faults:
        files = len({fault.file for fault in found.faults})
        count = len(found.faults)
        raise BadAnswer(
            f"{answers} has {count:,} fault{'s' * (count > 1)} in {files:,} file{'s' * (files > 1)}: "
            "mend what is listed above, and check again"
        )
    looked = ", ".join(
        f"{count:,} {name if count != 1 else name.removesuffix('s')}" for name, count in found.counts.items()
    )
    typer.echo(f"{answers} is in order for {protocol}: {looked}")
    leave()
