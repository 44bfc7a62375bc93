"""The section of the study of price impact: sentences and drawing from known rows."""

from imbalance.report.queries import Source
from imbalance.report.studies.price_impact import picture, section

START = 1_723_161_240 * 1_000_000_000
FLOW = "order_flow_imbalance"


def row(estimator, value, *, table="price_impact", **more):
    return {
        "study": table, "family": "flow_and_return", "scope": "day", "window_from": START,
        "window_to": START + 10**12, "bar_size": "10s", "instrument_x": "a:A", "measure_x": FLOW,
        "instrument_y": "a:A", "measure_y": "return_bps", "estimator": estimator, "regime": "all",
        "estimate": value, "interval_low": value - 0.05, "interval_high": value + 0.05, "n": 180,
        **more,
    }


def cross(estimator, value, model, horizon, **more):
    return row(estimator, value, table="cross_impact", model=model, horizon=horizon, **more)


def test_section_of_known_rows(session, store_rows):
    store_rows["insert"](session, "studies.price_impact", [
        row("slope", 0.2, n_windows=1), row("r_squared", 0.6, n_windows=1),
        row("r_squared", 0.01, lag=1, horizon=1),
        row("r_squared", 0.3, measure_x=f"{FLOW}_no_price_change"),
        row("r_squared", 0.25, measure_x="trade_imbalance"),
        row("r_squared", 0.65, measure_x=f"{FLOW},trade_imbalance"),
        row("rmse_reduction", 0.3, levels=2),
        *(row(f"r_squared_{where}", 0.5 + 0.1 * m, levels=m, measure_x=f"{FLOW}_levels")
          for where in ("in", "out") for m in (1, 2)),
        *(row("response", 1.0 - 0.1 * h, horizon=h) for h in (0, 1, 5)),
        row("regime_slope", 0.3, regime="messages_per_trade_low"),
        row("regime_slope", 0.1, regime="messages_per_trade_high"),
        row("regime_difference", -0.2, regime="messages_per_trade_high", q_value=0.002, n=120),
        row("regime_slope", 0.3, regime="time_06"),
    ])
    store_rows["insert"](session, "studies.cross_impact", [
        cross(f"r_squared_{where}", value, model, horizon)
        for horizon, value in ((0, 0.6), (1, 0.08)) for where in ("in", "out")
        for model in ("own_best", "cross_best")
    ] + [
        cross("cross_gain", 0.06, "cross_best", 1, q_value=0.001),
        cross("coefficient", 0.4, "cross_best", 1, instrument_x="b:B"),
        cross("r_squared_out", 0.5, "own_best", 1, instrument_y="c:C", instrument_x="c:C",
              alarm="look_ahead"),
    ])
    source = Source(session)
    found = section(source)
    own, others = found.findings
    assert own.startswith("Order flow of a:A explains 60.0 % of the variance of its 10s returns")
    assert own.endswith("30.0 % without the events that move the price).")
    assert others.startswith("Flows of others, b:B before all, raise the R² of the forecast")
    assert others.endswith("of a:A by 0.060 to 0.080 out of sample (q = 0.001).")
    assert "misses by 30.0 % less" in found.paragraphs[1]
    assert "in one of one cases they help to forecast" in found.paragraphs[2]
    assert found.tables[1].rows == [["a:A", "10s", "messages per trade", "0.300", "0.100",
                                     "−0.200", "−0.250 to −0.150", "0.002", "120"]]
    assert found.tables[2].rows[0] == ["here: a:A", "0.60", "0.30", "0.25", "0.65", "0.010"]
    assert len(found.warnings) == 1
    assert "next 10s return of c:C is forecast with an R² above 0.45" in found.warnings[0]
    assert found.charts[0].svg.startswith("<svg")
    assert picture(source, source.choice("price_impact")) is not None


def test_families_are_not_mixed_in_the_table_of_regimes(session, store_rows):
    store_rows["insert"](session, "studies.price_impact", [row("r_squared", 0.6, n_windows=1)] + [
        row(estimator, value, regime=f"depth_{level}", family=family, q_value=q)
        for family, values, q in (("one", (0.3, 0.1), 0.001), ("two", (0.2, 0.4), 0.02))
        for estimator, value, level in (("regime_slope", values[0], "low"),
                                        ("regime_slope", values[1], "high"),
                                        ("regime_difference", values[1] - values[0], "high"))
    ])
    rows = section(Source(session)).tables[1].rows
    assert [one[3:6] for one in rows] == [["0.300", "0.100", "−0.200"], ["0.200", "0.400", "0.200"]]


def test_what_a_feed_of_images_does_not_have_is_not_told(session, store_rows):
    store_rows["insert"](session, "studies.price_impact", [
        row("slope", 0.2, n_windows=1, measure_x=f"generalised_{FLOW}"),
        row("r_squared", 0.6, n_windows=1, measure_x=f"generalised_{FLOW}")])
    (own,) = section(Source(session)).findings
    assert own.endswith("(0.55 to 0.65 as R²).")


def test_section_without_an_estimate(session, store_rows):
    refused = row("slope", 0.0) | {"estimate": None, "reason": "all_null"}
    store_rows["insert"](session, "studies.price_impact", [refused])
    assert section(Source(session)).paragraphs == ["No instrument had a flow to study."]
