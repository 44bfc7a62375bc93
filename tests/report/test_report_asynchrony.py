"""The sections on lead-lag, the Epps effect and correlation matrices, from rows of known values."""

import pytest

from imbalance.report.figures import png_bytes
from imbalance.report.queries import Source
from imbalance.report.studies import correlation_matrix, epps, lead_lag

SPOT, PERPETUAL = "binance:BTCUSDT", "binance-futures:BTCUSDT"
START = 1_723_161_240_000_000_000


def row(study, estimator, estimate, **more):
    return {
        "study": study, "family": "prices", "scope": "day", "window_from": START,
        "window_to": START + 600_000_000_000, "bar_size": "events", "instrument_x": PERPETUAL,
        "measure_x": "mid_price", "instrument_y": SPOT, "measure_y": "mid_price",
        "estimator": estimator, "estimate": estimate, "regime": "all", "n": 600, "coverage": 1.0,
        "parameters": "{}", "available_at": START + 600_000_000_000,
    } | more


def leads(lead, q, kept, **more):
    band = {"interval_low": lead - 10.0, "interval_high": lead + 15.0}
    return [
        row("lead_lag", "lead", lead, q_value=q, p_value=q, rate_x=2.0, **band, **more),
        row("lead_lag", "lead", 999.0, q_value=q, **more | {"regime": "hour_23"}),
        row("lead_lag", "peak_correlation", 1.1, **more),
        row("lead_lag", "lead_lag_ratio", 4.0 if lead > 0 else 0.25, **more),
        row("lead_lag", "sign_kept", 0.99, clock_error_ms=10.0, **more),
        row("lead_lag", "sign_kept_at_measured_skew", kept, clock_error_ms=2.5, **more),
        *(row("lead_lag", "contrast", 0.9 - abs(lag - lead) / 1e3, lag_ms=float(lag),
              interval_low=0.1, interval_high=1.2, **more) for lag in range(-100, 101, 20)),
    ]


@pytest.fixture
def led(session, store_rows):
    store_rows["insert"](session, "studies.lead_lag", [
        *leads(40.0, 0.001, 0.999),
        *leads(-30.0, 0.02, 0.8, measure_x="trade_price", measure_y="trade_price"),
        *leads(5.0, 0.6, 0.5, instrument_y="binance:ETHUSDT"),
    ])
    return Source(session)


def test_leads_are_told_from_the_leader(led):
    found = lead_lag.section(led)
    (table,) = found.tables
    cells = {tuple(line[:3]): line[3:] for line in table.rows}
    assert cells[PERPETUAL, SPOT, "mid price"] == [
        "40 ms", "30 to 55", "0.001", "1.10", "4", "99.0 %", "99.9 % (2.5 ms)"]
    # The second leads by 30 ms: band and ratio are turned round with it.
    assert cells[SPOT, PERPETUAL, "trade price"] == [
        "30 ms", "15 to 40", "0.020", "1.10", "4", "99.0 %", "80.0 % (2.5 ms)"]
    assert "Of three pairs (each price apart), two have a leader" in found.paragraphs[0]
    assert "one of these would keep it" in found.paragraphs[0]
    (finding,) = found.findings
    assert finding == (
        f"The mid price of {PERPETUAL} moves 40 ms before that of {SPOT} (q = 0.001), more than "
        "the clocks can explain by what was measured of them."
    )
    assert any("one lead may be made by clocks" in warning for warning in found.warnings)
    assert any("three correlations at the peak beyond 1" in w for w in found.warnings)


def test_leads_by_regime_stand_below_the_leads(led, session, store_rows):
    def compared(test, value, q, **more):
        return row("lead_lag_difference", test, value, of="lead", regime="spread", q_value=q,
                   p_value=q, **more)

    store_rows["insert"](session, "studies.lead_lag_difference", [
        compared("high_less_low", 80.0, 0.004, interval_low=40.0, interval_high=110.0),
        compared("equality", 21.0, 0.03)])
    leads, differences = lead_lag.section(led).tables
    assert len(leads.rows) == 3
    assert list(differences.rows[0]) == [
        f"{PERPETUAL} mid price and {SPOT} mid price", "events", "lead", "spread", "80",
        "40 to 110", "0.004", "0.030"]


def test_the_network_shows_what_was_found(led):
    network, curves = lead_lag.section(led).charts
    assert "40 ms" in network.svg
    assert "30 ms" in network.svg
    assert ">5 ms<" not in network.svg
    # One arrow, its line and its head, may be made by the clocks.
    assert network.svg.count("stroke-dasharray") == 2
    assert "lag in ms" in curves.svg
    assert png_bytes(lead_lag.picture(led, led.choice("lead_lag")).figure).startswith(b"\x89PNG")


