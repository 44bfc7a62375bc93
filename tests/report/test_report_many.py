"""Many instruments: nothing is cut off in silence, and no figure is of the part that is shown."""

import pytest

from imbalance.report import cautions, findings
from imbalance.report.build import write_report
from imbalance.report.queries import Source
from imbalance.report.studies import dependence, dynamics
from imbalance.report.study_section import Rows
from tests.report import test_report_dependence, test_report_dynamics
from tests.report.conftest import START, estimate, granger, insert, refusal, responses

SECOND = 1_000_000_000


def test_granger_tests_are_counted_over_all_instruments(session):
    insert(session, "studies.granger_causality", [
        row for i in range(520) for x, y, q in (
            ("order_flow_imbalance", "return_bps", 0.001), ("return_bps", "order_flow_imbalance",
                                                            0.02 if i % 2 else 0.6))
        for row in granger(f"v:I{i:03}", x, y, q)])
    source = Source(session)
    window = source.choice("granger_causality")
    (sentence,) = findings.granger_sentences(source.granger(window))
    assert "the return in 520 of 520 instruments" in sentence
    assert "order flow in 260, both (a feedback loop) in 260: v:I001, " in sentence
    shown = source.granger(window, 5)
    assert [(row.instrument_x, row.hc_q) for row in shown] == [(f"v:I00{i}", 0.001)
                                                               for i in range(5)]
    assert (shown[0].directions, shown[0].significant) == (1_040, 780)


def test_the_granger_tests_shown_are_those_with_the_smallest_q(session):
    insert(session, "studies.granger_causality", [
        row for name, q in (("v:A", 0.9), ("v:B", 0.5), ("v:C", 0.001))
        for row in granger(name, "order_flow_imbalance", "return_bps", q)])
    source = Source(session)
    rows = source.granger(source.choice("granger_causality"), 2)
    assert [row.instrument_x for row in rows] == ["v:B", "v:C"]


def test_cautions_sum_up_all_instruments(session, tmp_path):
    names = [f"v:I{i:03}" for i in range(130)]
    insert(session, "book.book_health", [
        {"instrument": name, "interval": 1, "valid_from": START, "valid_to": START + 2 * SECOND,
         "state": "waiting", "cause": "sequence_gap"} for name in names])
    insert(session, "book.trade_gaps", [
        {"instrument": name, "kind": "trade", "cause": "id_hole", "gap": 1, "missing_from": START,
         "missing_to": START + SECOND, "expected_trade_id": 1, "found_trade_id": 6,
         "missing_trades": 5} for name in names])
    out = tmp_path / "report.html"
    said = write_report(session, out, title="t").warnings
    assert any("broke 130 times, 4.33 min without a valid book in all" in text for text in said)
    assert "Trades of 126 more instruments are missing." in said
    assert out.read_text().count("Shown: the first 100 of 130 rows.") == 2


def test_names_left_out_of_a_caution_are_counted(session):
    names = [f"v:I{i}" for i in range(6)]
    insert(session, "book.quote_agreement", [
        {"instrument": name, "compared": 9, "mismatched": 1, "agreed_since": 0} for name in names])
    (text,) = [c.text for c in cautions.of_book([], [], [], Source(session).quote_agreement())]
    assert text.endswith("quote in six comparisons (v:I0, v:I1, v:I2, v:I3 and 2 more).")


def test_a_study_that_was_refused_is_never_said_not_to_have_run(session, tmp_path):
    insert(session, "studies.correlation", [
        refusal("v:A", "v:B", lag, "too_few_bars", family=f"f{i}") for i in range(70)
        for lag in (0, 1)])
    insert(session, "studies.impulse_response", [
        row | {"estimate": None, "interval_low": None, "interval_high": None,
               "reason": "too_few_bars"} for row in responses("v:A")[:1]])
    out = tmp_path / "report.html"
    write_report(session, out, title="t")
    assert "There are no impulse responses: see the reasons below." in out.read_text()


def test_own_pairs_leave_room_for_others_in_a_heatmap(session):
    names = [f"v:I{i:02}" for i in range(10)]
    insert(session, "studies.correlation", [
        *(estimate(name, name, 0, 0.3 + number / 100, 0.001) for number, name in enumerate(names)),
        *(estimate(names[0], name, 0, 0.2, 0.001) for name in names[1:])])
    source = Source(session)
    window = source.choice("correlation")
    (measures,) = source.correlation_measures(window)

    def shown(most):
        cells = source.correlation_cells(window, measures, most)
        return (sorted(c.instrument_x for c in cells if c.instrument_x == c.instrument_y),
                sum(c.instrument_x != c.instrument_y for c in cells))

    assert shown(6) == (["v:I07", "v:I08", "v:I09"], 3)
    assert shown(18) == (names[1:], 9)
    assert shown(40) == (names, 9)


