"""Drawings of the lead-lag study: the network of who leads whom, and correlation against lag."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from imbalance.report import words
from imbalance.report.figures import WIDTH, Drawing, band, blank_figure, house_style
from imbalance.report.palette import colour
from imbalance.report.queries import SIGNIFICANCE

if TYPE_CHECKING:
    from matplotlib.axes import Axes

SURE = 0.95
"""Share of replications from which a sign counts as kept."""

_PANELS = 3


@dataclass(frozen=True)
class Pair:
    """A row of `lead_lag_pairs.sql`."""

    instrument_x: str
    instrument_y: str
    measure: str
    lead_ms: float
    low_ms: float | None
    high_ms: float | None
    q_value: float | None
    correlation: float | None
    ratio: float | None
    kept_at_10_ms: float | None
    kept_at_skew: float | None
    skew_ms: float | None
    rate_x: float | None
    rate_y: float | None

    @property
    def leader(self) -> str:
        return self.instrument_x if self.lead_ms > 0 else self.instrument_y

    @property
    def follower(self) -> str:
        return self.instrument_y if self.lead_ms > 0 else self.instrument_x

    @property
    def found(self) -> bool:
        """Whether there is a lead after correction for all pairs that were looked at."""
        return self.lead_ms != 0 and self.q_value is not None and self.q_value <= SIGNIFICANCE

    @property
    def sure(self) -> bool:
        """Whether it is there also if the clocks err by as much as was measured."""
        return self.found and self.kept_at_skew is not None and self.kept_at_skew >= SURE


@dataclass(frozen=True)
class Contrast:
    """A row of `lead_lag_contrasts.sql`."""

    instrument_x: str
    instrument_y: str
    measure: str
    lag_ms: float
    estimate: float
    interval_low: float | None
    interval_high: float | None

    @property
    def pair(self) -> tuple[str, str, str]:
        return self.instrument_x, self.instrument_y, self.measure


def network(pairs: Sequence[Pair]) -> Drawing:
    """Arrows from leader to follower, a panel per price; what the clocks could have made is dashed.

    Instruments stand on a circle, in the same place in every panel.
    """
    measures = list(dict.fromkeys(pair.measure for pair in pairs))
    names = sorted({name for pair in pairs for name in (pair.instrument_x, pair.instrument_y)})
    height = 4.4
    with house_style():
        figure = blank_figure(height)
        for number, measure in enumerate(measures):
            axes = figure.add_axes((number / len(measures) + 0.01, 0.02, 0.98 / len(measures), 0.9))
            _network_panel(axes, names, [p for p in pairs if p.measure == measure and p.found])
            axes.set_title(words.measure(measure))
    return Drawing(figure, f"Who leads whom among {len(names)} instruments")


def contrasts(rows: Sequence[Contrast]) -> Drawing:
    """Correlation against lag with its band, a panel per pair."""
    pairs = list(dict.fromkeys(row.pair for row in rows))
    lines = -(-len(pairs) // _PANELS)
    with house_style():
        figure = blank_figure(2.1 * lines + 0.2)
        grid = figure.add_gridspec(
            lines, _PANELS, left=0.5 / WIDTH, right=1 - 0.1 / WIDTH,
            bottom=0.42 / figure.get_figheight(), top=1 - 0.42 / figure.get_figheight(),
            wspace=0.2, hspace=0.6,
        )
        for number, pair in enumerate(pairs):
            axes = figure.add_subplot(grid[divmod(number, _PANELS)])
            shown = [row for row in rows if row.pair == pair]
            lags = [row.lag_ms for row in shown]
            band(axes, lags, shown)
            axes.plot(lags, [row.estimate for row in shown], color=colour("price"), linewidth=1)
            axes.axvline(0, color=colour("muted"), linewidth=0.6)
            axes.axhline(0, color=colour("muted"), linewidth=0.6)
            first, second = (words.shortened(name, 44) for name in pair[:2])
            axes.set_title(f"{first}\n{second}, {words.measure(pair[2])}", fontsize=7.2)
            if number + _PANELS >= len(pairs):
                axes.set_xlabel("lag in ms (right of 0: the first leads)", labelpad=2)
    return Drawing(figure, f"Correlation against lag of {len(pairs)} pairs")


def _network_panel(axes: Axes, names: Sequence[str], found: Sequence[Pair]) -> None:
    place = {
        name: (math.cos(2 * math.pi * i / len(names) + 0.3),
               math.sin(2 * math.pi * i / len(names) + 0.3))
        for i, name in enumerate(names)
    }
    axes.set_xlim(-3.0, 3.0)
    axes.set_ylim(-1.35, 1.35)
    axes.set_axis_off()
    for pair in found:
        start, end = place[pair.leader], place[pair.follower]
        axes.annotate("", xy=_towards(end, start), xytext=_towards(start, end), arrowprops={
            "arrowstyle": "-|>", "linewidth": 1.6 if pair.sure else 1.0,
            "linestyle": "-" if pair.sure else (0, (3, 2)), "connectionstyle": "arc3,rad=0.08",
            "color": colour("orthogonal" if pair.sure else "refused"),
        })
        x, y = (start[i] + 0.42 * (end[i] - start[i]) for i in (0, 1))
        axes.text(x, y, f"{abs(pair.lead_ms):.0f} ms", ha="center", va="center", fontsize=7,
                  color=colour("muted"))
    for name, (x, y) in place.items():
        axes.plot(x, y, "o", color=colour("ink"), markersize=5)
        axes.text(1.12 * x, 1.14 * y, words.shortened(name, 30), fontsize=7.2,
                  ha="left" if x > 0 else "right", va="center")


def _towards(start: tuple[float, float], end: tuple[float, float]) -> tuple[float, float]:
    """A little way from one place to another, so that arrows end beside the dots."""
    return start[0] + 0.07 * (end[0] - start[0]), start[1] + 0.07 * (end[1] - start[1])
