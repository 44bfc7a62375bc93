"""O2: the regression of Cont, Kukanov and Stoikov on a LOBSTER day, by the study itself."""

import gzip
import io
import json
import zipfile

import numpy as np
import pyarrow as pa
import pytest

from imbalance.books.build import materialise_book
from imbalance.captures.build import materialise_raw
from imbalance.captures.register import register
from imbalance.config import Config
from imbalance.features.order_flow import order_flow_events, without_price_changes
from imbalance.features.tasks import features_task
from imbalance.store.home import Home
from imbalance.store.store import Store
from imbalance.studies.measures import BAR_NANOSECONDS
from imbalance.studies.price_impact.build import build
from imbalance.studies.price_impact.study import PRICE_IMPACT, PriceImpactFamily
from imbalance.studies.study_input import StudyInput

pytestmark = pytest.mark.oracle("O2", "price_impact")

OPEN = 34_200
START = int(np.datetime64("2012-06-21T13:30:00", "ns").astype(np.int64))
SECONDS = {"1s": 1, "10s": 10}


@pytest.fixture(scope="module")
def expected(shared):
    found = json.loads((shared / "oracles/ofi/ofi_expected.json").read_text())
    return found["lobster_AMZN_2012-06-21_L1"]["results"]


def bars(message, book, size):
    """Bars of a day by the reference's convention: closed on the right, moves in ticks."""
    seconds = SECONDS[size]
    time, kind, shares, direction = message[:, 0], message[:, 1], message[:, 3], message[:, 5]
    ask, ask_size, bid, bid_size = book[:, :4].T
    e = order_flow_events(bid, bid_size, ask, ask_size)
    count = 23_400 // seconds
    index = np.clip(np.ceil((time - OPEN) / seconds).astype(int) - 1, 0, count - 1)

    def total(values):
        return np.bincount(index, weights=np.nan_to_num(values), minlength=count)

    last = np.full(count, -1)
    last[index] = np.arange(len(index))
    mid = ((ask + bid) / 200.0)[np.maximum.accumulate(last)]
    start = START + BAR_NANOSECONDS[size] * np.arange(count)
    end = start + BAR_NANOSECONDS[size]
    return pa.table({
        "instrument": ["nasdaq:AMZN"] * count, "bar_start": pa.array(start, pa.timestamp("ns")),
        "bar_end": pa.array(end, pa.timestamp("ns")),
        "available_at": pa.array(end, pa.timestamp("ns")), "valid": [True] * count,
        "poisoned": [False] * count, "coverage": np.ones(count),
        "return_bps": np.diff(mid, prepend=np.nan), "order_flow_imbalance": total(e),
        "order_flow_imbalance_no_price_change": total(without_price_changes(e, bid, ask)),
        "trade_imbalance": total(np.where(kind == 4, -direction * shares, 0.0)),
    })


def regressions(table, size):
    """Rows of the regressions within the bar, by measure and estimator."""
    family = PriceImpactFamily(name="a", question="?", bar_sizes=(size,), lags=(1,),
                               replications=99)
    rows = build(StudyInput.of_bars({size: table}, [family], partition="2012-06-21"))
    return {(row["measure_x"], row["estimator"]): row
            for row in rows[PRICE_IMPACT.name].to_pylist() if row["lag"] == 0}


@pytest.fixture(scope="module")
def first_level(shared):
    def read(kind, delimiter):
        path = shared / f"oracles/ofi/AMZN_2012-06-21_{kind}_1.csv.gz"
        with gzip.open(path, "rt") as file:
            return np.loadtxt(file, delimiter=delimiter)

    return read("message", ","), read("orderbook", ";")


@pytest.mark.parametrize(("size", "measure", "name", "r_squared"), [
    ("1s", "order_flow_imbalance", "bar_1s", 0.4382),
    ("10s", "order_flow_imbalance", "bar_10s", 0.5751),
    ("10s", "order_flow_imbalance_no_price_change", "bar_10s_excl_price_changing", 0.2931),
    ("10s", "trade_imbalance", "bar_10s_TI_visible", 0.3524),
])
def test_mean_over_half_hours(first_level, expected, oracle, size, measure, name, r_squared):
    rows = regressions(bars(*first_level, size), size)
    share, slope = rows[measure, "r_squared"], rows[measure, "slope"]
    wanted = expected[name]
    oracle.agrees(f"R² of {name} in print", share["estimate"], r_squared, atol=1e-4)
    oracle.agrees(f"R² of {name}", share["estimate"], wanted["mean_R2"], atol=1e-9)
    oracle.agrees(f"slope of {name}", slope["estimate"], wanted["mean_beta_ticks"], rtol=1e-9)
    assert wanted["frac_t_gt_1_96"] == 1.0
    oracle.agrees(f"share of t > 1.96, {name}", slope["significant_share"], 1.0)
    oracle.agrees(f"half-hours of {name}", [share["n_windows"], slope["n_windows"]], [13, 13])


