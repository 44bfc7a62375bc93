"""What Dagster's events of failures say, in a line that a user can read."""

from __future__ import annotations

import dagster as dg

_CHECKS = "blocking asset check"


def failure_of(event: dg.DagsterEvent) -> str | None:
    """Why a step or a run failed; None when the event does not say."""
    data = event.event_specific_data
    said = getattr(data, "user_failure_data", None)
    if said and said.description:
        return str(said.description)
    error = getattr(data, "error", None)
    return first_words(str((error.cause or error).message)) if error else None


def first_words(message: str) -> str:
    """What an exception said; where its first line announces those after it, with the first of
    them, such as the check that failed.
    """
    first, *others = [line.strip() for line in message.strip().splitlines()] or [""]
    return f"{first} {others[0]}" if first.endswith(":") and others else first


def names_checks(message: str) -> bool:
    """Whether it is what Dagster says of failed checks: their names, and not what they found."""
    return _CHECKS in message
