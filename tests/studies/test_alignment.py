import numpy as np
import pyarrow as pa
import pytest

from imbalance.studies.alignment import align
from imbalance.studies.bars import TableBars


def test_poisoned_invalid_and_infinite_bars_are_missing(make_bars):
    values = np.arange(10.0)
    values[7] = np.inf
    bars = make_bars({"binance:A": {"m": values}}, poisoned={"binance:A": [2, 3]})
    panel = align(TableBars(bars), "1s", ["m"], 1)
    found = panel.series("binance:A", "m")
    assert np.flatnonzero(np.isnan(found)).tolist() == [2, 3, 7]
    assert panel.exists["binance:A"].all()


def test_a_null_flag_does_not_vouch_for_the_bar(make_bars):
    bars = make_bars({"binance:A": {"m": np.arange(4.0)}})
    bars = bars.set_column(
        bars.column_names.index("poisoned"), "poisoned", pa.array([False, None, False, False])
    )
    bars = bars.set_column(
        bars.column_names.index("valid"), "valid", pa.array([True, True, None, True])
    )
    found = align(TableBars(bars), "1s", ["m"], 1).series("binance:A", "m")
    assert np.isnan(found).tolist() == [False, True, True, False]


def test_instruments_meet_by_bar_start(make_bars):
    second = 1_000_000_000
    early = make_bars({"binance:A": {"m": np.arange(5.0)}}, start=0)
    late = make_bars({"binance:B": {"m": np.arange(5.0)}}, start=2 * second)
    panel = align(TableBars(pa.concat_tables([late, early])), "1s", ["m"], 1)
    assert panel.instruments == ("binance:A", "binance:B")
    np.testing.assert_array_equal(
        panel.series("binance:B", "m"), [np.nan, np.nan, 0.0, 1.0, 2.0, 3.0, 4.0]
    )
    assert panel.exists["binance:A"].tolist() == [True] * 5 + [False] * 2
    assert (panel.window_from, panel.window_to) == (0, 7 * second)
    assert panel.available_at == 7 * second + 1_000


def test_short_gaps_keep_their_length_and_long_ones_stay_out_of_reach(make_bars):
    second = 1_000_000_000
    parts = [
        make_bars({"binance:A": {"m": np.ones(3)}}, start=0),
        make_bars({"binance:A": {"m": np.ones(3)}}, start=5 * second),
        make_bars({"binance:A": {"m": np.ones(3)}}, start=40_000_000 * second),
    ]
    panel = align(TableBars(pa.concat_tables(parts)), "1s", ["m"], 300)
    present = np.flatnonzero(np.isfinite(panel.series("binance:A", "m")))
    assert present[:6].tolist() == [0, 1, 2, 5, 6, 7]
    assert present[6] - present[5] == 301
    assert panel.slots < 1_000


def test_regimes_are_terciles_of_the_bar_before(make_bars):
    depth = np.array([1.0, 2.0, 3.0, 4.0, 5.0, 6.0])
    panel = align(
        TableBars(make_bars({"binance:A": {"depth_touch_mean": depth}})), "1s",
        ["depth_touch_mean"], 1
    )
    low, middle, high = (
        np.flatnonzero(panel.regime("binance:A", f"depth_{level}")).tolist()
        for level in ("low", "middle", "high")
    )
    # Terciles 2.67 and 4.33; bar t is placed by bar t − 1, so that the first is nowhere.
    assert (low, middle, high) == ([1, 2], [3, 4], [5])
    assert panel.regime("binance:A", "messages_low") is None


def test_absolute_of_a_measure(make_bars):
    panel = align(TableBars(make_bars({"binance:A": {"m": np.array([-1.0, 2.0])}})), "1s", ["m"], 1)
    assert panel.series("binance:A", "absolute(m)").tolist() == [1.0, 2.0]
    assert panel.series("binance:A", "absolute(other)") is None


def test_empty_bars_and_doubled_bars(make_bars):
    bars = make_bars({"binance:A": {"m": np.ones(3)}})
    assert align(TableBars(bars.slice(0, 0)), "1s", ["m"], 1) is None
    with pytest.raises(ValueError, match="binance:A has two bars"):
        align(TableBars(pa.concat_tables([bars, bars])), "1s", ["m"], 1)


