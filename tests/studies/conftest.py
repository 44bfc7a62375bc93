"""Bars with planted dependence, in the shape of `features.bars_*`."""

import numpy as np
import pyarrow as pa
import pytest

from imbalance.studies.measures import BAR_NANOSECONDS

DAY = int(np.datetime64("2024-08-08", "ns").astype(np.int64))


def bars_table(series, bar_size="1s", *, poisoned=None, start=DAY, **constants):
    """Bars from `{instrument: {measure: values}}`; all measures of an instrument equally long."""
    width = BAR_NANOSECONDS[bar_size]
    parts = []
    for instrument, measures in series.items():
        count = len(next(iter(measures.values())))
        begin = start + width * np.arange(count)
        bad = np.zeros(count, dtype=bool)
        if poisoned and instrument in poisoned:
            bad[poisoned[instrument]] = True
        parts.append(
            pa.table(
                {
                    "instrument": pa.array([instrument] * count, pa.string()),
                    "bar_start": pa.array(begin, pa.timestamp("ns")),
                    "bar_end": pa.array(begin + width, pa.timestamp("ns")),
                    "available_at": pa.array(begin + width + 1_000, pa.timestamp("ns")),
                    "valid": ~bad,
                    "poisoned": bad,
                    "coverage": np.where(bad, 0.5, 1.0),
                }
                | {name: pa.array(values) for name, values in measures.items()}
                | {name: pa.array(np.full(count, value)) for name, value in constants.items()}
            )
        )
    return pa.concat_tables(parts)


@pytest.fixture
def make_bars():
    return bars_table


def autoregression(generator, coefficient, shape):
    """Independent AR(1) series along the last axis, stationary from the start."""
    noise = generator.standard_normal(shape)
    values = np.empty(shape)
    values[..., 0] = noise[..., 0] / np.sqrt(1.0 - np.square(coefficient))
    for t in range(1, shape[-1]):
        values[..., t] = coefficient * values[..., t - 1] + noise[..., t]
    return values


@pytest.fixture
def make_autoregression():
    return autoregression


def vector_series(generator, coefficients, factor, length, burn=200):
    """A VAR path: `coefficients` p × K × K, `factor` the Cholesky factor of Σ."""
    p, k, _ = coefficients.shape
    noise = generator.standard_normal((length + burn, k)) @ factor.T
    values = np.zeros((length + burn, k))
    for t in range(p, length + burn):
        values[t] = noise[t]
        for i in range(p):
            values[t] += coefficients[i] @ values[t - i - 1]
    return values[burn:]


@pytest.fixture
def make_vector_series():
    return vector_series
