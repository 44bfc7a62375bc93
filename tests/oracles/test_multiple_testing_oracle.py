"""M1: the example of Benjamini and Hochberg 1995 against R's p.adjust (tolerance 1e-12)."""

import json

import numpy as np
import pytest

from imbalance.studies.multiple_testing import benjamini_hochberg, benjamini_yekutieli

pytestmark = pytest.mark.oracle("M1", "correlation")


@pytest.fixture(scope="module")
def example(shared):
    return json.loads((shared / "oracles/multitest/bh1995_expected.json").read_text())


@pytest.mark.parametrize(
    ("name", "adjust"), [("BH", benjamini_hochberg), ("BY", benjamini_yekutieli)]
)
def test_adjusted_values(example, oracle, name, adjust):
    found = adjust(np.array(example["p"]))
    oracle.agrees(f"adjusted p-values, {name}", found, example[name], atol=1e-12)


def test_number_of_rejections_of_the_paper(example, oracle):
    assert example["n_BH_05"] == 4
    found = (benjamini_hochberg(np.array(example["p"])) <= 0.05).sum()
    oracle.agrees("rejections at 5 %", found, 4)
