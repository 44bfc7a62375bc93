"""Working through the partitions of one step: what every asset module does the same way.

A run may stand for one partition or for a range of them in one process. Each partition is done by
itself: one that fails is noted and the others go on; the step fails at the end and says which.
Nothing here knows a layer.
"""

from __future__ import annotations

import random
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import dagster as dg
from dagster import AssetCheckEvaluation

from assets.specs import asset_key, row_metadata
from imbalance.errors import in_a_line
from imbalance.progress import SILENT, Progress
from imbalance.store.store import Store
from imbalance.store.task import TaskResult
from imbalance.studies.windows import SPAN

CAPTURE_RETRIES = 3
CAPTURE_DELAY_SECONDS = 2.0


@dataclass(frozen=True)
class Check:
    """Outcome of a check on one partition of a table.

    Parameters
    ----------
    told : a passed check in words, as a template of its metadata, so that it can be told of the
        sums over many partitions too.
    failure : a failed one in words.
    partition : what it is of; None: the partition worked on. The windows up to a day are made with
        the day.
    """

    table: str
    name: str
    passed: bool
    told: str
    failure: str = ""
    metadata: Mapping[str, Any] = field(default_factory=dict)
    partition: str | None = None

    @property
    def description(self) -> str:
        """What came out, in words."""
        return self.told.format(**self.metadata) if self.passed else self.failure


@dataclass(frozen=True)
class Done:
    """What one partition's task did: its result, more metadata by table, and its checks."""

    result: TaskResult
    metadata: Mapping[str, Mapping[str, Any]] = field(default_factory=dict)
    checks: Sequence[Check] = ()


def together(results: Sequence[TaskResult]) -> TaskResult:
    """What several tasks of one partition did."""
    rows: dict[str, int] = {}
    for one in results:
        for table, count in one.rows.items():
            rows[table] = rows.get(table, 0) + count
    return TaskResult(
        "built" if any(one.status == "built" for one in results) else "unchanged",
        rows, sum(one.seconds for one in results),
    )


def work_through(
    context: dg.AssetExecutionContext,
    store: Store,
    partitions: Sequence[str],
    do: Callable[[str], Done],
    *,
    assets: Mapping[str, dg.AssetKey],
    progress: Progress = SILENT,
) -> Iterator[dg.MaterializeResult | dg.AssetCheckResult]:
    """Do each partition, note rows and checks by partition, and report the assets at the end.

    Parameters
    ----------
    store : where the rows of each table are counted at the end.
    partitions : keys in the order in which they depend on one another.
    do : does one of them.
    assets : table → asset to be reported.
    progress : is told of each partition that is through.

    Raises
    ------
    dagster.RetryRequested
        At once, when `do` asks for another try.
    dagster.Failure
        After all partitions have been tried, when one or more failed.
    """
    failed: dict[str, str] = {}
    checks: list[tuple[str, Check]] = []
    for partition in partitions:
        try:
            done = do(partition)
        except dg.RetryRequested:
            raise  # the step is tried again; what is done by then is found current
        except Exception as error:
            context.log.exception(f"{partition} failed")
            failed[partition] = in_a_line(error)
            progress.advance(partitions=1)
            continue
        context.log.info(f"{partition}: {done.result.status} in {done.result.seconds:.2f} s")
        for table, key in assets.items():
            context.add_asset_metadata(
                {
                    **row_metadata(done.result.rows.get(table, 0), done.metadata.get(table)),
                    "seconds": round(done.result.seconds, 3),
                    "status": done.result.status,
                },
                asset_key=key,
                partition_key=partition if context.has_partition_key_range else None,
            )
        checks += [(partition, check) for check in done.checks]
        _note(store, partition, done.checks, context.run.run_id)
        progress.advance(partitions=1)
    if failed:
        raise dg.Failure(
            description=next(iter(failed.values())) if len(partitions) == 1 else
            f"{len(failed)} of {len(partitions)} partitions failed: "
            + "; ".join(f"{partition}: {message}" for partition, message in failed.items()),
            metadata={"failed_partitions": list(failed)},
            allow_retries=False,
        )
    for table, key in assets.items():
        # A study's table holds its days and its span, which are two assets.
        held = store.ledger.partitions(table).items()
        of_asset = [e.row_count for p, e in held if (p == SPAN) == (SPAN in partitions)]
        context.add_asset_metadata({"dagster/row_count": sum(of_asset)}, key)
    yield from _report(context, partitions, checks, assets)


