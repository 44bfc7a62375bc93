"""What a study is given: its families, the bars and the events of the window, where to report.

Reading is lazy and by need: the columns of one bar size, the events of one instrument. Nothing is
estimated here.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from imbalance.progress import SILENT, Progress
from imbalance.studies.alignment import Panel, align
from imbalance.studies.bars import TableBars
from imbalance.studies.columns import EVENTS
from imbalance.studies.measures import FLOW, IMAGE_FLOW
from imbalance.studies.rows import Window
from imbalance.studies.study import Family
from imbalance.studies.windows import Scope, day_of, scope_of

if TYPE_CHECKING:
    from imbalance.studies.events import Events

GRID_COLUMNS = (
    "instrument", "bar_start", "bar_end", "available_at", "valid", "poisoned", "coverage",
)
"""Columns of the bars that every panel needs."""

ReadBars = Callable[[str, Sequence[str]], Mapping[str, Any]]


@dataclass(frozen=True)
class StudyInput:
    """One window of the data, as a study sees it.

    Parameters
    ----------
    partition : of the tables; it says what kind of window this is.
    families : what to estimate, of the study's own class.
    read_bars : bars of a size with some columns, all days together, by instrument as Arrow tables
        that are read when they are asked for.
    events : tables of events, where the study has declared any.
    progress : told what is being worked on.
    days : of the window; by default the day of the partition.
    """

    partition: str
    families: Sequence[Any]
    read_bars: ReadBars
    events: Events | None = None
    progress: Progress = field(default=SILENT)
    days: tuple[str, ...] = ()

    @classmethod
    def of_bars(
        cls, bars: Mapping[str, Any], families: Sequence[Family], *, partition: str,
        progress: Progress = SILENT,
    ) -> StudyInput:
        """The input over Arrow tables of bars, of all instruments, by bar size."""
        found = {size: TableBars(table) for size, table in bars.items()}
        return cls(partition, families, lambda size, _: found.get(size, {}), None, progress)

    @property
    def scope(self) -> Scope:
        """Kind of the window."""
        return scope_of(self.partition)

    def nowhere(self, bar_size: str) -> Window:
        """How rows name the window where it holds nothing: by its days."""
        day = day_of(self.partition)
        return Window.of_days(self.days or ((day,) if day else ()), self.scope, bar_size)

    def window_of(self, spans: Iterable[tuple[int, int, int]]) -> Window:
        """How rows of events name the window: from the first begin of all to the last end.

        Parameters
        ----------
        spans : begin, end and when it was known, ns, of the events of each instrument that has any.
        """
        found = list(spans)
        if not found:
            return self.nowhere(EVENTS)
        begins, ends, known = zip(*found, strict=True)
        return Window(self.scope, EVENTS, min(begins), max(ends), max(known))

    def panel(
        self, bar_size: str, measures: Sequence[str], reach: int
    ) -> tuple[Panel | None, Window]:
        """Bars of one size on a grid, poisoned and invalid ones taken out; and how rows name them.

        Parameters
        ----------
        measures : columns to take.
        reach : largest distance in bars that an estimate looks over.

        Returns
        -------
        The panel, or None when the window holds no such bars; and the window.
        """
        if FLOW in measures:
            measures = tuple(dict.fromkeys((*measures, IMAGE_FLOW)))
        wanted = dict.fromkeys((*GRID_COLUMNS, *measures))
        panel = align(self.read_bars(bar_size, tuple(wanted)), bar_size, measures, reach)
        if panel is None:
            return None, self.nowhere(bar_size)
        return panel, Window.of(panel, self.scope, bar_size)
