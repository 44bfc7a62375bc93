"""What a run has come to, as one document; and that there was nothing to do, before one is started.

The plan decides, so that it takes no Dagster to find that all is current. Not here: how what is due
is made (`pipelines`), and how the document is told (`cli`).
"""

from __future__ import annotations

import time
from collections.abc import Mapping, Sequence
from typing import Any

from imbalance.errors import EXIT_DONE, EXIT_FAILED
from imbalance.plan import Plan, check_range, make_plan
from imbalance.store.generations import list_generations
from imbalance.store.publishing import is_published
from imbalance.store.store import Store
from imbalance.summary import home_summary


def nothing_to_do(store: Store, limits: Mapping[str, str | None]) -> dict[str, Any] | None:
    """The outcome of a run over a home in which all is current and published; None over another.

    Parameters
    ----------
    limits : `first` and `last` day and `venue`, as `imbalance.plan.make_plan` takes them.

    Raises
    ------
    UserError
        When no capture holds a day of the range.
    """
    began = time.monotonic()
    plan = make_plan(store, **limits)
    check_range(plan, limits["first"], limits["last"], store.config.first_day)
    if plan.due() or not is_published(store):
        return None
    return {**outcome(store, "nothing_to_do", plan, 0, (), began), "log": None}


def outcome(
    store: Store, status: str, plan: Plan, built: int,
    failures: Sequence[Mapping[str, str]], began: float,
) -> dict[str, Any]:
    """The outcome of a run.

    Parameters
    ----------
    status : `done` or `nothing_to_do`; it is `failed` where anything has.
    plan : what is due after it.
    built : how many steps it has made.
    failures : `step`, `partition` and `message` of each.
    began : when it began, by the monotonic clock.
    """
    due = len(plan.due())
    published = [g for g in list_generations(store.home) if g.current]
    return {
        "status": "failed" if failures else status,
        **home_summary(store),
        "partitions": {
            "built": built,
            "unchanged": len(plan.steps) - due - built,
            "left": due,
        },
        "generation": published[0].id if published else None,
        "failures": list(failures),
        "seconds": round(time.monotonic() - began, 3),
        "exit_code": EXIT_FAILED if failures else EXIT_DONE,
    }
