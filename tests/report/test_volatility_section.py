"""The section of the study of imbalance and volatility: sentences and drawing from known rows."""

from imbalance.report.queries import Source
from imbalance.report.studies.volatility import picture, section

START = 1_723_161_240 * 1_000_000_000


def row(estimator, value, **more):
    return {
        "study": "volatility", "family": "a", "scope": "day", "window_from": START,
        "window_to": START + 10**12, "bar_size": "1s", "instrument_x": "p:P",
        "measure_x": "absolute(order_flow_imbalance)", "instrument_y": "s:S",
        "measure_y": "realised_volatility", "estimator": estimator, "regime": "all", "horizon": 1,
        "estimate": value, "interval_low": value - 0.05, "interval_high": value + 0.05, "n": 900,
        **more,
    }


def test_section_of_known_rows(session, store_rows):
    store_rows["insert"](session, "studies.volatility", [
        row("partial_r_squared", 0.3, q_value=0.001), row("r_squared_in", 0.5),
        row("partial_r_squared", 0.4, regime="depth_low"), row("r_squared_out", 0.4),
        row("gain", 0.2, q_value=0.001),
        row("partial_r_squared", 0.1, q_value=0.01, horizon=5),
        row("r_squared_out", 0.1, horizon=5),
        row("gain", -0.1, q_value=0.9, horizon=5),
        row("local_projection", 0.7, q_value=0.001),
        row("local_projection", 0.1, q_value=0.5, instrument_x="s:S",
            measure_x="realised_volatility", instrument_y="p:P",
            measure_y="absolute(order_flow_imbalance)"),
    ])
    source = Source(session)
    found = section(source)
    assert found.paragraphs[0].startswith("Of two forecasts of volatility, one is made better")
    assert "later volatility, one of one; from volatility to later imbalance, none of one" in (
        found.paragraphs[1])
    (finding,) = found.findings
    assert finding == (
        "The imbalance of p:P adds 0.20 to the R² of forecasts of the volatility of s:S over the "
        "next 1 bar (1 s), out of sample (0.15 to 0.25, q = 0.001)."
    )
    assert len(found.warnings) == 1
    assert found.tables[0].rows[0][4:8] == ["0.30", "0.001", "0.40", "–"]
    assert found.charts[0].svg.startswith("<svg")
    assert picture(source, source.choice("volatility")) is not None


def test_section_without_an_estimate(session, store_rows):
    refused = row("gain", 0.0) | {"estimate": None, "reason": "no_pair"}
    store_rows["insert"](session, "studies.volatility", [refused])
    found = section(Source(session))
    assert found.paragraphs == ["No pair of instruments could be studied."]
