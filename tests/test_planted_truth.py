"""What is planted in simulated captures comes out of the studies, through every layer between.

Belongs here: the one passage from capture files to the verdict on planted figures, by the library's
own tasks. Not here: the parts of it, which are tested with their packages.
"""

import datetime as dt
from dataclasses import replace

import pytest

from imbalance.books.build import materialise_book
from imbalance.captures.build import materialise_raw
from imbalance.captures.register import register
from imbalance.config import Config, StudiesConfig
from imbalance.features.tasks import features_task
from imbalance.simulate import Scenario, simulate_market
from imbalance.simulate.compare import compare
from imbalance.store.home import Home
from imbalance.store.store import Store
from imbalance.store.task import materialise
from imbalance.studies.registry import study
from imbalance.studies.tasks import families_task, study_task
from imbalance.studies.windows import SPAN
from imbalance.summary import home_summary
from imbalance.tasks import read_current

DAY = "2025-03-04"
VENUES = ("binance", "binance-futures", "binance-delivery")
PERPETUAL, SPOT = "binance-futures:BTCUSDT", "binance:BTCUSDT"
INVERSE = "binance-delivery:BTCUSD_PERP"
# Bars of one second only: those are what is planted.
STUDIES = StudiesConfig(bar_sizes=("1s",), replications=199)


def scenario():
    """A quarter of an hour of three instruments: one leads one by 1 s and the other by 200 ms.

    Flow depends on its second lag so much that 900 bars show it to any seed: at a fitted order
    below the planted one there would be nothing to compare.
    """
    whole = Scenario.default()
    perpetual, spot, inverse = (whole.instrument(name) for name in (PERPETUAL, SPOT, INVERSE))
    return replace(
        whole,
        instruments=(
            replace(perpetual, persistence=(0.15, 0.4)),
            replace(spot, persistence=(0.1, 0.4)),
            inverse,
        ),
        common_shocks=(),
        start=dt.datetime(2025, 3, 4, 12, tzinfo=dt.UTC),
        duration_seconds=900,
        seed=11,
    )


@pytest.fixture(scope="module")
def planted(tmp_path_factory):
    directory = tmp_path_factory.mktemp("planted")
    truth = simulate_market(directory / "captures", scenario())
    home = Home.open(directory / "home", create=True)
    store = Store(home, Config(studies=STUDIES))
    register(store, [directory / "captures"])
    for venue in VENUES:
        assert materialise_raw(store, venue, [DAY]).failed == {}
        materialise_book(store, venue, DAY)
        features_task(venue, DAY).materialise(store)
    for task in (families_task(store), study_task(study("correlation"), store, SPAN),
                 study_task(study("feedback"), store, SPAN)):
        task.materialise(store)
    return store, truth


@pytest.fixture(scope="module")
def findings(planted):
    store, truth = planted
    with store.session(described=False) as session:
        return compare(truth, lambda sql, values: session.execute(sql, dict(values)).fetchall())


def test_every_planted_figure_is_found_within_its_uncertainty(findings):
    judged = [finding for finding in findings if finding.agrees is not None]
    assert [finding for finding in judged if not finding.agrees] == []
    assert [finding for finding in findings if finding.agrees is None] == []
    assert len(judged) >= 16
    questions = {finding.question.split(":")[0].split(",")[0] for finding in judged}
    assert questions >= {
        "impact", "cross-impact", "lead", "VAR of return and order flow",
        "Granger causality planted", "Granger causality absent",
        "response of the return to a flow shock",
    }


def test_leads_are_found_at_their_lag(findings):
    leads = {f.subject: f.found for f in findings if f.question.startswith("lead")}
    assert leads == {f"{PERPETUAL} → {SPOT}": 1.0, f"{PERPETUAL} → {INVERSE}": 0.2}


def test_every_line_is_accounted_for_and_every_quote_is_met(planted):
    store, truth = planted
    summary = home_summary(store)
    lines, proof = summary["captures"], summary["proof"]
    assert lines["lines_read"] == sum(file.lines for file in truth.files)
    assert lines["lines_read"] == lines["lines_decoded"]
    assert (lines["lines_ignored"], lines["lines_quarantined"], lines["refused"]) == (0, 0, 0)
    assert proof["mismatched"] == 0
    assert proof["compared"] > 10_000


def test_a_second_time_there_is_nothing_to_do(planted):
    store, _ = planted
    for task in (families_task(store), study_task(study("correlation"), store, SPAN),
                 study_task(study("feedback"), store, SPAN)):
        assert task.materialise(store).status == "unchanged"


def test_the_span_of_one_day_has_the_rows_of_the_day(planted):
    store, _ = planted
    feedback = study("feedback")
    estimated = {
        name: read_current(store, name, SPAN).to_pylist() for name in feedback.table_names
    }
    day, span = study_task(feedback, store, DAY), study_task(feedback, store, SPAN)
    day.materialise(store)
    result = materialise(
        store, outputs=span.outputs, partition=SPAN, inputs=span.inputs, version=span.version,
        build=span.build, parameters=span.parameters, force=True,
    )
    assert result.metadata["taken_from"] == DAY
    for name, rows in estimated.items():
        assert read_current(store, name, SPAN).to_pylist() == rows
        assert {row["scope"] for row in rows} == {"span"}
        of_day = read_current(store, name, DAY).to_pylist()
        assert of_day == [row | {"scope": "day"} for row in rows]