def test_refusals_of_pairs_that_are_not_shown_are_counted(session, tmp_path):
    insert(session, "studies.correlation", [
        *(estimate(f"v:I{i:02}", f"v:J{i:02}", 0, 0.4, 0.001) for i in range(36)),
        *(refusal(f"v:X{i}", "v:Y", 0, "constant_series") for i in range(3))])
    out = tmp_path / "report.html"
    write_report(session, out, title="t")
    html = out.read_text()
    assert "Of 39 pairs of instruments 36 are shown" in html
    assert "Refused: three rows, constant series: the measure does not vary" in html


def test_responses_of_many_instruments_are_drawn_in_part_and_said_so(session, tmp_path,
                                                                     monkeypatch):
    monkeypatch.setattr("imbalance.report.sections.MOST_INSTRUMENTS", 2)
    insert(session, "studies.impulse_response", [
        row for name in ("v:A", "v:B", "v:C") for row in responses(name)])
    out = tmp_path / "report.html"
    assert write_report(session, out, title="t").charts == 2
    assert "One instrument is not drawn; the responses stand in studies.impulse_response" in (
        out.read_text())


def test_moving_correlations_are_counted_over_all_pairs(session):
    insert(session, "studies.dynamics", [
        test_report_dynamics.row(estimator, 0.5, instrument_x=f"v:I{i:02}", **test)
        for i in range(60)
        for estimator, test in (("exponentially_weighted", {"span": 60}),
                                ("constancy", {"p_value": 0.001 if i < 45 else 0.5,
                                               "q_value": 0.002 if i < 45 else 0.6}))])
    found = dynamics.section(Source(session))
    assert found.paragraphs[0].startswith("45 of 60 correlations cannot be held for constant")
    assert found.tables[0].told.endswith(" Shown: the first 40 of 60 rows.")
    assert len(found.tables[0].shown) == 40


def test_a_transfer_of_a_weakly_dependent_pair_is_found(session):
    insert(session, "studies.dependence", [
        test_report_dependence.row("distance_correlation", 0.9 - i / 100, x=f"v:I{i:02}", q=0.001)
        for i in range(50)
    ] + [
        test_report_dependence.row(name, 0.2, x="v:I49", q=0.001, lag=1)
        for name in ("transfer_entropy", "effective_transfer_entropy")])
    (told,) = dependence.section(Source(session)).findings
    assert told.startswith("The past of v:I49 return tells most of the next bar of binance:BTCUSDT")


def test_nothing_is_said_of_transfers_that_were_not_tested(session):
    insert(session, "studies.dependence", [
        test_report_dependence.row("distance_correlation", 0.4, q=0.001)])
    assert dependence.section(Source(session)).findings == []


def test_a_caption_says_what_its_table_leaves_out():
    whole = Rows("Rows.", ("a",), [("1",), ("2",)], most=2)
    assert whole.told == "Rows."
    cut = Rows("Rows.", ("a",), [(str(i),) for i in range(30)], most=12)
    assert cut.told == "Rows. Shown: the first twelve of 30 rows."
    assert len(cut.shown) == 12


@pytest.mark.parametrize(("days", "shown"), [(3, 6), (600, 14)])
def test_of_many_windows_the_last_days_are_shown(session, tmp_path, days, shown):
    day = 86_400 * SECOND
    insert(session, "studies.correlation", [
        estimate("v:A", "v:B", 0, 0.4, 0.001, scope="day", window_from=START + number * day,
                 window_to=START + (number + 1) * day, bar_size=size)
        for size in ("1s", "10s") for number in range(days)])
    out = tmp_path / "report.html"
    write_report(session, out, title="t")
    html = out.read_text()
    table = html[html.index("What was estimated, by study"):].split("</table>")[0]
    assert table.count("<tr><td>correlation</td>") == shown
    assert ("14 of 1,200 rows" in html) == (days == 600)


def test_of_many_windows_those_over_many_days_are_shown_that_end_on_the_last(session, tmp_path):
    day = 86_400 * SECOND
    first = START // day * day
    insert(session, "studies.correlation", [
        estimate("v:A", "v:B", 0, 0.4, 0.001, scope=scope, window_from=first + number * day,
                 window_to=first + (number + days) * day, bar_size=size)
        for size in ("1s", "10s") for number in range(400)
        for scope, days in (("day", 1), ("trailing", 5))])
    out = tmp_path / "report.html"
    write_report(session, out, title="t")
    html = out.read_text()
    table = html[html.index("What was estimated, by study"):].split("</table>")[0]
    rows = table.split("<tr><td>correlation</td>")[1:]
    assert (len(rows), sum(" to " in row for row in rows)) == (20, 14)
    assert "20 of 1,600 rows" in html


def test_a_span_is_one_window_though_its_hours_are_windows_too(session):
    insert(session, "studies.lead_lag", [
        {"study": "lead_lag", "family": "f", "scope": "span", "window_from": START + at * SECOND,
         "window_to": START + 90_000 * SECOND, "bar_size": "events", "instrument_x": "a:A",
         "instrument_y": "a:B", "measure_x": "mid_price", "measure_y": "mid_price",
         "estimator": "lead", "regime": regime, "estimate": 10.0, "n": 50}
        for at, regime in ((0, "all"), (0, "hour_23"), (600, "hour_00"))])
    (window,) = Source(session).windows()
    assert (window.scope, window.estimates) == ("span", 3)
