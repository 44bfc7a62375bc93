"""Partitions: UTC days from the first one, venues as they are registered, and days × venues.

Which partition of an upstream asset feeds which one downstream is said here too. What is in a
partition belongs to the library. Dagster: https://docs.dagster.io/guides/build/partitions-and-backfills
"""

from __future__ import annotations

import datetime
from dataclasses import dataclass

import dagster as dg

DAY_FORMAT = "%Y-%m-%d"
VENUES = dg.DynamicPartitionsDefinition(name="venue")

FALLBACK_FIRST_DAY = "2024-01-01"
"""First day of a home in which nothing is registered yet."""


@dataclass(frozen=True)
class Partitions:
    """The partition definitions of one code location.

    Parameters
    ----------
    days : UTC days. Where a recording goes on, today is included: it is worked on as it grows.
    days_and_venues : the same by venue; keys are `2024-08-08|binance`.
    """

    days: dg.TimeWindowPartitionsDefinition
    days_and_venues: dg.MultiPartitionsDefinition

    @classmethod
    def spanning(cls, first_day: str | None, last_day: str | None = None) -> Partitions:
        """Partitions from `first_day` (YYYY-MM-DD) to `last_day`, or to today when that is None."""
        after = None
        if last_day is not None:
            following = datetime.date.fromisoformat(last_day) + datetime.timedelta(days=1)
            after = following.isoformat()
        days = dg.DailyPartitionsDefinition(
            start_date=first_day or FALLBACK_FIRST_DAY, end_date=after, timezone="UTC",
            end_offset=0 if after else 1,
        )
        return cls(days, dg.MultiPartitionsDefinition({"day": days, "venue": VENUES}))


def previous_day() -> dg.MultiPartitionMapping:
    """The same venue on the day before, if there is one."""
    return _days(-1, -1)


def neighbouring_days() -> dg.MultiPartitionMapping:
    """The same venue on the day before, the day and the day after, those of them there are."""
    return _days(-1, 1)


def _days(first: int, last: int) -> dg.MultiPartitionMapping:
    return dg.MultiPartitionMapping(
        {
            "day": dg.DimensionPartitionMapping(
                "day",
                dg.TimeWindowPartitionMapping(
                    start_offset=first, end_offset=last, allow_nonexistent_upstream_partitions=True
                ),
            ),
            "venue": dg.DimensionPartitionMapping("venue", dg.IdentityPartitionMapping()),
        }
    )


def all_venues() -> dg.MultiToSingleDimensionPartitionMapping:
    """All venues of the day."""
    return dg.MultiToSingleDimensionPartitionMapping("day")


def key(day: str, venue: str) -> str:
    """The key of a day × venue partition, the same in Dagster and in the ledger."""
    return f"{day}|{venue}"


def split(partition: str) -> tuple[str, str]:
    """Day and venue of a key."""
    day, venue = partition.split("|", 1)
    return day, venue
