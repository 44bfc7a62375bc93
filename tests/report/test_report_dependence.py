"""The section on non-linear dependence, from rows of known values."""

import pytest

from imbalance.report.figures import png_bytes
from imbalance.report.queries import Source
from imbalance.report.studies.dependence import picture, section

SPOT, PERPETUAL = "binance:BTCUSDT", "binance-futures:BTCUSDT"
START = 1_723_161_240_000_000_000


def row(estimator, estimate, *, x=PERPETUAL, y=SPOT, q=None, level=0.0, lag=0, **more):
    return {
        "study": "dependence", "family": "joint_moves", "scope": "day", "window_from": START,
        "window_to": START + 600_000_000_000, "bar_size": "1s", "instrument_x": x,
        "measure_x": "return_bps", "instrument_y": y, "measure_y": "return_bps",
        "estimator": estimator, "estimate": estimate, "q_value": q, "p_value": q, "level": level,
        "lag": lag, "regime": "all", "n": 600, "coverage": 1.0, "parameters": "{}",
        "available_at": START + 600_000_000_000} | more


@pytest.fixture
def source(session, store_rows):
    store_rows["insert"](session, "studies.dependence", [
        row("distance_correlation", 0.4, q=0.001, interval_low=0.3, interval_high=0.5,
            surrogate_mean=0.08),
        row("mutual_information", 0.2, q=0.002, surrogate_mean=0.01),
        row("effective_mutual_information", 0.19),
        row("lower_tail_dependence", 0.31, q=0.01, level=0.05),
        row("upper_tail_dependence", 0.21, q=0.3, level=0.05),
        row("student_tail", 0.25, aic=-50.0), row("clayton_lower_tail", 0.4, aic=-20.0),
        row("transfer_entropy", 0.05, q=0.004, lag=1),
        row("effective_transfer_entropy", 0.041, lag=1),
        row("transfer_entropy", 0.01, x=SPOT, y=PERPETUAL, q=0.6, lag=1),
        row("effective_transfer_entropy", -0.002, x=SPOT, y=PERPETUAL, lag=1),
    ])
    return Source(session)


def test_one_line_a_pair_with_both_directions(source):
    found = section(source)
    (table,) = found.tables
    assert len(table.rows) == 1
    assert table.rows[0][1:] == [
        "1s", "600", "0.40*", "0.19*", "0.041*", "−0.0020", "0.31", "0.21", "student"]
    assert "binance-futures:BTCUSDT return tells most of the next bar of binance:BTCUSDT" in (
        found.findings[0])
    assert found.charts[0].svg.startswith("<svg")


def test_the_picture_of_the_asset(source):
    drawing = picture(source, source.choice("dependence"))
    assert png_bytes(drawing.figure).startswith(b"\x89PNG")


def test_nothing_estimated_is_said(session):
    assert "Nothing was estimated" in section(Source(session)).paragraphs[0]


def test_what_differs_between_regimes_is_a_table(source, session, store_rows):
    store_rows["insert"](session, "studies.dependence_difference", [
        row(test, value, q=q, study="dependence_difference", of="mutual_information",
            regime="depth", interval_low=0.1, interval_high=0.3)
        for test, value, q in (("high_less_low", 0.2, 0.001), ("equality", 9.0, 0.02))
    ] + [row("equality", 1.0, q=0.9, study="dependence_difference", of="transfer_entropy",
             regime="time")])
    _, table = section(Source(session)).tables
    assert "Of three tests, two are significant" in table.caption
    assert table.rows[0][1:] == ["1s", "mutual information", "depth", "0.200", "0.100 to 0.300",
                                 "0.001", "0.020"]
    assert table.rows[1][3:] == ["time", "–", "–", "–", "0.90"]


def test_a_table_of_differences_says_what_it_leaves_out(source, session, store_rows):
    store_rows["insert"](session, "studies.dependence_difference", [
        row("high_less_low", 0.2, q=0.5, x=f"v:I{i:02}", study="dependence_difference",
            of="mutual_information", regime="depth", interval_low=0.00012, interval_high=0.00034)
        for i in range(14)])
    _, table = section(Source(session)).tables
    assert table.told.endswith("Shown: the first twelve of 14 rows.")
    assert table.rows[0][5] == "0.000120 to 0.000340"
