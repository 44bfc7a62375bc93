"""Drawings: exported the same every time, small, in the page's colours."""

import re
import struct
import warnings

import numpy as np
import pytest

from imbalance.report.charts import _tick, coverage_ribbon, price_and_flow
from imbalance.report.figures import Drawing, blank_figure, house_style, png_bytes, svg_text
from imbalance.report.palette import PALETTE, SCALE_STEPS, VARIABLES, scale_step
from imbalance.report.records import Cell, Series, Stretch
from imbalance.report.studies_charts import correlation_heatmap, panels_of

SECOND = 1_000_000_000


def series(seconds=100, hole=range(40, 50), name="a:A"):
    valid = np.ones(seconds)
    valid[list(hole)] = 0.0
    price = 100 + np.sin(np.arange(seconds) / 9)
    return Series(name, SECOND, np.arange(seconds) * SECOND, price, price - 0.1, price + 0.1,
                  np.where(valid > 0, np.cos(np.arange(seconds)), np.nan), valid)


def cell(lag, estimate, q, bar_size="1s", reason=None):
    return Cell("a:A", "a:B", bar_size, 1, lag, None, estimate, -0.1, 0.9, q, 100, reason)


def test_colours_differ_so_that_each_is_one_variable():
    assert len(VARIABLES) == len(PALETTE)
    assert all(len(pair) == 2 for pair in PALETTE.values())


@pytest.mark.parametrize(
    ("value", "name", "step"),
    [(0.0, "positive_0", 0), (0.5, "positive_7", SCALE_STEPS - 1), (-0.24, "negative_3", 3),
     (0.9, "positive_7", SCALE_STEPS - 1)],
)
def test_scale(value, name, step):
    assert scale_step(value, 0.5) == (name, step)


def test_svg_has_no_address_no_fixed_colour_and_no_chance():
    stretches = [Stretch(0, 100 * SECOND)]
    first = svg_text(price_and_flow(series(), stretches), "p")
    assert first == svg_text(price_and_flow(series(), stretches), "p")
    assert "http" not in first
    assert "xmlns" not in first
    assert "var(--buying)" in first
    assert "var(--poisoned)" in first
    assert not [light for light, _ in PALETTE.values() if light in first]


def test_names_stay_text_whatever_is_in_them():
    hostile = '$x_{1}$ <b> #0072b2 id="q" 1.2345'
    svg = svg_text(coverage_ribbon([series(name=hostile)], [Stretch(0, 100 * SECOND)]), "r")
    assert '$x_{1}$ &lt;b&gt; #0072b2 id="q" …' in svg
    assert "<b>" not in svg


def test_poisoned_span_is_shaded_where_it_is():
    drawing = price_and_flow(series(hole=range(40, 60)), [Stretch(0, 100 * SECOND)])
    spans = [patch for patch in drawing.figure.axes[0].patches if patch.get_alpha() == 0.55]
    box = spans[0].get_path().transformed(spans[0].get_patch_transform()).get_extents()
    day = 86_400
    assert (box.x0 * day, box.x1 * day) == pytest.approx((40, 60))


def test_a_long_pause_breaks_the_axis():
    stretches = [Stretch(0, 50 * SECOND), Stretch(7000 * SECOND, 7100 * SECOND)]
    drawing = price_and_flow(series(), stretches)
    assert len(drawing.figure.axes) == 6


def test_heatmap_colours_only_what_is_significant():
    cells = [cell(-1, 0.4, 0.2), cell(0, 0.6, 0.001), cell(1, None, None, reason="all_null")]
    drawing = correlation_heatmap(cells, label="x")
    assert list(drawing.tooltips) == ["cell-0-0-1"]
    assert drawing.tooltips["cell-0-0-1"] == (
        "a:A → a:B, 1s, lag 0: 0.60 (−0.10 to 0.90), q = 0.001, n 100"
    )
    shown = [text.get_text() for text in drawing.figure.axes[0].texts]
    assert ".60" in shown
    assert ".40" not in shown


def test_panels_without_any_estimate_are_left_out():
    refused = cell(0, None, None, bar_size="10s", reason="all_null")
    assert panels_of([cell(0, 0.6, 0.001), refused]) == [("1s", 1)]
    assert panels_of([refused]) == [("10s", 1)]


def test_png_keeps_to_its_limit_and_is_the_same_every_time():
    drawing = correlation_heatmap([cell(lag, 0.1 * lag, 0.01) for lag in range(-4, 5)], label="x")
    picture = png_bytes(drawing.figure)
    assert picture[:8] == b"\x89PNG\r\n\x1a\n"
    assert picture == png_bytes(drawing.figure)
    smaller = png_bytes(drawing.figure, limit=len(picture) - 1)
    wide, narrow = (struct.unpack(">I", data[16:20])[0] for data in (picture, smaller))
    assert len(smaller) < len(picture)
    assert narrow < wide
    with pytest.raises(ValueError, match="does not fit into 100 bytes"):
        png_bytes(drawing.figure, limit=100)


def test_label_is_for_those_who_do_not_see_the_drawing():
    with house_style():
        drawing = Drawing(blank_figure(1.0), 'prices of "a" & <b>')
    assert 'aria-label="prices of &quot;a&quot; &amp; &lt;b&gt;"' in svg_text(drawing, "x")


def labels(svg):
    return re.findall(r">([^<>]+)</text>", svg)


def test_days_of_short_stretches_do_not_run_into_each_other():
    day = 86_400 * SECOND
    stretches = [Stretch(0, 7_200 * SECOND),
                 Stretch(2 * day - 300 * SECOND, 2 * day + 300 * SECOND),
                 Stretch(9 * day, 9 * day + 20_000 * SECOND)]
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        svg = svg_text(price_and_flow(series(seconds=7_200), stretches), "p")
    assert [text for text in labels(svg) if "-0" in text or "-1" in text] == [
        "1970-01-01, UTC", "01-02", "1970-01-10, UTC"]
    assert labels(svg).count("00:00") == 3  # one of each, and no second one in the short stretch


@pytest.mark.parametrize(
    ("value", "text"),
    [(6.015e-6, "6.015e−6"), (61_834.5, "61,834.5"), (-5e10, "−50 bn"), (2.5e8, "250 M"),
     (-50.0, "−50"), (0.0, "0")],
)
def test_ticks_of_tiny_prices_and_of_huge_flows_find_room(value, text):
    assert _tick(value) == text


def test_letters_that_the_font_has_not_are_no_warning():
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        svg = svg_text(coverage_ribbon([series(name="v:日本")], [Stretch(0, 100 * SECOND)]), "r")
    assert "v:日本" in svg
