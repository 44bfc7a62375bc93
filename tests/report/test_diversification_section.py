"""The section of the study of diversification: sentences and drawing from known rows."""

from imbalance.report.queries import Source
from imbalance.report.studies.diversification import picture, section

START = 1_723_161_240 * 1_000_000_000


def row(estimator, value, state="all", **more):
    return {
        "study": "diversification", "family": "a", "scope": "day", "window_from": START,
        "window_to": START + 10**12, "bar_size": "1s", "instrument_x": "*", "instrument_y": "*",
        "class_x": "all", "class_y": "all", "estimator": estimator, "regime": state, "pairs": 6.0,
        "estimate": value, "interval_low": value - 0.05, "interval_high": value + 0.05, "n": 900,
        **more,
    }


def test_section_of_known_rows(session, store_rows):
    store_rows["insert"](session, "studies.diversification", [
        row("mean_correlation", 0.4), row("mean_correlation", 0.3, "calm"),
        row("mean_correlation", 0.6, "stressed"), row("mean_correlation", 0.2, "lower_tail", n=60),
        row("mean_correlation", 0.7, class_x="perpetual", class_y="spot"),
        row("correlation_risk", 0.3, "stressed", benchmark=0.3, q_value=0.001),
        row("tail_excess", 0.1, "lower_tail", benchmark=0.1, q_value=0.2),
        row("diversification_ratio", 1.5), row("diversification_lost", 0.6, "stressed"),
    ])
    source = Source(session)
    found = section(source)
    assert found.paragraphs[0] == (
        "Returns of all pairs correlate by, in the mean: at 1s, 0.40 (0.30 higher in stress than "
        "in calm, surely so).")
    assert "at 1s stress takes 60.0 % of the independent bets" in found.paragraphs[1]
    (finding,) = found.findings
    assert finding.startswith("Correlations (all pairs, 1s bars) rise from 0.30 in calm to 0.60")
    first, second = found.tables[0].rows
    assert first[2:] == ["6", "0.40", "0.35 to 0.45", "0.30", "0.60", "0.30", "0.25 to 0.35",
                         "0.001", "0.20", "0.10", "–", "–"]
    assert second[0] == "perpetual and spot"
    assert found.tables[1].rows[0][4] == "2.25"
    assert len(found.warnings) == 1
    assert found.charts[0].svg.startswith("<svg")
    assert picture(source, source.choice("diversification")) is not None


def test_section_without_an_estimate(session, store_rows):
    refused = row("mean_correlation", 0.0) | {"estimate": None, "reason": "too_few_instruments"}
    store_rows["insert"](session, "studies.diversification", [refused])
    found = section(Source(session))
    assert found.paragraphs == ["No two instruments have enough bars in common."]
