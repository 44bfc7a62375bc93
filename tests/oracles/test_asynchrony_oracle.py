"""HF1 and L1: estimators for ticks at their own times against R's highfrequency and yuima."""

import csv
import gzip
import json
from datetime import UTC, datetime

import numpy as np
import pytest

from imbalance.studies.asynchrony.overlap import (
    contrast,
    hayashi_yoshida,
    hayashi_yoshida_correlation,
)
from imbalance.studies.asynchrony.pre_averaging import (
    modulated_realised_covariance,
    pre_averaged_variance,
)
from imbalance.studies.asynchrony.realised import (
    bipower,
    kernel_covariance,
    robust_two_scales,
    two_scales,
)
from imbalance.studies.asynchrony.sampling import (
    previous_tick,
    refresh_times,
    regular_grid,
    sampled_increments,
)
from imbalance.studies.asynchrony.ticks import Ticks, make_ticks

pytestmark = pytest.mark.oracle("HF1", "epps")

SECOND = 1_000_000_000
MINUTE = 60 * SECOND
DAY = 86_400 * SECOND


def rows(path):
    with gzip.open(path, "rt") as file:
        return list(csv.DictReader(file))


def nanoseconds(text):
    whole, _, part = text.partition(".")
    return int(whole) * SECOND + int(part.ljust(9, "0")[:9])


def with_first_return(returns):
    """The first observation as a return of zero, which highfrequency counts among the returns."""
    return np.vstack([np.zeros((1, returns.shape[1])), returns])


@pytest.fixture(scope="module")
def expected(shared):
    return json.loads((shared / "oracles/highfreq/realized_expected.json").read_text())


