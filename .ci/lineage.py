"""Column lineage of the tables up to the features, derived from the SQL that makes them.

`python .ci/lineage.py` (part of `make docs`) writes `sql/catalog/lineage.csv`; a test keeps it
current. Each query is qualified against the columns it reads, its stars and `columns('…')` spelt
out, and every output column followed down to them. What no query makes, because a compiled loop
does, stands by the tables its task reads. By hand is only what `WITH_PAST` says: columns that
Python adds to the result of a query.
"""

from __future__ import annotations

import csv
import hashlib
import io
import re
import sys
import tempfile
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path

from sqlglot import exp, parse_one
from sqlglot.lineage import lineage
from sqlglot.optimizer.qualify import qualify

REPOSITORY = Path(__file__).resolve().parent.parent
sys.path.insert(0, str(REPOSITORY))

from imbalance import catalog  # noqa: E402
from imbalance.books import build as books  # noqa: E402
from imbalance.books.health_table import TRADE_GAPS  # noqa: E402
from imbalance.features import activity_tables as activity  # noqa: E402
from imbalance.features import derivative_tables as derivatives  # noqa: E402
from imbalance.features.build import FEATURE_OUTPUTS  # noqa: E402
from imbalance.features.side_tables import CLASSIFIED  # noqa: E402
from imbalance.features.tables import BAR_SIZES, BARS  # noqa: E402
from imbalance.store import Home, Store  # noqa: E402

TARGET = REPOSITORY / "sql/catalog/lineage.csv"
HEADER = ("table", "column", "source_table", "source_column", "derived_by")
QUERIES = ("trades_100ms", "quotes_100ms", "classified_trades", "inferred_100ms", "fleeting_100ms",
           "bars_100ms", "coarser_bars", "measures", "derivative_bars")
ALL = "*"

Source = tuple[str, str]
Derived = dict[str, list[Source]]

WITH_PAST: Mapping[str, Sequence[str]] = {
    **{f"{measure}_{kind}": (measure, "valid")
       for measure in ("order_flow_imbalance", "trade_imbalance")
       for kind in ("volatility_scaled", "rank")},
    **{name: (*(f"order_flow_imbalance_level_{m}" for m in range(1, 11)), "level_depth_mean",
              "valid", "poisoned")
       for name in ("order_flow_imbalance_integrated", "order_flow_imbalance_integrated_reason")},
    **{f"bulk_{side}_volume": ("traded_volume", "return_bps", "valid") for side in ("buy", "sell")},
}
"""Columns of `features.bars.Bars._with_past`, by the columns they are made from."""

MISSING: Derived = {
    "instrument": [("gaps", "instrument")],
    **{name: [("gaps", "missing_from"), ("gaps", "missing_to")]
       for name in ("bar_start", "touched")},
    "known_at": [("gaps", "available_at")],
}
"""Bars that touch a gap in the trade feed, as `features.stretches.Gaps` tells them."""

FEEDS: Derived = {
    "instrument": [(table, "instrument") for table in ("orders", "quotes", "trades")],
    **{f"{table}_{side}": [(table, "event_time")]
       for table in ("trades", "quotes") for side in ("from", "until")},
    "orders_from": [("orders", "event_time")],
}
"""Since when and until when a feed is known to be there, as `features.build` tells it."""

MATCHED: Mapping[str, Derived] = {
    "matched": {
        **{name: [("orders", name)] for name in ("instrument", "price", "size")},
        "sequence": [("orders", "available_at")], "told_at": [("orders", "available_at")],
        "book_side": [("orders", "book_side"), ("orders", "order_key")],
    },
    "settled": {
        **{name: [("orders", name)] for name in ("instrument", "size")},
        "told_from": [("orders", "available_at")], "settled_at": [("orders", "available_at")],
    },
    "shown": {"instrument": [("orders", "instrument")]},
}
"""Orders that met, as `features.sides` tells them."""

MICROPRICE = ("bid_price", "bid_size", "ask_price", "ask_size", "poisoned", "available_at")


