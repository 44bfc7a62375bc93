import numpy as np

from imbalance.studies.build import build_correlation, build_feedback
from imbalance.studies.families import CorrelationFamily, FeedbackFamily
from imbalance.studies.reading import sentence


def test_correlations(make_bars):
    generator = np.random.default_rng(0)
    x = generator.standard_normal(500)
    bars = {"1s": make_bars({"binance:A": {"x": x, "y": x + generator.standard_normal(500)}})}
    asked = CorrelationFamily("f", "?", ("x",), ("y",), ("own",), ("1s",), (-2, 0, 1),
                              horizons=(1, 5), estimators=("pearson",))
    rows = build_correlation(bars, [asked], scope="day", partition="2024-08-08").to_pylist()
    said = [sentence(row) for row in rows]
    assert said[0].startswith(
        "f, 1s bars: Pearson correlation of binance:A x and binance:A y 2 bars earlier is ")
    assert "in the same bar is 0.6" in said[1] or "in the same bar is 0.7" in said[1]
    assert "from 500 pairs worth" in said[1]
    assert "1 bar later, summed over 5 bars is" in said[3]


def test_refusals():
    asked = CorrelationFamily("f", "?", ("x",), ("y",), bar_sizes=("1s",))
    rows = build_correlation({}, [asked], scope="day", partition="2024-08-08").to_pylist()
    assert sentence(rows[0]) == (
        "f, 1s bars: nothing estimated for all instruments: the window holds no bars of this size."
    )


def test_feedback(make_bars):
    values = np.random.default_rng(1).standard_normal((2, 300))
    bars = {"1s": make_bars({"A": {"order_flow_imbalance": values[0], "return_bps": values[1]}})}
    asked = FeedbackFamily(bar_sizes=("1s",), replications=99, horizon=1, maximum_lag=1,
                           systems=("own",))
    tables = build_feedback(bars, [asked], scope="day", partition="2024-08-08")
    causality = tables["studies.granger_causality"].to_pylist()
    assert "A order_flow_imbalance helps to forecast A return_bps: f = " in " ".join(
        sentence(row) for row in causality)
    response = sentence(tables["studies.impulse_response"].to_pylist()[0])
    assert "0 bars after a shock of one standard deviation in A order_flow_imbalance" in response
