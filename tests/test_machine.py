import os

import pytest

from imbalance.config import Config, RunConfig
from imbalance.machine import (
    PROCESS_BYTES,
    SideBySide,
    cores,
    database_settings,
    free_memory,
    processes_at_once,
)


@pytest.fixture
def group(tmp_path):
    """A container with room for hundreds of processes."""
    (tmp_path / "cpu.max").write_text("max 100000\n")
    (tmp_path / "memory.max").write_text("max\n")
    (tmp_path / "memory.current").write_text("0\n")
    return tmp_path


def test_a_container_with_half_a_core_has_one(group):
    assert cores(group) == len(os.sched_getaffinity(0))
    (group / "cpu.max").write_text("50000 100000\n")
    assert cores(group) == 1


def test_what_a_container_has_taken_is_not_free(group):
    everything = free_memory(group)
    assert 0 < everything <= os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE")
    (group / "memory.max").write_text("1000000\n")
    (group / "memory.current").write_text("400000\n")
    assert free_memory(group) == 600_000
    (group / "memory.stat").write_text("anon 1\nactive_file 250000\ninactive_file 100000\nfile 9\n")
    assert free_memory(group) == 950_000
    (group / "memory.current").write_text("2000000\n")
    assert free_memory(group) == 0


def test_processes_are_bounded_by_memory_and_as_the_settings_say(group):
    (group / "memory.max").write_text(f"{PROCESS_BYTES - 1}\n")
    assert processes_at_once(Config(), group) == 1
    assert processes_at_once(Config(run=RunConfig(processes=7)), group) == 7


def test_where_nothing_is_said_of_a_container_the_machine_counts(tmp_path):
    assert cores(tmp_path) == len(os.sched_getaffinity(0))
    assert free_memory(tmp_path) > 0


def test_databases_of_processes_side_by_side_share_what_one_may_take(group, monkeypatch):
    all_there_is = os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE")
    aside = group / "aside"
    assert database_settings(aside, group) == {
        "memory_limit": f"{int(0.8 * all_there_is)}B", "temp_directory": str(aside),
    }
    monkeypatch.setattr(SideBySide, "processes", 4)
    assert database_settings(aside, group)["memory_limit"] == f"{int(0.2 * all_there_is)}B"
    (group / "memory.max").write_text("1000000000\n")
    assert database_settings(aside, group)["memory_limit"] == "200000000B"
