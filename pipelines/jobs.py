"""The jobs: which assets are made together. When they run is in `schedules` and `sensors`.

More than one, since their partitions differ: days × venues, days, and none.
"""

from __future__ import annotations

import datetime
from collections.abc import Collection, Sequence
from itertools import pairwise

import dagster as dg

from assets import features, published, studies

VENUE_DAYS = dg.define_asset_job(
    "venue_days",
    selection=dg.AssetSelection.groups("raw", "book", "features")
    - dg.AssetSelection.assets(*features.DAY_ASSETS),
    description="Captures of a venue's day to features. Over a range it is one run in one process.",
)

STUDIES = dg.define_asset_job(
    "studies",
    selection=dg.AssetSelection.assets(
        studies.FAMILIES, *features.DAY_ASSETS, *studies.DAY_ASSETS),
    description="What is made of a day over all venues: derivative bars and studies, also those of "
    "the windows of days up to it. Before, what the studies will estimate is written down.",
)

SPAN_STUDIES = dg.define_asset_job(
    "span_studies",
    selection=dg.AssetSelection.assets(studies.FAMILIES, *studies.SPAN_ASSETS),
    description="The studies over the whole span of the home. Before, what they will estimate is "
    "written down.",
)

PUBLICATION = dg.define_asset_job(
    "publication",
    selection=dg.AssetSelection.assets(published.GENERATION),
    description="Validate everything current and release it as a generation.",
)

JOBS = (VENUE_DAYS, STUDIES, SPAN_STUDIES, PUBLICATION)


def range_tags(first: str, last: str) -> dict[str, str]:
    """Tags by which one run stands for a range of partitions."""
    return {
        "dagster/asset_partition_range_start": first,
        "dagster/asset_partition_range_end": last,
    }


def stretches(days: Sequence[str], apart: Collection[str] = ()) -> list[list[str]]:
    """Days in order, cut where one is missing: each piece is a range of partitions.

    Parameters
    ----------
    apart : those of them that are a piece each.
    """
    found: list[list[str]] = []
    for day in days:
        before = found[-1][-1] if found else ""
        if before and _next(before) == day and before not in apart and day not in apart:
            found[-1].append(day)
        else:
            found.append([day])
    return found


def parts(days: Sequence[str], most: int) -> list[list[str]]:
    """A stretch of days in so many parts at most, as equal as they can be."""
    count = min(most, len(days))
    ends = [len(days) * n // count for n in range(count + 1)]
    return [list(days[first:last]) for first, last in pairwise(ends)]


def reload_wanted(outside: Sequence[str], are: str) -> str:
    """What is told of captures or days of which there are no partitions; nothing without any.

    Parameters
    ----------
    are : what they are, in words.
    """
    return (
        f"{len(outside)} {are} this code location does not know: reload it (in the browser: "
        f"Reload definitions), or make them with `imbalance run`; the first is {outside[0]}"
    ) if outside else ""


def _next(day: str) -> str:
    return (datetime.date.fromisoformat(day) + datetime.timedelta(days=1)).isoformat()
