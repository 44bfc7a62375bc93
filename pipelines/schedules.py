"""The daily schedules: captured days to features, then their studies, then a generation.

Each asks for what is not current of the last days up to yesterday, so that a late day, or one that
was not finished the day before, is made as well; where nothing is, it skips and says so. Days in a
row are one run, but for those that stand as failed: a step fails when one of its days does, and
nothing is made from the others then. They do not wait for one another. All times are UTC.
"""

import datetime
from collections.abc import Iterator, Sequence

import dagster as dg

from assets.partitions import DAY_FORMAT, Partitions, key
from imbalance.overdue import LIVE_DAYS
from imbalance.plan import Plan, due_study_days, make_plan, span_is_due
from imbalance.store.publishing import is_published
from imbalance.store.store import Store
from imbalance.studies.windows import day_of
from imbalance.summary import has_bars
from imbalance.warehouse import Warehouse
from pipelines.instance import add_venues
from pipelines.jobs import (
    PUBLICATION,
    SPAN_STUDIES,
    STUDIES,
    VENUE_DAYS,
    range_tags,
    reload_wanted,
    stretches,
)

Requests = list[dg.RunRequest] | dg.SkipReason
Given = dg.ResourceParam[Warehouse]


def daily(partitions: Partitions) -> Sequence[dg.ScheduleDefinition]:
    """The schedules; in a home of history, whose captures ended long ago, they skip."""
    is_known = partitions.days.has_partition_key

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
        due = list(_DUE[of](store, plan))
        outside = [one for run in due for one in run if not is_known(one.partition("|")[0])]
        unknown = reload_wanted(outside, "days are due that")
        if unknown:
            context.log.warning(unknown)
        found = [
            _request(last, known) for run in due
            if (known := [one for one in run if one not in outside]) or not run
        ]
        return found or dg.SkipReason(
            unknown or f"nothing is to be made of the days from {first} to {last}")

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


def _request(last: str, run: Sequence[str]) -> dg.RunRequest:
    """A run over partitions, or of what has none, for the days up to the last."""
    ends = (run[0], run[-1]) if run else ()
    return dg.RunRequest(run_key=" ".join((last, *ends)), tags=range_tags(*ends) if ends else {})


Due = Iterator[list[str]]
"""Runs: the partitions of each, in order and without a gap; none where it has no partitions."""


def _venue_days(_: Store, plan: Plan) -> Due:
    failed = plan.failed("raw", "book", "features")
    for venue in plan.venue_days:
        due = plan.due_days(venue)
        for days in stretches(due, {day for day in due if key(day, venue) in failed}):
            yield [key(day, venue) for day in days]


def _studies(store: Store, plan: Plan) -> Due:
    failed = map(day_of, plan.failed("features", "studies"))
    yield from stretches(due_study_days(store, plan), {day for day in failed if day})


def _span_studies(_: Store, plan: Plan) -> Due:
    if span_is_due(plan):
        yield []


def _publication(store: Store, _: Plan) -> Due:
    if has_bars(store) and not is_published(store):
        yield []


_DUE = {VENUE_DAYS.name: _venue_days, STUDIES.name: _studies, SPAN_STUDIES.name: _span_studies,
        PUBLICATION.name: _publication}
