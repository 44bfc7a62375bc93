"""Which window is shown, how time is cut, and what the queries select."""

import pytest

from imbalance.report.build import write_report
from imbalance.report.findings import told
from imbalance.report.queries import Source, bucket_for, choose_window
from imbalance.report.records import Window
from imbalance.summary import rows_of

SECOND = 1_000_000_000
START = 1_723_161_240 * SECOND


def window(scope, day, estimates, study="correlation"):
    return Window(study, scope, day, "1s", START, START + SECOND, estimates, 0, 0, 0, None, None)


@pytest.mark.parametrize(
    ("seconds", "points", "bucket"),
    [(100, 480, 1), (481, 480, 2), (600, 480, 2), (86_400, 480, 300), (90 * 86_400, 480, 43_200),
     (3650 * 86_400, 480, 8 * 86_400)],
)
def test_buckets_are_readable_and_bounded(seconds, points, bucket):
    assert bucket_for(seconds * SECOND, points) == bucket * SECOND


def test_the_whole_span_is_shown_when_it_holds_estimates():
    rows = [window("day", "2024-08-08", 500), window("span", "2024-08-08", 20)]
    chosen = choose_window(rows, "correlation")
    assert (chosen.scope, chosen.window_day) == ("span", None)


def test_else_the_day_with_most_estimates():
    rows = [window("day", "2024-08-08", 500), window("day", "2024-08-09", 600),
            window("span", "2024-08-08", 0)]
    chosen = choose_window(rows, "correlation")
    assert (chosen.scope, chosen.window_day) == ("day", "2024-08-09")
    assert choose_window(rows, "granger_causality") is None


@pytest.mark.parametrize("ask", [
    lambda session: [row.missing_trades for row in Source(session).trade_gaps()],
    lambda session: [row["missing"] for row in rows_of(session, "missing_trades")],
])
def test_wild_ids_miss_more_trades_than_fit_in_64_bits(session, store_rows, ask):
    most = 2**63 - 1
    store_rows["insert"](session, "book.trade_gaps", [
        {"instrument": "a:A", "gap": gap, "kind": "trade", "missing_from": START + gap * SECOND,
         "missing_to": START + (gap + 1) * SECOND, "cause": "id_hole", "expected_trade_id": gap,
         "found_trade_id": most, "missing_trades": most} for gap in (1, 3)])
    assert ask(session) == [2 * most]


def test_a_pause_parts_the_stretches(session, store_rows):
    store_rows["insert"](session, "features.bars_1s", store_rows["bars"]("a:A", seconds=30))
    later = START + 7200 * SECOND
    store_rows["insert"](session, "features.bars_1s",
                         store_rows["bars"]("b:B", seconds=20, start=later))
    store_rows["insert"](session, "features.bars_1s",
                         store_rows["bars"]("a:A", seconds=5, start=START + 90 * SECOND))
    found = [(s.start_ns - START, s.end_ns - START) for s in Source(session).stretches()]
    assert found == [(0, 95 * SECOND), (7200 * SECOND, 7220 * SECOND)]


def test_series_sum_flow_over_valid_bars_only(session, store_rows):
    rows = store_rows["bars"]("a:A", seconds=1000, poisoned={1})
    store_rows["insert"](session, "features.bars_1s", rows)
    source = Source(session)
    (series,) = source.series(source.stretches(), points=100)
    assert series.bucket_ns == 10 * SECOND
    assert len(series.start_ns) == 100
    ten = rows[:10]
    assert series.flow[0] == pytest.approx(
        sum(row["order_flow_imbalance"] for row in ten if row["valid"])
    )
    assert series.valid_share[0] == pytest.approx(0.9)
    assert series.price[0] == ten[-1]["mid_close"]
    assert series.low[0] == min(row["mid_low"] for row in ten)


