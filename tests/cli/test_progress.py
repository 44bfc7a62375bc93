"""The progress bar shows what there is to be shown where the work is, and nothing else."""

import json
import time

import pytest

from imbalance.cli import progress as module
from imbalance.cli.progress import ProgressBar


@pytest.fixture
def clock(monkeypatch):
    """The time, in seconds."""
    now = [1000.0]
    monkeypatch.setattr(time, "monotonic", lambda: now[0])
    return now


def test_files_and_what_flows_while_captures_are_read(clock):
    bar = ProgressBar("run", files=2)
    assert bar.figures() == "0/2 files"
    clock[0] += 2.0
    bar.advance(bytes=8_000_000, events=3_000, files=1)
    assert bar.figures() == "1/2 files · 4 MB/s · 1,500 events/s"
    clock[0] += module.RATE_SECONDS + 0.1
    assert bar.figures() == "1/2 files"


def test_partitions_done_and_left_while_studies_run(clock):
    bar = ProgressBar("run")
    bar.advance(bytes=8_000_000, events=3_000, files=1)
    bar.begin("studies", 40)
    assert bar.figures() == "0/40 partitions, 40 left"
    for number in range(3):
        bar.advance(note=f"correlation {number}")
        bar.advance(partitions=1)
    clock[0] += 1.0
    assert bar.figures() == "3/40 partitions, 37 left"
    bar.advance(partitions=40)  # some of them a second time, after one had failed
    assert bar.figures() == "40/40 partitions, 0 left"
    bar.begin("publishing", 0)
    assert bar.figures() == ""


def test_a_terminal_sees_the_phase_the_figures_and_the_note(monkeypatch, capsys):
    monkeypatch.setattr("sys.stderr.isatty", lambda: True)
    monkeypatch.setenv("COLUMNS", "160")
    with ProgressBar("run") as bar:
        bar.begin("studies", 4)
        bar.advance(partitions=1, note="lead-lag [a] b")
    said = capsys.readouterr().err
    for words in ("studies", "1/4 partitions, 3 left", "lead-lag [a] b", "0:00:0"):
        assert words in said, json.dumps(said)
    assert "MB/s" not in said
