"""What the study of liquidity and toxicity contributes to the report and to Dagster."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from imbalance.report import words
from imbalance.report.figures import Drawing, svg_text
from imbalance.report.interval_chart import Line, interval_chart
from imbalance.report.queries import SIGNIFICANCE, Choice, Source
from imbalance.report.sections import Chart
from imbalance.report.study_section import Rows, Section
from imbalance.studies.liquidity.study import STUDY

MOST_ROWS = 40
MOST_LINES = 12

_SPREADS = ("instrument", "Roll, bps", "effective spread, bps", "95 % interval", "realised",
            "price impact", "95 % interval of it", "after", "trades")  # fmt: skip
_BARS = ("instrument", "bars", "Kyle's λ, bps per unit", "95 % interval", "Hasbrouck's λ",
         "Amihud, per million", "95 % interval of it", "bars without volume", "volume per bar",
         "volatility per bar, bps", "n")  # fmt: skip
_VPIN = ("instrument", "VPIN", "95 % interval", "VPIN, sides guessed", "guess agrees",
         "alone", "q", "with controls", "q with controls", "guessed, alone", "q of it",
         "guessed, with controls", "q with controls of it", "buckets")  # fmt: skip


@dataclass(frozen=True)
class Figure:
    """A row of `liquidity.sql`."""

    family: str
    instrument: str
    estimator: str
    seconds: int
    controls: str
    estimate: float
    interval_low: float | None
    interval_high: float | None
    q_value: float | None
    n: int
    n_windows: int


@dataclass(frozen=True)
class OfBars:
    """A row of `liquidity_of_bars.sql`."""

    family: str
    bar_size: str
    instrument: str
    kyle: float | None
    kyle_low: float | None
    kyle_high: float | None
    hasbrouck: float | None
    amihud: float | None
    amihud_low: float | None
    amihud_high: float | None
    without_volume: int | None
    volume: float | None
    volatility: float | None
    n: int


@dataclass(frozen=True)
class _Instrument:
    """What is known of one instrument's trades, by estimator, seconds and controls."""

    name: str
    figures: dict[tuple[str, int, str], Figure]

    def get(self, estimator: str, seconds: int = 0, controls: str = "none") -> Figure | None:
        return self.figures.get((estimator, seconds, controls))

    @property
    def horizons(self) -> list[int]:
        return sorted({seconds for name, seconds, _ in self.figures if name == "realised_spread"})


def section(source: Source) -> Section:
    """The section of the report."""
    window = source.choice("liquidity")
    instruments = [] if window is None else _instruments(source, window)
    bars = [] if window is None else source.of_study(
        "liquidity_of_bars", OfBars, "liquidity", window)
    if not instruments and not bars:
        return Section(STUDY.title, STUDY.question, ["No instrument had trades to study."])
    drawing = _drawing(instruments)
    return Section(
        STUDY.title,
        STUDY.question,
        paragraphs=[*_costs(instruments), *_toxicity(instruments)],
        charts=[Chart(
            "What a trade pays, and what the price takes back", svg_text(drawing, "liquidity"),
            "bps of the mid, means over trades. The effective spread is what the aggressor pays "
            "(twice the distance to the mid); of it the price impact is lost to those who stood in "
            "the book, the realised spread is theirs to keep."
            + words.first_of(MOST_LINES, len(instruments), "instrument"),
        )] if drawing is not None else [],
        tables=_tables(instruments, bars),
        findings=_findings(instruments),
        warnings=_warnings(instruments),
    )


def picture(source: Source, window: Choice) -> Drawing | None:
    """Spreads, for Dagster; None where there were no trades."""
    return _drawing(_instruments(source, window))


def _instruments(source: Source, window: Choice) -> list[_Instrument]:
    found: dict[str, dict[tuple[str, int, str], Figure]] = {}
    for one in source.of_study("liquidity", Figure, "liquidity", window):
        key = (one.estimator, one.seconds, one.controls)
        found.setdefault(one.instrument, {})[key] = one
    return [_Instrument(name, figures) for name, figures in found.items()]


def _drawing(instruments: Sequence[_Instrument]) -> Drawing | None:
    panels: dict[str, list[Line]] = {}
    for one in instruments[:MOST_LINES]:
        wanted = [("effective spread", one.get("effective_spread")), *(
            (f"price impact after {words.duration(seconds)}", one.get("spread_impact", seconds))
            for seconds in one.horizons)]
        lines = [Line(label, figure.estimate, figure.interval_low, figure.interval_high, 0.0,
                      figure.q_value is not None and figure.q_value <= SIGNIFICANCE)
                 for label, figure in wanted if figure is not None]
        if lines:
            panels[one.name] = lines
    if not panels:
        return None
    return interval_chart(panels, label=f"Spread and impact of trades of {len(panels)} instruments",
                          axis="bps of the mid")


