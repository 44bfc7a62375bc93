"""I1, I2, I3 and closed forms of A1: dependence against MILCA, TRENTOOL, energy and formulas."""

import csv
import json

import numpy as np
import pytest

from imbalance.studies.dependence.copulas import clayton_tail, gumbel_tail, student_tail
from imbalance.studies.dependence.distance_correlation import distance_correlation, margin
from imbalance.studies.dependence.information import (
    embed,
    gaussian_mutual_information,
    gaussian_transfer_entropy,
    mutual_information,
    transfer_entropy,
)


def expected(shared, name):
    return json.loads((shared / "oracles" / name).read_text())


def columns(shared, name):
    values = np.loadtxt(shared / "oracles/info" / name, comments="%")
    return (values - values.mean(axis=0)) / values.std(axis=0, ddof=1)


def read(path):
    with path.open() as file:
        return list(csv.DictReader(file))


@pytest.mark.parametrize(
    ("file", "name", "x", "y"),
    [
        ("jidt_2randomCols-1.txt", "2randomCols-1 col0~col1", [0], [1]),
        ("jidt_4randomCols-1.txt", "4randomCols-1 col0~col1", [0], [1]),
        ("jidt_4randomCols-1.txt", "4randomCols-1 cols01~cols23", [0, 1], [2, 3]),
        ("jidt_4randomCols-1.txt", "4randomCols-1 col0~cols123", [0], [1, 2, 3]),
    ],
)
def test_mutual_information_against_milca(shared, file, name, x, y):
    wanted = expected(shared, "info/ksg_te_expected.json")["MI"]
    values = columns(shared, file)
    found = [mutual_information(values[:, x], values[:, y], k, 2).value for k in wanted["k"]]
    np.testing.assert_allclose(found, wanted["expected_MILCA"][name], rtol=0, atol=1e-7)


@pytest.mark.parametrize(
    ("file", "key", "past"),
    [
        ("jidt_2coupledRandomCols-1.txt", "2coupledRandomCols-1 k=l=1", 1),
        ("jidt_4ColsPairedOneStepNoisyDependence-1.txt",
         "4ColsPairedOneStepNoisyDependence-1 k=l=2", 2),
        ("jidt_4ColsPairedOneStepNoisyDependence-1.txt",
         "4ColsPairedOneStepNoisyDependence-1 k=l=1", 1),
    ],
)
def test_transfer_entropy_against_trentool(shared, file, key, past):
    wanted = expected(shared, "info/ksg_te_expected.json")["TE"]["expected_TRENTOOL"][key]
    values = columns(shared, file)
    for direction, value in wanted.items():
        source, target = (values[:, int(column)] for column in direction.split("to"))
        found = transfer_entropy(embed(source, target, past, past)).value
        assert found == pytest.approx(value, abs=1e-6)


def test_transfer_entropy_of_a_linear_system(shared):
    """I2: binned estimates are a fifth of the truth; ours are the truth within their error."""
    wanted = expected(shared, "info/transfer_entropy_expected.json")
    rows = read(shared / "oracles/info/te_linear.csv")
    x, y = (np.array([float(row[name]) for row in rows]) for name in ("X", "Y"))
    truth = wanted["analytic_gaussian_TE_X_to_Y_nats"]
    for estimate in (gaussian_transfer_entropy, transfer_entropy):
        found = estimate(embed(x, y))
        error = found.local.std() / np.sqrt(len(found.local))
        assert abs(found.value - truth) < 3.0 * error < 0.06
        assert abs(estimate(embed(y, x)).value) < 0.02