def test_strongest_prefers_a_sure_effect_to_a_large_one(session, store_rows):
    estimate = store_rows["estimate"]
    store_rows["insert"](session, "studies.correlation", [
        estimate("a:A", "a:B", 0, 0.9, 0.01, interval_low=0.05, interval_high=0.99),
        estimate("a:B", "a:A", 0, 0.4, 0.01, interval_low=0.35, interval_high=0.45),
        estimate("a:B", "a:A", 0, 0.38, 0.01, estimator="spearman"),
        estimate("a:C", "a:A", 0, 0.99, 0.2, interval_low=0.9, interval_high=0.999),
    ])
    source = Source(session)
    rows = source.correlation_strongest(choose_window(source.windows(), "correlation"), most=5)
    assert [(row.instrument_x, row.place) for row in rows] == [("a:B", 1), ("a:A", 2)]
    assert rows[0].strength == 0.35
    assert rows[0].rank_estimate == 0.38
    assert rows[1].rank_estimate is None


def test_what_rests_on_a_few_spikes_is_no_finding(session, store_rows, tmp_path):
    estimate = store_rows["estimate"]
    spike = {"interval_low": -0.999, "interval_high": -0.95, "n": 27, "n_effective": 3.4}
    store_rows["insert"](session, "studies.correlation", [
        estimate("a:A", "a:B", 0, -0.99, 0.001, **spike),
        estimate("a:A", "a:C", 0, 0.4, 0.01, n=27, n_effective=20.0),
        estimate("a:A", "a:D", 0, 0.6, 0.01, n=27, n_effective=None),
    ])
    source = Source(session)
    window = choose_window(source.windows(), "correlation")
    rows = source.correlation_strongest(window, most=5)
    assert [row.instrument_y for row in rows] == ["a:D", "a:C"]
    (measures,) = source.correlation_measures(window)
    assert (measures.significant, measures.thin) == (3, 1)
    summary = write_report(session, tmp_path / "report.html", title="t")
    assert "correlation 0.60 " in summary.findings[0]
    assert not any("−0.99" in text for text in summary.findings)
    assert "One significant one rests on fewer than 20 independent pairs of bars." in (
        tmp_path / "report.html").read_text()


def test_where_all_rest_on_a_few_spikes_it_is_said(session, store_rows):
    store_rows["insert"](session, "studies.correlation", [
        store_rows["estimate"]("a:A", "a:B", 0, -0.99, 0.001, n=27, n_effective=3.4)])
    source = Source(session)
    (found,) = told(source, source.choice("correlation"), None)
    (sentence,) = found.sentences
    assert sentence == (
        "No correlation between two series is significant (q ≤ 0.05 over each declared family) "
        "and rests on 20 independent pairs of bars.")


def test_the_answer_to_the_question_is_no_spike(session, store_rows):
    estimate, family = store_rows["estimate"], "perpetual_imbalance_and_spot_volatility"
    store_rows["insert"](session, "studies.correlation", [
        estimate("f:A", "s:A", lag, value, q, family=family, measure_y="realised_variance",
                 n_effective=effective)
        for lag, value, q, effective in ((1, 0.99, 1e-9, 3.0), (2, 0.2, 0.04, 90.0),
                                         (4, 0.1, 0.6, 90.0))])
    source = Source(session)
    rows = source.correlation_question(source.choice("correlation"), family, most=8)
    assert [(row.lag, row.significant) for row in rows] == [(2, 1), (1, 1), (4, 1)]


@pytest.mark.parametrize(("q", "words"), [
    (0.001, "is significant and rests on 20 independent pairs of bars; the nearest"),
    (0.4, "is significant; the nearest"),
])
def test_a_spike_that_does_not_answer_the_question_is_not_called_insignificant(
    session, store_rows, q, words
):
    family = "perpetual_imbalance_and_spot_volatility"
    store_rows["insert"](session, "studies.correlation", [
        store_rows["estimate"]("f:A", "s:A", 1, 0.99, q, family=family,
                               measure_y="realised_variance", n_effective=3.0)])
    source = Source(session)
    (found,) = told(source, source.choice("correlation"), None)
    assert f": none of 1 tests {words} to it: " in found.sentences[-1]


