"""Blank figures in the house style, and turning them into SVG for pages or PNG for Dagster.

Belongs here: style, determinism, export. What a chart shows is in `charts` and `studies_charts`.
Figures are made without pyplot, so that nothing global is touched and threads may draw at once.
"""

from __future__ import annotations

import html
import io
import math
import re
import warnings
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Protocol

from imbalance.report.palette import VARIABLES, colour

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

WIDTH = 10.4
"""Width of a figure of the report, inches; 72 points of SVG each."""

PNG_LIMIT = 60_000
"""Bytes a PNG may have: plots of assets live in Dagster's event log for ever."""

_COLOUR = re.compile(r"#[0-9a-f]{6}\b")
_TAG = re.compile(r"<[^>]*>")
_COORDINATES = re.compile(r'\b(d|x|y)="[^"]*"')
_LONG_DECIMAL = re.compile(r"(\.\d)\d+")


@dataclass(frozen=True)
class Drawing:
    """A figure with what a page needs besides: words for those who do not see it, and tooltips.

    `tooltips` maps the group id (`gid`) of an artist to the text shown when pointed at.
    """

    figure: Figure
    label: str
    tooltips: Mapping[str, str] = field(default_factory=dict)


@contextmanager
def house_style() -> Iterator[None]:
    """Settings under which figures are made and exported."""
    import matplotlib as mpl

    settings: Any = {
        "font.family": "sans-serif",
        "font.size": 8.5,
        "axes.titlesize": 9,
        "axes.titlelocation": "left",
        "axes.titleweight": "bold",
        "axes.titlepad": 5,
        "axes.labelsize": 8.5,
        "axes.edgecolor": colour("grid"),
        "axes.labelcolor": colour("muted"),
        "axes.titlecolor": colour("ink"),
        "axes.linewidth": 0.8,
        "axes.spines.top": False,
        "axes.spines.right": False,
        "axes.grid": True,
        "axes.axisbelow": True,
        "axes.facecolor": "none",
        "axes.formatter.useoffset": False,
        "figure.facecolor": "none",
        "savefig.facecolor": "none",
        "grid.color": colour("grid"),
        "grid.linewidth": 0.6,
        "hatch.linewidth": 0.6,
        "xtick.color": colour("grid"),
        "ytick.color": colour("grid"),
        "xtick.labelcolor": colour("muted"),
        "ytick.labelcolor": colour("muted"),
        "xtick.labelsize": 8,
        "ytick.labelsize": 8,
        "text.color": colour("ink"),
        # A dollar sign in a symbol is a dollar sign.
        "text.parse_math": False,
        # Text stays text: searchable, in the page's font, and a tenth of the size of outlines.
        "svg.fonttype": "none",
        "svg.hashsalt": "imbalance",
        "path.simplify": True,
        "path.simplify_threshold": 0.3,
        "timezone": "UTC",
    }
    with mpl.rc_context(settings):
        yield


def blank_figure(height: float, *, width: float = WIDTH) -> Figure:
    """An empty figure, sizes in inches. To be called within `house_style`."""
    from matplotlib.figure import Figure

    return Figure(figsize=(width, height))


class WithInterval(Protocol):
    """An estimate that may have an interval."""

    @property
    def interval_low(self) -> float | None: ...

    @property
    def interval_high(self) -> float | None: ...


def band(axes: Axes, at: Sequence[float], rows: Sequence[WithInterval]) -> None:
    """The intervals of a path, shaded; a step without one leaves a hole."""
    low, high = ([math.nan if end is None else end for end in ends] for ends in zip(
        *((row.interval_low, row.interval_high) for row in rows), strict=True))
    axes.fill_between(at, low, high, color=colour("range"), linewidth=0)


