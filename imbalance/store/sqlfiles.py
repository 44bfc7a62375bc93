"""Reading queries from `sql/`, and the only ways in which a name may become part of SQL text.

Values never become SQL text: they go in as parameters. Not here: any query.
"""

from __future__ import annotations

from functools import cache
from pathlib import Path

_PACKAGE = Path(__file__).resolve().parent.parent
_ROOTS = (_PACKAGE / "sql", _PACKAGE.parent / "sql")  # in the wheel; in the checkout


@cache
def read_sql(name: str) -> str:
    """The text of `sql/<name>`, for instance `read_sql("features/bars.sql")`.

    Raises
    ------
    ValueError
        If the name leads out of `sql/`.
    FileNotFoundError
        If there is no such file.
    """
    for root in _ROOTS:
        path = (root / name).resolve()
        if not path.is_relative_to(root):
            raise ValueError(f"{name!r} leads out of sql/")
        if path.is_file():
            return path.read_text(encoding="utf-8")
    raise FileNotFoundError(f"sql/{name}")


def quote_ident(name: str) -> str:
    """An identifier for SQL text, whatever characters are in it.

    Raises
    ------
    ValueError
        If it is empty or holds a null character, which no engine accepts.
    """
    if not name or "\0" in name:
        raise ValueError(f"{name!r} cannot be an identifier")
    return '"' + name.replace('"', '""') + '"'


def quote_table(name: str) -> str:
    """`layer.table` as a quoted, schema-qualified name."""
    return ".".join(quote_ident(part) for part in name.split(".", 1))


def quote_text(text: str) -> str:
    """A text literal, for the few statements which take no parameters (views, comments, paths).

    Only for text of our own: file names and the registry's descriptions, never data.
    """
    if "\0" in text:
        raise ValueError(f"{text!r} cannot be SQL text")
    return "'" + text.replace("'", "''") + "'"
