"""`Store`: a home with its ledger and its configuration, and SQL over its current files."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from copy import copy
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING

from imbalance import catalog
from imbalance.config import Config
from imbalance.contracts import Table
from imbalance.errors import UserError
from imbalance.store.home import Home
from imbalance.store.ledger import Ledger

if TYPE_CHECKING:
    import duckdb


class Store:
    """Everything that a task, a publisher or a reader needs of a home.

    Parameters
    ----------
    home : where it is.
    config : settings; defaults when not given.
    tables : the tables it holds, by name; those of the catalog when not given.
    """

    def __init__(
        self,
        home: Home,
        config: Config | None = None,
        tables: Mapping[str, Table] | None = None,
    ) -> None:
        self.home = home
        self.config = config or Config()
        self.ledger: Ledger = Ledger(home.ledger_path)
        self._tables = tables
        self.reasons: dict[tuple[str, str], list[str]] | None = None
        """Why what was asked about is not current, by first table and partition; None: not kept."""

    @classmethod
    def open(
        cls, path: str | Path, *, create: bool = False, config: Config | None = None
    ) -> Store:
        """The store of the home at `path`; see `Home.open`."""
        return cls(Home.open(path, create), config)

    @cached_property
    def tables(self) -> Mapping[str, Table]:
        """The tables of this store by name, in the order of the data's way."""
        return catalog.tables() if self._tables is None else self._tables

    def table(self, name: str) -> Table:
        """The table of that name.

        Raises
        ------
        UserError
            If there is none.
        """
        if self._tables is None:
            return catalog.table(name)
        if name not in self._tables:
            raise UserError(f"there is no table {name!r}", allowed=", ".join(self._tables))
        return self._tables[name]

    def at_one_moment(self) -> Store:
        """The same store with its ledger read once, as it is now: to ask much, and not to write.

        Reasons are kept where this one keeps them.
        """
        from imbalance.store.snapshot import Snapshot

        store = copy(self)
        store.ledger = Snapshot(self.ledger)
        return store

    def session(
        self, at: int | None = None, *, described: bool = True
    ) -> duckdb.DuckDBPyConnection:
        """A locked-down DuckDB connection in which every table of the catalog is a view.

        Parameters
        ----------
        at : ledger sequence to read at; the last one when not given. What others commit later
            is not seen.
        described : with the registry's comments on tables and columns.
        """
        from imbalance.store.session import open_session

        return open_session(self, at, described=described)

    def survey(self, tables: Sequence[str]) -> duckdb.DuckDBPyConnection:
        """The same of a few tables as they are now, of which files that are missing are left out:
        to tell how the home fares.
        """
        from imbalance.store.session import open_survey

        return open_survey(self, tables)
