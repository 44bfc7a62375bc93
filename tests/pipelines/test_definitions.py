"""The code location: loads, is light, and holds what it is meant to hold."""

import contextlib
import datetime
import re
import subprocess
import sys

import dagster as dg
import pytest
from dagster._core.types.dagster_type import DagsterTypeKind

from imbalance import catalog
from imbalance.config import Config
from imbalance.store.home import Home
from imbalance.store.ledger import CaptureFile, Ledger, NewEntry
from imbalance.store.store import Store
from imbalance.studies.registry import studies
from imbalance.studies.windows import trailing
from imbalance.warehouse import PlainWarehouse
from pipelines.definitions import build_definitions, span
from pipelines.jobs import JOBS

PARTITIONED_BY = {"day_venue": "day|venue", "capture": "day|venue", "day": "day", "all": None}


def register(home, capture_id, first, last, venue="binance"):
    Ledger(home.ledger_path).register_capture(
        CaptureFile(capture_id, capture_id * 4, f"/captures/{capture_id}", 1, 1, "binance-lines",
                    venue, first, last)
    )


@pytest.fixture(scope="module")
def definitions(tmp_path_factory):
    home = Home.open(tmp_path_factory.mktemp("h") / "home", create=True)
    register(home, "a" * 16, "2024-08-08", "2024-08-09")
    return build_definitions(home.root)


def describe(partitions):
    if partitions is None:
        return None
    if isinstance(partitions, dg.MultiPartitionsDefinition):
        return "|".join(sorted(d.name for d in partitions.partitions_defs))
    assert isinstance(partitions, dg.TimeWindowPartitionsDefinition)
    return "day"


def test_it_loads(definitions):
    dg.Definitions.validate_loadable(definitions)
    assert {job.name for job in JOBS} <= {job.name for job in definitions.resolve_all_job_defs()}


def test_every_table_is_an_asset_with_its_partitions(definitions):
    graph = definitions.resolve_asset_graph()
    for table in catalog.tables().values():
        node = graph.get(dg.AssetKey(table.name.split(".")))
        assert describe(node.partitions_def) == PARTITIONED_BY[table.partitioning], table.name
        assert node.group_name == table.layer
    others = {key.to_user_string() for key in graph.get_all_asset_keys()} - {
        name.replace(".", "/") for name in catalog.tables()
    }
    spans = {
        f"{name.replace('.', '/')}_span" for study in studies()
        if {"day", "span"} <= set(study.scopes) for name in study.table_names
    }
    assert {"studies/correlation_span", "studies/impulse_response_span"} <= spans
    assert others == {"captures/files", "published/generation"} | spans


def test_the_way_of_the_data(definitions):
    graph = definitions.resolve_asset_graph()

    def parents(name):
        return {key.to_user_string() for key in graph.get(dg.AssetKey(name.split("/"))).parent_keys}

    assert parents("raw/trades") == {"captures/files"}
    assert parents("book/bars_100ms") == {"raw/book_updates", "raw/quotes"}
    assert "book/closing_books" in parents("book/closing_books")
    assert parents("book/trade_gaps") == {"raw/trades"}
    assert parents("features/bars_1s") == {
        "book/bars_100ms", "book/trade_gaps", "raw/trades", "raw/quotes"}
    # any family may name a column of either, so that no study is run before them
    assert {"features/bars_1s", "features/derivative_bars_1s"} <= (
        parents("studies/correlation") & parents("studies/correlation_span")
    )
    assert {"features/bars_1s", "studies/correlation", "studies/correlation_span"} <= (
        parents("published/generation")
    )


def test_no_step_is_given_what_another_left(definitions):
    """Dagster's own store of results would unpickle whatever file lies there (F61): no step has an
    input but the order.
    """
    inputs = [
        given for asset in definitions.resolve_asset_graph().assets_defs if asset.is_executable
        for given in asset.node_def.input_dict.values()
    ]
    assert len(inputs) > 50
    assert {given.dagster_type.kind for given in inputs} == {DagsterTypeKind.NOTHING}