def svg_text(drawing: Drawing, name: str) -> str:
    """The drawing as an `<svg>` element for an HTML page, the same bytes every time.

    Colours become CSS variables, ids get the prefix `name`, and everything that names an address
    (prolog, metadata, name spaces) is taken out: HTML needs none of it.

    Parameters
    ----------
    drawing : what is exported.
    name : unique within the page; letters, digits and hyphens.
    """
    with house_style(), warnings.catch_warnings():
        # The reader's browser has the letters of a symbol that the font here has not.
        warnings.filterwarnings("ignore", r"Glyph \d+ .*missing from font")
        buffer = io.StringIO()
        nothing = dict.fromkeys(("Date", "Creator", "Format", "Type"))
        drawing.figure.savefig(buffer, format="svg", metadata=nothing)
    text = buffer.getvalue()
    text = text[text.index("<svg") :]
    text = re.sub(r"<metadata>.*?</metadata>\s*", "", text, flags=re.DOTALL)
    text = re.sub(r"<defs>\s*<style[^>]*>.*?</style>\s*</defs>\s*", "", text, flags=re.DOTALL)
    text = re.sub(r"<!--.*?-->\s*", "", text, flags=re.DOTALL)
    text = _TAG.sub(lambda tag: _tidy_tag(tag[0], name), text)
    if drawing.tooltips:
        text = re.sub(
            rf'<g id="{name}-([a-z0-9-]+)">',
            lambda group: group[0] + _title(drawing.tooltips.get(group[1])),
            text,
        )
    label = html.escape(drawing.label, quote=True)
    text = re.sub(
        r'<svg width="[^"]*" height="[^"]*"', lambda _: f'<svg role="img" aria-label="{label}"',
        text, count=1,
    )
    return re.sub(r"\n\s*", "\n", text).strip()


def _title(words: str | None) -> str:
    return f"<title>{html.escape(words)}</title>" if words else ""


def _tidy_tag(tag: str, name: str) -> str:
    """One tag for an HTML page. Text between tags, symbols among it, never comes here."""
    tag = re.sub(r'\s+xmlns(:xlink)?="[^"]*"', "", tag).replace("xlink:href=", "href=")
    # Prefixes keep the ids (and clip paths) of several charts of a page apart.
    tag = re.sub(r'\bid="', f'id="{name}-', tag)
    tag = tag.replace('href="#', f'href="#{name}-').replace("url(#", f"url(#{name}-")
    tag = _COLOUR.sub(lambda found: VARIABLES.get(found[0], found[0]), tag)
    # What says nothing makes up half of the file: ids of groups nobody points to, fonts (the page
    # sets them), turns by nothing, digits below a tenth of a point, white space in paths.
    tag = re.sub(rf'<g id="{name}-(?!cell-|figure_)[^"]*"', "<g", tag)
    tag = re.sub(r" font-family: [^;\"]*;", "", tag)
    tag = re.sub(r' transform="rotate\(-?0 [^"]*"', "", tag)
    return _COORDINATES.sub(_short_coordinates, tag)


def _short_coordinates(found: re.Match[str]) -> str:
    return re.sub(r"\s*\n\s*([LMCQz]) ?", r"\1", _LONG_DECIMAL.sub(r"\1", found[0]))


RESOLUTIONS = (110, 90, 70, 55, 40)
"""Dots per inch of pictures for a page that limits them."""


class TooLargeError(ValueError):
    """A picture that does not fit at the lowest resolution either."""


def png_bytes(figure: Figure, *, limit: int = PNG_LIMIT) -> bytes:
    """The figure as PNG on white, at the highest resolution that stays within `limit` bytes.

    Raises
    ------
    TooLargeError
        If it does not fit at the lowest of `RESOLUTIONS`.
    """
    bytes_per_dot = 0.0
    with house_style():
        for dots_per_inch in RESOLUTIONS:
            # Bytes go about with the resolution: what is far from fitting is not drawn.
            if bytes_per_dot * dots_per_inch > 1.25 * limit and dots_per_inch > RESOLUTIONS[-1]:
                continue
            buffer = io.BytesIO()
            figure.savefig(
                buffer, format="png", dpi=dots_per_inch, facecolor="white",
                metadata={"Software": None},
            )
            if buffer.tell() <= limit:
                return buffer.getvalue()
            bytes_per_dot = buffer.tell() / dots_per_inch
    raise TooLargeError(f"the plot does not fit into {limit} bytes")
