"""Sections on the feedback index, price discovery and Hawkes processes, from known rows."""

import pytest

from imbalance.report.queries import Source
from imbalance.report.studies import feedback_index, hawkes, price_discovery
from tests.report.conftest import PERPETUAL, SPOT, START, empty_session, insert

HOUR = 3_600 * 10**9
PLACE = {"scope": "day", "window_from": START, "window_to": START + HOUR,
         "available_at": START + HOUR, "regime": "all", "bar_size": "1s", "n": 3_000}


def loop(**changes):
    return PLACE | {
        "study": "feedback_index", "family": "flow_and_return", "estimator": "loop_gain",
        "instrument_x": SPOT, "measure_x": "order_flow_imbalance", "instrument_y": SPOT,
        "measure_y": "return_bps", "part_from": START, "part_to": START + HOUR,
        "estimate": 0.25, "interval_low": 0.2, "interval_high": 0.3, "p_value": 0.001,
        "q_value": 0.004, "impact_bps": 1.5, "impact_bps_low": 1.2, "impact_bps_high": 1.8,
        "impact_seconds": 4.0, "half_life_seconds": 1.5, "flow_explained": 0.05,
        "return_explained": 0.4,
    } | changes


def share(market, estimator, estimate, **changes):
    return PLACE | {
        "study": "price_discovery", "family": "one_asset", "model": f"{PERPETUAL},{SPOT}",
        "instrument_x": market, "measure_x": "mid_close", "measure_y": "mid_close",
        "instrument_y": SPOT if market == PERPETUAL else PERPETUAL, "estimator": estimator,
        "estimate": estimate,
    } | changes


def event_row(estimator, estimate, **changes):
    return PLACE | {
        "study": "hawkes", "family": "book_events", "bar_size": "events", "model": SPOT,
        "baseline": "moving", "kernel": "exponential", "stamps": "randomised",
        "instrument_x": "*", "measure_x": "*", "instrument_y": "*", "measure_y": "*",
        "estimator": estimator, "estimate": estimate,
    } | changes


