"""Lists of the images that count, as contests publish them."""

import json
from pathlib import Path

from overtrace.challenges.faults import parse
from overtrace.errors import BadAnswer


def read_ids(path: Path) -> list[str]:
    """The names of a list of images: text with one a line, or JSON: names, objects with ``file_name`` or ``name``, or a
    mapping whose keys are names.
    """
    try:
        data = path.read_bytes()
        text = data.decode("utf-8-sig")
    except (OSError, UnicodeDecodeError) as error:
        raise BadAnswer(f"{path} cannot be read as a list of images: {error}") from error
    if not text.lstrip().startswith(("[", "{")):
        return [Path(line.strip()).stem for line in text.splitlines() if line.strip() and not line.startswith("#")]
    content = parse(data, str(path))
    rows = content if isinstance(content, list) else list(content)
    names = [row.get("file_name", row.get("name")) if isinstance(row, dict) else row for row in rows]
    known = [name for name in names if isinstance(name, str)]
    if len(known) < len(names):
        raise BadAnswer(f"{path} is no list of names of images: {json.dumps(content)[:60]}")
    return [Path(name).stem for name in known]