def _note(store: Store, partition: str, checks: Sequence[Check], run: str) -> None:
    """Keep what failed checks said with the ledger's failures, until they pass: what is made from
    the partition is not made, and whoever asks the home is told why.
    """
    of_partition: dict[tuple[str, str], list[Check]] = {}
    for check in checks:
        of_partition.setdefault((check.table, check.partition or partition), []).append(check)
    for (table, key), found in of_partition.items():
        failed = [f"check {check.name}: {check.failure}" for check in found if not check.passed]
        if failed:
            store.ledger.record_failure(table, key, run, "; ".join(failed))
        else:
            store.ledger.record_recovery(table, key, run)


def _report(
    context: dg.AssetExecutionContext,
    partitions: Sequence[str],
    checks: Sequence[tuple[str, Check]],
    assets: Mapping[str, dg.AssetKey],
) -> Iterator[dg.MaterializeResult | dg.AssetCheckResult]:
    # In a range, Dagster records a check once for the whole step: what it was for each partition is
    # recorded beside it.
    if len(partitions) > 1:
        for partition, check in checks:
            context.log_event(
                AssetCheckEvaluation(
                    asset_key=assets[check.table],
                    check_name=check.name,
                    passed=check.passed,
                    metadata=_values(check.metadata),
                    description=check.description,
                    partition=partition,
                    blocking=True,
                )
            )
    for table, key in assets.items():
        of_table = [(partition, check) for partition, check in checks if check.table == table]
        yield dg.MaterializeResult(asset_key=key, check_results=list(_summaries(key, of_table)))


def _summaries(
    key: dg.AssetKey, checks: Sequence[tuple[str, Check]]
) -> Iterator[dg.AssetCheckResult]:
    names = list(dict.fromkeys(check.name for _, check in checks))
    for name in names:
        of_name = [(partition, check) for partition, check in checks if check.name == name]
        bad = [(partition, check) for partition, check in of_name if not check.passed]
        totals = _totals([check.metadata for _, check in of_name])
        where = f" in {len(of_name)} partitions" if len(of_name) > 1 else ""
        yield dg.AssetCheckResult(
            passed=not bad,
            asset_key=key,
            check_name=name,
            description="; ".join(f"{partition}: {check.failure}" for partition, check in bad)
            or of_name[0][1].told.format(**totals) + where,
            metadata={
                **_values(totals),
                **({"failed_partitions": [partition for partition, _ in bad]} if bad else {}),
            },
        )


def _totals(metadata: Iterable[Mapping[str, Any]]) -> dict[str, Any]:
    """Numbers summed over the partitions, also within mappings; anything else as it was last."""
    total: dict[str, Any] = {}
    for one in metadata:
        for name, value in one.items():
            before = total.get(name)
            if isinstance(value, dict):
                total[name] = _totals([before or {}, value])
            elif isinstance(value, int | float) and isinstance(before, int | float):
                total[name] = before + value
            else:
                total[name] = value
    return total


def _values(metadata: Mapping[str, Any]) -> dict[str, Any]:
    return {name: dg.MetadataValue.json(v) if isinstance(v, dict | list) else v
            for name, v in metadata.items()}


def check_specs(
    table: str, names: Mapping[str, str], partitions: dg.PartitionsDefinition | None
) -> list[dg.AssetCheckSpec]:
    """Blocking checks of a table, by name and description, partitioned like it."""
    return [
        dg.AssetCheckSpec(
            name, asset=asset_key(table), description=text, blocking=True,
            partitions_def=partitions,
        )
        for name, text in names.items()
    ]


def retry_reading(context: dg.AssetExecutionContext, error: OSError) -> Exception:
    """Another try at reading captures; after the last, the error itself, which fails its partition.

    The wait doubles each time and is spread by half, so that many tasks do not come back at once.
    """
    if context.retry_number >= CAPTURE_RETRIES:
        return error
    wait = CAPTURE_DELAY_SECONDS * 2**context.retry_number * random.uniform(0.5, 1.5)  # noqa: S311
    context.log.warning(f"reading captures failed ({error}); again in {wait:.1f} s")
    return dg.RetryRequested(max_retries=CAPTURE_RETRIES, seconds_to_wait=wait)
