"""The closing comparison: right figures agree, wrong ones do not, missing ones say why."""

from dataclasses import replace

import duckdb
import numpy as np
import pytest

from imbalance.catalog import table
from imbalance.simulate.compare import compare
from imbalance.simulate.compare_systems import cumulative_response
from imbalance.simulate.processes import simulate_var

START_NS = 1741132440 * 10**9
PERPETUAL, SPOT = "binance-futures:BTCUSDT", "binance:BTCUSDT"
INVERSE = "binance-delivery:BTCUSD_PERP"
TABLES = (
    "features.bars_1s",
    "features.bars_100ms",
    "studies.correlation",
    "studies.vector_autoregression",
    "studies.granger_causality",
    "studies.impulse_response",
)


def runner(session):
    return lambda sql, values: session.execute(sql, values).fetchall()


@pytest.fixture
def session():
    """Empty tables as the registry declares them, without the duty to fill every column."""
    with duckdb.connect() as connection:
        connection.execute("create schema features; create schema studies")
        for name in TABLES:
            connection.execute(table(name).ddl().replace(" NOT NULL", ""))
        yield connection


def insert(session, name, rows):
    columns = ", ".join(rows[0])
    marks = ", ".join("?" for _ in rows[0])
    session.executemany(
        f"insert into {name} ({columns}) values ({marks})",
        [list(row.values()) for row in rows],
    )


def fill_bars(session, replays):
    for name, shown in replays.items():
        seconds = [
            (f"{name}", START_NS + i * 10**9, True, shown.returns[i], shown.flow[i])
            for i in range(2, len(shown.flow))
        ]
        steps = 1e4 * np.diff(np.log(shown.mid_100ms))
        tenths = [
            (name, START_NS + (i + 1) * 10**8, True, change, 0.0)
            for i, change in enumerate(steps.tolist())
            if i >= 20
        ]
        for target, rows in (("bars_1s", seconds), ("bars_100ms", tenths)):
            values = {
                "i": [row[0] for row in rows],
                "t": [row[1] for row in rows],
                "r": [float(row[3]) for row in rows],
                "f": [float(row[4]) for row in rows],
            }
            session.execute(
                f"""insert into features.{target}
                    (instrument, bar_start, valid, return_bps, order_flow_imbalance)
                    select unnest($i), make_timestamp_ns(unnest($t)), true, unnest($r), unnest($f)
                """,
                values,
            )


def fill_correlations(session, replays):
    rows = []
    series = {
        (name, measure): (shown.returns if measure == "return_bps" else shown.flow)[2:]
        for name, shown in replays.items()
        for measure in ("return_bps", "order_flow_imbalance")
    }
    # The pair in the order that has the follower first: its lead is then at a negative lag.
    pairs = [((SPOT, "return_bps"), (PERPETUAL, "return_bps"))]
    pairs += [((name, "order_flow_imbalance"), (name, "return_bps")) for name in replays]
    for x_name, y_name in pairs:
        x, y = series[x_name], series[y_name]
        n = len(x)
        for lag in (-4, -2, -1, 0, 1, 2, 4):
            found = np.corrcoef(
                x[max(0, -lag) : n - max(0, lag)], y[max(0, lag) : n - max(0, -lag)]
            )[0, 1]
            error = (1 - found**2) / np.sqrt(n)
            rows.append({
                "instrument_x": x_name[0], "measure_x": x_name[1], "instrument_y": y_name[0],
                "measure_y": y_name[1], "estimator": "pearson", "regime": "all",
                "bar_size": "1s", "horizon": 1, "lag": lag, "estimate": found,
                "standard_error": error, "interval_low": found - 2 * error,
                "interval_high": found + 2 * error, "n": n,
            })  # fmt: skip
    insert(session, "studies.correlation", rows)


