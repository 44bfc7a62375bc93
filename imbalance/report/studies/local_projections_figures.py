"""Drawing of the study of local projections: both estimates of each path, one over the other."""

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
_LINES = (("lag_augmented", "local projection", "generalised", "-"),
          ("vector_autoregression", "vector autoregression", "orthogonal", "-"))  # fmt: skip


@dataclass(frozen=True)
class Step:
    """A row of `local_projection_paths.sql`."""

    family: str
    bar_size: str
    model: str
    estimator: str
    measure_x: str
    measure_y: str
    horizon: int
    estimate: float
    interval_low: float | None
    interval_high: float | None

    @property
    def path(self) -> tuple[str, str, str, str, str]:
        return self.family, self.bar_size, self.model, self.measure_x, self.measure_y


def paths(steps: Sequence[Step]) -> Drawing:
    """A panel per path: projections with their band over those of the vector autoregression."""
    shown = list(dict.fromkeys(step.path for step in steps))
    lines = -(-len(shown) // _COLUMNS)
    with house_style():
        figure = blank_figure(1.85 * lines + 0.35)
        height = figure.get_figheight()
        grid = figure.add_gridspec(
            lines, _COLUMNS, left=0.5 / WIDTH, right=1 - 0.05 / WIDTH, bottom=0.42 / height,
            top=1 - 0.58 / height, wspace=0.26, hspace=0.75,
        )
        handles = []
        for number, one in enumerate(shown):
            axes = figure.add_subplot(grid[divmod(number, _COLUMNS)])
            handles = _panel(axes, [step for step in steps if step.path == one])
            _, size, model, x, y = one
            axes.set_title(f"{words.shortened(model, 30)}\n{_brief(x)} → {_brief(y)}", fontsize=7.2)
            axes.set_xlabel(f"bars of {size} after the shock", labelpad=2, fontsize=7)
        figure.legend(handles=handles, loc="upper right", ncols=2, frameon=False, fontsize=8,
                      borderaxespad=0.1, bbox_to_anchor=(1.0, 1.0), handlelength=1.6)
    return Drawing(figure, f"{len(shown)} responses by local projection and vector autoregression")


def _panel(axes: Axes, steps: Sequence[Step]) -> list[object]:
    handles: list[object] = []
    for estimator, label, name, style in _LINES:
        path = [step for step in steps if step.estimator == estimator and step.horizon > 0]
        at = [step.horizon for step in path]
        band = [(step.horizon, step.interval_low, step.interval_high) for step in path
                if step.interval_low is not None and step.interval_high is not None]
        if band:
            where, low, high = zip(*band, strict=True)
            axes.fill_between(where, low, high, color=colour(name), alpha=0.18, linewidth=0)
        (line,) = axes.plot(at, [step.estimate for step in path], style, color=colour(name),
                            linewidth=1.2, label=label)
        handles.append(line)
    axes.axhline(0, color=colour("muted"), linewidth=0.7)
    axes.margins(x=0.02)
    axes.locator_params(axis="y", nbins=4)
    axes.locator_params(axis="x", nbins=6, integer=True)
    axes.yaxis.set_major_formatter(lambda value, _: f"{value:g}".replace("-", "−"))
    return handles


def _brief(measure: str) -> str:
    return {"order_flow_imbalance": "order flow", "return_bps": "return (bps)"}.get(
        measure, words.measure(measure)
    )
