"""``overtrace certificate``: what a host has signed of someone's part in a contest."""

import json
from pathlib import Path
from typing import Annotated

import typer

app = typer.Typer(no_args_is_help=True, help="Check certificates of contests.")


@app.callback()
def _certificate() -> None:
    """One verb, which is named all the same."""


@app.command()
def verify(
    file: Annotated[Path, typer.Argument(help="As it was downloaded, or the code of one on paper as text.")],
    key: Annotated[
        str, typer.Option(help="The host's public key: base 64, 64 hexadecimal digits, or a file that holds it.")
    ],
    json_out: Annotated[bool, typer.Option("--json", help="Print all that it says, as JSON.")] = False,
) -> None:
    """Check that a host has signed a certificate, and that nothing of it was changed; without a network.

    The host shows its key at /certificate and /api/v1/key. Exits with 0 if the certificate is genuine, and with 1 and
    the reason if it is not.
    """
    from overtrace.cli.extras import need_host

    need_host("certificate")

    from overtrace.host.certificates import say, verify_certificate

    facts = verify_certificate(_read(file), _find_key(key))
    typer.echo(json.dumps(facts, indent=1, ensure_ascii=False) if json_out else f"genuine: {say(facts)}")


def _read(path: Path) -> str:
    from overtrace.errors import BadData
    from overtrace.host.certificates import MOST_BYTES

    try:
        with path.open("rb") as file:
            data = file.read(MOST_BYTES + 1)
    except OSError as error:
        raise BadData(f"{path} cannot be read: {error.strerror}: check the path") from error
    if len(data) > MOST_BYTES:
        raise BadData(f"{path} is longer than {MOST_BYTES:,} bytes: no certificate is")
    try:
        return data.decode().strip()
    except UnicodeDecodeError as error:
        raise BadData(f"{path} is no UTF-8: give the certificate as it was downloaded") from error


def _find_key(key: str) -> str:
    """A key as it is given, or of a file, which may be what /api/v1/key answers."""
    path = Path(key)
    if len(key) < 200 and path.is_file():
        key = _read(path)
    if key.lstrip().startswith("{"):
        try:
            key = json.loads(key)["ed25519"]
        except (ValueError, KeyError) as error:
            from overtrace.errors import BadData

            raise BadData('--key is JSON without a key: wanted {"ed25519": ...}, as /api/v1/key answers') from error
    return str(key).strip()
