"""A generation made again from its captures has the same rows; a different one is told apart."""

import json

import pytest

from tests.cli.process import imbalance


def test_what_is_made_again_is_made_in_a_new_directory(filled, tmp_path):
    for place, words in (
        (tmp_path, f"'{tmp_path}' is not empty: it holds 'mine.txt'"),
        ("/proc/x", "cannot write '/proc/x': No such file or directory"),
        ("/dev/null/x", "cannot write '/dev/null/x': Not a directory"),
    ):
        (tmp_path / "mine.txt").touch()
        done = imbalance("reproduce", "--in", place, home=filled.home, config=filled.config)
        assert done.returncode == 2
        assert done.stderr.startswith(f"error: {words}\n  where:   --in\n")
    assert [path.name for path in tmp_path.iterdir()] == ["mine.txt"]


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