@pytest.fixture(scope="module")
def minutes(shared):
    """Day to [MARKET, STOCK] ticks: the order of the matrices that were stored is STOCK first."""
    found = rows(shared / "oracles/highfreq/sampleOneMinuteData.csv.gz")
    times = np.array([nanoseconds(row["DT"]) for row in found])
    return {
        day: [
            make_ticks(times[times // DAY == number],
                       np.array([float(row[name]) for row in found])[times // DAY == number])
            for name in ("STOCK", "MARKET")
        ]
        for number, day in ((11538, "2001-08-04"), (11539, "2001-08-05"))
    }


@pytest.fixture(scope="module")
def trades(shared):
    """Trades of one stock, by day."""
    found = rows(shared / "oracles/highfreq/sampleTData.csv.gz")
    times = np.array([nanoseconds(row["DT"]) for row in found])
    prices = np.array([float(row["PRICE"]) for row in found])
    return [make_ticks(times[times // DAY == d], prices[times // DAY == d]) for d in (17533, 17534)]


@pytest.fixture(scope="module")
def several(shared):
    found = rows(shared / "oracles/highfreq/sampleMultiTradeData.csv.gz")
    return {
        name: (
            np.array([nanoseconds(row["DT"]) for row in found if row["SYMBOL"] == name]),
            np.array([float(row["PRICE"]) for row in found if row["SYMBOL"] == name]),
        )
        for name in ("ETF", "AAA", "BBB")
    }


def test_realised_covariance_on_the_previous_tick_grid(minutes, expected, oracle):
    for day, step, wanted in (
        ("2001-08-04", MINUTE, "rCov_day1"), ("2001-08-05", 5 * MINUTE, "rCov_5min_20010805"),
    ):
        returns = sampled_increments(minutes[day], regular_grid(minutes[day], step))
        oracle.agrees(wanted, returns.T @ returns, expected[wanted], rtol=1e-12)


def test_hayashi_yoshida_between_two_grids(minutes, expected, oracle):
    """rHYCov with period 5 gathers 1,500 seconds of one series and meets them with the other.

    It counts a first return of zero, so that its intervals end at minutes 24, 49, … 374.
    """
    stock, market = minutes["2001-08-05"]
    ends = np.append(0, np.arange(24, 390, 25))
    coarse = Ticks(market.times[ends], market.log_prices[ends])
    wanted = expected["rHYCov_20010805_p5"][0][1]
    found = [hayashi_yoshida(coarse, stock), hayashi_yoshida(stock, coarse)]
    oracle.agrees("rHYCov_20010805_p5, both ways", found, [wanted, wanted], rtol=1e-12)


def test_bipower(minutes, expected, oracle):
    stock, market = minutes["2001-08-04"]
    returns = np.column_stack([stock.increments, market.increments])
    oracle.agrees("rBPCov_day1", bipower(returns), expected["rBPCov_day1"], rtol=1e-12)


def test_modulated_realised_covariance(minutes, expected, oracle):
    stock, market = minutes["2001-08-04"]
    returns = with_first_return(np.column_stack([market.increments, stock.increments]))
    found = modulated_realised_covariance(returns)
    oracle.agrees("rMRCov", found, expected["rMRCov"], atol=1e-8)
    diagonal = [pre_averaged_variance(returns[:, [i]]) for i in (0, 1)]
    total = sum(diagonal) + 2.0 * found[0, 1]
    oracle.agrees("rMRCov_pairwise_sum", total, expected["rMRCov_pairwise_sum"], rtol=1e-12)


def test_refresh_times(several, expected, oracle):
    series = [make_ticks(*several[name]) for name in ("ETF", "AAA", "BBB")]
    wanted = expected["refreshTime"]
    times = refresh_times(series)
    assert wanted["n"] == 3949
    oracle.agrees("refresh times", len(times), 3949)
    assert times[:3].tolist() == [nanoseconds(text) for text in wanted["first"]]
    for ticks, (stamps, prices), column in zip(series, several.values(), range(3), strict=True):
        seen = prices[np.searchsorted(stamps, times, side="right") - 1]
        assert seen[:3].tolist() == [row[column] for row in wanted["first_px"]]
        assert seen[-1] == wanted["last_px"][column]
        got = previous_tick([ticks], times)[:, 0]
        np.testing.assert_allclose(got - got[0], np.log(seen / seen[0]), atol=1e-12)


def test_modulated_realised_covariance_of_three(several, expected, oracle):
    series = [make_ticks(*several[name]) for name in ("ETF", "AAA", "BBB")]
    returns = with_first_return(sampled_increments(series, refresh_times(series)))
    found = modulated_realised_covariance(returns)
    oracle.agrees("rMRCov_multi", found, expected["rMRCov_multi"], atol=1e-8)


def test_modulated_realised_covariance_pair_by_pair(several, expected, oracle):
    series = [make_ticks(*several[name]) for name in ("ETF", "AAA", "BBB")]
    wanted = np.array(expected["rMRCov_multi_pair"])
    found = np.zeros((3, 3))
    for i, ticks in enumerate(series):
        found[i, i] = pre_averaged_variance(with_first_return(ticks.increments[:, None]))
        for j in range(i):
            pair = (ticks, series[j])
            returns = with_first_return(sampled_increments(pair, refresh_times(pair)))
            found[i, j] = modulated_realised_covariance(returns)[0, 1]
    below = np.tril_indices(3)
    oracle.agrees("rMRCov_multi_pair", found[below], wanted[below], rtol=1e-12)


def lead_lag_of_highfrequency(x, y, lag, *, lossy):
    """Σ ΔX ΔY over overlaps, found as leadLag finds them: outwards from a first guess.

    The guess is the first tick of y at or after the start of ΔX. leadLag takes that start as a
    whole number of seconds, holds shifted times within the unshifted ones, and gives up where the
    guess does not overlap: at times within a second, and at the ends, it loses overlaps. Without
    `lossy` the search is the same and loses none.
    """
    (tx, px), (ty, py) = x, y
    shifted = ty - lag
    guess = np.searchsorted(shifted, tx[:-1])
    if lossy:
        guess = np.searchsorted(np.clip(shifted, ty[0], ty[-1]), tx[:-1] // SECOND * SECOND)
    low = np.maximum(np.searchsorted(shifted, tx[:-1], side="right") - 1, 0)
    high = np.minimum(np.searchsorted(shifted, tx[1:]), len(ty) - 1)
    inside = np.minimum(guess, len(ty) - 1)
    after = np.minimum(inside + 1, len(ty) - 1)
    right = (guess < len(ty) - 1) & (shifted[after] > tx[:-1]) & (shifted[inside] < tx[1:])
    before = np.maximum(inside - 1, 0)
    left = (guess > 0) & (guess < len(ty)) & (shifted[inside] > tx[:-1])
    left &= shifted[before] < tx[1:]
    reached = np.where(right, py[high] - py[inside], 0.0)
    reached += np.where(left, py[inside] - py[low], 0.0)
    return float(np.sum(np.diff(px) * reached))


def test_lead_lag_contrasts(several, expected, oracle):
    """In price levels and absolute, with unsquared ratio, as highfrequency has them."""
    wanted = expected["leadLag_AAA_ETF"]
    # The longer series goes first, with the signs of the lags turned.
    origin = min(several["AAA"][0][0], several["ETF"][0][0])
    x, y = [(several[name][0] - origin, several[name][1]) for name in ("ETF", "AAA")]
    scale = np.sqrt(np.square(np.diff(x[1])).sum() * np.square(np.diff(y[1])).sum())
    lags = np.array(wanted["lags"])

    def found(*, lossy):
        return np.array([
            lead_lag_of_highfrequency(x, y, -lag * SECOND, lossy=lossy) / scale
            for lag in lags
        ])

    theirs = np.abs(found(lossy=True))
    oracle.agrees("leadLag contrasts", theirs, wanted["contrasts"], atol=1e-8)
    ratio = theirs[lags > 0].sum() / theirs[lags < 0].sum()
    oracle.agrees("leadLag ratio", ratio, wanted["llr"], atol=1e-8)
    ours = contrast(Ticks(y[0], y[1]), Ticks(x[0], x[1]), lags * SECOND) / scale
    np.testing.assert_allclose(ours, found(lossy=False), rtol=0, atol=1e-12)


def test_realised_kernel_with_flat_weights(trades, expected, oracle):
    for ticks, wanted in zip(trades, expected["rKernelCov_TData_5min"], strict=True):
        start = ticks.times[0] // (5 * MINUTE) * 5 * MINUTE
        grid = np.arange(start, ticks.times[-1] + 5 * MINUTE, 5 * MINUTE)
        # Before the first trade stands its price.
        prices = previous_tick([ticks], np.maximum(grid, ticks.times[0]))
        returns = with_first_return(np.diff(prices, axis=0))
        n = len(returns)
        found = kernel_covariance(returns, np.array([1.0, n / (n - 1)]))
        oracle.agrees(f"rKernelCov of {n} returns", found[0, 0], wanted, atol=1e-14)


def test_two_scales(trades, expected, oracle):
    first = trades[0]
    for found, name in ((two_scales(first.log_prices), "rTSCov_TData"),
                        (robust_two_scales(first), "rRTSCov_TData")):
        oracle.agrees(name, found, expected[name], rtol=1e-9)


@pytest.fixture(scope="module")
def bitcoin(shared):
    found = []
    for name in ("bitflyer", "btcbox"):
        with (shared / f"oracles/leadlag/{name}JPY_2018-08-12_small.csv").open() as file:
            read = list(csv.DictReader(file))
        times = np.array([
            int(datetime.fromisoformat(row["date"]).replace(tzinfo=UTC).timestamp()) for row in read
        ])
        found.append(make_ticks(times * SECOND, np.array([float(row["last"]) for row in read])))
    return found


@pytest.fixture(scope="module")
def hry(shared):
    return json.loads((shared / "oracles/leadlag/btcjpy_hry_expected.json").read_text())


@pytest.mark.oracle("L1", "lead_lag")
def test_hayashi_yoshida(bitcoin, hry, shared, oracle):
    x, y = bitcoin
    assert (len(x), len(y)) == (hry["n_x"], hry["n_y"])
    oracle.agrees("realised variance", x.variance, hry["rv_x"], atol=1e-14)
    both = [hayashi_yoshida(x, y), hayashi_yoshida(y, x)]
    oracle.agrees("covariance, both ways", both, [hry["hy_cov0"]] * 2, atol=1e-14)
    oracle.agrees("correlation", hayashi_yoshida_correlation(x, y), hry["hy_rho0"], atol=1e-12)
    yuima = json.loads((shared / "oracles/leadlag/yuima_expected.json").read_text())
    oracle.agrees("covariance by yuima", both[0], yuima["yuima_HY_cov"][0][1], atol=1e-14)


@pytest.mark.oracle("L1", "lead_lag")
def test_contrast(bitcoin, hry, oracle):
    lags = np.array(hry["lags"]) * SECOND
    found = contrast(*bitcoin, lags)
    oracle.agrees("contrast", found, hry["U"], atol=1e-14)
    oracle.agrees("contrast mirrored", contrast(*bitcoin[::-1], -lags), hry["U"], atol=1e-14)