@pytest.fixture(scope="module")
def source():
    session = empty_session()
    insert(session, "studies.feedback_index", [
        loop(),
        loop(instrument_x=PERPETUAL, instrument_y=PERPETUAL, estimate=-0.02, q_value=0.6,
             interval_low=-0.1, interval_high=0.05, half_life_seconds=None),
        loop(estimator="break", estimate=1.9, q_value=0.01, part_from=START + HOUR // 2),
        loop(estimator="stress_difference", estimate=0.1, q_value=0.5),
    ])
    insert(session, "studies.price_discovery", [
        share(market, name, value, **interval)
        for market, values in ((PERPETUAL, (0.7, 0.9, 0.8, 0.85)), (SPOT, (0.1, 0.3, 0.2, 0.15)))
        for name, value in zip(("hasbrouck_low", "hasbrouck_high", "modified", "gonzalo_granger"),
                               values, strict=True)
        for interval in [{"interval_low": value - 0.1, "interval_high": value + 0.1}]
    ])
    insert(session, "studies.hawkes", [
        event_row("spectral_radius", 0.7, interval_low=0.65, interval_high=0.75),
        event_row("spectral_radius", 0.72, stamps="as_recorded"),
        event_row("bic", -500.0),
        event_row("spectral_radius", 0.9, baseline="constant"),
        event_row("bic", -400.0, baseline="constant"),
        event_row("exogenous_share", 0.4, instrument_y=SPOT, measure_y="price_up"),
        *(event_row("branching", value, instrument_x=SPOT, instrument_y=SPOT, measure_x=x,
                    measure_y=y, q_value=q)
          for x, y, value, q in (("price_up", "price_up", 0.5, 0.001),
                                 ("price_down", "price_up", 0.0, 1.0),
                                 ("price_up", "price_down", 0.2, 0.01),
                                 ("price_down", "price_down", 0.45, 0.001))),
    ])
    return Source(session)


def test_a_loop_reads_as_a_sentence(source):
    found = feedback_index.section(source)
    text = " ".join(found.paragraphs)
    assert "Of two pairs of flow and return, one has a loop" in text
    assert (
        f"A buy imbalance of one standard deviation in {SPOT} moves its price by 1.50 bps (1.20 "
        "to 1.80), nine tenths of it within 4 s; 25.0 % of the imbalance comes back as flow (gain "
        "0.20 to 0.30), half of that within 1.5 s (bars of 1s, q = 0.004)."
    ) in text
    assert "cannot be told from none (gain −0.020, −0.10 to 0.05" in text
    assert f"The gain of {SPOT} (bars of 1s) changes at about" in text
    assert "By one test, stressed half-hours cannot be told from calm ones." in text
    assert len(found.findings) == 1
    assert found.charts[0].svg.startswith("<svg")
    assert len(found.tables[0].rows) == 2


def test_a_loop_whose_gain_holds_none_is_no_finding(session):
    insert(session, "studies.feedback_index", [
        loop(estimate=0.09, interval_low=-0.03, interval_high=0.18, q_value=0.001),
        loop(instrument_x=PERPETUAL, instrument_y=PERPETUAL)])
    found = feedback_index.section(Source(session))
    (told,) = found.findings
    assert told.startswith(f"A buy imbalance of one standard deviation in {PERPETUAL} moves")
    assert found.paragraphs[1] == told
    assert found.paragraphs[2].endswith(
        "both ways of the loop are there, but what comes back cannot be told from none (gain "
        "0.090, −0.03 to 0.18; bars of 1s, q = 0.001).")


def test_a_gain_beyond_one_is_told_as_it_is(session):
    insert(session, "studies.feedback_index", [
        loop(estimate=1.5, interval_low=1.2, interval_high=1.8)])
    assert "150.0 % of the imbalance comes back as flow" in (
        feedback_index.section(Source(session)).findings[0])


def test_who_leads_is_told_with_its_bounds(source):
    found = price_discovery.section(source)
    (told,) = found.findings
    assert told == (
        f"{PERPETUAL} leads {SPOT} at 1s: its share is 80.0 % (0.70 to 0.90), between bounds of "
        "0.70 to 0.90.")
    assert [row[1] for row in found.tables[0].rows] == [PERPETUAL, SPOT]
    assert found.charts[0].svg.startswith("<svg")


def test_the_best_fit_of_the_events_is_told(source):
    found = hawkes.section(source)
    (told,) = found.findings
    assert told == (
        f"Events of {SPOT}: spectral radius 0.70 (0.65 to 0.75); of a kind, 40.0 % of the events "
        "come from outside, on average; the strongest link is from price up to price down (0.20).")
    assert [row[-2] for row in found.tables[0].rows] == ["", "yes"]
    assert found.charts[0].svg.startswith("<svg")


def test_what_is_not_significant_is_masked_and_events_are_named_apart(session):
    across = {"model": f"across:{PERPETUAL},{SPOT}"}
    insert(session, "studies.hawkes", [
        event_row("spectral_radius", 0.5, interval_low=0.4, interval_high=0.6, **across),
        event_row("spectral_radius", 0.05, stamps="as_recorded", **across),
        event_row("bic", -5.0, **across),
        *(event_row("branching", value, instrument_x=x, instrument_y=y, measure_x="price_up",
                    measure_y="price_up", q_value=q, **across)
          for x, y, value, q in ((PERPETUAL, SPOT, 0.8, 0.001), (SPOT, PERPETUAL, 0.4, 0.9),
                                 (SPOT, SPOT, 0.8, None), (PERPETUAL, PERPETUAL, 0.0, 1.0)))])
    found = hawkes.section(Source(session))
    drawn = found.charts[0].svg
    assert drawn.count("var(--positive-7)") == 1
    assert "<image" not in drawn
    for label in ("binance-futures", "BTCUSDT up"):
        assert label in drawn
    assert "from none to 0.80; a dot where" in found.charts[0].caption
    (warning,) = found.warnings
    assert warning == (
        "Hawkes processes: in one system the spectral radius hangs on how events of one time "
        f"stamp are told apart. It differs most for {PERPETUAL}, {SPOT}: 0.50 with their order "
        "drawn at random, 0.050 as recorded.")


def test_shares_that_are_not_known_leave_open_who_leads(session):
    insert(session, "studies.price_discovery", [
        share(PERPETUAL, "gonzalo_granger", 0.7), share(SPOT, "gonzalo_granger", 0.3),
        *(share(market, "modified", 0.5, family="another") for market in (PERPETUAL, SPOT))])
    found = price_discovery.section(Source(session))
    assert found.findings == []
    assert "In two systems of two it stays open" in found.paragraphs[-1]
    assert found.charts[0].svg.startswith("<svg")


@pytest.mark.parametrize("module", [feedback_index, price_discovery, hawkes])
def test_without_estimates_the_section_says_so(module):
    found = module.section(Source(empty_session()))
    assert "the refusals say why" in found.paragraphs[0]
    assert not found.charts
