"""Drawings of the connectedness study: the network of net givers, and totals through time."""

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

_COLUMNS = 3
_PANEL = 3.5
"""Inches of height of a network."""


@dataclass(frozen=True)
class Link:
    """A row of `connectedness_network.sql`."""

    family: str
    bar_size: str
    model: str
    estimator: str
    instrument_x: str
    measure_x: str
    instrument_y: str
    measure_y: str
    estimate: float
    interval_low: float | None
    interval_high: float | None
    q_value: float | None

    @property
    def system(self) -> tuple[str, str, str]:
        return self.family, self.bar_size, self.model

    @property
    def x(self) -> str:
        return f"{self.instrument_x}\n{_brief(self.measure_x)}"

    @property
    def y(self) -> str:
        return f"{self.instrument_y}\n{_brief(self.measure_y)}"

    @property
    def sure(self) -> bool:
        """Whether it differs from 0 after correction for all that were tested."""
        return self.q_value is not None and self.q_value <= SIGNIFICANCE


@dataclass(frozen=True)
class State:
    """A row of `connectedness_path.sql`."""

    family: str
    bar_size: str
    model: str
    at_ns: int
    estimate: float
    interval_low: float | None
    interval_high: float | None

    @property
    def system(self) -> tuple[str, str, str]:
        return self.family, self.bar_size, self.model


def network(links: Sequence[Link]) -> Drawing:
    """A panel per system: circles as large as what a series gives, arrows where the net is sure.

    Net givers and net receivers differ in colour; an arrow goes from who gives more of the two to
    who receives, the wider the larger the difference.
    """
    systems = list(dict.fromkeys(link.system for link in links))
    lines = -(-len(systems) // _COLUMNS)
    columns = min(_COLUMNS, len(systems))
    height = _PANEL * lines
    with house_style():
        figure = blank_figure(height)
        for number, system in enumerate(systems):
            line, column = divmod(number, _COLUMNS)
            axes = figure.add_axes((
                column / columns + 0.005, 1 - (line + 1) / lines + 0.01, 1 / columns - 0.01,
                1 / lines - 0.32 / height,
            ))
            _network_panel(axes, [link for link in links if link.system == system])
            axes.set_title(f"{words.family(system[0])}, {system[1]} bars")
    return Drawing(figure, f"Networks of connectedness of {len(systems)} systems")


def path(states: Sequence[State]) -> Drawing:
    """Total connectedness through time with its band, a panel per system."""
    systems = list(dict.fromkeys(state.system for state in states))
    lines = -(-len(systems) // _COLUMNS)
    with house_style():
        figure = blank_figure(1.9 * lines + 0.2)
        grid = figure.add_gridspec(
            lines, _COLUMNS, left=0.5 / WIDTH, right=1 - 0.1 / WIDTH,
            bottom=0.42 / figure.get_figheight(), top=1 - 0.3 / figure.get_figheight(),
            wspace=0.2, hspace=0.6,
        )
        for number, system in enumerate(systems):
            axes = figure.add_subplot(grid[divmod(number, _COLUMNS)])
            shown = [state for state in states if state.system == system]
            minutes = [(state.at_ns - shown[0].at_ns) / 6e10 for state in shown]
            band(axes, minutes, shown)
            axes.plot(minutes, [state.estimate for state in shown], color=colour("price"),
                      linewidth=1.2)
            axes.set_title(f"{words.family(system[0])}, {system[1]} bars")
            axes.set_xlabel(f"minutes from {words.moment(shown[0].at_ns)}", labelpad=2,
                            fontsize=7)
            axes.locator_params(axis="y", nbins=4)
            axes.yaxis.set_major_formatter(lambda value, _: f"{100 * value:.3g} %")
    return Drawing(figure, f"Total connectedness through time of {len(systems)} systems")


def _network_panel(axes: Axes, links: Sequence[Link]) -> None:
    given = {link.x: link.estimate for link in links if link.estimator == "transmitted"}
    net = {link.x: link.estimate for link in links if link.estimator == "net"}
    turn = 2.0 * math.pi / len(given)
    place = {name: (math.cos(turn * i + 0.3), math.sin(turn * i + 0.3))
             for i, name in enumerate(given)}
    axes.set_xlim(-4.2, 4.2)
    axes.set_ylim(-1.45, 1.45)
    axes.set_axis_off()
    between = [link for link in links if link.estimator == "net_pairwise" and link.sure]
    widest = max((abs(link.estimate) for link in between), default=1.0) or 1.0
    for link in between:
        start, end = (link.x, link.y) if link.estimate > 0 else (link.y, link.x)
        axes.annotate("", xy=_short_of(place[start], place[end]),
                      xytext=_short_of(place[end], place[start]), arrowprops={
            "arrowstyle": "-|>", "linewidth": 0.5 + 2.0 * abs(link.estimate) / widest,
            "connectionstyle": "arc3,rad=0.06", "color": colour("muted"), "alpha": 0.75})
    largest = max(given.values(), default=0.0) or 1.0
    for name, (x, y) in place.items():
        side = "buying" if net.get(name, 0.0) > 0.0 else "selling"
        axes.scatter([x], [y], s=30 + 220 * given[name] / largest, color=colour(side), zorder=3,
                     linewidths=0)
        label = "\n".join(words.shortened(part, 30) for part in name.split("\n"))
        axes.text(1.17 * x, 1.2 * y, label, fontsize=5.8, ha="left" if x > 0.0 else "right",
                  va="center", color=colour("ink"), zorder=4)


def _short_of(start: tuple[float, float], end: tuple[float, float]) -> tuple[float, float]:
    """A point on the way, just before the end."""
    distance = math.dist(start, end)
    share = 1.0 - 0.14 / distance
    return start[0] + share * (end[0] - start[0]), start[1] + share * (end[1] - start[1])


def _brief(measure: str) -> str:
    return {"order_flow_imbalance": "order flow", "return_bps": "return"}.get(
        measure, words.measure(measure)
    )
