"""The daily schedules: captured days to features, then their studies, then a generation.

Each asks for what is not current of the last days up to yesterday, so that a late day, or one that
was not finished the day before, is made as well; where nothing is, it skips and says so. They do
not wait for one another. All times are UTC.
"""

import datetime
from collections.abc import Iterator, Sequence

import dagster as dg

from assets.partitions import DAY_FORMAT, Partitions, key
from imbalance.overdue import LIVE_DAYS
from imbalance.plan import Plan, due_study_days, make_plan, span_is_due
from imbalance.store.generations import is_published
from imbalance.store.store import Store
from imbalance.summary import has_bars
from imbalance.warehouse import Warehouse
from pipelines.instance import add_venues
from pipelines.jobs import (
    PUBLICATION,
    SPAN_STUDIES,
    STUDIES,
    VENUE_DAYS,
    range_tags,
    stretches,
)

Requests = list[dg.RunRequest] | dg.SkipReason
Given = dg.ResourceParam[Warehouse]


def daily(partitions: Partitions) -> Sequence[dg.ScheduleDefinition]:
    """The schedules; in a home of history, whose captures ended long ago, they skip."""

    def asked(context: dg.ScheduleEvaluationContext, store: Store, of: str) -> Requests:
        """Runs of a job for what is due of the last days."""
        yesterday = context.scheduled_execution_time - datetime.timedelta(days=1)
        last = yesterday.strftime(DAY_FORMAT)
        first = (yesterday - datetime.timedelta(days=LIVE_DAYS - 1)).strftime(DAY_FORMAT)
        plan = make_plan(store, first=first, last=last)
        if not any(plan.venue_days.values()):
            return dg.SkipReason(
                f"no registered capture holds a day from {first} to {last}: the sensor "
                "`new_captures`, `imbalance run` and `imbalance ingest` register them")
        add_venues(context.instance, plan.venue_days)
        found = [
            dg.RunRequest(run_key=f"{last} {name}".strip(), tags=tags)
            for name, tags in _DUE[of](store, plan, partitions)
        ]
        return found or dg.SkipReason(f"nothing is to be made of the days from {first} to {last}")

    @dg.schedule(job=VENUE_DAYS, cron_schedule="20 0 * * *", name="daily_venue_days",
                 description="The captured days of every venue up to yesterday: features.")
    def venue_days(context: dg.ScheduleEvaluationContext, warehouse: Given) -> Requests:
        return asked(context, warehouse.open(), VENUE_DAYS.name)

    @dg.schedule(job=STUDIES, cron_schedule="20 1 * * *", name="daily_studies",
                 description="The studies of the days up to yesterday.")
    def studies(context: dg.ScheduleEvaluationContext, warehouse: Given) -> Requests:
        return asked(context, warehouse.open(), STUDIES.name)

    @dg.schedule(job=SPAN_STUDIES, cron_schedule="50 1 * * *", name="daily_span_studies",
                 description="The studies over the whole span.")
    def span_studies(context: dg.ScheduleEvaluationContext, warehouse: Given) -> Requests:
        return asked(context, warehouse.open(), SPAN_STUDIES.name)

    @dg.schedule(job=PUBLICATION, cron_schedule="20 2 * * *", name="daily_publication",
                 description="A generation of everything that passes the gate.")
    def publication(context: dg.ScheduleEvaluationContext, warehouse: Given) -> Requests:
        return asked(context, warehouse.open(), PUBLICATION.name)

    return [venue_days, studies, span_studies, publication]


Due = Iterator[tuple[str, dict[str, str]]]
"""Runs: what each is of, in words, and its tags."""


def _venue_days(_: Store, plan: Plan, partitions: Partitions) -> Due:
    for venue in plan.venue_days:
        for days in _known(plan.due_days(venue), partitions):
            yield (f"{days[0]} … {days[-1]} {venue}",
                   range_tags(key(days[0], venue), key(days[-1], venue)))


def _studies(store: Store, plan: Plan, partitions: Partitions) -> Due:
    for days in _known(due_study_days(store, plan), partitions):
        yield f"{days[0]} … {days[-1]}", range_tags(days[0], days[-1])


def _span_studies(_: Store, plan: Plan, __: Partitions) -> Due:
    if span_is_due(plan):
        yield "", {}


def _publication(store: Store, _: Plan, __: Partitions) -> Due:
    if has_bars(store) and not is_published(store):
        yield "", {}


_DUE = {VENUE_DAYS.name: _venue_days, STUDIES.name: _studies, SPAN_STUDIES.name: _span_studies,
        PUBLICATION.name: _publication}


def _known(days: Sequence[str], partitions: Partitions) -> list[list[str]]:
    """Stretches of the days that the code location knows."""
    return stretches([day for day in days if partitions.days.has_partition_key(day)])
