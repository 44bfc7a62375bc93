"""The report's section on Hawkes processes: what calls forth what, and how near it is to 1."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from imbalance.report import words
from imbalance.report.figures import WIDTH, Drawing, blank_figure, house_style, svg_text
from imbalance.report.palette import colour, scale_step
from imbalance.report.queries import SIGNIFICANCE, Choice, Source
from imbalance.report.sections import Chart
from imbalance.report.study_section import Rows, Section
from imbalance.studies.registry import study

if TYPE_CHECKING:
    from matplotlib.axes import Axes

MOST_SYSTEMS = 9
MOST_IN_PICTURE = 3
"""A picture for Dagster has few bytes."""
_COLUMNS = 3
_NEAR = 0.9


@dataclass(frozen=True)
class Radius:
    """`report/hawkes_radius.sql`."""

    family: str
    model: str
    baseline: str
    kernel: str
    radius: float
    radius_low: float | None
    radius_high: float | None
    radius_as_recorded: float | None
    bic: float
    exogenous_share: float | None
    largest_distance: float | None
    n: int
    best: bool


@dataclass(frozen=True)
class Branching:
    """`report/hawkes_branching.sql`."""

    model: str
    instrument_x: str
    measure_x: str
    instrument_y: str
    measure_y: str
    estimate: float
    q_value: float | None


def section(source: Source) -> Section:
    """Processes of the window shown."""
    about = study("hawkes")
    window = source.choice("hawkes")
    radii = source.of_study("hawkes_radius", Radius, "hawkes", window) if window else []
    if window is None or not radii:
        return Section(about.title, about.question,
                       ["No process could be fitted; the refusals say why."])
    branching = _branching(source, window)
    told = [sentence(one, branching) for one in radii if one.best]
    near = [one.model for one in radii if one.best and (one.radius_high or one.radius) > _NEAR]
    warnings = [
        f"{_name(model)}: the spectral radius comes near 1; a day's shape finer than the knots of "
        "the baseline looks the same." for model in near
    ]
    warnings += _hanging_on_stamps([one for one in radii if one.best])
    opening = (
        "Each system is fitted with a constant baseline and one that moves, with one decay and "
        "with two; told is the fit with the least BIC."
    )
    return Section(
        about.title, about.question, paragraphs=[opening, *told],
        charts=[Chart("What calls forth what", svg_text(draw(branching), "hawkes-branching"),
                      "Events of the row called forth by one of the column, on average, in the "
                      f"best fit, from none to {words.correlation(_limit(branching))}; a dot where "
                      f"the false discovery rate is above {words.percent(SIGNIFICANCE)}."
                      + words.first_of(MOST_SYSTEMS, len({b.model for b in branching}),
                                       "system"))] if branching else [],
        tables=[_table(radii)], findings=told[:2], warnings=warnings,
    )


def sentence(one: Radius, branching: Sequence[Branching]) -> str:
    """A system in words: how much it feeds on itself, and its strongest link."""
    name = _name(one.model)
    subject = f"Price moves of {name}" if one.model.startswith("across:") else f"Events of {name}"
    text = (
        f"{subject}: spectral radius {words.correlation(one.radius)} "
        f"({words.interval(one.radius_low, one.radius_high)}); of a kind, "
        f"{words.percent(one.exogenous_share)} of the events come from outside, on average"
    )
    mine = [b for b in branching if b.model == one.model and _sure(b)
            and (b.instrument_x, b.measure_x) != (b.instrument_y, b.measure_y)]
    if mine:
        link = max(mine, key=lambda b: b.estimate)
        text += f"; the strongest link is from {_kind(link, 'x')} to {_kind(link, 'y')}"
        text += f" ({words.correlation(link.estimate)})"
    return text + "."


def picture(source: Source, window: Choice) -> Drawing | None:
    """The chart for Dagster."""
    branching = _branching(source, window)
    models = list(dict.fromkeys(one.model for one in branching))[:MOST_IN_PICTURE]
    shown = [one for one in branching if one.model in models]
    return draw(shown) if shown else None


def draw(found: Sequence[Branching]) -> Drawing:
    """One matrix per system: effects in rows, causes in columns."""
    models = list(dict.fromkeys(one.model for one in found))[:MOST_SYSTEMS]
    rows = -(-len(models) // _COLUMNS)
    limit = _limit(found)
    with house_style():
        figure = blank_figure(3.6 * rows)
        grid = figure.add_gridspec(rows, _COLUMNS, left=0.9 / WIDTH, right=0.99, bottom=0.28 / rows,
                                   top=1.0 - 0.1 / rows, wspace=0.45, hspace=0.62)
        for number, model in enumerate(models):
            axes = figure.add_subplot(grid[divmod(number, _COLUMNS)])
            _matrix(axes, [one for one in found if one.model == model], limit)
            title = model.removeprefix("across:")
            axes.set_title(title if "," not in title else f"across {title.split(',')[0]} …",
                           fontsize=7.5)
    return Drawing(figure, "Branching of events, by system")


def _limit(found: Sequence[Branching]) -> float:
    return max(0.05, *(one.estimate for one in found if _sure(one)), 0.0)


def _matrix(axes: Axes, found: Sequence[Branching], limit: float) -> None:
    from matplotlib.patches import Rectangle

    effects = list(dict.fromkeys((one.instrument_y, one.measure_y) for one in found))
    masked = []
    for one in found:
        row = effects.index((one.instrument_y, one.measure_y))
        column = effects.index((one.instrument_x, one.measure_x))
        if not _sure(one):
            masked.append((column, row))
            continue
        name, _ = scale_step(one.estimate, limit)
        axes.add_patch(Rectangle((column - 0.5, row - 0.5), 1, 1, linewidth=0,
                                 facecolor=colour(name)))
    if masked:
        columns, rows = zip(*masked, strict=True)
        axes.scatter(columns, rows, marker=".", s=5, color=colour("refused"))
    axes.set_xlim(-0.5, len(effects) - 0.5)
    axes.set_ylim(len(effects) - 0.5, -0.5)
    several = len({instrument for instrument, _ in effects}) > 1
    labels = [_across(i, m) if several else m.replace("_", " ") for i, m in effects]
    axes.set_xticks(range(len(effects)), labels, rotation=90, fontsize=6)
    axes.set_yticks(range(len(effects)), labels, fontsize=6)
    axes.grid(visible=False)


def _name(model: str) -> str:
    return model.removeprefix("across:").replace(",", ", ")


def _hanging_on_stamps(radii: Sequence[Radius]) -> list[str]:
    """Whether the radius by stamps as recorded lies outside of the interval of the radius told."""
    apart = {
        one.model: (abs(one.radius - one.radius_as_recorded), one.radius, one.radius_as_recorded)
        for one in radii
        if one.radius_as_recorded is not None and one.radius_low is not None
        and one.radius_high is not None
        and not one.radius_low <= one.radius_as_recorded <= one.radius_high
    }
    if not apart:
        return []
    model = max(apart, key=lambda name: apart[name])
    _, drawn, recorded = apart[model]
    text = (
        f"Hawkes processes: in {words.plural(len(apart), 'system')} the spectral radius hangs on "
        "how events of one time stamp are told apart. It differs most for "
        f"{_name(model)}: {words.correlation(drawn)} with their order drawn at random, "
        f"{words.correlation(recorded)} as recorded."
    )
    return [text]


def _across(instrument: str, measure: str) -> str:
    venue, _, symbol = instrument.partition(":")
    kind = measure.removeprefix("price_")
    return f"{words.shortened(venue, 18)}\n{words.shortened(symbol, 14)} {kind}"


def _sure(one: Branching) -> bool:
    return one.q_value is not None and one.q_value <= SIGNIFICANCE


def _kind(one: Branching, side: str) -> str:
    kind = getattr(one, f"measure_{side}").replace("_", " ")
    instrument = getattr(one, f"instrument_{side}")
    return f"{kind} in {instrument}" if one.model.startswith("across:") else kind


def _branching(source: Source, window: Choice) -> list[Branching]:
    return source.of_study("hawkes_branching", Branching, "hawkes", window)


def _table(radii: Sequence[Radius]) -> Rows:
    header = ("system", "baseline", "kernel", "radius", "interval", "as recorded", "from outside",
              "largest distance", "BIC", "best", "n")
    rows = [
        (one.model.replace(",", ", "), one.baseline, one.kernel.replace("_", " "),
         words.correlation(one.radius), words.interval(one.radius_low, one.radius_high),
         words.correlation(one.radius_as_recorded), words.percent(one.exogenous_share),
         words.correlation(one.largest_distance), words.number(one.bic, 6),
         "yes" if one.best else "", words.count(one.n))
        for one in radii
    ]
    return Rows("Spectral radius by baseline and kernel; “from outside” is the mean over kinds.",
                header, rows, frozenset(header[3:]))
