import numpy as np
import pytest

from imbalance.studies.bootstrap import replicate
from imbalance.studies.event_time.impact import impact
from imbalance.studies.event_time.series import Mids, Trades, in_event_time
from imbalance.studies.vector_autoregression import fit

WHOLE = np.array([[0, 10**12]])


def trades(times, sizes):
    return Trades(np.array(times), np.array(sizes, dtype=float), 0, 0, np.ones(len(times)))


def mids(times, prices):
    return Mids(np.array(times), np.array(prices, dtype=float), "raw.quotes", 0)


def test_the_quote_that_a_trade_makes_is_in_its_return():
    """The quote at the trade's own time comes after it; the next trade's mid holds it."""
    found = in_event_time(trades([10, 20, 30], [1.0, -4.0, 1.0]),
                          mids([5, 10, 25], [100.0, 101.0, 100.0]), WHOLE, "sign", 10)
    np.testing.assert_array_equal(found.data[:, 0], [1.0, -1.0, 1.0])
    np.testing.assert_allclose(found.data[:2, 1],
                               [1e4 * np.log(1.01), 1e4 * np.log(100.0 / 101.0)])
    assert np.isnan(found.data[2, 1])
    assert (found.events, found.window_from, found.window_to) == (3, 10, 31)
    rooted = in_event_time(trades([10, 20], [1.0, -4.0]), mids([5], [100.0]), WHOLE,
                           "signed_root_size", 10)
    np.testing.assert_array_equal(rooted.data[:, 0], [1.0, -2.0])


def test_no_return_and_no_lag_reaches_over_a_gap():
    stretches = np.array([[0, 25], [50, 100]])
    found = in_event_time(trades([10, 20, 60, 70, 80], [1.0] * 5),
                          mids([5, 15, 65], [100.0, 101.0, 102.0]), stretches, "sign", 10)
    # Rows: two trades, a row of nothing, three trades. The mid before 60 is of the other stretch.
    assert found.data.shape == (6, 2)
    assert np.isnan(found.data[2]).all()
    assert np.isfinite(found.data[:, 1]).tolist() == [True, False, False, False, True, False]
    touching = np.array([[0, 50], [50, 100]])
    joined = in_event_time(trades([10, 20, 60, 70, 80], [1.0] * 5),
                           mids([5, 15, 65], [100.0, 101.0, 102.0]), touching, "sign", 10)
    assert joined.data.shape == (5, 2)


def test_the_last_orders_are_kept():
    found = in_event_time(trades([10, 20, 30], [1.0, -1.0, 1.0]), mids([5], [100.0]), WHOLE,
                          "sign", 2)
    assert found.data[:, 0].tolist() == [-1.0, 1.0]
    assert found.events == 3


def hasbrouck(generator, length, b0=0.8, b1=0.3, a1=-0.2, c1=0.0, d1=0.25, noise=1.0):
    """Flow and return with known coefficients; flow enters the return at once."""
    shock = generator.standard_normal((length, 2)) * [1.0, noise]
    data = np.zeros((length, 2))
    for t in range(1, length):
        x, r = data[t - 1]
        data[t, 0] = d1 * x + c1 * r + shock[t, 0]
        data[t, 1] = a1 * r + b0 * data[t, 0] + b1 * x + shock[t, 1]
    return data


def test_impact_of_a_planted_system():
    b0, b1, a1, d1, noise = 0.8, 0.3, -0.2, 0.25, 2.0
    model = fit(hasbrouck(np.random.default_rng(0), 20_000, noise=noise), 1)
    found = impact(model, replicate(model, 199, 1), 10)
    wanted = (b0 + b1) / ((1.0 - a1) * (1.0 - d1))
    assert found.price.low[0] < b0 < found.price.high[0]
    assert found.permanent.low[0] < wanted < found.permanent.high[0]
    assert found.permanent.estimate[0] == pytest.approx(wanted, rel=0.03)
    np.testing.assert_allclose(found.price.estimate[-1], found.permanent.estimate[0], rtol=0.01)
    from_trades, own = wanted**2, (noise / (1.0 - a1)) ** 2
    assert found.share.low[0] < from_trades / (from_trades + own) < found.share.high[0]
    # No return calls forth flow, and none may do so within the event.
    assert found.flow.estimate[0] == 0.0
    assert found.flow.joint_low[-1] < 0.0 < found.flow.joint_high[-1]


def test_permanent_impact_is_covered():
    generator, inside = np.random.default_rng(2), []
    wanted = 1.1 / (1.2 * 0.75)
    for run in range(80):
        model = fit(hasbrouck(generator, 800), 1)
        band = impact(model, replicate(model, 199, run), 10).permanent
        inside.append(band.low[0] < wanted < band.high[0])
    assert np.mean(inside) >= 0.88


def test_units_do_not_matter():
    data = hasbrouck(np.random.default_rng(3), 2_000)
    plain, scaled = (impact(m, replicate(m, 99, 1), 5) for m in
                     (fit(data, 1), fit(data * [10.0, 0.5], 1)))
    np.testing.assert_allclose(scaled.price.high, plain.price.high * 0.05, rtol=1e-6)
    np.testing.assert_allclose(scaled.share.low, plain.share.low, rtol=1e-6)