def test_short_bars_beside_the_pre_averaged_correlation(session, store_rows):
    band = {"interval_low": 0.4, "interval_high": 1.0, "rate_x": 5.0, "rate_y": 6.0}
    store_rows["insert"](session, "studies.epps", [
        *(row("epps", "previous_tick", value, step_ms=step, **band)
          for step, value in ((100, 0.3), (1_000, 0.6), (10_000, 0.78))),
        *(row("epps", "poisson_arrivals", value, step_ms=step, **band)
          for step, value in ((100, 0.35), (1_000, 0.7), (10_000, 0.79))),
        row("epps", "pre_averaged", 0.8, **band),
        row("epps", "hayashi_yoshida", 0.5, **band),
        row("epps", "two_scales", None, reason="no_variance"),
    ])
    source = Source(session)
    found = epps.section(source)
    (paragraph,) = found.paragraphs
    assert paragraph == (
        "Bars of one second show 75 % of the pre-averaged correlation in the median of one "
        "pair (each price apart)."
    )
    (table,) = found.tables
    (line,) = table.rows
    cells = dict(zip(table.header, line, strict=True))
    assert cells["pair"] == f"{PERPETUAL} and {SPOT}"
    assert (cells["1 s bars"], cells["Poisson arrivals at 1 s"]) == ("0.60", "0.70")
    assert (cells["pre-averaged"], cells["Hayashi–Yoshida"]) == ("0.80", "0.50")
    assert cells["two scales"] == cells["bipower"] == "–"
    assert "Poisson arrivals" in found.charts[0].svg
    drawing = epps.picture(source, source.choice("epps"))
    assert png_bytes(drawing.figure).startswith(b"\x89PNG")


@pytest.fixture
def matrix(session, store_rows):
    def of(estimator, estimate, **more):
        return row("correlation_matrix", estimator, estimate, **{
            "bar_size": "1s", "measure_x": "return_bps", "measure_y": "return_bps",
            "family": "returns", "instrument_x": "*", "instrument_y": "*", "n": 300,
        } | more)

    pair = {"instrument_x": PERPETUAL, "instrument_y": SPOT}
    store_rows["insert"](session, "studies.correlation_matrix", [
        of("ledoit_wolf", 0.83, **pair), of("clipped", 0.8, **pair),
        of("tree_edge", 0.6, support=1.0, **pair),
        of("cluster", 1.0, instrument_x=SPOT), of("cluster", 1.0, instrument_x=PERPETUAL),
        of("eigenvalue", 1.83, rank=1, interval_low=1.7, interval_high=1.9, support=1.0),
        of("eigenvalue", 0.17, rank=2, interval_low=0.1, interval_high=0.3, support=0.0),
        of("noise_edge", 1.3), of("effective_observations", 18.0),
        of("absorption_ratio", 0.915, interval_low=0.85, interval_high=0.95),
        of("intensity_ledoit_wolf", 0.04),
        # Fewer rows of longer bars are not what is shown.
        of("eigenvalue", 1.5, rank=1, bar_size="10s", n=30),
    ])
    return Source(session)


def test_a_matrix_with_what_noise_would_reach(matrix):
    found = correlation_matrix.section(matrix)
    (paragraph,) = found.paragraphs
    assert paragraph == (
        "Return, 1s bars: one eigenvalue of two above the edge of noise; the largest fifth holds "
        "91.5 % of the variance."
    )
    (table,) = found.tables
    assert list(table.rows[0]) == ["return", "1s", "300", "18", "1 of 2", "1.30", "0.915",
                                   "0.85 to 0.95", "0.0400", "1"]
    (warning,) = found.warnings
    assert "18 effective rows for two instruments; use the shrunk matrix" in warning
    (chart,) = found.charts
    assert ">0.83<" in chart.svg
    drawing = correlation_matrix.picture(matrix, matrix.choice("correlation_matrix"))
    assert png_bytes(drawing.figure).startswith(b"\x89PNG")


@pytest.mark.parametrize("study", [lead_lag, epps, correlation_matrix])
def test_nothing_estimated_is_said(session, study):
    found = study.section(Source(session))
    assert "could be estimated" in found.paragraphs[0]
    assert not found.charts


def test_refusals_alone_draw_nothing(session, store_rows):
    store_rows["insert"](session, "studies.lead_lag",
                         [row("lead_lag", "lead", None, reason="too_short")])
    source = Source(session)
    assert not lead_lag.section(source).charts
    assert lead_lag.picture(source, source.choice("lead_lag")) is None


def test_pairs_without_bands_are_told_and_drawn(session, store_rows):
    bare = {"interval_low": None, "interval_high": None}
    store_rows["insert"](session, "studies.lead_lag", [
        one | bare for one in leads(-40.0, 0.001, 0.999) if one["regime"] == "all"])
    store_rows["insert"](session, "studies.epps", [
        *(row("epps", "previous_tick", 0.3, step_ms=step) for step in (100, 1_000)),
        row("epps", "poisson_arrivals", 0.3, step_ms=100), row("epps", "pre_averaged", 0.8),
        row("epps", "hayashi_yoshida", 0.5)])
    source = Source(session)
    led, correlated = lead_lag.section(source), epps.section(source)
    assert led.tables[0].rows[0][:5] == [SPOT, PERPETUAL, "mid price", "40 ms", "–"]
    assert [chart.svg[:4] for chart in (*led.charts, *correlated.charts)] == ["<svg"] * 3


def test_the_median_is_of_all_pairs(session, store_rows):
    store_rows["insert"](session, "studies.epps", [
        row("epps", name, value, step_ms=step, instrument_y=f"v:I{i:02}", interval_low=0.1)
        for i in range(50) for name, value, step in (
            ("previous_tick", 0.8 if i < 26 else 0.2, 1_000), ("pre_averaged", 0.8, 0),
            ("hayashi_yoshida", 0.2 if i < 26 else 0.7, 0))])
    (paragraph,) = epps.section(Source(session)).paragraphs
    assert paragraph.startswith("Bars of one second show 100 % of the pre-averaged correlation in "
                                "the median of 50 pairs")
