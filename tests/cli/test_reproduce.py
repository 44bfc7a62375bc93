"""A generation made again from its captures has the same rows; a different one is told apart."""

import json

import pytest

from tests.cli.process import imbalance


@pytest.mark.slow
def test_a_generation_is_made_again_from_its_captures(filled, tmp_path):
    done = imbalance("--json", "reproduce", "--in", tmp_path / "again", home=filled.home,
                     config=filled.config)
    told = json.loads(done.stdout)
    assert done.returncode == 0, told
    assert (told["same"], told["mismatches"], told["redefined"]) == (True, [], [])
    assert told["partitions"] > 20
    known = imbalance("--json", "generations", home=filled.home, config=filled.config)
    (generation,) = json.loads(known.stdout)["generations"]
    assert generation["id"] == told["generation"]
