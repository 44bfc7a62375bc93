"""How answers are written: plain tables, numbers a person can read, one JSON document.

Text is plain ASCII tables in columns, so that it reads the same in a terminal, a log and a pipe.
No command's content belongs here.
"""

from __future__ import annotations

import datetime
import json
import math
import re
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import click

from imbalance.cli import streams

_UNPRINTABLE = re.compile(r"[\x00-\x09\x0b-\x1f\x7f-\x9f\ud800-\udfff]")
"""What a terminal takes for a command to it, and bytes that are no text; a text may have lines."""


def json_ready(value: Any) -> Any:
    """`value` in types JSON knows: times in ISO 8601, paths as text, non-finite numbers as null."""
    if isinstance(value, Mapping):
        return {str(key): json_ready(item) for key, item in value.items()}
    if isinstance(value, list | tuple | set | frozenset):
        return [json_ready(item) for item in value]
    if isinstance(value, float) and not math.isfinite(value):
        return None
    if isinstance(value, datetime.datetime | datetime.date):
        return value.isoformat()
    if isinstance(value, Path):
        return str(value)
    if isinstance(value, str | int | float | bool) or value is None:
        return value
    return str(value)


def write_json(document: Any) -> None:
    """The one JSON document of a command; in ASCII where the output is not in UTF-8."""
    ascii_only = not streams.output_is_utf8()
    click.echo(json.dumps(json_ready(document), indent=2, ensure_ascii=ascii_only))


def cell(value: Any) -> str:
    """One value as text; null is an empty cell's `NULL`, so that it differs from an empty text."""
    if value is None:
        return "NULL"
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, float):
        return f"{value:.6g}"
    return printable(str(value).replace("\n", " "))


def printable(text: str) -> str:
    """The text with control characters written out, such as `\\x1b`; its lines stay."""
    return _UNPRINTABLE.sub(lambda found: found[0].encode("unicode_escape").decode(), text)


def is_number(value: Any) -> bool:
    """Whether the value is set to the right of its column."""
    return isinstance(value, int | float) and not isinstance(value, bool)


def table(
    header: Sequence[str], rows: Sequence[Sequence[Any]], *, width: int | None = None,
    indent: str = "",
) -> str:
    """Rows under a header in aligned columns, numbers to the right.

    Parameters
    ----------
    width : longest cell; longer ones end in `…`. None keeps them whole.
    """
    header = [cell(name) for name in header]
    texts = [[_cut(cell(value), width) for value in row] for row in rows]
    right = [
        bool(rows) and all(is_number(row[i]) or row[i] is None for row in rows)
        for i in range(len(header))
    ]
    widths = [
        max([len(name), *(len(row[i]) for row in texts)]) for i, name in enumerate(header)
    ]

    def line(cells: Sequence[str]) -> str:
        parts = (
            text.rjust(size) if to_right else text.ljust(size)
            for text, size, to_right in zip(cells, widths, right, strict=True)
        )
        return (indent + "  ".join(parts)).rstrip()

    rule = line(["-" * size for size in widths])
    return "\n".join([line(header), rule, *(line(row) for row in texts)])


def _cut(text: str, width: int | None) -> str:
    return text if width is None or len(text) <= width else text[: width - 1] + "…"


def size(number: float) -> str:
    """Bytes in the unit that keeps three figures."""
    value = float(number)
    for unit in ("B", "kB", "MB", "GB"):
        if abs(value) < 1000:
            return f"{value:.0f} {unit}" if unit == "B" else f"{value:.3g} {unit}"
        value /= 1000
    return f"{value:.3g} TB"


def count(number: int, one: str, many: str | None = None) -> str:
    """`1 file`, `2 files`, `12,345 files`."""
    return f"{number:,} {one if number == 1 else many or one + 's'}"


def most_alike(wanted: str, names: list[str], shown: int = 8) -> str:
    """The names most like the one wanted, and how many more there are: a table can have 100."""
    import difflib

    found = difflib.get_close_matches(wanted, names, n=shown, cutoff=0.0)
    rest = len(names) - len(found)
    return ", ".join(found) + (f" and {rest} more" if rest else "")


def moment(nanoseconds: int | None) -> str:
    """A time in UTC to the second, from nanoseconds since 1970."""
    if nanoseconds is None:
        return "never"
    when = datetime.datetime.fromtimestamp(nanoseconds // 1_000_000_000, datetime.UTC)
    return when.strftime("%Y-%m-%d %H:%M:%S")
