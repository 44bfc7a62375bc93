"""Bars are read by instrument, and a panel holds those that it has room for."""

import tracemalloc
from collections import Counter
from collections.abc import Mapping

import numpy as np

from imbalance import catalog
from imbalance.store.home import Home
from imbalance.store.store import Store
from imbalance.studies.alignment import align
from imbalance.studies.bars import StoredBars, TableBars, stored_bars
from imbalance.studies.held import Held
from imbalance.studies.measures import IMAGE_FLOW
from imbalance.studies.prepared_series import SeriesPool
from imbalance.tasks import Task
from tests.studies.bar_store import features
from tests.studies.conftest import bars_table

FLOW = "order_flow_imbalance"
MEASURES = (FLOW, IMAGE_FLOW, *(f"m{number}" for number in range(6)))
REGIME = "depth_touch_mean"


class MadeBars(Mapping):
    """Bars that are made when they are read, the same each time."""

    def __init__(self, instruments, slots):
        self.names = [f"binance:{number:03d}" for number in range(instruments)]
        self.slots, self.reads = slots, Counter()

    def __getitem__(self, name):
        self.reads[name] += 1
        generator = np.random.default_rng(self.names.index(name))
        values = generator.standard_normal((len(MEASURES) + 1, self.slots))
        return bars_table({name: dict(zip((*MEASURES, REGIME), values, strict=True))},
                          poisoned={name: [3]})

    def __iter__(self):
        return iter(self.names)

    def __len__(self):
        return len(self.names)


def read_all(panel):
    """Everything that studies ask a panel for, of one instrument after the other."""
    pool = SeriesPool(panel, 20, ranked=False)
    for name in panel.instruments:
        for measure in MEASURES:
            yield panel.series(name, measure)
        yield pool.get((name, measure)).values
        yield panel.series(name, f"absolute({MEASURES[0]})")
        yield panel.regime(name, "depth_low")
    yield panel.regime("*", "depth_high")


def test_a_panel_with_little_room_reads_again_and_gives_the_same():
    bars, few = MadeBars(12, 50), MadeBars(12, 50)
    whole = align(bars, "1s", (*MEASURES, REGIME), 1)
    little = align(few, "1s", (*MEASURES, REGIME), 1, room=50 * 8 * 9 * 2)
    for one, other in zip(read_all(whole), read_all(little), strict=True):
        np.testing.assert_array_equal(one, other)
    assert set(bars.reads.values()) == {1}
    assert min(few.reads.values()) >= 2
    assert whole.crossed(3) == little.crossed(3)
    assert dict(whole.columns).keys() == dict(little.columns).keys()


def test_which_flow_is_known_is_looked_up_once_however_many_pairs_ask():
    bars = MadeBars(12, 50)
    panel = align(bars, "1s", (*MEASURES, REGIME), 1, room=50 * 8 * 9 * 2)
    before = sum(bars.reads.values())
    series = [(name, FLOW) for name in panel.instruments]
    assert panel.known_pairs([(x, y) for x in series for y in series]) == [
        (x, y) for x in series for y in series]
    assert sum(bars.reads.values()) - before <= 12


def test_memory_does_not_grow_with_the_instruments_but_by_their_grid(monkeypatch):
    instruments, slots, room = 70, 1_000, 400_000
    monkeypatch.setattr("imbalance.studies.alignment._ROOM", room)
    monkeypatch.setattr("imbalance.studies.prepared_series._ROOM", room)
    # What is imported on the way is no memory of the panel's.
    list(read_all(align(MadeBars(1, slots), "1s", (*MEASURES, REGIME), 1)))
    bars = MadeBars(instruments, slots)
    tracemalloc.start()
    try:
        panel = align(bars, "1s", (*MEASURES, REGIME), 1, room=room)
        tracemalloc.reset_peak()
        values = sum(float(np.nansum(one)) for one in read_all(panel))
        peak = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
    assert np.isfinite(values)
    # Columns, what is made of them, masks and prepared series; where there are bars, a byte each.
    whole = instruments * slots * 8 * (len(MEASURES) + 1)
    assert peak < 4 * room + instruments * slots + 1_500_000 < whole, peak


def test_what_was_not_asked_for_the_longest_goes_first():
    made = []
    held = Held(3, len, 1)
    for key in ("a", "b", "c", "a", "d", "a", "b"):
        held.get(key, lambda one: made.append(one) or one)
    assert made == ["a", "b", "c", "d", "b"]
    assert held.get("long", lambda one: one) == "long"
    held.get("a", lambda one: made.append(one) or one)
    assert made[-1] == "a"
    few = Held(1, len, 2)
    for key in ("long", "longer", "long"):
        few.get(key, lambda one: made.append(one) or one)
    assert made[-2:] == ["long", "longer"]


def test_stored_bars_are_those_of_all_days_and_venues_by_instrument(tmp_path):
    store = Store(Home.open(tmp_path, create=True))
    name = "features.bars_1s"
    days = {"2024-08-08|binance": ("binance:A", "binance:B"), "2024-08-09|binance": ("binance:B",),
            "2024-08-08|nasdaq": ("nasdaq:C",)}
    tables = {}
    for seed, (partition, names) in enumerate(days.items()):
        rows = features(catalog.table(name), partition[:10], np.random.default_rng(seed), 5, names)
        tables[partition] = rows
        Task((name,), partition, (), "1",
             lambda context, rows=rows: context.writer(name).write(rows)).materialise(store)
    inputs = tuple((name, partition) for partition in days)
    columns = ("instrument", "bar_start", "order_flow_imbalance", "no_such_column")
    found = {}

    def build(context):
        bars = StoredBars(context, inputs, "1s", columns)
        few = stored_bars(context, inputs, "1s", columns)
        assert isinstance(few, TableBars)
        assert {one: few[one].sort_by("bar_start") for one in few} == {
            one: bars[one].sort_by("bar_start").select(few[one].column_names) for one in bars}
        assert bars.rows == sum(len(rows) for rows in tables.values())
        found.update(bars)
        assert dict(StoredBars(context, inputs, "10s", columns)) == {}

    Task(("studies.families",), "all", inputs, "1", build).materialise(store)
    assert {one: table.num_rows for one, table in found.items()} == {
        "binance:A": 5, "binance:B": 10, "nasdaq:C": 5}
    for one, table in found.items():
        wanted = [float(value) for rows in tables.values() if one in TableBars(rows)
                  for value in TableBars(rows)[one].column("order_flow_imbalance").to_pylist()]
        assert table.column("order_flow_imbalance").to_pylist() == wanted
        assert set(table.column("instrument").to_pylist()) == {one}
        assert table.column_names == list(columns[:3])
