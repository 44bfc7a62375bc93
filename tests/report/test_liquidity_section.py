"""The section of the study of liquidity: sentences and drawing from known rows."""

from imbalance.report.queries import Source
from imbalance.report.studies.liquidity import picture, section

START = 1_723_161_240 * 1_000_000_000


def row(estimator, value, **more):
    return {
        "study": "liquidity", "family": "liquidity", "scope": "day", "window_from": START,
        "window_to": START + 10**12, "bar_size": "events", "instrument_x": "a:A",
        "measure_x": "trade_price", "instrument_y": "a:A", "measure_y": "return_bps",
        "estimator": estimator, "regime": "all", "controls": "none", "estimate": value,
        "interval_low": value - 0.05, "interval_high": value + 0.05, "n": 900, **more,
    }


def test_section_of_known_rows(session, store_rows):
    store_rows["insert"](session, "studies.liquidity", [
        row("effective_spread", 1.0), row("realised_spread", 0.6, seconds=5),
        row("spread_impact", 0.4, seconds=5, q_value=0.001),
        row("effective_spread", 3.0, instrument_y="b:B"), row("roll", 0.9),
        row("vpin", 0.3, n_windows=50), row("vpin_bulk", 0.4), row("bulk_agreement", 0.7),
        row("vpin_forecast", 0.5, q_value=0.01),
        row("vpin_forecast", 0.1, q_value=0.6, controls="volume_and_volatility"),
        row("kyle_lambda", 0.2, bar_size="10s"), row("volume", 5e6, bar_size="10s"),
        row("amihud", 0.01, bar_size="10s", n_excluded=7),
    ])
    source = Source(session)
    found = section(source)
    assert found.paragraphs[0].startswith("The effective spread is 1 bps of the mid on a:A and 3 ")
    assert "for one of one instrument by itself, and for none once" in found.paragraphs[1]
    assert found.findings[0].endswith(
        "5 s later the mid has moved its way by 0.400 bps, counted double (0.350 to 0.450).")
    assert found.tables[0].rows == [
        ["a:A", "0.900", "1", "0.950 to 1.05", "0.600", "0.400", "0.350 to 0.450", "5 s", "900"]]
    assert found.tables[1].rows[0][7:9] == ["7", "5,000,000"]
    assert found.tables[2].rows[0][4:9] == ["70.0 %", "0.500", "0.010", "0.100", "0.60"]
    assert "as little as 70.0 % of the volume (a:A)" in found.warnings[0]
    assert found.charts[0].svg.startswith("<svg")
    assert picture(source, source.choice("liquidity")) is not None


def test_section_without_an_estimate(session, store_rows):
    refused = row("kyle_lambda", 0.0) | {"estimate": None, "reason": "no_bars"}
    store_rows["insert"](session, "studies.liquidity", [refused])
    assert section(Source(session)).paragraphs == ["No instrument had trades to study."]
