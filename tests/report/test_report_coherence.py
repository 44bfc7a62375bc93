"""The section on coherence by frequency, from rows of known values."""

import pytest

from imbalance.report.figures import png_bytes
from imbalance.report.queries import Source
from imbalance.report.studies.coherence import picture, section

SPOT, PERPETUAL = "binance:BTCUSDT", "binance-futures:BTCUSDT"
START = 1_723_161_240_000_000_000
END = START + 600_000_000_000


def row(estimator, period, estimate, **more):
    return {
        "study": "coherence", "family": "joint_moves", "scope": "day", "window_from": START,
        "window_to": END, "bar_size": "1s", "instrument_x": PERPETUAL, "measure_x": "return_bps",
        "instrument_y": SPOT, "measure_y": "return_bps", "estimator": estimator,
        "estimate": estimate, "period": period, "regime": "all", "n": 600, "coverage": 1.0,
        "parameters": "{}", "available_at": END, "interval_low": estimate - 0.1,
        "interval_high": estimate + 0.1} | more


@pytest.fixture
def source(session, store_rows):
    store_rows["insert"](session, "studies.coherence", [
        row("multitaper", 8.0, 0.7, q_value=0.001, delay=1.5, phase_error=0.1),
        row("multitaper", 32.0, 0.2, q_value=0.4, delay=9.0, phase_error=0.5),
        row("wavelet", 8.0, 0.6, q_value=0.01, surrogate_limit=0.5),
    ])
    return Source(session)


def test_a_line_a_period_with_the_delay_where_it_means_something(source):
    found = section(source)
    (table,) = found.tables
    assert [cells[1:] for cells in table.rows] == [
        ["1s", "8", "0.70", "0.60 to 0.80", "0.001", "1.5 ± 0.13", "0.60*", "600"],
        ["1s", "32", "0.20", "0.10 to 0.30", "0.40", "–", "–", "600"]]
    assert "binance-futures:BTCUSDT return is ahead of binance:BTCUSDT return" in found.findings[0]
    assert found.charts[0].svg.startswith("<svg")


def test_the_picture_of_the_asset(source):
    drawing = picture(source, source.choice("coherence"))
    assert png_bytes(drawing.figure).startswith(b"\x89PNG")


def test_nothing_estimated_is_said(session):
    assert "Nothing was estimated" in section(Source(session)).paragraphs[0]
