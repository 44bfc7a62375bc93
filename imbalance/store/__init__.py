"""The store: partition files, the ledger that says which are current, SQL over them, generations.

Belongs here: how bytes are written, found, checked, queried and released. Not here: what the tables
mean (`imbalance.catalog`), how they are computed, and Dagster.
"""

from imbalance.store.home import Home
from imbalance.store.ledger import CaptureFile, Entry, Failure, Ledger, NewEntry
from imbalance.store.store import Store
from imbalance.store.task import TaskContext, TaskResult, materialise

__all__ = [
    "CaptureFile",
    "Entry",
    "Failure",
    "Home",
    "Ledger",
    "NewEntry",
    "Store",
    "TaskContext",
    "TaskResult",
    "materialise",
]
