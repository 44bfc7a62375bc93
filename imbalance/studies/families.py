"""The declaration: which families of which study are estimated, settled before anything is run.

q-values are computed over a family, so that what is looked at is written down before the results
are there. The families of a study are in its `study.py`; here they are put together with what the
configuration file says of them. No estimation here.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping, Sequence
from dataclasses import asdict, replace
from typing import Any, get_type_hints

from imbalance.config import StudiesConfig
from imbalance.errors import UserError, nearest
from imbalance.settings import values_of
from imbalance.studies.measures import BAR_NANOSECONDS
from imbalance.studies.registry import studies, study
from imbalance.studies.study import Family, Study
from imbalance.studies.tables import FAMILIES
from imbalance.studies.version import definition_version

Declaration = Mapping[str, tuple[Family, ...]]
"""Study to its families: everything that will be estimated."""


def declare(config: StudiesConfig | None = None) -> Declaration:
    """The families of all studies under a configuration (defaults without one).

    Raises
    ------
    UserError
        If the configuration names no study, gives a setting that the study's families do not have,
        or a value that is not allowed.
    """
    settings = config or StudiesConfig()
    for name, families in settings.families.items():
        try:
            study(name)
        except UserError as error:
            error.where = next(iter(families.values())).where if families else None
            raise
    return {one.name: families_of(one, settings) for one in studies()}


def families_of(one: Study, settings: StudiesConfig) -> tuple[Family, ...]:
    """The families of one study: its own, changed and added to as the configuration says."""
    found = {family.name: family for family in one.families(settings)}
    for name, given in settings.families.get(one.name, {}).items():
        hints = get_type_hints(one.family)
        hints.pop("name")
        values = values_of(given, hints, f"families of {one.name}")
        if name not in found and "question" not in values:
            close = nearest(name, list(found))
            raise UserError(
                f"{one.name} has no family {name!r}"
                + (f"; did you mean {close!r}?" if close else ""),
                where=given.where, allowed=", ".join(found) + "; or a new one with a question",
            )
        try:
            found[name] = (
                replace(found[name], **values) if name in found
                else one.family(name=name, **values)
            )
        except UserError as error:
            error.where = given.where
            raise
        except TypeError as error:
            raise UserError(f"family {name!r} is not declared whole: {error}", where=given.where,
                            allowed="every setting of the family that has no default") from None
    return tuple(found.values())


def bar_sizes(families: Sequence[Family]) -> tuple[str, ...]:
    """Bar sizes that some of the families read, from the shortest."""
    wanted = {size for family in families for size in family.bar_sizes}
    return tuple(size for size in BAR_NANOSECONDS if size in wanted)


def as_json(families: Sequence[Family]) -> list[Any]:
    """All settings of the families, as JSON values."""
    listed: list[Any] = json.loads(json.dumps([asdict(family) for family in families]))
    return listed


def families_table(declaration: Declaration) -> Any:
    """`studies.families`: the declaration as a table, to be stored before the studies run."""
    import pyarrow as pa

    rows = []
    for name, families in declaration.items():
        for family in families:
            text = json.dumps(asdict(family), sort_keys=True)
            rows.append({
                "study": name,
                "family": family.name,
                "question": family.question,
                "hypotheses": ", ".join(study(name).hypotheses),
                "declaration": text,
                "declaration_hash": hashlib.sha256(text.encode()).hexdigest(),
                "definition_version": definition_version(study(name)),
            })
    return pa.Table.from_pylist(rows, schema=FAMILIES.arrow_schema())
