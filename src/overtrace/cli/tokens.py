"""The token that a verb shows to a host: from an option, the environment, or a file that nobody else may read."""

import os
import stat
import tomllib
from pathlib import Path


def find_token(server: str, given: str) -> str:
    """The token of a host.

    Args:
        given: by an option or the environment; it comes first.
    Raises:
        BadOption: if there is none, or others may read the file.
    """
    from overtrace.errors import BadOption

    file = Path(os.environ.get("XDG_CONFIG_HOME") or Path.home() / ".config") / "overtrace" / "tokens.toml"
    token = given or _read(file).get(server.rstrip("/"), "")
    if not isinstance(token, str) or not token:
        raise BadOption(
            f"no token for {server}: make one on the page of your account there, and set OVERTRACE_TOKEN, "
            f'or write "{server.rstrip("/")}" = "TOKEN" into {file}'
        )
    return token.strip()


def _read(file: Path) -> dict[str, object]:
    from overtrace.errors import BadOption

    try:
        with file.open("rb") as opened:
            if stat.S_IMODE(os.fstat(opened.fileno()).st_mode) & 0o077:
                raise BadOption(f"others may read the tokens in {file}: chmod 600 {file}")
            tokens = tomllib.load(opened)
    except FileNotFoundError:
        return {}
    except (OSError, tomllib.TOMLDecodeError) as error:
        raise BadOption(f'{file} cannot be read: {error}: wanted lines of "ADDRESS" = "TOKEN"') from error
    return {address.rstrip("/"): token for address, token in tokens.items()}