def test_distance_correlation_against_energy(shared):
    wanted = expected(shared, "info/dcor_expected.json")
    faithful = read(shared / "oracles/info/faithful.csv")
    x, y = (np.array([float(row[name]) for row in faithful]) for name in ("eruptions", "waiting"))
    found = distance_correlation(margin(x), margin(y))
    assert found.correlation == pytest.approx(wanted["faithful"]["dcor"], abs=1e-12)
    assert found.covariance == pytest.approx(wanted["faithful"]["dcov"], abs=1e-12)
    assert found.bias_corrected == pytest.approx(wanted["faithful"]["bcdcor"], abs=1e-12)
    iris = read(shared / "oracles/info/iris.csv")
    x, y = (
        np.array([float(row[name]) for row in iris]) for name in ("Sepal.Length", "Petal.Width")
    )
    found = distance_correlation(margin(x), margin(y))
    assert found.correlation == pytest.approx(
        wanted["iris_SepalLength_PetalWidth"]["dcor"], abs=1e-12
    )
    assert found.bias_corrected == pytest.approx(
        wanted["iris_SepalLength_PetalWidth"]["bcdcor"], abs=1e-12
    )


def test_a_parabola_has_distance_correlation_and_no_correlation(shared):
    wanted = expected(shared, "info/dcor_expected.json")["parabola201"]
    x = np.linspace(-1.0, 1.0, 201)
    found = distance_correlation(margin(x), margin(x**2))
    assert found.correlation == pytest.approx(wanted["dcor"], abs=1e-12)
    assert abs(np.corrcoef(x, x**2)[0, 1]) < 1e-12


def test_closed_forms(shared):
    wanted = expected(shared, "analytic/closed_forms.json")
    for key, value in wanted["gaussian_MI_nats"].items():
        rho = float(key.removeprefix("rho="))
        assert gaussian_mutual_information(rho) == pytest.approx(value, abs=1e-12)
    tails = wanted["tail_dependence"]
    for key, value in tails["student_t"].items():
        degrees, rho = (float(part.split("=")[1]) for part in key.split(","))
        assert student_tail(rho, degrees) == pytest.approx(value, abs=1e-9)
    for key, value in tails["clayton_lower"].items():
        assert clayton_tail(float(key.split("=")[1])) == pytest.approx(value, abs=1e-9)
    for key, value in tails["gumbel_upper"].items():
        assert gumbel_tail(float(key.split("=")[1])) == pytest.approx(value, abs=1e-9)


@pytest.mark.parametrize("rho", [0.1, 0.5, 0.9])
def test_estimates_of_a_normal_pair_meet_the_closed_forms(shared, rho):
    wanted = expected(shared, "analytic/closed_forms.json")
    generator = np.random.default_rng(11)
    x = generator.standard_normal(20_000)
    y = rho * x + np.sqrt(1.0 - rho**2) * generator.standard_normal(20_000)
    by_distance = distance_correlation(margin(x), margin(y))
    error = by_distance.influence.std() / (2.0 * by_distance.correlation * np.sqrt(len(x)))
    assert abs(by_distance.correlation - wanted["dcor_bivariate_normal"][f"rho={rho}"]) < 3 * error
    shared_nats = wanted["gaussian_MI_nats"][f"rho={rho}"]
    for algorithm in (1, 2):
        found = mutual_information(x[:, None], y[:, None], 4, algorithm)
        assert abs(found.value - shared_nats) < 3.0 * found.local.std() / np.sqrt(len(x)) < 0.03


def test_transfer_entropy_of_a_first_order_system(shared):
    """A1: ½ of the Granger log ratio, with one past value each."""
    wanted = expected(shared, "analytic/closed_forms.json")["VAR1_TE"]
    a = np.array(wanted["A"])
    generator = np.random.default_rng(5)
    values = np.zeros((40_000, 2))
    noise = generator.standard_normal(values.shape)
    for t in range(1, len(values)):
        values[t] = a @ values[t - 1] + noise[t]
    rows = embed(values[:, 0], values[:, 1])
    for estimate in (gaussian_transfer_entropy, transfer_entropy):
        found = estimate(rows)
        error = found.local.std() / np.sqrt(len(found.local))
        assert abs(found.value - wanted["TE_x_to_y_nats_k1l1"]) < 3.0 * error < 0.02
