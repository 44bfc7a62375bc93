"""The sensor that tells of failed runs, of schedules and sensors that cannot be evaluated, and of
days that are overdue, to whom the settings name.

It remembers in its cursor, which Dagster keeps, what it has told: a restart tells nothing twice,
and what could not be delivered is told by a later look. What counts as overdue is
`imbalance.overdue`'s. Dagster: https://docs.dagster.io/guides/automate/sensors
"""

from __future__ import annotations

import datetime
import json
import os
import re
import subprocess
import time
import urllib.error
import urllib.request
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass
from functools import partial
from typing import Any

import dagster as dg

from imbalance.config import AlertsConfig, Config
from imbalance.overdue import overdue
from imbalance.store.store import Store
from imbalance.warehouse import Warehouse
from pipelines.failures import failure_of, first_words
from pipelines.instance import RUN_TAG

WILL_RETRY = "dagster/will_retry"
"""Tag by which Dagster says whether it tries a failed run again."""

PATIENCE_SECONDS = 30.0
"""How long a program or an address may take over one alert."""

OVERLAP_SECONDS = 300.0
"""Runs that ended this long before the last look are looked at again: the end of a run is written
down before its record can be seen."""

LATEST_SECONDS = 7 * 86_400.0
"""How late a schedule may be evaluated, when nothing has run for so long, and still be told of."""

LOOK_SECONDS = 40.0
"""How long all alerts of a look may take: after 60 s Dagster ends it, and nothing of it is kept."""

_ENDED = re.compile(r"Run execution process for \S+ (.+?\.)(?:\s|$)")
"""How Dagster's code server tells that the process of a run was killed, or ended by itself."""

MOST_TOLD = 4000
"""What the cursor remembers of who was told what that is not due any more."""


@dataclass(frozen=True)
class Alert:
    """What is told.

    Parameters
    ----------
    kind : `run_failed`, `not_evaluated`, or the kind of `imbalance.overdue.Overdue`.
    subject : the job, the schedule or sensor, or the venue and day.
    run : id of the run that failed.
    concerns : the table or the instrument of the day, where it is one; the day on which a schedule
        or sensor could not be evaluated.
    part_of : the `imbalance run` whose part the run was: of those that failed of the same, the
        first is told.
    """

    kind: str
    subject: str
    message: str
    run: str = ""
    concerns: str = ""
    part_of: str = ""

    @property
    def key(self) -> str:
        """By which it is known as told."""
        if self.part_of:
            return f"{self.part_of} {self.subject}"
        return self.run or f"{self.kind} {self.subject} {self.concerns}".strip()


Tell = Callable[[str, float], object]


def targets(settings: AlertsConfig) -> dict[str, Tell]:
    """Who is told, by the name of the setting, each by a function of the alert's line
    and of the seconds it may take.
    """
    named: dict[str, Tell] = {}
    if settings.file:
        named["file"] = partial(_to_file, settings.file)
    if settings.command:
        named["command"] = partial(_to_command, settings.command)
    if settings.webhook:
        named["webhook"] = partial(_to_webhook, settings.webhook)
    return named


def tell_all(
    due: Iterable[Alert], named: Mapping[str, Tell], told: Sequence[str],
    seconds: float = LOOK_SECONDS,
) -> tuple[list[str], dict[str, str]]:
    """Tell everybody of what they have not been told of.

    Parameters
    ----------
    told : what who has been told, `target key`.
    seconds : how long it may take altogether; who is not told by then is told another time.

    Returns
    -------
    list of str
        The same afterwards.
    dict of str to str
        Targets that could not be told of all, and why. Not in it: what a program was started with
        and what it printed, which may hold secrets.
    """
    done, failed = dict.fromkeys(told), dict[str, str]()
    until = time.monotonic() + seconds
    standing = list(due)
    for alert in standing:
        at = datetime.datetime.now(datetime.UTC).isoformat(timespec="seconds")
        line = json.dumps({"at": at, **asdict(alert)}) + "\n"
        for name, tell in named.items():
            if f"{name} {alert.key}" in done or name in failed:
                continue
            left = until - time.monotonic()
            if left <= 0.0:
                failed[name] = "no time was left"
                continue
            try:
                tell(line, min(left, PATIENCE_SECONDS))
            except (OSError, subprocess.SubprocessError, ValueError) as error:
                failed[name] = _cause(error)
            else:
                done[f"{name} {alert.key}"] = None
    # However many there are: what is still due and forgotten would be told again at each look.
    still = {f"{name} {alert.key}" for alert in standing for name in named}
    past = [one for one in done if one not in still]
    return [*past[-MOST_TOLD:], *(one for one in done if one in still)], failed


def _to_file(path: str, line: str, _: float) -> None:
    descriptor = os.open(path, os.O_WRONLY | os.O_APPEND | os.O_CREAT, 0o644)
    with os.fdopen(descriptor, "a", encoding="utf-8") as file:
        file.write(line)


def _to_command(command: Sequence[str], line: str, seconds: float) -> None:
    subprocess.run(
        list(command), input=line, text=True, check=True, timeout=seconds,
        stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL,
    )


def _to_webhook(address: str, line: str, seconds: float) -> None:
    # Neither proxies nor redirections: what is posted stays on this machine.
    opener = urllib.request.OpenerDirector()
    opener.add_handler(urllib.request.HTTPHandler())
    opener.add_handler(urllib.request.HTTPErrorProcessor())
    opener.add_handler(urllib.request.HTTPDefaultErrorHandler())
    request = urllib.request.Request(  # noqa: S310 - the settings allow http on the loopback only
        address, data=line.encode(), headers={"Content-Type": "application/json"}
    )
    with opener.open(request, timeout=seconds):
        pass