def _tables(instruments: Sequence[_Instrument], bars: Sequence[OfBars]) -> list[Rows]:
    made = []
    spreads = [row for one in instruments for row in _spread_rows(one)]
    if spreads:
        made.append(Rows("Spreads of trades, and the mid so much later.", _SPREADS,
                         spreads, frozenset(_SPREADS[1:]), MOST_ROWS))
    if bars:
        made.append(Rows(
            "Illiquidity by bars, beside volume (quote currency) and volatility.", _BARS,
            [_bar_cells(one) for one in bars], frozenset(_BARS[2:]), MOST_ROWS))
    toxic = [_vpin_cells(one) for one in instruments if one.get("vpin")]
    if toxic:
        made.append(Rows(
            "VPIN by buckets of equal volume, and its coefficient for the next bucket's absolute "
            "move in standard deviations: alone, and beside volatility and the speed of volume.",
            _VPIN, toxic, frozenset(_VPIN[1:]), MOST_ROWS))
    return made


def _spread_rows(one: _Instrument) -> list[list[str]]:
    effective, roll = one.get("effective_spread"), one.get("roll")
    rows = []
    for seconds in one.horizons:
        realised, impact = one.get("realised_spread", seconds), one.get("spread_impact", seconds)
        if effective is None or realised is None or impact is None:
            continue
        rows.append([
            one.name, words.number(roll.estimate if roll else None),
            words.number(effective.estimate), _interval(effective),
            words.number(realised.estimate), words.number(impact.estimate), _interval(impact),
            words.duration(seconds), words.count(impact.n),
        ])
    return rows


def _bar_cells(one: OfBars) -> list[str]:
    return [
        one.instrument, one.bar_size, words.number(one.kyle),
        words.interval(one.kyle_low, one.kyle_high, figures=True), words.number(one.hasbrouck),
        words.number(one.amihud), words.interval(one.amihud_low, one.amihud_high, figures=True),
        words.count(one.without_volume), words.number(one.volume), words.number(one.volatility),
        words.count(one.n),
    ]


def _vpin_cells(one: _Instrument) -> list[str]:
    vpin, bulk, agreement = one.get("vpin"), one.get("vpin_bulk"), one.get("bulk_agreement")
    cells = [one.name, _number(vpin), _interval(vpin), _number(bulk),
             words.percent(agreement.estimate if agreement else None)]
    for name in ("vpin_forecast", "vpin_bulk_forecast"):
        for controls in ("none", "volume_and_volatility"):
            found = one.get(name, controls=controls)
            cells += [_number(found), words.q(found.q_value if found else None)]
    return [*cells, words.count(vpin.n_windows if vpin else None)]


def _number(found: Figure | None) -> str:
    return words.number(found.estimate if found else None)


def _interval(found: Figure | None) -> str:
    if found is None:
        return "–"
    return words.interval(found.interval_low, found.interval_high, figures=True)


def _costs(instruments: Sequence[_Instrument]) -> list[str]:
    paid = {one.name: found.estimate for one in instruments
            if (found := one.get("effective_spread"))}
    if not paid:
        return []
    cheap, dear = min(paid, key=lambda name: paid[name]), max(paid, key=lambda name: paid[name])
    text = f"The effective spread is {words.number(paid[cheap])} bps of the mid on {cheap}"
    if cheap != dear:
        text += f" and {words.number(paid[dear])} bps on {dear}"
    return [text + ", the least and the most that trades paid." if cheap != dear else text + "."]


def _toxicity(instruments: Sequence[_Instrument]) -> list[str]:
    pairs = [(alone, controlled) for one in instruments
             if (alone := one.get("vpin_forecast")) and (controlled := one.get(
                 "vpin_forecast", controls="volume_and_volatility"))]
    if not pairs:
        return []
    by_itself, beside = (sum(1 for pair in pairs if _called(pair[place])) for place in (0, 1))
    text = (
        f"VPIN, with the venue's own sides, says something of the next bucket's move for "
        f"{words.how_many(by_itself)} of {words.plural(len(pairs), 'instrument')} by itself, and "
        f"for {words.how_many(beside)} once volume and volatility stand beside it (q ≤ "
        f"{SIGNIFICANCE:g}). Andersen and Bondarenko 2014 found nothing left of it."
    )
    return [text]


def _called(found: Figure) -> bool:
    return found.q_value is not None and found.q_value <= SIGNIFICANCE


def _findings(instruments: Sequence[_Instrument]) -> list[str]:
    told = []
    for one in instruments:
        effective, first = one.get("effective_spread"), (one.horizons or [0])[0]
        impact = one.get("spread_impact", first)
        if effective is None or impact is None or not _called(impact):
            continue
        told.append((impact.estimate / max(impact.interval_high or 1.0, 1e-9), (
            f"A trade on {one.name} pays {words.number(effective.estimate)} bps of spread, and "
            f"{words.duration(first)} later the mid has moved its way by "
            f"{words.number(impact.estimate)} bps, counted double ({_interval(impact)})."
        )))
    return [text for _, text in sorted(told, reverse=True)[:1]]


def _warnings(instruments: Sequence[_Instrument]) -> list[str]:
    found = {one.name: agreement.estimate for one in instruments
             if (agreement := one.get("bulk_agreement")) and agreement.estimate < 0.8}
    if not found:
        return []
    worst = min(found, key=lambda name: found[name])
    text = (
        f"VPIN: sides guessed from price changes agree with the venue's on as little as "
        f"{words.percent(found[worst])} of the volume ({worst}); do not read the guessed VPIN as "
        "the true one."
    )
    return [text]
