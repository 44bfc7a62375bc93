"""Pictures and counts of the studies for the Dagster UI: small, since the event log keeps them.

What a picture looks like is in `imbalance.report`; here it is chosen and packed.
"""

from __future__ import annotations

import base64
from typing import Any

import dagster as dg

from imbalance.store.store import Store
from imbalance.studies.study import Study, load
from imbalance.tasks import read_current

LARGEST_BYTES = 45_000
"""Of the PNG; base64 makes it a third larger, and 60 kB is the limit we set the event log."""


def refusals(store: Store, table: str, partition: str) -> dict[str, Any]:
    """How many estimates there are, how many are significant and how many were refused."""
    import pyarrow.compute as pc

    rows = read_current(store, table, partition, ["reason", "q_value"])
    refused = rows.num_rows - rows["reason"].null_count
    reasons = pc.value_counts(rows["reason"].drop_null()).to_pylist() if refused else []
    return {
        "estimates": rows.num_rows - refused,
        "significant_at_5_percent": int(pc.sum(pc.less_equal(rows["q_value"], 0.05)).as_py() or 0),
        "refused": refused,
        **({"refusals": dg.MetadataValue.json({r["values"]: r["counts"] for r in reasons})}
           if reasons else {}),
    }


def of_study(store: Store, study: Study, table: str, partition: str) -> dict[str, Any]:
    """A picture of the study's strongest result, where there is one to show."""
    from imbalance.report.figures import TooLargeError, png_bytes
    from imbalance.report.queries import Source, choose_window

    draw = study.figures.get(table)
    if draw is None:
        return {}
    name = table.split(".", 1)[1]
    # A session costs by its tables: one over the whole home took as long as all else of the step.
    own = Store(store.home, store.config, {one: store.table(one) for one in study.table_names})
    with own.session(described=False) as session:
        source = Source(session)
        windows = [
            w for w in source.windows()
            if partition == ("all" if w.scope == "span" else w.window_day)
        ]
        window = choose_window(windows, name)
        drawing = load(draw)(source, window) if window else None
    if drawing is None:
        return {}
    try:
        png = png_bytes(drawing.figure, limit=LARGEST_BYTES)
    except TooLargeError:
        # a study is not undone because its picture is large: the report has it
        return {"plot": dg.MetadataValue.text("too large for this page: see `imbalance report`")}
    picture = base64.b64encode(png).decode()
    return {"plot": dg.MetadataValue.md(f"![{name}](data:image/png;base64,{picture})")}