def test_what_the_ui_shows_of_an_asset(definitions):
    node = definitions.resolve_asset_graph().get(dg.AssetKey(["features", "bars_1s"]))
    table = catalog.table("features.bars_1s")
    schema = node.metadata["dagster/column_schema"]
    assert [c.name for c in schema.columns] == [*table.column_names, "recorded_at"]
    flow = next(c for c in schema.columns if c.name == "order_flow_imbalance")
    assert flow.tags == {"unit": "base_units"}
    assert "Formula:" in flow.description
    assert flow.constraints.nullable
    assert "| `order_flow_imbalance` |" in node.description
    assert node.owners
    assert node.freshness_policy is not None
    assert node.code_version == table.definition_hash()[:12]


def test_checks(definitions):
    graph = definitions.resolve_asset_graph()
    names = {}
    for check in graph.asset_check_keys:
        names.setdefault(check.name, set()).add(check.asset_key.to_user_string())
        assert graph.get_check_spec(check).blocking
    assert names["line_accounting"] == {"raw/captures"}
    assert names["agrees_with_quotes"] == {"book/quote_agreement"}
    assert names["gate"] == {"published/generation"}
    assert "features/bars_1s" in names["registry_rules"]
    assert "studies/correlation_span" in names["registry_rules"]


def test_jobs_schedules_and_sensors(definitions):
    assert {job.name for job in definitions.jobs} == {
        "venue_days", "studies", "span_studies", "publication",
    }
    assert {(s.name, s.cron_schedule) for s in definitions.schedules} == {
        ("daily_venue_days", "20 0 * * *"), ("daily_studies", "20 1 * * *"),
        ("daily_span_studies", "50 1 * * *"), ("daily_publication", "20 2 * * *"),
    }
    assert [sensor.name for sensor in definitions.sensors] == ["new_captures", "alerts"]


def test_only_publication_has_a_pool(definitions):
    pools = {
        node.name: node.pool
        for asset in definitions.assets if isinstance(asset, dg.AssetsDefinition)
        for node in [asset.op]
    }
    assert {name for name, pool in pools.items() if pool} == {"publish"}


def test_loading_is_light(tmp_path):
    code = (
        "import sys, pipelines.definitions\n"
        "heavy = {'pandas', 'statsmodels', 'great_expectations', 'matplotlib'}\n"
        "print('loaded:', sorted(heavy & set(sys.modules)))"
    )
    done = subprocess.run(
        [sys.executable, "-W", "ignore", "-c", code], capture_output=True, text=True, check=True,
        env={"IMBALANCE_HOME": str(tmp_path), "PATH": ""},
    )
    assert done.stdout.endswith("loaded: []\n")


def test_days_of_history_end_with_it(tmp_path):
    home = Home.open(tmp_path / "h", create=True)
    assert span(home.root, Config()) == (None, None)
    register(home, "a" * 16, "2024-08-08", "2024-08-09")
    assert span(home.root, Config()) == ("2024-08-08", "2024-08-09")
    assert span(home.root, Config(first_day="2024-08-01")) == ("2024-08-01", "2024-08-09")
    today = datetime.datetime.now(datetime.UTC).date().isoformat()
    register(home, "b" * 16, today, today)
    assert span(home.root, Config()) == ("2024-08-08", None)


NOW = datetime.datetime.now(datetime.UTC)


def ago(days):
    return (NOW - datetime.timedelta(days=days)).date().isoformat()


@pytest.fixture
def ticks(tmp_path):
    """A home, and what one of its schedules asks for now: tags of runs, or why it skips."""
    home = Home.open(tmp_path / "h", create=True)
    register(home, "0" * 16, ago(0), ago(0))  # so that it is not history
    register(home, "1" * 16, ago(30), ago(30))
    with ticking(home) as tick:
        yield home, tick


@contextlib.contextmanager
def ticking(home):
    schedules = {one.name: one for one in build_definitions(home.root).schedules}
    with dg.instance_for_test() as instance:

        def tick(name):
            with dg.build_schedule_context(
                instance=instance, scheduled_execution_time=NOW,
                resources={"warehouse": PlainWarehouse(Store(home))},
            ) as context:
                found = schedules[name](context)
            if isinstance(found, dg.SkipReason):
                return found.skip_message
            assert len({request.run_key for request in found}) == len(found)
            assert "binance" in instance.get_dynamic_partitions("venue")
            return [tuple(request.tags.values()) for request in found]

        yield tick


