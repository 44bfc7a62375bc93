"""The section of the study of impact in event time: sentences and drawing from known rows."""

from imbalance.report.queries import Source
from imbalance.report.studies.event_time import picture, section

START = 1_723_161_240 * 1_000_000_000


def row(estimator, value, *, x="trade_sign", y="return_bps", **more):
    return {
        "study": "event_time", "family": "sign", "scope": "day", "window_from": START,
        "window_to": START + 10**12, "bar_size": "events", "instrument_x": "a:A", "measure_x": x,
        "instrument_y": "a:A", "measure_y": y, "estimator": estimator, "regime": "all",
        "estimate": value, "interval_low": value - 0.1, "interval_high": value + 0.1, "n": 900,
        **more,
    }


def test_section_of_known_rows(session, store_rows):
    store_rows["insert"](session, "studies.event_time", [
        *(row("price_impact", 0.2 + 0.02 * step, horizon=step) for step in range(6)),
        row("permanent_impact", 0.35, horizon=50), row("share_of_trades", 0.4, horizon=50),
        row("wald_hac", 9.0, q_value=0.001),
        row("wald_hac", 1.0, x="return_bps", y="trade_sign", q_value=0.4),
        row("portmanteau", 80.0, x="*", y="*", p_value=0.01) | {"instrument_x": "*"},
    ])
    source = Source(session)
    found = section(source)
    assert found.findings[0].startswith(
        "An unexpected buy moves the mid price of a:A by 0.200 bps at once and 0.350 bps for good")
    assert found.tables[0].rows[0][5] == "40.0 %"
    assert found.tables[0].rows[0][7:9] == ["0.001", "0.40"]
    assert len(found.warnings) == 1
    assert found.charts[0].svg.startswith("<svg")
    assert picture(source, source.choice("event_time")) is not None


def test_section_without_an_estimate(session, store_rows):
    refused = row("permanent_impact", 0.0) | {"estimate": None, "reason": "no_events"}
    store_rows["insert"](session, "studies.event_time", [refused])
    found = section(Source(session))
    assert found.paragraphs == ["No instrument could be studied by trades."]


def test_an_impact_without_an_interval_is_drawn_and_no_finding(session, store_rows):
    bare = {"interval_low": None, "interval_high": None}
    store_rows["insert"](session, "studies.event_time", [
        *(row("price_impact", 0.2, horizon=step, **bare) for step in range(3)),
        row("permanent_impact", 0.35, horizon=50, **bare)])
    found = section(Source(session))
    assert found.findings == []
    assert found.tables[0].rows[0][4:6] == ["–", "–"]
    assert found.charts[0].svg.startswith("<svg")
