"""The book layer: the book rebuilt from its updates, by day and venue, and proved against quotes;
and the gaps of the trade feed.

The rebuild is in `imbalance.books`. A day opens with the closing book of the day before when the
chain of update ids is unbroken, which is why days of a venue are worked through in order.
"""

from collections.abc import Iterator
from typing import Any

import dagster as dg

from assets import checks
from assets.execute import Check, Done, check_specs, work_through
from assets.partitions import Partitions, neighbouring_days, previous_day, split
from assets.specs import asset_key, spec
from imbalance import catalog
from imbalance.books.build import materialise_book
from imbalance.books.health_table import TRADE_GAPS
from imbalance.books.trade_gaps import trade_gaps_task
from imbalance.tasks import read_current
from imbalance.warehouse import Warehouse

TABLES = (
    "book.book_states", "book.book_health", "book.closing_books", "book.quote_agreement",
    "book.bars_100ms",
)
CLOSING_BOOKS = "book.closing_books"
PROOF = "agrees_with_quotes"
AGREES_AGAIN = 10
"""Comparisons that agree after which a mismatch has ended."""
UPSTREAM = ("raw.book_updates", "raw.quotes")


def build(partitions: Partitions) -> list[dg.AssetsDefinition]:
    """The step that rebuilds the books, and the one that looks for missing trades."""
    return [_book(partitions), _trade_gaps(partitions)]


def _book(partitions: Partitions) -> dg.AssetsDefinition:
    upstream = [asset_key(name) for name in UPSTREAM]
    day_before = dg.AssetDep(asset_key(CLOSING_BOOKS), partition_mapping=previous_day())

    @dg.multi_asset(
        name="book",
        specs=[
            spec(catalog.table(name), kinds={"numba"},
                 deps=[*upstream, *([day_before] if name == CLOSING_BOOKS else [])])
            for name in TABLES
        ],
        check_specs=[
            *check_specs("book.quote_agreement", {
                PROOF: "At every book message whose last update id equals a quote's, the best "
                "prices and sizes are the same. The counts of comparisons and of mismatches are "
                "shown. A level that a venue's snapshot shows although it had gone by its id "
                "stands until it changes: such mismatches end, and only those that do not fail, "
                f"after which fewer than {AGREES_AGAIN} comparisons agree, or fewer than differed.",
            }, partitions.days_and_venues),
            *(s for name in TABLES for s in checks.specs(name, partitions.days_and_venues)),
        ],
        partitions_def=partitions.days_and_venues,
        backfill_policy=dg.BackfillPolicy.single_run(),
        op_tags={"layer": "book"},
    )
    def book(
        context: dg.AssetExecutionContext, warehouse: dg.ResourceParam[Warehouse]
    ) -> Iterator[Any]:
        store = warehouse.open()

        def do(partition: str) -> Done:
            day, venue = split(partition)
            result = materialise_book(store, venue, day, warehouse.progress, context.run.run_id)
            return Done(
                result,
                metadata={"book.bars_100ms": _coverage(store, partition)},
                checks=[
                    proof(store, partition),
                    *checks.run(store, TABLES, partition),
                ],
            )

        yield from work_through(
            context, store, context.partition_keys, do,
            assets={name: asset_key(name) for name in TABLES}, progress=warehouse.progress,
        )

    return book


def _trade_gaps(partitions: Partitions) -> dg.AssetsDefinition:
    name = TRADE_GAPS.name
    trades = dg.AssetDep(asset_key("raw.trades"), partition_mapping=neighbouring_days())

    @dg.multi_asset(
        name="trade_gaps",
        specs=[spec(TRADE_GAPS, deps=[trades], kinds={"python"})],
        check_specs=checks.specs(name, partitions.days_and_venues),
        partitions_def=partitions.days_and_venues,
        backfill_policy=dg.BackfillPolicy.single_run(),
        op_tags={"layer": "book"},
    )
    def trade_gaps(
        context: dg.AssetExecutionContext, warehouse: dg.ResourceParam[Warehouse]
    ) -> Iterator[Any]:
        store = warehouse.open()

        def do(partition: str) -> Done:
            day, venue = split(partition)
            task = trade_gaps_task(store, venue, day, warehouse.progress)
            return Done(
                task.materialise(store, context.run.run_id),
                checks=checks.run(store, [name], partition),
            )

        yield from work_through(
            context, store, context.partition_keys, do,
            assets={name: asset_key(name)}, progress=warehouse.progress,
        )

    return trade_gaps


def proof(store: Any, partition: str) -> Check:
    """Whether the rebuilt books agree with the quotes everywhere they can be compared."""
    rows = read_current(store, "book.quote_agreement", partition).to_pylist()
    compared = sum(row["compared"] for row in rows)
    mismatched = {row["instrument"]: row["mismatched"] for row in rows if row["mismatched"]}
    lasting = {
        row["instrument"]: row["mismatched"] for row in rows
        if row["mismatched"] and row["agreed_since"] < max(row["mismatched"], AGREES_AGAIN)
    }
    return Check(
        "book.quote_agreement", PROOF, passed=not lasting,
        told="{compared:,} comparisons, {mismatched} mismatches",
        failure=f"mismatches by instrument that do not end: {lasting}",
        metadata={
            "compared": compared,
            "mismatched": sum(mismatched.values()),
            "mismatched_by_instrument": mismatched,
            "by_instrument": {row["instrument"]: row["compared"] for row in rows},
        },
    )


def _coverage(store: Any, partition: str) -> dict[str, float]:
    """Mean share of the bars with a valid book, and the share of bars that may not be used."""
    import pyarrow.compute as pc

    bars = read_current(store, "book.bars_100ms", partition, ["coverage", "poisoned"])
    if not bars.num_rows:
        return {}
    return {
        "coverage": round(pc.mean(bars["coverage"]).as_py(), 6),
        "poisoned_share": round(pc.mean(bars["poisoned"].cast("float64")).as_py(), 6),
    }