def have_features(home, *days):
    Ledger(home.ledger_path).commit([
        NewEntry("features.bars_1s", f"{day}|binance", "file", "b", "r", 1, "i", "1")
        for day in days
    ], "run")


def test_schedules_ask_for_the_captured_days_of_a_week_that_are_not_made(ticks):
    home, tick = ticks
    register(home, "a" * 16, ago(10), ago(7))
    register(home, "b" * 16, ago(4), ago(4))
    register(home, "c" * 16, ago(2), ago(0))
    register(home, "d" * 16, ago(1), ago(1), "bybit")
    assert tick("daily_venue_days") == [
        (f"{ago(7)}|binance", f"{ago(7)}|binance"), (f"{ago(4)}|binance", f"{ago(4)}|binance"),
        (f"{ago(2)}|binance", f"{ago(1)}|binance"), (f"{ago(1)}|bybit", f"{ago(1)}|bybit"),
    ]
    # No day has features yet: studies of none, and nothing to publish.
    nothing = f"nothing is to be made of the days from {ago(7)} to {ago(1)}"
    assert tick("daily_studies") == tick("daily_publication") == nothing
    have_features(home, ago(9), ago(4), ago(1))
    assert tick("daily_studies") == [(ago(4), ago(4)), (ago(1), ago(1))]
    assert tick("daily_span_studies") == tick("daily_publication") == [()]


def test_a_day_that_stands_as_failed_is_a_run_of_its_own(ticks):
    """A step of a run over several days fails with one of them, and what follows it is made of
    none: each night again, were it still among the others.
    """
    home, tick = ticks
    register(home, "a" * 16, ago(5), ago(1))
    register(home, "b" * 16, ago(5), ago(1), "bybit")
    ledger = Ledger(home.ledger_path)
    ledger.record_failure("raw.trades", f"{ago(3)}|binance", "run", "not a capture")
    good, bad, newer = (ago(5), ago(4)), (ago(3), ago(3)), (ago(2), ago(1))
    assert tick("daily_venue_days") == [
        *(tuple(f"{day}|binance" for day in run) for run in (good, bad, newer)),
        (f"{ago(5)}|bybit", f"{ago(1)}|bybit"),
    ]
    have_features(home, *map(ago, range(1, 6)))
    assert tick("daily_studies") == [(ago(5), ago(1))]  # the days' features are there
    for partition in (ago(3), trailing(ago(3))):
        ledger.record_failure("studies.correlation", partition, "run", "no convergence")
        assert tick("daily_studies") == [good, bad, newer]
        ledger.record_recovery("studies.correlation", partition, "run")
    assert tick("daily_studies") == [(ago(5), ago(1))]


def test_schedules_ask_for_a_reload_where_days_are_due_of_which_there_are_no_partitions(
    tmp_path, capsys
):
    home = Home.open(tmp_path / "h", create=True)
    register(home, "0" * 16, ago(9), ago(9))  # history, of which the partitions end with it
    with ticking(home) as tick:
        register(home, "1" * 16, ago(2), ago(1))
        have_features(home, ago(2))
        for name, told in (("daily_venue_days", f"2 days.*the first is {ago(2)}.binance"),
                           ("daily_studies", f"1 days.*the first is {ago(2)}$")):
            capsys.readouterr()
            said = tick(name)
            assert "Reload definitions" in said
            assert re.search(told, said)
            assert f"WARNING - {said}" in capsys.readouterr().err


def test_schedules_skip_where_nothing_is_recorded(ticks):
    _, tick = ticks
    for name in ("daily_venue_days", "daily_studies", "daily_span_studies", "daily_publication"):
        said = f"no registered capture holds a day from {ago(7)} to {ago(1)}: the sensor"
        assert tick(name).startswith(said)


@pytest.mark.parametrize("job", ["studies", "span_studies"])
def test_what_studies_will_estimate_is_written_down_before_they_are_run(definitions, job):
    assert "studies__families" in {node.name for node in definitions.resolve_job_def(job).nodes}


def test_the_workspace_file_names_the_definitions(repository):
    import yaml

    workspace = yaml.safe_load((repository / "workspace.yaml").read_text())
    entry = workspace["load_from"][0]["python_file"]
    assert (repository / entry["relative_path"]).is_file()
    assert entry["working_directory"] == "."
