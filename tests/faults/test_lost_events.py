"""The disk is full where Dagster keeps its events (F9): the run fails, and the store is whole."""

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

PROGRAM = Path(__file__).parent / "with_lost_events.py"


@pytest.mark.parametrize("places", [2, pytest.param(20, marks=pytest.mark.slow)])
def test_a_disk_full_of_events_harms_no_rows(failing_writes, tmp_path, repository, places):
    done = subprocess.run(
        [sys.executable, str(PROGRAM), str(tmp_path), str(places)],
        env={**os.environ, "LD_PRELOAD": str(failing_writes), "PYTHONPATH": str(repository),
             "DAGSTER_HOME": ""},
        capture_output=True, text=True, timeout=3600, check=False,
    )
    assert done.returncode == 0, done.stderr
    first, *told = [json.loads(line) for line in done.stdout.splitlines()]
    assert (first["said"], first["partitions"]) == ("success", 4)
    assert first["written"] > 100_000
    assert len(told) == places
    for one in told:
        assert one["said"] in ("the disk is full", "the disk is full or broken"), one
        assert one["sound"], one
        assert (one["held"], one["again"], one["same"]) == (0, "success", True), one
        newest, *older = one["states"]
        assert (newest, set(older) - {"FAILURE"}) == ("SUCCESS", set()), one
    # The last came when all rows were committed, whatever became of the events.
    assert (told[0]["kept"], told[-1]["kept"]) == (0, 4)
