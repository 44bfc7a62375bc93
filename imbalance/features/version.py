"""Versions of what computes features: another one makes partitions out of date."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable
from pathlib import Path

from imbalance.contracts import Table
from imbalance.store.sqlfiles import read_sql


def version_of(tables: Iterable[Table], queries: Iterable[str], modules: Iterable[str]) -> str:
    """Changes with the registry of tables, a query of `sql/features` or a module.

    Parameters
    ----------
    queries, modules : names without their endings; of modules elsewhere with the way from here.
    """
    here = Path(__file__).parent
    parts = [table.definition_hash() for table in tables]
    parts += [read_sql(f"features/{name}.sql") for name in queries]
    parts += [(here / f"{name}.py").read_text(encoding="utf-8") for name in modules]
    return hashlib.sha256("\0".join(parts).encode()).hexdigest()[:16]