def test_the_capture_of_five_levels(shared, expected, oracle):
    """The same day as recorded with five levels. It has bids of 33,570 and 25,000 shares at the
    best price, at 11:28:46 and 15:20:06, which the recording of one level lacks: their half-hours
    are other ones, the other eleven are the same. (A third, of 30,900, came and went in one bar.)
    """
    (path,) = (shared / "captures/lobster-20120621").glob("*_5.zip")
    with zipfile.ZipFile(path) as archive:
        files = {name.split("_")[-2]: np.loadtxt(
            io.TextIOWrapper(archive.open(name)), delimiter=",", usecols=range(6 if "message" in
                                                                              name else 4))
            for name in archive.namelist() if name.endswith("_5.csv")}
    table = bars(files["message"], files["orderbook"], "10s")
    flow, change = (table.column(name).to_numpy() for name in (
        "order_flow_imbalance", "return_bps"))
    found = []
    for half_hour in range(13):
        part = slice(180 * half_hour, 180 * (half_hour + 1))
        ok = np.isfinite(change[part])
        found.append(np.corrcoef(flow[part][ok], change[part][ok])[0, 1] ** 2)
    wanted = np.array(expected["bar_10s"]["per_window"])[:, 5]
    same = ~np.isin(np.arange(13), (3, 11))
    oracle.agrees("R² of eleven half-hours of the capture", np.array(found)[same], wanted[same],
                  atol=1e-4)
    rows = regressions(table, "10s")
    share = rows["order_flow_imbalance", "r_squared"]
    assert share["estimate"] == pytest.approx(np.mean(found), abs=1e-9)
    oracle.agrees("R² of trade imbalance, of the capture",
                  rows["trade_imbalance", "r_squared"]["estimate"], 0.3524, atol=1e-4)


# Size at the best bid in the reference's file while a bid of 33,570, of 30,900 and of 25,000 shares
# stood at that price (in units of 0.0001).
REPAIRED = {2_239_000: 50, 2_239_500: 100, 2_211_000: 215}


@pytest.fixture(scope="module")
def kept(shared, tmp_path_factory):
    """Quotes at the best prices and bars of 10 s, from the capture by the library's own tasks."""
    day = "2012-06-21"
    store = Store(Home.open(tmp_path_factory.mktemp("lobster") / "home", create=True), Config())
    register(store, [shared / "captures/lobster-20120621"])
    assert materialise_raw(store, "nasdaq", [day]).failed == {}
    materialise_book(store, "nasdaq", day)
    features_task("nasdaq", day).materialise(store)
    with store.session(described=False) as session:
        states = session.execute(
            "select epoch_ns(event_time), ask_prices[1], ask_sizes[1], bid_prices[1], bid_sizes[1]"
            " from book.book_states order by sequence").fetchnumpy()
        return np.column_stack(list(states.values())), session.execute(
            "select * from features.bars_10s order by bar_start").to_arrow_table()


def first_level_form(states):
    """Messages, of which only the time is known, and the book: as in the reference's files."""
    message = np.zeros((len(states), 6))
    message[:, 0] = OPEN + (states[:, 0] - START) / 1e9
    return message, np.rint(states[:, 1:] * [10_000, 1, 10_000, 1])


@pytest.mark.slow
def test_from_the_capture_through_the_store_to_the_regression(kept, first_level, expected, oracle):
    """Decoded, rebuilt, summed to bars and regressed by what `imbalance run` calls.

    The reference's file is not all of the capture: in 87 of its 57,515 rows it has the best bid
    smaller than it was, see REPAIRED. With these sizes as the reference has them the capture's
    quotes are the file's, one by one.
    """
    (message, book), (_, quotes) = first_level_form(kept[0]), first_level
    large = np.flatnonzero(book[:, 3] > 20_000)
    repaired = book.copy()
    repaired[large, 3] = [REPAIRED[price] for price in book[large, 2]]
    ours, theirs = (b[np.append(True, (np.diff(b, axis=0) != 0.0).any(axis=1))]
                    for b in (repaired, quotes))
    oracle.agrees("changes of the best quotes", ours, theirs)
    wanted = expected["bar_10s"]
    rows = regressions(bars(message, repaired, "10s"), "10s")
    share = rows["order_flow_imbalance", "r_squared"]["estimate"]
    oracle.agrees("R² from the rebuilt book, three bids as in the file", share, 0.5751, atol=1e-4)
    oracle.agrees("the same to all digits", share, wanted["mean_R2"], atol=1e-9)

    # The bars of the store are of the capture as recorded, without those at its two edges, which
    # moves the mean by 16e-5, and in bps, which moves it by 4e-5.
    table = bars(message, book, "10s")
    flow, found = (t.column("order_flow_imbalance").to_numpy() for t in (table, kept[1]))
    assert np.flatnonzero(np.isnan(found)).tolist() == [0, 2_339]
    oracle.agrees("flow of 2,338 bars of the store", found[1:-1], flow[1:-1])
    recorded, of_store = (regressions(t, "10s")["order_flow_imbalance", "r_squared"]["estimate"]
                          for t in (table, kept[1]))
    oracle.agrees("R² of the store's bars, against the capture as recorded", of_store, recorded,
                  atol=3e-4)