def derive(name: str, reads: Mapping[str, Sequence[str]]) -> Derived:
    """The columns of `sql/features/<name>.sql`, each with what it is made from in `reads`."""
    text = (REPOSITORY / f"sql/features/{name}.sql").read_text(encoding="utf-8")
    tree = parse_one(re.sub(r"\$\w+", "1", text), dialect="duckdb")
    _spell_out(tree, [column for columns in reads.values() for column in columns])
    schema = {table: dict.fromkeys(columns, "double") for table, columns in reads.items()}
    whole = qualify(tree, schema=schema, dialect="duckdb", quote_identifiers=False,
                    validate_qualify_columns=False)
    found: Derived = {}
    for projection in whole.selects:
        column = projection.alias_or_name
        node = lineage(column, whole.copy(), dialect="duckdb", schema=schema)
        leaves = {
            (leaf.expression.name, leaf.name.rpartition(".")[2].strip('"'))
            for leaf in node.walk()
            if not leaf.downstream and isinstance(leaf.expression, exp.Table)
        }
        # A count of rows is made from the rows of the table as such.
        found[column] = sorted(leaves) or [(table, ALL) for table in reads]
    return found


def _spell_out(tree: exp.Expression, columns: Sequence[str]) -> None:
    """Replace `f(columns('pattern'))` by one expression for each column it stands for."""
    for select in tree.find_all(exp.Select):
        spelt: list[exp.Expression] = []
        for projection in select.expressions:
            pattern = next((node.this.name for node in projection.find_all(exp.Columns)), None)
            if pattern is None:
                spelt.append(projection)
                continue
            for column in dict.fromkeys(columns):
                if re.search(pattern, column):
                    bare = projection.unalias().copy()
                    for node in list(bare.find_all(exp.Columns)):
                        node.replace(exp.column(column))
                    spelt.append(exp.alias_(bare, column))
        select.set("expressions", spelt)


def _through(derived: Derived, below: Mapping[str, Derived]) -> Derived:
    """`derived` with the columns of intermediate results replaced by what those are made from."""
    return {
        column: sorted({
            source
            for table, name in sources
            for source in (below[table].get(name, [(table, ALL)]) if table in below
                           else [(table, name)])
        })
        for column, sources in derived.items()
    }


def _named(derived: Derived) -> Derived:
    """`derived` with the names by which the queries call the tables replaced by their own."""
    names = {"book": "book.bars_100ms", "trades": "raw.trades", "quotes": "raw.quotes",
             "states": "book.book_states", "orders": "raw.orders",
             "gaps": TRADE_GAPS.name}
    return {column: sorted({(names.get(table, table), name) for table, name in sources})
            for column, sources in derived.items()}


def bars() -> dict[str, Derived]:
    """Lineage of the bars of each size, of the finest to book and feeds, else to the finer bars;
    and of the trades whose sides are found.
    """
    columns = {name: list(table.column_names) for name, table in catalog.tables().items()}
    traded = derive("trades_100ms", {"trades": columns["raw.trades"]})
    quoted = derive("quotes_100ms", {"quotes": columns["raw.quotes"]})
    sides = _through(derive("classified_trades", {
        "trades": columns["raw.trades"], "states": columns["book.book_states"],
        "quotes": columns["raw.quotes"], **{name: list(made) for name, made in MATCHED.items()},
    }), MATCHED)
    below = {"classified": sides, "traded": traded}
    inferred = _through(
        derive("inferred_100ms", {name: list(made) for name, made in below.items()}), below)
    fleeting = derive("fleeting_100ms", {"orders": columns["raw.orders"]})
    beside = {"traded": traded, "quoted": quoted, "inferred": inferred, "earlier": traded,
              "fleeting": fleeting, "missing": MISSING, "feeds": FEEDS}
    joined = derive("bars_100ms", {"book": columns["book.bars_100ms"],
                                   **{name: list(made) for name, made in beside.items()}})
    finest = _through(joined, beside)
    finest, sides = _named(finest), _named(sides)
    finest["microprice"] = sorted({source for name in MICROPRICE for source in finest[name]})
    measures = derive("measures", {"bars": list(finest)})
    coarser = derive("coarser_bars", {"bars": list(finest)})
    found, below = {CLASSIFIED.name: sides}, finest
    for table, size in zip(BARS, BAR_SIZES, strict=True):
        if size != "100ms":
            # By way of the finer bars' own columns, which a query made from the same ones.
            below = _through(coarser, {"bars": finest})
        made = _through(measures, {"bars": below})
        for column, sources in WITH_PAST.items():
            made[column] = sorted({source for name in sources for source in made[name]})
        found[table.name] = made
    return found


