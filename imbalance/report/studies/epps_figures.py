"""Drawing of the Epps effect: correlation against the length of bars, beside what needs none."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from imbalance.report import words
from imbalance.report.figures import WIDTH, Drawing, band, blank_figure, house_style
from imbalance.report.palette import colour

if TYPE_CHECKING:
    from matplotlib.axes import Axes

_PANELS = 3
_MARKS = {"hayashi_yoshida": "o", "realised_kernel": "s", "pre_averaged": "^"}
"""Estimators without bars that are drawn, with their marks."""


@dataclass(frozen=True)
class Point:
    """A row of `epps_curves.sql`."""

    instrument_x: str
    instrument_y: str
    measure: str
    estimator: str
    step_ms: int
    estimate: float
    interval_low: float | None
    interval_high: float | None
    n: int
    rate_x: float | None
    rate_y: float | None

    @property
    def pair(self) -> tuple[str, str, str]:
        return self.instrument_x, self.instrument_y, self.measure


def curves(points: Sequence[Point]) -> Drawing:
    """A panel per pair: the measured curve with its band, the closed form, and robust values."""
    pairs = list(dict.fromkeys(point.pair for point in points))
    lines = -(-len(pairs) // _PANELS)
    with house_style():
        figure = blank_figure(2.15 * lines + 0.45)
        height = figure.get_figheight()
        grid = figure.add_gridspec(
            lines, _PANELS, left=0.5 / WIDTH, right=1 - 0.1 / WIDTH, bottom=0.42 / height,
            top=1 - 0.72 / height, wspace=0.2, hspace=0.6,
        )
        handles: list[Any] = []
        for number, pair in enumerate(pairs):
            axes = figure.add_subplot(grid[divmod(number, _PANELS)])
            handles = _panel(axes, [point for point in points if point.pair == pair])
            first, second = (words.shortened(name, 44) for name in pair[:2])
            axes.set_title(f"{first}\n{second}, {words.measure(pair[2])}", fontsize=7.2)
            if number + _PANELS >= len(pairs):
                axes.set_xlabel("length of bars", labelpad=2)
        figure.legend(handles=handles, loc="upper right", ncols=5, frameon=False, fontsize=8,
                      borderaxespad=0.1, bbox_to_anchor=(1.0, 1.0), handlelength=1.6)
    return Drawing(figure, f"Correlation against the length of bars of {len(pairs)} pairs")


def _panel(axes: Axes, points: Sequence[Point]) -> list[Any]:
    by_bar = [point for point in points if point.estimator == "previous_tick"]
    closed = [point for point in points if point.estimator == "poisson_arrivals"]
    steps = [point.step_ms for point in by_bar]
    axes.set_xscale("log")
    if by_bar:
        band(axes, steps, by_bar)
    handles = [
        *axes.plot(steps, [p.estimate for p in by_bar], color=colour("price"), linewidth=1.2,
                   marker=".", markersize=4, label="bars"),
        *axes.plot([p.step_ms for p in closed], [p.estimate for p in closed], linewidth=1,
                   color=colour("generalised"), linestyle=(0, (4, 2)), label="Poisson arrivals"),
    ]
    ends = [p.step_ms for p in closed]
    for place, (name, mark) in enumerate(_MARKS.items()):
        for point in points:
            if point.estimator == name and ends:
                handles += _mark(axes, point, ends[-1] * 2.2 * 1.8**place, mark)
    axes.axhline(0, color=colour("muted"), linewidth=0.6)
    axes.set_xticks([100, 1_000, 10_000, 60_000], ["0.1 s", "1 s", "10 s", "1 min"])
    axes.minorticks_off()
    return handles


def _mark(axes: Axes, point: Point, place: float, mark: str) -> list[Any]:
    """An estimate without bars, right of the longest, with its interval."""
    if point.interval_low is not None and point.interval_high is not None:
        axes.plot([place, place], [point.interval_low, point.interval_high],
                  color=colour("orthogonal"), linewidth=1)
    return axes.plot([place], [point.estimate], mark, color=colour("orthogonal"), markersize=4,
                     label=words.family(point.estimator))
