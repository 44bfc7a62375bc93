"""The fixture by which oracles are compared fails where they are not met, and notes the worst."""

import numpy as np
import pytest

from tests.oracle_table import Oracle


@pytest.fixture
def noted():
    return []


@pytest.fixture
def table(noted):
    return Oracle("V1", "feedback", lambda _, cells: noted.append(cells))


@pytest.mark.parametrize(
    ("got", "expected", "tolerance"),
    [
        (1.0, 1.1, {}),
        (1.0, 1.002, {"atol": 1e-3}),
        ([1.0, np.nan], [1.0, 2.0], {"atol": 1.0}),
        ([1.0, 1e-6], [1.0, 2e-6], {"atol": 1e-5, "rtol": 1e-5}),
        ([100.0, 1.0], [100.01, 1.0], {"atol": 1e-3, "rtol": 1e-3}),
        ([1.0, 2.0], [1.0], {"atol": 9.0}),
    ],
)
def test_what_is_not_met_fails(table, got, expected, tolerance):
    with pytest.raises(AssertionError):
        table.agrees("it", got, expected, **tolerance)


def test_what_is_met_is_noted_by_its_worst_value(table, noted):
    table.agrees("both", [1.0, 2.0005], [1.0, 2.0], atol=1e-3)
    table.agrees("alike", 3, 3)
    assert noted == [
        ["feedback", "V1", "both", "2", "2", "2.0005", "0.001"],
        ["feedback", "V1", "alike", "1", "3", "3", "exact"],
    ]


@pytest.mark.parametrize("got", [0.9, 2.1, np.nan])
def test_what_lies_outside_fails(table, got):
    with pytest.raises(AssertionError):
        table.lies("it", got, 1.0, 2.0)
    table.lies("it", 1.5, 1.0, 2.0)