def test_dictionary_encoded_instruments_in_chunks(make_bars):
    bars = make_bars({"binance:A": {"m": np.ones(3)}, "binance:B": {"m": np.zeros(3)}})
    encoded = bars.set_column(0, "instrument", bars.column("instrument").dictionary_encode())
    panel = align(TableBars(encoded), "1s", ["m"], 1)
    assert panel.series("binance:B", "m").tolist() == [0.0, 0.0, 0.0]


def test_pairs_of_a_feed_of_images_stay_apart(make_bars):
    """Its flow is the generalised one; where a family names both, that is no pair, nor two."""
    flow, image, price = "order_flow_imbalance", "generalised_order_flow_imbalance", "return_bps"
    values = np.arange(4.0)
    panel = align(TableBars(make_bars({
        "A": {flow: np.full(4, np.nan), image: -values, price: values},
        "B": {flow: values, image: values, price: values},
    })), "1s", (flow, image, price), 1)
    assert panel.series(*panel.known_as(("A", f"absolute({flow})"))).tolist() == values.tolist()
    pairs = [((name, x), (name, y)) for name in ("A", "B")
             for x, y in ((flow, price), (image, price), (flow, image), (price, price))]
    assert panel.known_pairs(pairs) == [
        (("A", image), ("A", price)), (("A", price), ("A", price)), *pairs[4:]]


def test_a_panel_of_some_instruments_has_their_gaps(make_bars):
    second = 1_000_000_000
    parts = [
        make_bars({"A": {"m": np.arange(3.0)}}, start=0),
        make_bars({"A": {"m": np.arange(3.0, 5.0)}}, start=1_000 * second),
        make_bars({"B": {"m": -np.arange(4.0)}}, start=2 * second),
        make_bars({"C": {"m": np.ones(900)}}, start=40 * second),
        make_bars({"C": {"m": np.ones(9)}}, start=40_000_000 * second),
    ]
    panel = align(TableBars(pa.concat_tables(parts)), "1s", ["m"], 1)
    assert panel.slots == 1_002 + 256 + 8
    assert panel.of(("C", "A", "B", "A")) is panel
    own = panel.of(("A", "B"))
    assert (own.instruments, own.slots) == (("A", "B"), 6 + 256 + 1)
    assert own.slots_of["A"].tolist() == [0, 1, 2, 261, 262]
    assert own.series("A", "m")[own.exists["A"]].tolist() == [0.0, 1.0, 2.0, 3.0, 4.0]
    assert np.isnan(own.series("A", "m")).sum() == own.slots - 5
    assert own.series("B", "m")[2:6].tolist() == [0.0, -1.0, -2.0, -3.0]
    assert own.series("C", "m") is None
    assert np.flatnonzero(own.occupied).tolist() == [0, 1, 2, 3, 4, 5, 261, 262]
    # What is said of the window is said of all instruments; what a slot is, of its own bars.
    assert (own.window_from, own.window_to) == (panel.window_from, panel.window_to)
    assert (own.available_at, own.hours) == (panel.available_at, ("time_00", "time_18"))
    assert (own.slot_start[[2, 261]] // second).tolist() == [2, 1_000]
    assert (own.starts[[3, 6, 261]] // second).tolist() == [3, 6, 1_000]
    known = (own.slot_available - 1_000) // second
    assert known[[0, 5, 6, 262]].tolist() == [1, 6, 6, 1_002]
    alone = panel.of(("A",))
    assert alone.slots_of["A"].tolist() == [0, 1, 2, 258, 259]
    assert own.of(("A",)).slots_of["A"].tolist() == alone.slots_of["A"].tolist()
    np.testing.assert_array_equal(own.placed("A", alone.series("A", "m")), own.series("A", "m"))
    np.testing.assert_array_equal(panel.placed("A", alone.series("A", "m")), panel.series("A", "m"))


def test_instruments_are_near_whose_bars_a_lag_may_join(make_bars):
    second = 1_000_000_000
    parts = [make_bars({name: {"m": np.ones(2)}}, start=start * second) for name, start in
             (("A", 0), ("B", 250), ("C", 900), ("D", 1_500), ("A", 5_000))]
    panel = align(TableBars(pa.concat_tables(parts)), "1s", ["m"], 255)
    assert panel.near("A", "B")
    assert panel.near("D", "D")
    assert not panel.near("B", "D")
