"""Numbers, times and names as an analyst reads them. No finding is chosen or judged here."""

from __future__ import annotations

import datetime as dt
import math

_SECONDS = {"100ms": 0.1, "1s": 1.0, "10s": 10.0, "1m": 60.0, "5m": 300.0}
_MEASURES = {
    "return_bps": "return",
    "depth_imbalance_10": "depth imbalance (10 levels)",
    "depth_imbalance_5": "depth imbalance (5 levels)",
    "trade_imbalance_normalised": "normalised trade imbalance",
}
_SMALL = ("no", "one", "two", "three", "four", "five", "six", "seven", "eight", "nine", "ten",
          "eleven", "twelve")


def number(value: float | None, digits: int = 3) -> str:
    """A figure with `digits` significant digits and a thousands separator; – for null."""
    if value is None or math.isnan(value):
        return "–"
    if not math.isfinite(value):
        return str(value)
    if value == int(value) and abs(value) < 1e15:
        return f"{int(value):,}".replace("-", "−")
    places = digits - 1 - math.floor(math.log10(abs(value)))
    if places > 6 or value >= 1e15:
        return f"{value:.{digits - 1}e}".replace("-", "−")
    text = f"{round(value, places):,.{max(places, 0)}f}"
    return text.replace("-", "−")


def correlation(value: float | None) -> str:
    """A correlation with two decimals, three when it is below 0.1; – for null."""
    if value is None or math.isnan(value):
        return "–"
    return f"{value:.{2 if abs(value) >= 0.095 else 3}f}".replace("-", "−")


def q(value: float | None) -> str:
    """`< 0.001`, or the value with up to three decimals; – for null."""
    if value is None or math.isnan(value):
        return "–"
    return "< 0.001" if value < 0.001 else f"{value:.3f}" if value < 0.0995 else f"{value:.2f}"


def q_clause(value: float | None) -> str:
    """A q-value within a sentence."""
    if value is None or math.isnan(value):
        return "q not tested"
    return f"q {q(value)}" if value < 0.001 else f"q = {q(value)}"


def interval(low: float | None, high: float | None, *, figures: bool = False) -> str:
    """`0.12 to 0.30`; with `figures`, significant digits instead of a correlation's decimals."""
    if low is None or high is None or math.isnan(low) or math.isnan(high):
        return "–"
    if figures:
        return f"{number(low)} to {number(high)}"
    # An end beside zero keeps its side of it: 0.004 to 0.12, not 0.00 to 0.12.
    beside_zero = 0.0 < min(abs(low), abs(high)) < 0.005
    decimals = 3 if beside_zero or max(abs(low), abs(high)) < 0.095 else 2
    return f"{low:.{decimals}f} to {high:.{decimals}f}".replace("-", "−")


def percent(share: float | None) -> str:
    """A share in percent, never rounded up to all or down to none.

    What is below none or above all (an R² out of sample, a gain, a net share) is shown as it is.
    """
    if share is None or math.isnan(share):
        return "–"
    if share in {0.0, 1.0}:
        return f"{share:.0%}".replace("%", " %")
    shown = share * 100
    if 0.0 < share < 1.0:
        shown = min(max(shown, 0.1), 99.9)
    return f"{shown:,.1f} %".replace("-", "−")


def count(value: int | None) -> str:
    """A whole number with a thousands separator."""
    return "–" if value is None else f"{value:,}"


def small(value: int) -> str:
    """A count within a sentence: in words up to twelve."""
    return _SMALL[value] if 0 <= value < len(_SMALL) else count(value)


def how_many(value: int) -> str:
    """A count before `of`: `none of four`, `two of four`."""
    return small(value) if value else "none"


def plural(value: int, noun: str, many: str | None = None) -> str:
    """`one capture`, `8,000 lines`."""
    return f"{small(value)} {noun if value == 1 else many or noun + 's'}"


def first_of(shown: int, whole: int, noun: str, many: str | None = None) -> str:
    """` Shown: the first 40 of 120 rows.`, to follow a sentence; nothing where all are shown."""
    if whole <= shown:
        return ""
    return f" Shown: the first {small(shown)} of {plural(whole, noun, many)}."


def times(value: int) -> str:
    """`once`, `twice`, `three times`."""
    return {1: "once", 2: "twice"}.get(value) or f"{small(value)} times"


def size(value: float) -> str:
    """Bytes in the unit that leaves one to three digits."""
    for unit in ("bytes", "kB", "MB", "GB"):
        if value < 1000:
            decimals = 0 if value >= 10 or unit == "bytes" else 1
            return f"{value:.{decimals}f} {unit}"
        value /= 1000
    return f"{value:.1f} TB"


def duration(seconds: float) -> str:
    """Seconds in the unit that an analyst would use."""
    units = ((0.9995, 1e-3, "ms"), (120, 1, "s"), (7200, 60, "min"), (172_800, 3600, "h"))
    for limit, unit, name in units:
        if seconds < limit:
            return f"{seconds / unit:.3g} {name}"
    days = seconds / 86400
    return f"{days:.3g} days" if days < 999.5 else f"{days:,.0f} days"


def moment(ns: int | None) -> str:
    """UTC to the second."""
    if ns is None:
        return "–"
    return dt.datetime.fromtimestamp(ns // 1_000_000_000, dt.UTC).strftime("%Y-%m-%d %H:%M:%S")


def span(start_ns: int, end_ns: int) -> str:
    """`2024-08-08 23:54:00 to 23:59:30 UTC`, the second date left out when it is the same."""
    start, end = moment(start_ns), moment(end_ns)
    return f"{start} to {end[11:] if start[:10] == end[:10] else end} UTC"


def measure(name: str) -> str:
    """A column as words: `absolute(order_flow_imbalance)` is the size of order flow imbalance."""
    if name.startswith("absolute(") and name.endswith(")"):
        return f"size of {measure(name[9:-1])}"
    return _MEASURES.get(name, name.replace("_", " "))


def family(name: str) -> str:
    """A family's name as words."""
    return name.replace("_", " ")


def bars(number_of_bars: int, bar_size: str) -> str:
    """`3 bars (30 s)`."""
    seconds = duration(number_of_bars * _SECONDS[bar_size]) if bar_size in _SECONDS else ""
    noun = "bar" if number_of_bars == 1 else "bars"
    return f"{number_of_bars} {noun} ({seconds})" if seconds else f"{number_of_bars} {noun}"


def shortened(name: str, limit: int = 26) -> str:
    """A name cut to `limit` characters, for labels of charts; tables carry it whole."""
    name = " ".join(name.split())
    return name if len(name) <= limit else name[: limit - 1] + "…"
