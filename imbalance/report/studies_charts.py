"""Charts of what the studies found: correlation heatmaps and impulse responses.

Belongs here: drawings of estimates. What was not significant is masked, what was refused is marked
as refused; neither is drawn as a number. Style and export are in `figures`.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from imbalance.report import words
from imbalance.report.figures import WIDTH, Drawing, blank_figure, house_style
from imbalance.report.palette import SCALE_STEPS, colour, scale_step
from imbalance.report.records import Cell, Response

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

BAR_SIZES = ("100ms", "1s", "10s", "1m", "5m")
_LIMITS = (0.05, 0.1, 0.2, 0.3, 0.5, 0.7, 1.0)
_COLUMNS = 2
_LABELS = 3.35
"""Inches for the names of the rows of a heatmap."""

_MARGIN = 0.66
"""Inches for the title and the axis of a row of panels."""


def correlation_heatmap(
    cells: Sequence[Cell], *, label: str, significance: float = 0.05
) -> Drawing:
    """Correlations by pair of instruments and lag, one panel per bar size and horizon.

    Cells with q above `significance` are a dot; refused ones a cross; those outside the declared
    family are empty. A panel in which everything was refused is left out. Each significant cell
    carries its figures as a tooltip.

    Parameters
    ----------
    cells : at least one; panels and rows come in the order of their first cell.
    label : what is shown, in words, for those who do not see it.
    significance : largest q that is shown as a colour.
    """
    panels = panels_of(cells)
    pairs = list(dict.fromkeys((cell.instrument_x, cell.instrument_y) for cell in cells))
    found = [
        abs(cell.estimate) for cell in cells if _significant(cell, significance) and cell.estimate
    ]
    limit = next((value for value in _LIMITS if max(found, default=0) <= value), 1.0)
    rows = -(-len(panels) // _COLUMNS)
    panel_height = 0.17 * len(pairs)
    height = rows * (panel_height + _MARGIN) + 0.42
    tooltips: dict[str, str] = {}
    with house_style():
        figure = blank_figure(height)
        for number, panel in enumerate(panels):
            row, column = divmod(number, _COLUMNS)
            top = height - 0.25 - row * (panel_height + _MARGIN)
            axes = _panel_axes(figure, column, top, panel_height)
            inside = [cell for cell in cells if (cell.bar_size, cell.horizon) == panel]
            tooltips |= _heatmap(axes, number, inside, pairs, limit, significance)
            axes.set_title(_panel_title(*panel))
            _row_labels(axes, pairs, shown=column == 0)
            if row == rows - 1 or number + _COLUMNS >= len(panels):
                axes.set_xlabel("lag in bars (right of 0: x leads)", labelpad=2)
        _scale_legend(figure, limit, significance)
    return Drawing(figure, label, tooltips)


def panels_of(cells: Sequence[Cell]) -> list[tuple[str, int]]:
    """Bar sizes and horizons that get a panel: those with an estimate, or all if there is none."""
    estimated = [cell for cell in cells if cell.reason is None] or cells
    found = {(cell.bar_size, cell.horizon) for cell in estimated}
    return sorted(found, key=lambda panel: (BAR_SIZES.index(panel[0]), panel[1]))


def impulse_responses(responses: Sequence[Response]) -> Drawing:
    """Responses to a shock of one standard deviation, with bands: a row per bar size.

    Within an instrument the titles name the measures, between instruments the instruments.

    Parameters
    ----------
    responses : of one system, or chosen pairs of a system; at least one.
    """
    sizes = sorted({r.bar_size for r in responses}, key=BAR_SIZES.index)
    shown = {
        size: list(dict.fromkeys(_pair_of(r) for r in responses if r.bar_size == size))
        for size in sizes
    }
    lines = [(s, shown[s][i : i + 4]) for s in sizes for i in range(0, len(shown[s]), 4)]
    with house_style():
        figure = blank_figure(1.95 * len(lines) + 0.25)
        grid = figure.add_gridspec(
            len(lines), 4, left=0.5 / WIDTH, right=1 - 0.05 / WIDTH,
            bottom=0.42 / figure.get_figheight(), top=1 - 0.52 / figure.get_figheight(),
            wspace=0.24, hspace=0.62,
        )
        handles: list[Any] = []
        for row, (size, pairs) in enumerate(lines):
            for column, pair in enumerate(pairs):
                axes = figure.add_subplot(grid[row, column])
                lines_of = [r for r in responses if r.bar_size == size and _pair_of(r) == pair]
                handles = _responses(axes, lines_of) or handles
                axes.set_title(_response_title(pair), fontsize=8 if pair[0] == pair[2] else 7.2)
                if row == len(lines) - 1:
                    axes.set_xlabel(f"bars of {size} after the shock", labelpad=2)
                elif size != lines[row + 1][0]:
                    axes.set_xlabel(f"bars of {size}", labelpad=2)
        figure.legend(handles=handles, loc="upper right", ncols=2, frameon=False, fontsize=8,
                      borderaxespad=0.1, bbox_to_anchor=(1.0, 1.0), handlelength=1.6)
    return Drawing(figure, f"Impulse responses of {responses[0].model}")


def _significant(cell: Cell, significance: float) -> bool:
    return cell.q_value is not None and cell.q_value <= significance


def _panel_axes(figure: Figure, column: int, top: float, panel_height: float) -> Axes:
    width, height = figure.get_size_inches()
    panel_width = (width - _LABELS - 0.1 - 0.25 * (_COLUMNS - 1)) / _COLUMNS
    left = _LABELS + column * (panel_width + 0.25)
    return figure.add_axes((left / width, (top - panel_height) / height, panel_width / width,
                            panel_height / height))


def _heatmap(
    axes: Axes,
    number: int,
    cells: Sequence[Cell],
    pairs: Sequence[tuple[str, str]],
    limit: float,
    significance: float,
) -> dict[str, str]:
    """Draw one panel; returns the tooltips by group id."""
    from matplotlib.patches import Rectangle

    lags = sorted({cell.lag for cell in cells})
    tooltips = {}
    masked, refused = [], []
    for cell in cells:
        place = (lags.index(cell.lag), pairs.index((cell.instrument_x, cell.instrument_y)))
        if cell.reason is not None or cell.estimate is None:
            refused.append(place)
            continue
        if not _significant(cell, significance):
            masked.append(place)
            continue
        name, step = scale_step(cell.estimate, limit)
        gid = f"cell-{number}-{place[1]}-{place[0]}"
        axes.add_patch(Rectangle((place[0] - 0.46, place[1] - 0.44), 0.92, 0.88, linewidth=0,
                                 facecolor=colour(name), gid=gid, clip_on=False))
        ink = colour("on_strong" if step >= SCALE_STEPS // 2 else "on_weak")
        axes.text(*place, _cell_text(cell.estimate), ha="center", va="center_baseline",
                  fontsize=5.8, color=ink)
        tooltips[gid] = _tooltip(cell)
    for places, marker, area in ((masked, ".", 5), (refused, "x", 11)):
        if places:
            x, y = zip(*places, strict=True)
            axes.scatter(x, y, marker=marker, s=area, linewidths=0.8, color=colour("refused"))
    axes.set_xlim(-0.6, len(lags) - 0.4)
    axes.set_ylim(len(pairs) - 0.4, -0.6)
    axes.set_xticks(range(len(lags)), [str(lag).replace("-", "−") for lag in lags], fontsize=6.4)
    axes.tick_params(length=0, labelcolor=colour("ink"), pad=2)
    axes.tick_params(axis="y", labelsize=7.5)
    axes.grid(visible=False)
    axes.spines[:].set_visible(False)
    if 0 in lags:
        middle = lags.index(0)
        axes.axvspan(middle - 0.5, middle + 0.5, color=colour("grid"), alpha=0.45, zorder=0,
                     linewidth=0)
    return tooltips


def _row_labels(axes: Axes, pairs: Sequence[tuple[str, str]], *, shown: bool) -> None:
    """Names of y at each row and of x once per run of rows; a line parts the runs."""
    labels = ["→ itself" if x == y else f"→ {words.shortened(y, 30)}" for x, y in pairs]
    axes.set_yticks(range(len(pairs)) if shown else [], labels if shown else None)
    left = -(_LABELS - 0.02) / (axes.get_position().width * WIDTH)
    for row, (x, _) in enumerate(pairs):
        if row and pairs[row - 1][0] == x:
            continue
        if row:
            axes.plot([left if shown else 0, 1], [row - 0.5] * 2, color=colour("grid"),
                      linewidth=0.6, transform=axes.get_yaxis_transform(), clip_on=False)
        if shown:
            axes.text(left, row, words.shortened(x, 30), fontsize=7.5, va="center_baseline",
                      color=colour("ink"), transform=axes.get_yaxis_transform())


def _scale_legend(figure: Figure, limit: float, significance: float) -> None:
    """The colours with their values, the dot and the cross, below the panels."""
    from matplotlib.patches import Rectangle

    width, height = figure.get_size_inches()
    axes = figure.add_axes((_LABELS / width, 0.1 / height, (width - _LABELS - 0.1) / width,
                            0.16 / height))
    axes.set_xlim(0, 100)
    axes.set_ylim(0, 1)
    axes.axis("off")
    names = [f"negative_{step}" for step in reversed(range(SCALE_STEPS))]
    names += [f"positive_{step}" for step in range(SCALE_STEPS)]
    for place, name in enumerate(names):
        axes.add_patch(Rectangle((5 + 1.6 * place, 0.1), 1.6, 0.8, facecolor=colour(name),
                                 linewidth=0))
    style: dict[str, Any] = {"fontsize": 7.5, "va": "center_baseline", "color": colour("muted")}
    axes.text(4.4, 0.5, f"−{limit:g}", ha="right", **style)
    axes.text(5.6 + 1.6 * len(names), 0.5, f"+{limit:g}", ha="left", **style)
    marks = ((42, ".", 12, f"not significant (q > {significance:g})"),
             (72, "x", 14, "refused, see reasons"))
    for place, marker, area, text in marks:
        axes.scatter([place], [0.5], marker=marker, s=area, linewidths=0.9, color=colour("refused"))
        axes.text(place + 1.4, 0.5, text, ha="left", **style)


def _responses(axes: Axes, responses: Sequence[Response]) -> list[Any]:
    handles = []
    for name, style in (("generalised", "--"), ("orthogonal", "-")):
        path = sorted((r for r in responses if r.estimator == name), key=lambda r: r.horizon)
        if not path:
            continue
        steps = [r.horizon for r in path]
        band = [
            (r.horizon, r.interval_low, r.interval_high) for r in path
            if r.interval_low is not None and r.interval_high is not None
        ]
        if band:
            at, low, high = zip(*band, strict=True)
            axes.fill_between(at, low, high, color=colour(name), alpha=0.2, linewidth=0)
        (line,) = axes.plot(steps, [r.estimate for r in path], style, color=colour(name),
                            linewidth=1.3, label=name)
        handles.append(line)
    axes.axhline(0, color=colour("muted"), linewidth=0.7)
    axes.margins(x=0.02)
    axes.locator_params(axis="y", nbins=4)
    axes.locator_params(axis="x", nbins=6, integer=True)
    axes.yaxis.set_major_formatter(lambda value, _: f"{value:g}".replace("-", "−"))
    return handles[::-1]


def _pair_of(response: Response) -> tuple[str, str, str, str]:
    return (response.instrument_x, response.measure_x, response.instrument_y, response.measure_y)


def _response_title(pair: tuple[str, str, str, str]) -> str:
    x, measure_x, y, measure_y = pair
    cause, effect = (_brief(measure) for measure in (measure_x, measure_y))
    if x == y:
        return f"{cause} → {effect}"
    return f"{words.shortened(x, 30)}\n→ {words.shortened(y, 28)}"


def _brief(measure: str) -> str:
    return {"order_flow_imbalance": "order flow", "return_bps": "return (bps)"}.get(
        measure, words.measure(measure)
    )


def _panel_title(bar_size: str, horizon: int) -> str:
    return f"{bar_size} bars" + (f", y over {words.bars(horizon, bar_size)}" if horizon > 1 else "")


def _cell_text(value: float) -> str:
    return f"{value:.2f}".replace("0.", ".").replace("-", "−")


def _tooltip(cell: Cell) -> str:
    lag = f"lag {cell.lag}".replace("-", "−")
    return (
        f"{cell.instrument_x} → {cell.instrument_y}, {cell.bar_size}, {lag}: "
        f"{words.correlation(cell.estimate)} "
        f"({words.interval(cell.interval_low, cell.interval_high)}), "
        f"{words.q_clause(cell.q_value)}, n {words.count(cell.n)}"
    )
