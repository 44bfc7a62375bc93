import numpy as np
import pytest
from scipy import stats

from imbalance.studies.correlation.kendall import kendall_jobs
from imbalance.studies.correlation.kernels import pearson_jobs, spearman_jobs


def spearman(x, y, lag=0):
    x, y = np.atleast_2d(x), np.atleast_2d(y)
    out = np.empty((1, 3))
    spearman_jobs(x, y, np.argsort(x, axis=1), np.argsort(y, axis=1),
                  np.array([[0, 0, lag]]), out)
    return out[0, :2]


def pearson(x, y):
    moments = [[x.mean(), y.mean(), x.std(), y.std(), np.corrcoef(x, y)[0, 1]]]
    out = np.empty((1, 2))
    pearson_jobs(np.atleast_2d(x), np.atleast_2d(y), np.array([[0, 0, 0]]),
                 np.array(moments), out)
    return moments[0][4], *out[0]


@pytest.mark.parametrize("lag", [0, 4, -9])
def test_spearman_ranks_anew_over_the_common_pairs(lag):
    generator = np.random.default_rng(0)
    # One decimal: many ties.
    x = np.round(generator.standard_normal(400), 1)
    y = np.round(0.5 * x + generator.standard_normal(400), 1)
    x[10:40], y[200:210] = np.nan, np.nan
    first, stop = max(0, -lag), 400 - max(0, lag)
    a, b = x[first:stop], y[first + lag : stop + lag]
    kept = np.isfinite(a) & np.isfinite(b)
    assert spearman(x, y, lag)[0] == pytest.approx(
        stats.spearmanr(a[kept], b[kept]).statistic, abs=1e-12
    )


@pytest.mark.parametrize("ties", [False, True])
@pytest.mark.parametrize("correlation", [0.0, 0.6])
def test_standard_errors_are_the_spread_over_samples(ties, correlation):
    generator = np.random.default_rng(1)
    found = []
    for _ in range(1_000):
        x = generator.standard_normal(300)
        y = correlation * x + np.sqrt(1 - correlation**2) * generator.standard_normal(300)
        if ties:
            x, y = np.round(x), np.round(y)
        found.append((*pearson(x, y), *spearman(x, y)))
    r, variance, test_variance, rho, rank_variance = np.array(found).T
    # A standard deviation over 1,000 samples has a standard error of 2.2 %.
    assert np.sqrt(variance.mean()) == pytest.approx(r.std(), rel=0.08)
    assert np.sqrt(rank_variance.mean()) == pytest.approx(rho.std(), rel=0.08)
    if correlation == 0.0:
        assert np.sqrt(test_variance.mean()) == pytest.approx(r.std(), rel=0.08)


def test_shared_volatility_widens_the_error():
    """x and y uncorrelated but wild together: the plain 1/√n is far too small."""
    generator = np.random.default_rng(2)
    found = []
    for _ in range(300):
        volatility = np.exp(generator.standard_normal(1_000))
        x, y = volatility * generator.standard_normal((2, 1_000))
        found.append(pearson(x, y))
    r, _, test_variance = np.array(found).T
    assert r.std() > 2.0 / np.sqrt(1_000)
    called = np.abs(r) > 1.96 * np.sqrt(test_variance)
    # 0.05 plus three binomial standard errors of 300 samples.
    assert called.mean() <= 0.088
    assert (np.abs(r) > 1.96 / np.sqrt(1_000)).mean() > 0.3


@pytest.mark.parametrize("draw", [
    lambda generator, n: generator.standard_normal(n),
    lambda generator, n: (generator.random(n) < 0.3).astype(float),
    lambda generator, n: generator.integers(0, 3, n).astype(float),
], ids=["no ties", "two values", "three values"])
def test_the_variance_of_kendall_under_independence_is_that_of_a_simulation(draw):
    generator, found = np.random.default_rng(3), []
    for _ in range(2_000):
        x, y = draw(generator, (1, 200)), draw(generator, (1, 200))
        out = np.empty((1, 3))
        kendall_jobs(x, y, np.argsort(x, axis=1), np.argsort(y, axis=1), np.array([[0, 0, 0]]), out)
        found.append(out[0])
    tau, _, null = np.array(found).T
    # A variance over 2,000 samples has a standard error of 3 %.
    assert 200 * tau.var() == pytest.approx(null.mean(), rel=0.1)
