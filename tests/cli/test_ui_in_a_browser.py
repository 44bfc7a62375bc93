"""Dagster over a filled home in a real browser: graph, an asset with its columns, its checks."""

import socket
import subprocess

import pytest

from tests.browser import Browser
from tests.cli.process import command


@pytest.fixture(scope="module")
def address(filled):
    """Where `imbalance ui --read-only` answers over the home."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    running = subprocess.Popen(
        command("ui", "--read-only", "--port", port, home=filled.home, config=filled.config),
        stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True,
    )
    said = running.stdout.readline()
    assert "Dagster over" in said, said
    yield f"http://127.0.0.1:{port}"
    running.terminate()
    running.wait(60)


@pytest.fixture(scope="module")
def browser(tmp_path_factory):
    opened = Browser(tmp_path_factory.mktemp("profile"))
    opened.look(width=1400, height=1000)
    yield opened
    opened.close()


@pytest.mark.slow
@pytest.mark.parametrize(("page", "shown"), [
    ("/asset-groups", ["raw", "book", "features", "studies", "published"]),
    ("/assets/features/bars_1s?view=overview",
     ["order_flow_imbalance", "base_units", "DOUBLE", "venue_days"]),
    ("/assets/features/bars_1s?view=checks", ["registry_rules"]),
])
def test_what_a_person_sees(browser, address, page, shown):
    browser.go(address + page)
    for words in shown:
        browser.until(f"(document.body?.innerText || '').includes({words!r})")
    inside = (address, "data:", "blob:")
    assert [one for one in browser.asked_for() if not one.startswith(inside)] == []