def fill_systems(session, truth, draws):
    """Least squares on a draw from each planted system, stored as the feedback study stores it."""
    coefficient_rows, granger_rows, response_rows = [], [], []
    for system in truth.autoregressions:
        names = list(dict.fromkeys(name for name, _ in system.variables))
        model = names[0] if len(names) == 1 else "across:" + ",".join(sorted(names))
        coefficients, sigma = system.arrays()
        z = simulate_var(coefficients, sigma, draws, np.random.default_rng(1))
        past = np.hstack([z[1:-1], z[:-2]])
        estimate, *_ = np.linalg.lstsq(past, z[2:], rcond=None)
        residuals = z[2:] - past @ estimate
        covariance = residuals.T @ residuals / len(past)
        inverse = np.diag(np.linalg.inv(past.T @ past))
        k = len(system.variables)
        for i, y in enumerate(system.variables):
            for j, x in enumerate(system.variables):
                where = {
                    "model": model, "bar_size": "1s", "family": "f", "instrument_x": x[0],
                    "measure_x": x[1], "instrument_y": y[0], "measure_y": y[1], "n": draws,
                }  # fmt: skip
                for lag in (1, 2):
                    row = (lag - 1) * k + j
                    coefficient_rows.append({
                        **where, "estimator": "coefficient", "lag": lag,
                        "estimate": estimate[row, i],
                        "standard_error": np.sqrt(inverse[row] * covariance[i, i]),
                    })  # fmt: skip
                if i != j:
                    present = next(
                        c.present for c in truth.causalities if (c.cause, c.effect) == (x, y)
                    )
                    granger_rows.append(
                        {**where, "estimator": "wald_hac", "lag": 2,
                         "q_value": 0.001 if present else 0.6}
                    )
        if k == 2:
            final = cumulative_response(system, 20)
            response_rows.append({
                "model": model, "bar_size": "1s", "family": "f", "instrument_x": names[0],
                "measure_x": "order_flow_imbalance", "instrument_y": names[0],
                "measure_y": "return_bps", "estimator": "orthogonal_cumulative", "horizon": 20,
                "estimate": final * 1.05, "interval_low": final * 0.9,
                "interval_high": final * 1.2, "n": draws,
            })  # fmt: skip
    insert(session, "studies.vector_autoregression", coefficient_rows)
    insert(session, "studies.granger_causality", granger_rows)
    insert(session, "studies.impulse_response", response_rows)


@pytest.fixture
def filled(session, replays, market):
    _, truth = market
    fill_bars(session, replays)
    fill_correlations(session, replays)
    fill_systems(session, truth, 3000)
    return session


def test_everything_planted_is_found(filled, market):
    _, truth = market
    findings = compare(truth, runner(filled))
    assert [finding for finding in findings if finding.agrees is not True] == []
    questions = {finding.question.split(":")[0].split(",")[0] for finding in findings}
    assert len(questions) >= 7
    assert len(findings) >= 20


def test_lead_below_a_second_is_found_in_bars_of_100_ms(filled, market):
    _, truth = market
    leads = [f for f in compare(truth, runner(filled)) if f.question.startswith("lead")]
    assert {f.subject: f.found for f in leads} == {
        f"{PERPETUAL} → {SPOT}": 1.0,
        f"{PERPETUAL} → {INVERSE}": 0.2,
    }


def test_a_wrong_truth_is_not_confirmed(filled, market):
    _, truth = market
    wrong = replace(
        truth,
        impacts=tuple(replace(one, slope=1.5 * one.slope) for one in truth.impacts),
        cross_impacts=tuple(replace(one, coefficient=-0.2) for one in truth.cross_impacts),
        leads=tuple(
            replace(one, lag_bars=one.lag_bars + 3, correlation=None) for one in truth.leads
        ),
        autoregressions=tuple(
            replace(
                one,
                coefficients=tuple(
                    tuple(tuple(0.5 * value for value in row) for row in matrix)
                    for matrix in one.coefficients
                ),
            )
            for one in truth.autoregressions
        ),
    )
    findings = compare(wrong, runner(filled))
    refuted = {finding.question.split(":")[0].split(",")[0] for finding in findings
               if finding.agrees is False}  # fmt: skip
    assert {"impact", "cross-impact", "VAR of return and order flow"} <= refuted
    impacts = [f for f in findings if f.question.startswith("impact")]
    assert not any(f.agrees for f in impacts if f.subject in (PERPETUAL, SPOT))


def test_absent_causalities_are_not_judged_at_an_order_below_the_planted(filled, market):
    """What a lag left out does to the others is no error of the test."""
    _, truth = market
    filled.execute("update studies.granger_causality set lag = 1, q_value = 0.001")
    causality = [f for f in compare(truth, runner(filled)) if f.question.startswith("Granger")]
    absent = [f for f in causality if "absent" in f.question]
    assert absent
    assert all(f.agrees is None and f.found and "below the planted 2" in f.note for f in absent)
    assert all(f.agrees for f in causality if f not in absent)


def test_without_any_result_each_row_says_why(session, market):
    _, truth = market
    findings = compare(truth, runner(session))
    assert findings
    assert all(f.agrees is None and f.found is None and f.note for f in findings)


def test_cumulative_response_of_the_perpetual_by_hand(market):
    """Impact β σ_u at once, then what the flow's own persistence and the feedback bring."""
    _, truth = market
    system = next(one for one in truth.autoregressions if one.variables[0][0] == PERPETUAL
                  and len(one.variables) == 2)  # fmt: skip
    deviation, impact, feedback, (first, second) = 8.0, 0.1, 1.5, (0.15, 0.3)
    flows, returns = [deviation], [impact * deviation]
    for _ in range(20):
        flow = first * flows[-1] + (second * flows[-2] if len(flows) > 1 else 0)
        flow += feedback * returns[-1]
        flows.append(flow)
        returns.append(impact * flow)
    assert cumulative_response(system, 20) == pytest.approx(sum(returns), rel=1e-9)
