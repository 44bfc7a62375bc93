"""Drawing of the study of price impact: R² by levels of the book, and how the price moves on."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from imbalance.report import words
from imbalance.report.figures import WIDTH, Drawing, blank_figure, house_style
from imbalance.report.palette import colour

if TYPE_CHECKING:
    from matplotlib.axes import Axes

_COLUMNS = 4


@dataclass(frozen=True)
class Point:
    """A row of `price_impact_paths.sql`."""

    bar_size: str
    instrument: str
    estimator: str
    step: int
    estimate: float
    interval_low: float | None
    interval_high: float | None


def paths(points: Sequence[Point]) -> Drawing:
    """For each instrument of one bar size: R² by levels above, the price's way below."""
    names = list(dict.fromkeys(point.instrument for point in points))
    blocks = -(-len(names) // _COLUMNS)
    with house_style():
        figure = blank_figure(3.7 * blocks + 0.3)
        height = figure.get_figheight()
        grid = figure.add_gridspec(
            2 * blocks, _COLUMNS, left=0.5 / WIDTH, right=1 - 0.05 / WIDTH, bottom=0.42 / height,
            top=1 - 0.55 / height, wspace=0.26, hspace=0.72,
        )
        handles: list[object] = []
        for number, name in enumerate(names):
            block, column = divmod(number, _COLUMNS)
            mine = [point for point in points if point.instrument == name]
            upper = figure.add_subplot(grid[2 * block, column])
            handles = _levels(upper, mine) or handles
            upper.set_title(words.shortened(name, 30), fontsize=7.5)
            _way(figure.add_subplot(grid[2 * block + 1, column]), mine, points[0].bar_size)
        if handles:
            figure.legend(handles=handles, loc="upper right", ncols=2, frameon=False, fontsize=8,
                          borderaxespad=0.1, bbox_to_anchor=(1.0, 1.0), handlelength=1.6)
    return Drawing(figure, f"Price impact of order flow of {len(names)} instruments")


def _levels(axes: Axes, points: Sequence[Point]) -> list[object]:
    handles: list[object] = []
    for estimator, label, ink in (("r_squared_out", "out of sample", "orthogonal"),
                                  ("r_squared_in", "in sample", "generalised")):
        path = [point for point in points if point.estimator == estimator]
        handles += _line(axes, path, label, ink)
    axes.set_xlabel("levels of the book", labelpad=2, fontsize=7)
    axes.set_ylabel("R²", labelpad=2, fontsize=7)
    _tidy(axes)
    return handles


def _way(axes: Axes, points: Sequence[Point], bar_size: str) -> None:
    _line(axes, [point for point in points if point.estimator == "response"], "", "price")
    axes.axhline(0, color=colour("muted"), linewidth=0.7)
    axes.set_xlabel(f"bars of {bar_size} after the flow", labelpad=2, fontsize=7)
    axes.set_ylabel("bps", labelpad=2, fontsize=7)
    _tidy(axes)


def _line(axes: Axes, path: Sequence[Point], label: str, ink: str) -> list[object]:
    band = [(point.step, point.interval_low, point.interval_high) for point in path
            if point.interval_low is not None and point.interval_high is not None]
    if band:
        at, low, high = zip(*band, strict=True)
        axes.fill_between(at, low, high, color=colour(ink), alpha=0.18, linewidth=0)
    return list(axes.plot([point.step for point in path], [point.estimate for point in path],
                          color=colour(ink), linewidth=1.2, marker="o", markersize=2.2,
                          label=label)) if path else []


def _tidy(axes: Axes) -> None:
    axes.margins(x=0.03)
    axes.locator_params(axis="y", nbins=4)
    axes.locator_params(axis="x", nbins=6, integer=True)
    axes.yaxis.set_major_formatter(lambda value, _: f"{value:g}".replace("-", "−"))
