"""Drawing of a correlation matrix: shrunk entries with the tree, and eigenvalues against noise."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from imbalance.report import words
from imbalance.report.figures import WIDTH, Drawing, blank_figure, house_style
from imbalance.report.palette import SCALE_STEPS, colour, scale_step

if TYPE_CHECKING:
    from matplotlib.axes import Axes

MOST_INSTRUMENTS = 20
"""Instruments of a drawn matrix: more are too small to be read."""

_LABELS = 2.1


@dataclass(frozen=True)
class Entry:
    """A row of `correlation_matrix.sql`."""

    family: str
    bar_size: str
    measure: str
    instrument_x: str
    instrument_y: str
    estimator: str
    rank: int
    estimate: float
    interval_low: float | None
    interval_high: float | None
    support: float | None
    n: int
    n_effective: float | None


@dataclass(frozen=True)
class Matrix:
    """The entries of one family."""

    entries: Sequence[Entry]

    def of(self, estimator: str) -> list[Entry]:
        return [entry for entry in self.entries if entry.estimator == estimator]

    def value(self, estimator: str) -> float:
        """An estimate of the whole matrix."""
        return self.of(estimator)[0].estimate

    @property
    def names(self) -> list[str]:
        """Instruments in the order of their clusters."""
        found = sorted(self.of("cluster"), key=lambda one: (one.estimate, one.instrument_x))
        return [entry.instrument_x for entry in found]

    @property
    def forces(self) -> int:
        """Eigenvalues above the edge of noise."""
        edge = self.value("noise_edge")
        return sum(entry.estimate > edge for entry in self.of("eigenvalue"))


def matrix_figure(matrix: Matrix) -> Drawing:
    """Shrunk correlations in the order of the clusters, edges of the tree framed; eigenvalues.

    At most `MOST_INSTRUMENTS` instruments are drawn.
    """
    names = matrix.names[:MOST_INSTRUMENTS]
    size = max(1.7, 0.28 * len(names))
    height = size + 0.75
    with house_style():
        figure = blank_figure(height)
        axes = figure.add_axes((_LABELS / WIDTH, 0.35 / height, size * 1.55 / WIDTH, size / height))
        _cells(axes, matrix, names)
        left = _LABELS + size * 1.55 + 0.8
        axes = figure.add_axes((left / WIDTH, 0.35 / height, (WIDTH - left - 0.2) / WIDTH,
                                size / height))
        _eigenvalues(axes, matrix)
    first = matrix.entries[0]
    return Drawing(figure, f"Correlation matrix of {words.measure(first.measure)}, "
                   f"{first.bar_size} bars, {len(names)} instruments")


def _cells(axes: Axes, matrix: Matrix, names: Sequence[str]) -> None:
    from matplotlib.patches import Rectangle

    tree = {frozenset((e.instrument_x, e.instrument_y)) for e in matrix.of("tree_edge")}
    for entry in matrix.of("ledoit_wolf"):
        if entry.instrument_x not in names or entry.instrument_y not in names:
            continue
        places = sorted((names.index(entry.instrument_x), names.index(entry.instrument_y)))
        shade, step = scale_step(entry.estimate, 1.0)
        linked = frozenset((entry.instrument_x, entry.instrument_y)) in tree
        axes.add_patch(Rectangle(
            (places[0] - 0.5, places[1] - 0.5), 1, 1, facecolor=colour(shade),
            edgecolor=colour("ink" if linked else "grid"), linewidth=1.4 if linked else 0.4,
            zorder=3 if linked else 2,
        ))
        axes.text(places[0], places[1], words.correlation(entry.estimate), ha="center",
                  va="center", fontsize=6.5, zorder=4,
                  color=colour("on_strong" if step >= SCALE_STEPS // 2 else "on_weak"))
    axes.set_xlim(-0.5, len(names) - 0.5)
    axes.set_ylim(len(names) - 0.5, -0.5)
    axes.set_yticks(range(len(names)), [words.shortened(name, 36) for name in names])
    axes.set_xticks([])
    axes.tick_params(axis="y", length=0, labelcolor=colour("ink"), labelsize=7.2)
    axes.grid(visible=False)
    axes.set_title("shrunk correlations; framed: spanning tree")


def _eigenvalues(axes: Axes, matrix: Matrix) -> None:
    found = matrix.of("eigenvalue")[:MOST_INSTRUMENTS]
    ranks = [entry.rank for entry in found]
    axes.bar(ranks, [entry.estimate for entry in found], width=0.6, color=colour("orthogonal"))
    for entry in found:
        if entry.interval_low is not None and entry.interval_high is not None:
            axes.plot([entry.rank] * 2, [entry.interval_low, entry.interval_high],
                      color=colour("ink"), linewidth=0.9)
    axes.axhline(matrix.value("noise_edge"), color=colour("generalised"), linewidth=1,
                 linestyle=(0, (4, 2)))
    axes.set_xticks(ranks)
    axes.set_title("eigenvalues; dashed: edge of noise")
