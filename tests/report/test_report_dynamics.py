"""The section on correlation over time, from rows of known values."""

import pytest

from imbalance.report.figures import png_bytes
from imbalance.report.queries import Source
from imbalance.report.studies.dynamics import picture, section

SPOT, PERPETUAL = "binance:BTCUSDT", "binance-futures:BTCUSDT"
START = 1_723_161_240_000_000_000
END = START + 600_000_000_000


def row(estimator, estimate, *, moment=END, state=0, **more):
    return {
        "study": "dynamics", "family": "joint_moves", "scope": "day", "window_from": START,
        "window_to": END, "bar_size": "1s", "instrument_x": PERPETUAL, "measure_x": "return_bps",
        "instrument_y": SPOT, "measure_y": "return_bps", "estimator": estimator,
        "estimate": estimate, "moment": moment, "state": state, "regime": "all", "n": 600,
        "coverage": 1.0, "parameters": "{}", "available_at": END} | more


@pytest.fixture
def source(session, store_rows):
    moments = [START + k * 60_000_000_000 for k in range(1, 10)]
    store_rows["insert"](session, "studies.dynamics", [
        *(row("exponentially_weighted", 0.1 * k, moment=m, span=60, interval_low=0.1 * k - 0.1,
              interval_high=0.1 * k + 0.1) for k, m in enumerate(moments)),
        *(row("conditional", 0.5, moment=m) for m in moments),
        row("dcc_a", 0.05), row("dcc_b", 0.9),
        row("constancy", 2.0, p_value=0.001, q_value=0.002),
        row("change_point", 0.6, moment=moments[4], p_value=0.001),
        row("regime_correlation", 0.2, state=1, share=0.7),
        row("regime_correlation", 0.8, state=2, share=0.3),
    ])
    return Source(session)


def test_one_line_a_pair(source):
    found = section(source)
    (table,) = found.tables
    assert [cells[1:] for cells in table.rows] == [
        ["1s", "600", "0.000", "0.80", "0.002", "1", "0.95", "0.20", "0.80", "30.0 %"]]
    assert "does not stay the same" in found.findings[0]
    assert "one break" in found.findings[0]
    assert found.charts[0].svg.startswith("<svg")


def test_the_picture_of_the_asset(source):
    drawing = picture(source, source.choice("dynamics"))
    assert png_bytes(drawing.figure).startswith(b"\x89PNG")


def test_nothing_estimated_is_said(session):
    assert "Nothing was estimated" in section(Source(session)).paragraphs[0]