def _cause(error: Exception) -> str:
    if isinstance(error, subprocess.CalledProcessError):
        return f"ended with {error.returncode}"
    if isinstance(error, subprocess.TimeoutExpired):
        return f"took longer than {error.timeout:.3g} s"
    if isinstance(error, urllib.error.HTTPError):
        return f"answered {error.code}"
    if isinstance(error, OSError) and error.strerror:
        return error.strerror
    return type(error).__name__


def failed_runs(instance: dg.DagsterInstance, since: float) -> Iterator[Alert]:
    """Runs that have failed since a moment, the oldest first, unless they are tried again."""
    records = instance.get_run_records(
        dg.RunsFilter(
            statuses=[dg.DagsterRunStatus.FAILURE],
            updated_after=datetime.datetime.fromtimestamp(since, datetime.UTC),
        ),
        ascending=True,
    )
    for record in records:
        run = record.dagster_run
        # What `imbalance run` has executed is marked so too, and the daemon cannot launch it again.
        if run.tags.get(WILL_RETRY) == "true" and run.remote_job_origin is not None:
            continue
        partition = run.tags.get("dagster/partition") or " … ".join(
            run.tags[name] for name in (
                "dagster/asset_partition_range_start", "dagster/asset_partition_range_end"
            ) if name in run.tags
        )
        subject = f"{run.job_name} {partition}".strip()
        yield Alert("run_failed", subject, _message(instance, run.run_id), run.run_id,
                    part_of=run.tags.get(RUN_TAG, ""))


def failed_ticks(instance: dg.DagsterInstance, since: float) -> Iterator[Alert]:
    """Schedules and sensors that could not be evaluated since a moment, once a day each: of such a
    failure there is no run.
    """
    for state in instance.all_instigator_state():
        kind = state.instigator_type.value.lower()
        # A tick of a schedule has the moment that was due, of a sensor that of its evaluation.
        after = since - LATEST_SECONDS if kind == "schedule" else since
        ticks = instance.get_ticks(state.instigator_origin_id, state.selector_id, after=after)
        for tick in sorted(ticks, key=lambda tick: tick.timestamp):
            if tick.status.value != "FAILURE" or (tick.end_timestamp or tick.timestamp) < since:
                continue
            error = tick.error
            said = first_words((error.cause or error).message) if error else "failed"
            day = datetime.datetime.fromtimestamp(tick.timestamp, datetime.UTC).date().isoformat()
            yield Alert("not_evaluated", f"{kind} {state.instigator_name}", said, concerns=day)


def overdue_days(store: Store, now: datetime.datetime) -> Iterator[Alert]:
    """What is overdue at a moment."""
    for one in overdue(store, now):
        yield Alert(one.kind, f"{one.venue} {one.day}", one.message, concerns=one.concerns)


def _message(instance: dg.DagsterInstance, run_id: str) -> str:
    """What a step said when it failed, else how the run's process ended, else what was said of the
    run.
    """
    events: list[Any] = []
    for kind in (dg.DagsterEventType.STEP_FAILURE, dg.DagsterEventType.RUN_FAILURE):
        events += instance.all_logs(run_id, of_type=kind)
    for event in (entry.dagster_event for entry in events):
        said = failure_of(event)
        if said:
            return said
    for entry in instance.all_logs(run_id, of_type=dg.DagsterEventType.ENGINE_EVENT):
        ended = _ENDED.search(entry.message)
        if ended:
            return f"its process {ended[1]}"
    return str(events[-1].message) if events else "failed"


def alerts(config: Config) -> dg.SensorDefinition:
    """The sensor over failed runs and overdue days."""
    settings = config.alerts
    named = bool(settings.command or settings.file or settings.webhook)

    @dg.sensor(
        name="alerts", minimum_interval_seconds=60,
        default_status=dg.DefaultSensorStatus.RUNNING if named else dg.DefaultSensorStatus.STOPPED,
        description="Tells of failed runs, of schedules and sensors that cannot be evaluated, and "
        "of days of live venues that are missing, failed, late or of a broken feed, once each: in "
        "its log, and to the program, file or address of `[alerts]` in the settings. On by itself "
        "where one is named.",
    )
    def sensor(
        context: dg.SensorEvaluationContext, warehouse: dg.ResourceParam[Warehouse]
    ) -> dg.SkipReason:
        now = datetime.datetime.now(datetime.UTC)
        # What failed before anybody listened is history.
        known = json.loads(context.cursor or json.dumps({"since": now.timestamp(), "told": []}))
        due = [
            *failed_runs(context.instance, known["since"] - OVERLAP_SECONDS),
            *failed_ticks(context.instance, known["since"] - OVERLAP_SECONDS),
            *overdue_days(warehouse.open(), now),
        ]
        log: Tell = lambda line, _: context.log.warning(line)  # noqa: E731
        named = {"log": log, **targets(settings)}
        told, failed = tell_all(due, named, known["told"])
        since = known["since"] if failed else now.timestamp()
        context.update_cursor(json.dumps({"since": since, "told": told}))
        for name, cause in failed.items():
            context.log.error(f"[alerts] {name} was not told: {cause}; it is tried again")
        missed = "".join(f"; {name}: {cause}, is tried again" for name, cause in failed.items())
        new = {one.partition(" ")[2] for one in set(told) - set(known["told"])}
        said = f"told of {len(new)}" if new else "nothing new to tell of"
        return dg.SkipReason(said + missed)

    return sensor