def test_the_question_is_answered_from_the_smallest_q(session, store_rows):
    estimate = store_rows["estimate"]
    family = "perpetual_imbalance_and_spot_volatility"
    store_rows["insert"](session, "studies.correlation", [
        estimate("f:A", "s:A", lag, value, q, family=family, measure_y="realised_variance")
        for lag, value, q in ((-1, 0.9, 0.001), (0, 0.8, 0.001), (1, 0.2, 0.3), (2, 0.1, 0.06))
    ])
    source = Source(session)
    chosen = choose_window(source.windows(), "correlation")
    rows = source.correlation_question(chosen, family, most=8)
    assert [(row.lag, row.tests, row.significant) for row in rows] == [(2, 2, 0), (1, 2, 0)]


def test_responses_across_instruments_are_the_most_prominent_by_bar_size(session, store_rows):
    def response(x, y, bar_size, value):
        return {
            "study": "impulse_response", "family": "f", "scope": "day", "window_from": START,
            "window_to": START + SECOND, "bar_size": bar_size, "instrument_x": x,
            "measure_x": "order_flow_imbalance", "instrument_y": y, "measure_y": "return_bps",
            "estimator": "generalised", "model": "across:a:A,b:B,c:C", "regime": "all",
            "estimate": value, "interval_low": value - 0.1, "interval_high": value + 0.1, "n": 9,
        }

    pairs = [("a:A", "b:B", 0.5), ("b:B", "c:C", -0.9), ("c:C", "a:A", 0.1), ("a:A", "a:A", 5.0)]
    store_rows["insert"](session, "studies.impulse_response", [
        response(x, y, size, value) for x, y, value in pairs for size in ("10s", "1s")
    ])
    source = Source(session)
    rows = source.impulse_responses(choose_window(source.windows(), "impulse_response"), most=2)
    assert [(r.bar_size, r.instrument_x, r.instrument_y) for r in rows] == [
        ("1s", "a:A", "b:B"), ("1s", "b:B", "c:C"), ("10s", "a:A", "b:B"), ("10s", "b:B", "c:C"),
    ]
    assert all(row.across for row in rows)


def test_transfer_entropy_stands_beside_the_granger_test_of_the_same_series(session, store_rows):
    store_rows["fill"](session, ("a:A",))
    pair = {"study": "dependence", "family": "flow_and_return", "scope": "day",
            "window_from": START, "window_to": START + SECOND, "bar_size": "1s", "lag": 1,
            "instrument_x": "a:A", "measure_x": "order_flow_imbalance", "instrument_y": "a:A",
            "measure_y": "return_bps", "level": 0.0, "horizon": 1, "regime": "all", "n": 350}
    elsewhere = pair | {"bar_size": "10s"}
    store_rows["insert"](session, "studies.dependence", [
        pair | {"estimator": "transfer_entropy", "estimate": 0.09, "q_value": 0.02},
        pair | {"estimator": "effective_transfer_entropy", "estimate": 0.04},
        elsewhere | {"estimator": "transfer_entropy", "estimate": 0.5, "q_value": 0.9},
    ])
    source = Source(session)
    rows = source.granger(choose_window(source.windows(), "granger_causality"), most=9)
    found = {row.measure_x: (row.transfer_entropy, row.transfer_entropy_q) for row in rows}
    assert found == {"order_flow_imbalance": (0.04, 0.02), "return_bps": (None, None)}


def test_latency_is_what_the_correction_leaves_of_the_clocks_difference(filled, store_rows):
    unknown = {"capture_id": "f" * 16, "venue": "edgex", "messages": 0, "correction_ns": 0}
    store_rows["insert"](filled, "raw.clock_skew", [unknown])
    (clock,) = Source(filled).clocks()
    assert (clock.path, clock.messages) == ("/captures/usdm/btc_0808.gz", 41_000)
    assert clock.latency_ns == 2_250_000
    assert clock.late_ns == 71_250_000
