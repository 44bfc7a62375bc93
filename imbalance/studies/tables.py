"""Registry of the studies layer: the declared families, and the tables of all studies.

Common columns are in `columns.py`, the table of a study is declared in its own `study.py`.
"""

from __future__ import annotations

from imbalance.contracts import Table
from imbalance.studies.columns import text
from imbalance.studies.registry import NAMES, studies

FAMILIES = Table(
    name="studies.families",
    description="The families as declared before anything is estimated: what is asked, of which "
    "measures, at which lags, and which tests are corrected together.",
    grain="study and family",
    partitioning="all",
    key=("study", "family"),
    columns=(
        text("study", "Study that runs the family.", NAMES),
        text("family", "Name of the family."),
        text("question", "What the family asks."),
        text("hypotheses", "The kinds of claims that it tests, each corrected by itself: values of "
             "`hypothesis` in the study's tables; empty when nothing is tested."),
        text("declaration", "All settings of the family, as JSON."),
        text("declaration_hash", "SHA-256 of the declaration."),
        text("definition_version", "Version of the study's definition."),
    ),
    published=True,
)

TABLES: tuple[Table, ...] = (*(t for one in studies() for t in one.tables), FAMILIES)
