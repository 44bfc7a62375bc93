"""Partitions: UTC days from the first one, venues as they are registered, and days × venues.

Which partition of an upstream asset feeds which one downstream is said here too. What is in a
partition belongs to the library. Dagster: https://docs.dagster.io/guides/build/partitions-and-backfills
"""

from __future__ import annotations

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
    days : UTC days, today included: a recording that goes on is worked on as it grows.
    days_and_venues : the same by venue; keys are `2024-08-08|binance`.
    """

    days: dg.TimeWindowPartitionsDefinition
    days_and_venues: dg.MultiPartitionsDefinition

    @classmethod
    def starting(cls, first_day: str | None) -> Partitions:
        """Partitions from `first_day` (YYYY-MM-DD) on."""
        days = dg.DailyPartitionsDefinition(
            start_date=first_day or FALLBACK_FIRST_DAY, timezone="UTC", end_offset=1
        )
        return cls(days, dg.MultiPartitionsDefinition({"day": days, "venue": VENUES}))


def previous_day() -> dg.MultiPartitionMapping:
    """The same venue on the day before, if there is one."""
    return dg.MultiPartitionMapping(
        {
            "day": dg.DimensionPartitionMapping(
                "day",
                dg.TimeWindowPartitionMapping(
                    start_offset=-1, end_offset=-1, allow_nonexistent_upstream_partitions=True
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
