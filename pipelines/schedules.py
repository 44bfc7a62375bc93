"""The daily schedules: yesterday's captures, then its studies, then a generation.

An hour apart, since each is a run of its own and waits for nothing: what the one before has not
finished is made by the next day's, or by `imbalance run`. All times are UTC.
"""

import datetime
from collections.abc import Sequence

import dagster as dg

from assets.partitions import DAY_FORMAT, VENUES, Partitions, key
from pipelines.jobs import PUBLICATION, SPAN_STUDIES, STUDIES, VENUE_DAYS

Requests = list[dg.RunRequest] | dg.SkipReason


def daily(partitions: Partitions) -> Sequence[dg.ScheduleDefinition]:
    """The schedules; in a home of history, whose days have ended, they skip."""

    def yesterday(context: dg.ScheduleEvaluationContext) -> str | None:
        day = context.scheduled_execution_time - datetime.timedelta(days=1)
        text = day.strftime(DAY_FORMAT)
        return text if partitions.days.has_partition_key(text) else None

    ended = dg.SkipReason("the captures of this home end before yesterday: nothing is recorded")

    @dg.schedule(job=VENUE_DAYS, cron_schedule="20 0 * * *", name="daily_venue_days",
                 description="Yesterday of every venue, once the day is over.")
    def venue_days(context: dg.ScheduleEvaluationContext) -> Requests:
        day = yesterday(context)
        venues = context.instance.get_dynamic_partitions(str(VENUES.name))
        if day is None or not venues:
            return ended
        keys = [key(day, venue) for venue in venues]
        return [dg.RunRequest(run_key=one, partition_key=one) for one in keys]

    @dg.schedule(job=STUDIES, cron_schedule="20 1 * * *", name="daily_studies",
                 description="The studies of yesterday.")
    def studies(context: dg.ScheduleEvaluationContext) -> Requests:
        day = yesterday(context)
        return ended if day is None else [dg.RunRequest(run_key=day, partition_key=day)]

    @dg.schedule(job=SPAN_STUDIES, cron_schedule="50 1 * * *", name="daily_span_studies",
                 description="The studies over the whole span.")
    def span_studies(context: dg.ScheduleEvaluationContext) -> Requests:
        day = yesterday(context)
        return ended if day is None else [dg.RunRequest(run_key=day)]

    @dg.schedule(job=PUBLICATION, cron_schedule="20 2 * * *", name="daily_publication",
                 description="A generation of everything that passes the gate.")
    def publication(context: dg.ScheduleEvaluationContext) -> Requests:
        day = yesterday(context)
        return ended if day is None else [dg.RunRequest(run_key=day)]

    return [venue_days, studies, span_studies, publication]
