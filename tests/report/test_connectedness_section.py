"""The section of the connectedness study: sentences, table and drawings from known rows."""

import pytest

from imbalance.report.queries import Source
from imbalance.report.studies.connectedness import picture, section

START = 1_723_161_240 * 1_000_000_000
NAMES = ("binance:BTCUSDT", "binance:ETHUSDT")


def row(estimator, value, *, x="*", y="*", **more):
    return {
        "study": "connectedness", "family": "returns", "scope": "span", "window_from": START,
        "window_to": START + 10**12, "bar_size": "1s", "instrument_x": x, "measure_x": "return_bps",
        "instrument_y": y, "measure_y": "return_bps", "estimator": estimator,
        "model": "across:" + ",".join(NAMES), "approach": "generalised", "part": "all",
        "state_at": START + 10**12, "estimate": value, "interval_low": value - 0.1,
        "interval_high": value + 0.1, "n": 900, "regime": "all", **more,
    }


@pytest.fixture
def filled(session, store_rows):
    store_rows["insert"](session, "studies.connectedness", [
        row("total", 0.4), row("total", 0.3, approach="orthogonal", lowest_order=0.1,
                               highest_order=0.45),
        row("transmitted", 0.6, x=NAMES[0]), row("transmitted", 0.2, x=NAMES[1]),
        row("net", 0.4, x=NAMES[0], q_value=0.01), row("net", -0.4, x=NAMES[1], q_value=0.01),
        row("net_pairwise", 0.4, x=NAMES[0], y=NAMES[1], q_value=0.01),
        *(row("total", 0.3 + 0.01 * i, approach="time_varying", state_at=START + i * 10**10)
          for i in range(5)),
    ])
    return session


def test_section_of_known_rows(filled):
    found = section(Source(filled))
    assert "across two instruments, 40.0 % of the forecast error" in found.findings[0]
    assert found.findings[1].startswith("binance:BTCUSDT gives the others more than it receives")
    assert [row[5] for row in found.tables[0].rows] == ["40.0 %", "30.0 %"]
    assert found.tables[0].rows[1][7] == "10.0 % to 45.0 %"
    assert len(found.warnings) == 1
    assert [chart.svg.startswith("<svg") for chart in found.charts] == [True, True]
    assert "binance:BTCUSDT" in found.charts[0].svg


def test_picture_of_known_rows(filled):
    source = Source(filled)
    assert picture(source, source.choice("connectedness")) is not None


def test_section_without_an_estimate(session, store_rows):
    refused = row("total", 0.0) | {"estimate": None, "interval_low": None, "interval_high": None,
                                   "reason": "no_pair"}
    store_rows["insert"](session, "studies.connectedness", [refused])
    found = section(Source(session))
    assert found.paragraphs == ["No system of series could be decomposed."]
    assert not found.charts


def test_a_net_share_beyond_one_is_told_as_it_is(filled, store_rows):
    store_rows["insert"](filled, "studies.connectedness", [
        row("net", 1.35, x=NAMES[0], q_value=0.001, family="another"),
        row("transmitted", 1.6, x=NAMES[0], family="another")])
    assert any("its return by 135.0 % of a forecast error" in text
               for text in section(Source(filled)).findings)


def test_without_bands_and_with_links_of_no_size(session, store_rows):
    bare = {"interval_low": None, "interval_high": None}
    store_rows["insert"](session, "studies.connectedness", [
        row("total", 0.4, **bare), row("total", 0.4, approach="time_varying", **bare),
        row("transmitted", 0.6, x=NAMES[0]), row("transmitted", 0.2, x=NAMES[1]),
        row("net_pairwise", 0.0, x=NAMES[0], y=NAMES[1], q_value=0.01)])
    found = section(Source(session))
    assert found.tables[0].rows[0][6] == "–"
    assert len(found.charts) == 2
