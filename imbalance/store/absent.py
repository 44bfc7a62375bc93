"""Tables of which a partition file is missing or is no Parquet: who asks one is refused, the others
are there.

A view of such a table raises whatever is asked of it, so that no answer is made of the rest of its
rows. Not here: which files there should be (`ledger`), and how they are made again (a run).
"""

from __future__ import annotations

import os
import re
from collections.abc import Iterable
from pathlib import Path

from imbalance.contracts import RECORDED_AT, Table
from imbalance.errors import EXIT_FAILED, UserError
from imbalance.store.sqlfiles import quote_ident, quote_table, quote_text

MISSING = "a partition file is missing"
UNREADABLE = "a partition file cannot be read"
_FIX = {
    MISSING: "imbalance run makes it again; imbalance verify names all that are missing or damaged",
    UNREADABLE: "delete it: imbalance run makes it again; imbalance verify names all that are "
    "missing or damaged",
}
_REFUSAL = re.compile(
    rf"(?P<table>[\w.]+): (?P<what>{MISSING}|{UNREADABLE}): (?P<where>.*); "
    rf"(?:{'|'.join(map(re.escape, _FIX.values()))})", re.DOTALL
)
_NO_PARQUET = re.compile(r"""file ['"](?P<where>[^'"\n]+\.parquet)['"]""", re.IGNORECASE)
"""How DuckDB names a file that it cannot read, which it may notice only while it answers."""

_OUTSIDE = "disabled by configuration"
"""What DuckDB says of a file that the session may not read: none of the home's, whatever it is."""

_MAGIC = b"PAR1"


def is_parquet(path: Path) -> bool:
    """Whether a file begins and ends as Parquet does."""
    try:
        with path.open("rb") as file:
            begins = file.read(len(_MAGIC)) == _MAGIC
            file.seek(-len(_MAGIC), os.SEEK_END)
            return begins and file.read() == _MAGIC
    except OSError:
        return False


def first_unreadable(paths: Iterable[str]) -> Path | None:
    """The first of some files that is no Parquet or whose footer cannot be read."""
    import pyarrow as pa
    import pyarrow.parquet as pq

    for path in paths:
        try:
            pq.read_metadata(path)
        except (pa.ArrowException, OSError):
            return Path(path)
    return None


def refusing_view(table: Table, file: Path, what: str) -> str:
    """`CREATE VIEW` of a table that cannot be read, typed as it would be.

    Every column raises, so that a condition on one is not answered from what the optimiser knows
    of it; the `where` is for queries that ask for none, such as a count of rows.
    """
    error = f"error({quote_text(f'{table.name}: {what}: {file}; {_FIX[what]}')})"
    columns = ", ".join(
        f"{error}::{c.type} as {quote_ident(c.name)}" for c in (*table.columns, RECORDED_AT)
    )
    return (f"create view {quote_table(table.name)} as\n"
            f"select {columns} from range(1) where {error} is null")


def refusal_in(error: BaseException) -> UserError | None:
    """What such a view has said, or DuckDB of a file that is no Parquet, as the error a user meets;
    None for any other error.
    """
    text = str(error)
    if found := _REFUSAL.search(text):
        what = found["what"]
        return UserError(f"{found['table']}: {what}", where=found["where"], fix=_FIX[what],
                         exit_code=EXIT_FAILED)
    if _OUTSIDE in text or not type(error).__module__.endswith("duckdb"):
        return None
    if found := _NO_PARQUET.search(text):
        return UserError(UNREADABLE, where=found["where"], fix=_FIX[UNREADABLE],
                         exit_code=EXIT_FAILED)
    return None
