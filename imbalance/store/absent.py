"""Tables of which a partition file is missing: who asks one is refused, the others are there.

A view of such a table raises whatever is asked of it, so that no answer is made of the rest of its
rows. Not here: which files there should be (`ledger`), and how they are made again (a run).
"""

from __future__ import annotations

import re
from pathlib import Path

from imbalance.contracts import RECORDED_AT, Table
from imbalance.errors import EXIT_FAILED, UserError
from imbalance.store.sqlfiles import quote_ident, quote_table, quote_text

_WHAT = "a partition file is missing"
_FIX = "imbalance run makes it again; imbalance verify names all that are missing or damaged"
_REFUSAL = re.compile(
    rf"(?P<table>[\w.]+): {_WHAT}: (?P<where>.*); {re.escape(_FIX)}", re.DOTALL
)


def refusing_view(table: Table, missing: Path) -> str:
    """`CREATE VIEW` of a table that cannot be read, typed as it would be.

    Every column raises, so that a condition on one is not answered from what the optimiser knows
    of it; the `where` is for queries that ask for none, such as a count of rows.
    """
    error = f"error({quote_text(f'{table.name}: {_WHAT}: {missing}; {_FIX}')})"
    columns = ", ".join(
        f"{error}::{c.type} as {quote_ident(c.name)}" for c in (*table.columns, RECORDED_AT)
    )
    return (f"create view {quote_table(table.name)} as\n"
            f"select {columns} from range(1) where {error} is null")


def refusal_in(error: BaseException) -> UserError | None:
    """What such a view has said, as the error a user meets; None for any other error."""
    found = _REFUSAL.search(str(error))
    if found is None:
        return None
    return UserError(f"{found['table']}: {_WHAT}", where=found["where"], fix=_FIX,
                     exit_code=EXIT_FAILED)
