"""The section on regimes says what differs, and nothing where nothing was compared."""

from imbalance.report.queries import Source
from imbalance.report.studies.correlation import section

A = "binance:A"


def insert(session, store_rows, differences):
    levels = [
        store_rows["estimate"](A, A, 0, value, 0.001, regime=f"depth_{level}")
        for level, value in (("low", 0.3), ("middle", 0.4), ("high", 0.62))
    ]
    store_rows["insert"](session, "studies.correlation", levels)
    store_rows["insert"](session, "studies.correlation_difference", [
        store_rows["estimate"](A, A, 0, value, q, study="correlation_difference", regime="depth",
                               estimator=estimator)
        for estimator, value, q in differences
    ])


def test_a_difference_is_a_finding_with_both_correlations(session, store_rows):
    insert(session, store_rows, [("high_less_low", 0.32, 0.0004), ("equality", 25.0, 0.002)])
    found = section(Source(session))
    (sentence,) = found.findings
    assert "0.62 after bars in the upper third by depth, at 0.30 after" in sentence
    (table,) = found.tables
    row = dict(zip(table.header, table.rows[0], strict=True))
    assert (row["instrument"], row["bars"], row["regime"]) == (A, "1s", "depth")
    assert (row["low"], row["middle"], row["high"]) == ("0.30", "0.40", "0.62")
    assert row["high less low"] == "0.32"
    assert "one comparison" in found.paragraphs[1]


def test_what_is_not_significant_is_no_finding(session, store_rows):
    insert(session, store_rows, [("high_less_low", 0.1, 0.2), ("equality", 1.0, 0.9)])
    found = section(Source(session))
    assert found.findings == []
    assert "none are significant" in found.paragraphs[1]


def test_without_comparisons_there_is_no_section(session, store_rows):
    assert section(Source(session)) is None
    store_rows["insert"](session, "studies.correlation",
                         [store_rows["estimate"](A, A, 0, 0.3, 0.001)])
    assert section(Source(session)) is None


def test_the_surest_difference_is_told_first(session, store_rows):
    for regime, q in (("depth", 0.04), ("spread", 0.002), ("volatility", 0.7)):
        store_rows["insert"](session, "studies.correlation_difference", [
            store_rows["estimate"](A, A, 0, 0.2, q, study="correlation_difference", regime=regime,
                                   estimator="high_less_low")])
    store_rows["insert"](session, "studies.correlation",
                         [store_rows["estimate"](A, A, 0, 0.3, 0.001)])
    found = section(Source(session))
    assert [row[2] for row in found.tables[0].rows] == ["spread", "depth", "volatility"]
    assert ["spread" in text for text in found.findings] == [True, False]


def test_families_are_not_mixed(session, store_rows):
    for family, high, difference in (("f", 0.9, 0.5), ("g", 0.2, -0.1)):
        store_rows["insert"](session, "studies.correlation", [
            store_rows["estimate"](A, A, 0, high, 0.001, family=family, regime="depth_high")])
        store_rows["insert"](session, "studies.correlation_difference", [
            store_rows["estimate"](A, A, 0, difference, 0.01, study="correlation_difference",
                                   family=family, regime="depth", estimator="high_less_low")])
    (table,) = section(Source(session)).tables
    assert [row[5:7] for row in table.rows] == [("0.90", "0.50"), ("0.20", "−0.10")]
