"""Numbers and names as they are read."""

import math

import pytest

from imbalance.report import words


@pytest.mark.parametrize(
    ("value", "text"),
    [(None, "–"), (math.nan, "–"), (math.inf, "inf"), (0.0, "0"), (3.0, "3"), (-1269.0, "−1,269"),
     (0.0123456, "0.0123"), (61_834.25, "61,800"), (-0.5512, "−0.551"), (1.5e-9, "1.50e−09")],
)
def test_number_has_three_digits_and_null_is_no_zero(value, text):
    assert words.number(value) == text


@pytest.mark.parametrize(
    ("value", "text"), [(0.71234, "0.71"), (-0.13, "−0.13"), (0.0421, "0.042"), (None, "–"),
                          (math.nan, "–")]
)
def test_correlation(value, text):
    assert words.correlation(value) == text


def test_an_interval_has_one_number_of_decimals():
    assert words.interval(-0.19, -0.08) == "−0.19 to −0.08"
    assert words.interval(-0.012, 0.034) == "−0.012 to 0.034"
    assert words.interval(None, 0.3) == "–"
    assert words.interval(math.nan, 0.3) == "–"


def test_an_end_of_an_interval_beside_zero_keeps_its_side():
    assert words.interval(0.004, 0.12) == "0.004 to 0.120"
    assert words.interval(-0.3, -0.002) == "−0.300 to −0.002"
    assert words.interval(0.0, 0.5) == "0.00 to 0.50"


@pytest.mark.parametrize(
    ("value", "text"),
    [(1e-12, "q < 0.001"), (0.0124, "q = 0.012"), (0.31, "q = 0.31"), (None, "q not tested"),
     (math.nan, "q not tested")],
)
def test_q_within_a_sentence(value, text):
    assert words.q_clause(value) == text


@pytest.mark.parametrize(
    ("share", "text"),
    [(1.0, "100 %"), (0.99999, "99.9 %"), (0.0, "0 %"), (1e-6, "0.1 %"), (0.967, "96.7 %"),
     (1.354, "135.4 %"), (-0.3, "−30.0 %"), (12.5, "1,250.0 %"), (math.nan, "–")],
)
def test_nearly_all_is_never_all(share, text):
    assert words.percent(share) == text


def test_measures_bars_and_times_as_words():
    assert words.measure("absolute(order_flow_imbalance)") == "size of order flow imbalance"
    assert words.measure("return_bps") == "return"
    assert words.bars(1, "10s") == "1 bar (10 s)"
    assert words.bars(30, "10s") == "30 bars (5 min)"
    assert words.span(1_723_161_240_000_000_000, 1_723_161_600_000_000_000) == (
        "2024-08-08 23:54:00 to 2024-08-09 00:00:00 UTC"
    )
    assert [words.times(n) for n in (1, 2, 3, 40)] == ["once", "twice", "three times", "40 times"]
    assert words.size(3_637_062) == "3.6 MB"
    assert words.duration(0.425) == "425 ms"
    assert [words.duration(seconds) for seconds in (0.9996, 1.0, 86_400 * 1_234.0)] == [
        "1 s", "1 s", "1,234 days"]
    assert [words.how_many(n) for n in (0, 1, 40)] == ["none", "one", "40"]
    assert words.shortened("a:new\nline  x", 20) == "a:new line x"
