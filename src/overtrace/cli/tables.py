"""Tables as plain text: columns as wide as they need to be, so that they can be read by eye and cut by tools."""

from collections.abc import Mapping, Sequence


def format_table(rows: Sequence[Mapping[str, str | int | float]]) -> str:
    """Lines of a table: text to the left, numbers to the right with four digits after the point.

    Args:
        rows: all with the columns of the first.
    """
    if not rows:
        return ""
    texts = [list(rows[0]), *([_show(value) for value in row.values()] for row in rows)]
    widths = [max(len(line[i]) for line in texts) for i in range(len(texts[0]))]
    left = [isinstance(value, str) for value in rows[0].values()]
    return "\n".join(
        "  ".join(
            cell.ljust(width) if to_left else cell.rjust(width)
            for cell, width, to_left in zip(line, widths, left, strict=True)
        ).rstrip()
        for line in texts
    )


def _show(value: str | int | float) -> str:
    return f"{value:.4f}" if isinstance(value, float) else str(value)
