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


@pytest.mark.oracle("I1", "dependence")
@pytest.mark.parametrize(
    ("file", "name", "x", "y"),
    [
        ("jidt_2randomCols-1.txt", "2randomCols-1 col0~col1", [0], [1]),
        ("jidt_4randomCols-1.txt", "4randomCols-1 col0~col1", [0], [1]),
        ("jidt_4randomCols-1.txt", "4randomCols-1 cols01~cols23", [0, 1], [2, 3]),
        ("jidt_4randomCols-1.txt", "4randomCols-1 col0~cols123", [0], [1, 2, 3]),
    ],
)
def test_mutual_information_against_milca(shared, oracle, file, name, x, y):
    wanted = expected(shared, "info/ksg_te_expected.json")["MI"]
    values = columns(shared, file)
    found = [mutual_information(values[:, x], values[:, y], k, 2).value for k in wanted["k"]]
    oracle.agrees(f"information, {name}", found, wanted["expected_MILCA"][name], atol=1e-7)


@pytest.mark.oracle("I1", "dependence")
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
def test_transfer_entropy_against_trentool(shared, oracle, file, key, past):
    wanted = expected(shared, "info/ksg_te_expected.json")["TE"]["expected_TRENTOOL"][key]
    values = columns(shared, file)
    for direction, value in wanted.items():
        source, target = (values[:, int(column)] for column in direction.split("to"))
        found = transfer_entropy(embed(source, target, past, past)).value
        oracle.agrees(f"transfer entropy, {key} {direction}", found, value, atol=1e-6)


@pytest.mark.oracle("I2", "dependence")
def test_transfer_entropy_of_a_linear_system(shared, oracle):
    """I2: binned estimates are a fifth of the truth; ours are the truth within their error."""
    wanted = expected(shared, "info/transfer_entropy_expected.json")
    rows = read(shared / "oracles/info/te_linear.csv")
    x, y = (np.array([float(row[name]) for row in rows]) for name in ("X", "Y"))
    truth = wanted["analytic_gaussian_TE_X_to_Y_nats"]
    for estimate in (gaussian_transfer_entropy, transfer_entropy):
        found = estimate(embed(x, y))
        error = found.local.std() / np.sqrt(len(found.local))
        assert 3.0 * error < 0.06
        oracle.agrees(f"X → Y, {estimate.__name__}", found.value, truth, atol=3.0 * error)
        oracle.lies(f"Y → X, {estimate.__name__}", estimate(embed(y, x)).value, -0.02, 0.02)


@pytest.mark.oracle("I3", "dependence")
def test_distance_correlation_against_energy(shared, oracle):
    wanted = expected(shared, "info/dcor_expected.json")
    faithful = read(shared / "oracles/info/faithful.csv")
    x, y = (np.array([float(row[name]) for row in faithful]) for name in ("eruptions", "waiting"))
    found = distance_correlation(margin(x), margin(y))
    got = [found.correlation, found.covariance, found.bias_corrected]
    oracle.agrees("dcor, dcov, bcdcor of faithful", got,
                  [wanted["faithful"][name] for name in ("dcor", "dcov", "bcdcor")], atol=1e-12)
    iris = read(shared / "oracles/info/iris.csv")
    x, y = (
        np.array([float(row[name]) for row in iris]) for name in ("Sepal.Length", "Petal.Width")
    )
    found = distance_correlation(margin(x), margin(y))
    by_energy = wanted["iris_SepalLength_PetalWidth"]
    oracle.agrees("dcor, bcdcor of iris", [found.correlation, found.bias_corrected],
                  [by_energy["dcor"], by_energy["bcdcor"]], atol=1e-12)


@pytest.mark.oracle("I3", "dependence")
def test_a_parabola_has_distance_correlation_and_no_correlation(shared, oracle):
    wanted = expected(shared, "info/dcor_expected.json")["parabola201"]
    x = np.linspace(-1.0, 1.0, 201)
    found = distance_correlation(margin(x), margin(x**2))
    oracle.agrees("dcor of a parabola", found.correlation, wanted["dcor"], atol=1e-12)
    assert abs(np.corrcoef(x, x**2)[0, 1]) < 1e-12


@pytest.mark.oracle("A1", "dependence")
def test_closed_forms(shared, oracle):
    wanted = expected(shared, "analytic/closed_forms.json")
    for key, value in wanted["gaussian_MI_nats"].items():
        rho = float(key.removeprefix("rho="))
        found = gaussian_mutual_information(rho)
        oracle.agrees(f"information of a normal pair, {key}", found, value, atol=1e-12)
    tails = wanted["tail_dependence"]
    for key, value in tails["student_t"].items():
        degrees, rho = (float(part.split("=")[1]) for part in key.split(","))
        found = student_tail(rho, degrees)
        oracle.agrees(f"tail of Student's t, {key}", found, value, atol=1e-9)
    for key, value in tails["clayton_lower"].items():
        found = clayton_tail(float(key.split("=")[1]))
        oracle.agrees(f"tail of Clayton's copula, {key}", found, value, atol=1e-9)
    for key, value in tails["gumbel_upper"].items():
        found = gumbel_tail(float(key.split("=")[1]))
        oracle.agrees(f"tail of Gumbel's copula, {key}", found, value, atol=1e-9)


@pytest.mark.oracle("A1", "dependence")
@pytest.mark.parametrize("rho", [0.1, 0.5, 0.9])
def test_estimates_of_a_normal_pair_meet_the_closed_forms(shared, oracle, rho):
    wanted = expected(shared, "analytic/closed_forms.json")
    generator = np.random.default_rng(11)
    x = generator.standard_normal(20_000)
    y = rho * x + np.sqrt(1.0 - rho**2) * generator.standard_normal(20_000)
    by_distance = distance_correlation(margin(x), margin(y))
    error = by_distance.influence.std() / (2.0 * by_distance.correlation * np.sqrt(len(x)))
    oracle.agrees(f"dcor of a normal pair, ρ = {rho}, 3 errors", by_distance.correlation,
                  wanted["dcor_bivariate_normal"][f"rho={rho}"], atol=3.0 * error)
    shared_nats = wanted["gaussian_MI_nats"][f"rho={rho}"]
    for algorithm in (1, 2):
        found = mutual_information(x[:, None], y[:, None], 4, algorithm)
        error = found.local.std() / np.sqrt(len(x))
        assert 3.0 * error < 0.03
        oracle.agrees(f"KSG-{algorithm} of a normal pair, ρ = {rho}, 3 errors", found.value,
                      shared_nats, atol=3.0 * error)


@pytest.mark.oracle("A1", "dependence")
def test_transfer_entropy_of_a_first_order_system(shared, oracle):
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
        assert 3.0 * error < 0.02
        oracle.agrees(f"{estimate.__name__}, 3 errors", found.value,
                      wanted["TE_x_to_y_nats_k1l1"], atol=3.0 * error)
