"""The daily schedules: yesterday's captures, then its studies, then a generation.

An hour apart, since each is a run of its own and waits for nothing: what the one before has not
finished is made by the next day's, or by `imbalance run`. All times are UTC.
"""

from __future__ import annotations

import datetime
from collections.abc import Iterator

import dagster as dg

from assets.partitions import DAY_FORMAT, VENUES, key
from pipelines.jobs import PUBLICATION, SPAN_STUDIES, STUDIES, VENUE_DAYS


def _yesterday(context: dg.ScheduleEvaluationContext) -> str:
    return (context.scheduled_execution_time - datetime.timedelta(days=1)).strftime(DAY_FORMAT)


@dg.schedule(job=VENUE_DAYS, cron_schedule="20 0 * * *", name="daily_venue_days",
             description="Yesterday of every venue, once the day is over.")
def daily_venue_days(
    context: dg.ScheduleEvaluationContext,
) -> Iterator[dg.RunRequest | dg.SkipReason]:
    """One run per venue."""
    day = _yesterday(context)
    venues = context.instance.get_dynamic_partitions(str(VENUES.name))
    if not venues:
        yield dg.SkipReason("no venue has been registered yet")
    for venue in venues:
        partition = key(day, venue)
        yield dg.RunRequest(run_key=partition, partition_key=partition)


@dg.schedule(job=STUDIES, cron_schedule="20 1 * * *", name="daily_studies",
             description="The studies of yesterday.")
def daily_studies(context: dg.ScheduleEvaluationContext) -> dg.RunRequest:
    """One run for the day."""
    day = _yesterday(context)
    return dg.RunRequest(run_key=day, partition_key=day)


@dg.schedule(job=SPAN_STUDIES, cron_schedule="50 1 * * *", name="daily_span_studies",
             description="The studies over the whole span.")
def daily_span_studies(context: dg.ScheduleEvaluationContext) -> dg.RunRequest:
    """One run."""
    return dg.RunRequest(run_key=_yesterday(context))


@dg.schedule(job=PUBLICATION, cron_schedule="20 2 * * *", name="daily_publication",
             description="A generation of everything that passes the gate.")
def daily_publication(context: dg.ScheduleEvaluationContext) -> dg.RunRequest:
    """One run."""
    return dg.RunRequest(run_key=_yesterday(context))


SCHEDULES = (daily_venue_days, daily_studies, daily_span_studies, daily_publication)
