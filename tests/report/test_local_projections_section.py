"""The section of the study of local projections: sentences and drawing from known rows."""

from imbalance.report.queries import Source
from imbalance.report.studies.local_projections import picture, section

START = 1_723_161_240 * 1_000_000_000
FLOW, RETURN = "order_flow_imbalance", "return_bps"


def row(estimator, value, horizon, **more):
    return {
        "study": "local_projection", "family": "flow_and_return", "scope": "span",
        "window_from": START, "window_to": START + 10**12, "bar_size": "1s",
        "instrument_x": "a:A", "measure_x": FLOW, "instrument_y": "a:A", "measure_y": RETURN,
        "estimator": estimator, "model": "a:A", "horizon": horizon, "regime": "all",
        "estimate": value, "interval_low": value - 0.1, "interval_high": value + 0.1, "n": 900,
        **more,
    }


def test_section_of_known_rows(session, store_rows):
    store_rows["insert"](session, "studies.local_projection", [
        *(row(name, 0.4 / step, step) for step in range(1, 6)
          for name in ("lag_augmented", "vector_autoregression", "cumulative")),
        row("permanent", 0.9, 5), row("disagreement", 3.4, 5, p_value=0.01, q_value=0.03),
        row("regime_difference", 0.2, 1, regime="depth_high", q_value=0.2),
    ])
    source = Source(session)
    found = section(source)
    assert "one path of these differs" in found.paragraphs[0]
    assert found.tables[0].rows[0][4] == "0.0800"
    assert found.tables[0].rows[0][8] == "no (p 0.010)"
    assert len(found.warnings) == 1
    assert found.findings == []  # 0.08 ± 0.1 holds zero
    assert found.charts[0].svg.startswith("<svg")
    assert picture(source, source.choice("local_projection")) is not None


def test_section_without_an_estimate(session, store_rows):
    refused = row("lag_augmented", 0.0, 0) | {"estimate": None, "reason": "too_few_bars"}
    store_rows["insert"](session, "studies.local_projection", [refused])
    found = section(Source(session))
    assert found.paragraphs == ["No response could be projected."]


def test_the_surest_move_is_told_first(session, store_rows):
    for name, value in (("a:A", 0.15), ("b:B", 5.0), ("c:C", 1.0)):
        store_rows["insert"](session, "studies.local_projection", [
            row("cumulative", value, 5, model=name), row("lag_augmented", value, 5, model=name),
            row("disagreement", 0.4, 5, model=name, p_value=0.6)])
    told = section(Source(session)).findings
    assert [" of b:B has moved its price by 5 bps" in text for text in told] == [True, False]
    assert " of c:C has moved" in told[1]


def test_two_families_are_two_paths(session, store_rows):
    store_rows["insert"](session, "studies.local_projection", [
        one for family in ("f", "g") for one in (
            *(row("lag_augmented", 0.4, step, family=family) for step in (1, 2)),
            row("disagreement", 0.4, 5, p_value=0.6, family=family))])
    assert section(Source(session)).charts[0].svg.count("order flow → return (bps)") == 2
