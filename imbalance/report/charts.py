"""Charts of what was recorded: the coverage ribbon, and price with order flow beneath it.

Belongs here: drawings over time. Charts of the studies are in `studies_charts`; style and export
are in `figures`. Everything drawn is thinned out already.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from itertools import groupby
from typing import TYPE_CHECKING, Any

import numpy as np

from imbalance.report import words
from imbalance.report.figures import Drawing, blank_figure, house_style
from imbalance.report.palette import colour
from imbalance.report.records import Series, Stretch

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

_DAY_NS = 86_400_000_000_000
_MINUTE_NS = 60_000_000_000
_STATES = (("valid", "valid"), ("partial", "partly poisoned"), ("invalid", "poisoned throughout"))


def coverage_ribbon(series: Sequence[Series], stretches: Sequence[Stretch]) -> Drawing:
    """One ribbon per instrument: where its bars are valid, partly poisoned, or poisoned."""
    from matplotlib.patches import Patch

    with house_style():
        height = 0.75 + 0.26 * len(series)
        figure = blank_figure(height)
        rows = _time_axes(figure, stretches, [1], left=2.05, bottom=0.42, top=0.28)
        for axes, stretch in zip(rows[0], stretches, strict=True):
            for row, one in enumerate(series):
                _ribbon(axes, one, stretch, row)
            axes.set_ylim(len(series) - 0.5, -0.5)
            axes.set_yticks(range(len(series)), [words.shortened(s.instrument, 28) for s in series])
            axes.tick_params(axis="y", length=0, labelcolor=colour("ink"))
            axes.grid(visible=False, axis="y")
        handles = [Patch(facecolor=colour(name), label=text) for name, text in _STATES]
        figure.legend(handles=handles, loc="upper right", ncols=3, frameon=False, fontsize=8,
                      bbox_to_anchor=(1.0, 1.0), borderaxespad=0.1, handlelength=1.2)
    return Drawing(figure, f"Coverage of {len(series)} instruments over time")


def price_and_flow(series: Series, stretches: Sequence[Stretch]) -> Drawing:
    """Mid price with its range, order flow imbalance beneath, and where the bars are valid.

    Spans that are poisoned are shaded.
    """
    from matplotlib.ticker import MaxNLocator

    with house_style():
        figure = blank_figure(3.3)
        price_row, flow_row, ribbon_row = _time_axes(
            figure, stretches, [1.7, 1, 0.11], left=1.1, bottom=0.42, top=0.12
        )
        for column, stretch in enumerate(stretches):
            grid = _Grid(series, stretch)
            upper, lower = price_row[column], flow_row[column]
            upper.fill_between(grid.middles, grid.low, grid.high, color=colour("range"),
                               linewidth=0)
            upper.plot(grid.middles, grid.price, color=colour("price"), linewidth=1.1)
            flow = np.append(grid.flow, np.nan)
            for sign, name in ((1, "buying"), (-1, "selling")):
                lower.fill_between(grid.edges, 0, np.maximum(sign * flow, 0) * sign, step="post",
                                   color=colour(name), linewidth=0)
            lower.axhline(0, color=colour("muted"), linewidth=0.6)
            for start, end, whole in grid.poisoned_spans():
                for axes in (upper, lower):
                    axes.axvspan(start, end, color=colour("poisoned"),
                                 alpha=0.55 if whole else 0.25, linewidth=0, zorder=0)
            _ribbon(ribbon_row[column], series, stretch, 0)
            ribbon_row[column].set(ylim=(-0.32, 0.32), yticks=[])
            ribbon_row[column].grid(visible=False)
        price_row[0].set_ylabel("mid price\n(quote currency)")
        flow_row[0].set_ylabel("order flow\n(base units)")
        for axes in (price_row[0], flow_row[0]):
            axes.yaxis.set_major_locator(MaxNLocator(5, steps=[1, 2, 2.5, 5, 10]))
            axes.yaxis.set_major_formatter(lambda value, _: _tick(value))
        figure.align_ylabels([price_row[0], flow_row[0]])
    bucket = words.duration(series.bucket_ns / 1e9)
    return Drawing(
        figure, f"Mid price and order flow imbalance per {bucket} of {series.instrument}"
    )


class _Grid:
    """A series laid on the regular buckets of one stretch, NaN where it has none."""

    def __init__(self, series: Series, stretch: Stretch) -> None:
        first = stretch.start_ns // series.bucket_ns
        length = -(-stretch.end_ns // series.bucket_ns) - first
        place = series.start_ns // series.bucket_ns - first
        inside = (place >= 0) & (place < length)
        self.edges = (first + np.arange(length + 1)) * series.bucket_ns / _DAY_NS
        self.middles = (self.edges[:-1] + self.edges[1:]) / 2

        def lay(values: np.ndarray) -> np.ndarray:
            laid = np.full(length, np.nan)
            laid[place[inside]] = values[inside]
            return laid

        self.price, self.low, self.high = lay(series.price), lay(series.low), lay(series.high)
        self.flow, self.valid_share = lay(series.flow), lay(series.valid_share)

    def spans(self, states: Sequence[Any]) -> list[tuple[float, float, Any]]:
        """Runs of buckets with the same state, as (start, end, state) in days."""
        found, position = [], 0
        for state, run in groupby(states):
            length = len(list(run))
            found.append(
                (float(self.edges[position]), float(self.edges[position + length]), state)
            )
            position += length
        return found

    def poisoned_spans(self) -> list[tuple[float, float, bool]]:
        """Runs of buckets that are not wholly valid, and whether they are poisoned throughout."""
        states = [None if not share < 1 else bool(share == 0) for share in self.valid_share]
        return [(a, b, state) for a, b, state in self.spans(states) if state is not None]

    def ribbon_states(self) -> list[str | None]:
        """Per bucket the name of its state, None where the instrument has no bars."""
        shares = self.valid_share
        states = np.where(shares == 1, "valid", np.where(shares > 0, "partial", "invalid"))
        return [None if np.isnan(s) else str(n) for s, n in zip(shares, states, strict=True)]


def _ribbon(axes: Axes, series: Series, stretch: Stretch, row: int) -> None:
    grid = _Grid(series, stretch)
    spans = grid.spans(grid.ribbon_states())
    for name, _ in _STATES:
        bars = [(start, end - start) for start, end, state in spans if state == name]
        if bars:
            axes.broken_barh(bars, (row - 0.32, 0.64), facecolors=colour(name), linewidth=0)


def _time_axes(
    figure: Figure,
    stretches: Sequence[Stretch],
    heights: Sequence[float],
    *,
    left: float,
    bottom: float,
    top: float,
) -> list[list[Axes]]:
    """Rows of axes over time, one column per stretch, as wide as it is long; margins in inches."""
    width, height = figure.get_size_inches()
    lengths = [stretch.end_ns - stretch.start_ns for stretch in stretches]
    shortest = max(sum(lengths) * 0.08, 1)
    widths = [max(length, shortest) for length in lengths]
    grid = figure.add_gridspec(
        len(heights), len(stretches), width_ratios=widths, height_ratios=heights,
        left=left / width, right=1 - 0.3 / width, bottom=bottom / height, top=1 - top / height,
        wspace=0.04, hspace=0.12,
    )
    rows: list[list[Axes]] = []
    for row in range(len(heights)):
        rows.append([])
        for column, stretch in enumerate(stretches):
            axes = figure.add_subplot(
                grid[row, column],
                sharex=rows[0][column] if row else None,
                sharey=rows[row][0] if column else None,
            )
            axes.set_xlim(stretch.start_ns / _DAY_NS, stretch.end_ns / _DAY_NS)
            inches = (width - left - 0.3) * widths[column] / sum(widths)
            _time_ticks(axes, stretch, inches, labelled=row == len(heights) - 1)
            if column:
                axes.spines["left"].set_linestyle((0, (2, 3)))
                axes.tick_params(axis="y", labelleft=False, length=0)
            rows[row].append(axes)
    return rows


def _time_ticks(axes: Axes, stretch: Stretch, inches: float, *, labelled: bool) -> None:
    from matplotlib import dates

    untyped: Any = dates

    seconds = (stretch.end_ns - stretch.start_ns) / 1e9
    if inches < 1.0:
        # Room for one label: the minute in the middle.
        middle = (stretch.start_ns + stretch.end_ns) // 2 // _MINUTE_NS * _MINUTE_NS
        axes.set_xticks([middle / _DAY_NS])
    else:
        most = max(int(1.5 * inches), 3)
        axes.xaxis.set_major_locator(untyped.AutoDateLocator(minticks=2, maxticks=most))
    pattern = "%H:%M:%S" if seconds < 180 else "%H:%M" if seconds < 2 * 86_400 else "%d %b"
    axes.xaxis.set_major_formatter(untyped.DateFormatter(pattern))
    axes.tick_params(axis="x", labelbottom=labelled)
    if labelled:
        axes.set_xlabel(_days(stretch, inches), labelpad=2)


def _days(stretch: Stretch, inches: float) -> str:
    """The days of a stretch, as far as they find room beneath it."""
    first, last = words.moment(stretch.start_ns)[:10], words.moment(stretch.end_ns - 1)[:10]
    whole = f"{first}, UTC" if first == last else f"{first} to {last}, UTC"
    return next(text for text in (whole, first, first[5:])
                if 0.07 * len(text) < inches or text == first[5:])


def _tick(value: float) -> str:
    """At most nine characters or so: the margin has room for no more."""
    for unit, name in ((1e9, " bn"), (1e6, " M")):
        if abs(value) >= 10 * unit:
            return f"{value / unit:,.6g}{name}".replace("-", "−")
    return re.sub(r"e-0*", "e−", f"{value:,.10g}").replace("-", "−")
