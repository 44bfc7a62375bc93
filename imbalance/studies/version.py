"""The version of the studies: what makes figures made by other code out of date.

Not here: the settings of the families, which are parameters of the tasks.
"""

from __future__ import annotations

import hashlib
from functools import cache
from pathlib import Path

from imbalance.studies.tables import TABLES

_NOT_COMPUTING = {"__init__.py", "tables.py", "tasks.py", "version.py"}


@cache
def definition_version() -> str:
    """Version of the computation: changes with the registry or the code of any estimator.

    One version for all studies, since they share alignment, rows and families. It covers every
    module of the package, so that a new one cannot be forgotten; `tables` by what it declares.
    """
    here = Path(__file__).parent
    parts = [table.definition_hash().encode() for table in TABLES]
    for module in sorted(here.glob("*.py")):
        if module.name not in _NOT_COMPUTING:
            parts += [module.name.encode(), module.read_bytes()]
    return hashlib.sha256(b"\0".join(parts)).hexdigest()[:16]
