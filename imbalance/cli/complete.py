"""What the shell offers when Tab is pressed: tables, columns, instruments, days, generations.

A completion never fails and never makes a home: where there is nothing to read, it offers nothing.
Switch it on with `eval "$(_IMBALANCE_COMPLETE=bash_source imbalance)"` (or zsh_source,
fish_source).
"""

from __future__ import annotations

import functools
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import TYPE_CHECKING

import click

if TYPE_CHECKING:
    from imbalance.store.store import Store

Complete = Callable[[click.Context, click.Parameter, str], list[str]]


def _starting(choices: Iterable[str], incomplete: str) -> list[str]:
    return sorted(choice for choice in choices if choice.startswith(incomplete))


def _never_fails(complete: Complete) -> Complete:
    """The same, but nothing is offered where something cannot be read."""
    @functools.wraps(complete)
    def quiet(ctx: click.Context, param: click.Parameter, incomplete: str) -> list[str]:
        from imbalance.errors import UserError

        try:
            return complete(ctx, param, incomplete)
        except UserError:
            return []

    return quiet


def _store(ctx: click.Context) -> Store | None:
    """The store of the home that the options before the word name; None when there is none."""
    from imbalance.errors import UserError
    from imbalance.store.store import Store

    home = ctx.find_root().params.get("home")
    try:
        return Store.open(Path(home or "warehouse"))
    except UserError:
        return None


def tables_and_columns(ctx: click.Context, param: click.Parameter, incomplete: str) -> list[str]:  # noqa: ARG001
    """`features.bars_1s`, and once a table is written out, its columns."""
    from imbalance import catalog

    tables = {**catalog.tables(), **catalog.views()}
    table = tables.get(incomplete.rpartition(".")[0])
    if table is not None:
        return _starting((f"{table.name}.{name}" for name in table.column_names), incomplete)
    return _starting(tables, incomplete)


def features(ctx: click.Context, param: click.Parameter, incomplete: str) -> list[str]:  # noqa: ARG001
    """`bars_1s.order_flow_imbalance`: columns that a training set can have."""
    from imbalance.training.request import bar_tables

    names = (f"{table.base_name}.{column}" for table in bar_tables().values()
             for column in table.column_names)
    return _starting(names, incomplete)


@_never_fails
def generations(ctx: click.Context, param: click.Parameter, incomplete: str) -> list[str]:  # noqa: ARG001
    """Ids of published generations, and `current`."""
    from imbalance.store.generation_index import names

    store = _store(ctx)
    return [] if store is None else _starting([*names(store.home), "current"], incomplete)


@_never_fails
def days(ctx: click.Context, param: click.Parameter, incomplete: str) -> list[str]:  # noqa: ARG001
    """Days that captures hold."""
    from imbalance.store.ledger_rows import days_of

    store = _store(ctx)
    if store is None:
        return []
    return _starting({day for c in store.ledger.captures() for day in days_of(c)}, incomplete)


@_never_fails
def venues(ctx: click.Context, param: click.Parameter, incomplete: str) -> list[str]:  # noqa: ARG001
    """Venues of the captures."""
    store = _store(ctx)
    return [] if store is None else _starting(
        {capture.venue for capture in store.ledger.captures()}, incomplete)


@_never_fails
def instruments(ctx: click.Context, param: click.Parameter, incomplete: str) -> list[str]:  # noqa: ARG001
    """Instruments that have bars, by those of a second."""
    store = _store(ctx)
    if store is None:
        return []
    with store.session(described=False) as session:
        rows = session.execute("select distinct instrument from features.bars_1s").fetchall()
    return _starting((row[0] for row in rows), incomplete)