def derivative_bars() -> dict[str, Derived]:
    """Lineage of the derivative bars of each size."""
    ticks, forced = "raw.derivative_ticks", "raw.liquidations"
    columns = {name: list(catalog.table(name).column_names) for name in (ticks, forced)}
    found = {}
    for table, size in zip(derivatives.TABLES, derivatives.SIZES, strict=True):
        bars = f"features.bars_{size}"
        made = derive("derivative_bars", {
            "pairs": ["instrument", "spot_instrument"], "ticks": columns[ticks],
            "liquidations": columns[forced], "bars": list(catalog.table(bars).column_names),
        })
        names = {"ticks": ticks, "liquidations": forced, "bars": bars}
        found[table.name] = {
            column: sorted({
                ("raw.instruments", ALL) if source == "pairs" else (names.get(source, source), name)
                for source, name in sources
            })
            for column, sources in made.items()
        }
    return found


def rows() -> Iterator[tuple[str, str, str, str, str]]:
    """All lines of the file."""
    for name, table in catalog.tables().items():
        if table.layer == "raw":
            yield name, ALL, "captures", ALL, "imbalance/captures"
    with tempfile.TemporaryDirectory() as directory:
        store = Store(Home.open(Path(directory) / "home", create=True))
        read = list(dict.fromkeys(t for t, _ in books.book_inputs(store, "venue", "2024-01-02")))
    for name in books.OUTPUTS:
        for source in read:
            if source != name:
                yield name, ALL, source, ALL, "imbalance/books"
    for source in ("raw.trades", "raw.captures"):
        yield TRADE_GAPS.name, ALL, source, ALL, "imbalance/books"
    derived = bars()
    for name in FEATURE_OUTPUTS:
        if name not in derived:
            for table in BARS:
                yield name, ALL, table.name, ALL, "imbalance/features"
            continue
        for column in catalog.table(name).column_names:
            by = "imbalance/features/bars.py" if column in {*WITH_PAST, "microprice"} else (
                "sql/features")
            for source_table, source_column in derived[name][column]:
                yield name, column, source_table, source_column, by
    yield from _rows_of_other_bars()


def _rows_of_other_bars() -> Iterator[tuple[str, str, str, str, str]]:
    """Of the bars in volume time and event time, and of the derivative bars."""
    for table in activity.TABLES:
        for source in ("book.book_states", "raw.trades", "book.book_health", "book.bars_100ms",
                       TRADE_GAPS.name):
            yield table.name, ALL, source, ALL, "imbalance/features"
    for name, made in derivative_bars().items():
        for column in catalog.table(name).column_names:
            for source_table, source_column in made[column]:
                yield name, column, source_table, source_column, "sql/features"


def queries_hash() -> str:
    """Of what the lineage is derived from: another one means that the file must be made again."""
    parts = [(REPOSITORY / f"sql/features/{name}.sql").read_bytes() for name in QUERIES]
    read = ("raw.trades", "raw.quotes", "book.bars_100ms", "book.book_states", "raw.orders",
            "raw.derivative_ticks", "raw.liquidations", TRADE_GAPS.name, *FEATURE_OUTPUTS,
            *(table.name for table in (*activity.TABLES, *derivatives.TABLES)))
    names = [(name, catalog.table(name).column_names) for name in read]
    parts += [repr(names).encode(), Path(__file__).read_bytes()]
    return hashlib.sha256(b"\0".join(parts)).hexdigest()[:16]


def text() -> str:
    """The file."""
    stream = io.StringIO()
    writer = csv.writer(stream, lineterminator="\n")
    writer.writerow(HEADER)
    writer.writerows(rows())
    return f"# {queries_hash()}\n{stream.getvalue()}"


if __name__ == "__main__":
    TARGET.write_text(text(), encoding="utf-8")
