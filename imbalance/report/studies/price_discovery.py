"""The report's section on price discovery: a bar per market, a table, and who leads in words."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from imbalance.report import words
from imbalance.report.figures import WIDTH, Drawing, blank_figure, house_style, svg_text
from imbalance.report.palette import colour
from imbalance.report.queries import Choice, Source
from imbalance.report.sections import Chart
from imbalance.report.study_section import Rows, Section
from imbalance.studies.registry import study

MOST_SYSTEMS = 12
MOST_IN_PICTURE = 16
"""A picture for Dagster has few bytes."""
_WIDE = 0.5
"""Bounds further apart than this leave open who leads."""


@dataclass(frozen=True)
class Share:
    """`report/price_discovery.sql`."""

    family: str
    model: str
    bar_size: str
    instrument: str
    low: float | None
    high: float | None
    modified: float | None
    modified_low: float | None
    modified_high: float | None
    gonzalo_granger: float | None
    gonzalo_granger_low: float | None
    gonzalo_granger_high: float | None
    leadership: float | None
    n: int


def section(source: Source) -> Section:
    """Shares of the window shown."""
    about = study("price_discovery")
    window = source.choice("price_discovery")
    found = _shares(source, window) if window else []
    if not found:
        return Section(about.title, about.question,
                       ["No two markets of one asset could be studied; the refusals say why."])
    pairs = [shares for shares in _systems(found).values() if len(shares) == 2]
    told = [text for shares in pairs if (text := leading(shares))]
    about_shares = (
        "Shares of each market in the shocks that move the common price for good. The bounds hold "
        "whatever order the shocks within a bar came in; the modified share needs none."
    )
    paragraphs = [about_shares, *told]
    if len(told) < len(pairs):
        paragraphs.append(f"In {words.plural(len(pairs) - len(told), 'system')} of two it stays "
                          "open who leads: the interval holds one half, or the bounds are wide.")
    drawing = draw(found)
    return Section(
        about.title, about.question, paragraphs=paragraphs,
        charts=[Chart("Who makes the price", svg_text(drawing, "price-discovery"),
                      "Modified information share with its interval; the pale bar reaches from "
                      "the lowest to the highest of Hasbrouck's shares."
                      + words.first_of(MOST_SYSTEMS, len(_systems(found)), "system"))],
        tables=[_table(found)],
        findings=told[:3],
    )


def leading(shares: Sequence[Share]) -> str | None:
    """Who leads in a system of two, as a sentence; None when it stays open, or in larger ones."""
    if len(shares) != 2:
        return None
    first, second = sorted(shares, key=lambda one: -(one.modified or 0.0))
    if first.modified_low is None or first.modified_low <= 0.5:
        return None
    if first.low is None or first.high is None or first.high - first.low > _WIDE:
        return None
    return (
        f"{first.instrument} leads {second.instrument} at {first.bar_size}: its share is "
        f"{words.percent(first.modified)} "
        f"({words.interval(first.modified_low, first.modified_high)}), between bounds of "
        f"{words.interval(first.low, first.high)}."
    )


def picture(source: Source, window: Choice) -> Drawing | None:
    """The chart for Dagster."""
    found = _shares(source, window)
    return draw(found[:MOST_IN_PICTURE]) if found else None


def draw(found: Sequence[Share]) -> Drawing:
    """One bar per market, systems and bar sizes one below the other."""
    shown = [one for shares in list(_systems(found).values())[:MOST_SYSTEMS] for one in shares]
    with house_style():
        figure = blank_figure(0.21 * len(shown) + 0.7)
        height = figure.get_figheight()
        axes = figure.add_axes((4.3 / WIDTH, 0.45 / height, (WIDTH - 4.5) / WIDTH,
                                1.0 - 0.6 / height))
        for place, one in enumerate(shown):
            if one.low is not None and one.high is not None:
                axes.barh(place, one.high - one.low, left=one.low, height=0.7,
                          color=colour("grid"))
            if one.modified_low is not None and one.modified_high is not None:
                axes.plot([one.modified_low, one.modified_high], [place, place],
                          color=colour("ink"), linewidth=1.0)
            if one.modified is not None:
                axes.plot([one.modified], [place], "o", color=colour("ink"), markersize=3.5)
        axes.axvline(0.5, color=colour("muted"), linewidth=0.8)
        axes.set_yticks(range(len(shown)),
                        [f"{one.instrument}  {one.bar_size}" for one in shown], fontsize=7.2)
        axes.set_ylim(len(shown) - 0.5, -0.5)
        axes.set_xlim(0.0, 1.0)
        axes.set_xlabel("share of the information", labelpad=2)
        axes.grid(visible=False, axis="y")
    return Drawing(figure, "Information shares by market")


def _shares(source: Source, window: Choice) -> list[Share]:
    return source.of_study("price_discovery", Share, "price_discovery", window)


def _systems(found: Sequence[Share]) -> dict[tuple[str, str, str], list[Share]]:
    systems: dict[tuple[str, str, str], list[Share]] = {}
    for one in found:
        systems.setdefault((one.family, one.model, one.bar_size), []).append(one)
    return systems


def _table(found: Sequence[Share]) -> Rows:
    header = ("bars", "market", "of", "bounds", "modified", "interval", "Gonzalo–Granger",
              "leadership", "n")
    rows = [
        (one.bar_size, one.instrument, words.count(one.model.count(",") + 1),
         words.interval(one.low, one.high), words.correlation(one.modified),
         words.interval(one.modified_low, one.modified_high),
         words.correlation(one.gonzalo_granger), words.correlation(one.leadership),
         words.count(one.n))
        for one in found
    ]
    return Rows("Shares in price discovery; “of” is the number of markets in the system.", header,
                rows, frozenset(header[2:]))
