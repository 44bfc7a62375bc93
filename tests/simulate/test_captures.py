"""The files: their bytes, their format, and what a recording can lose."""

import datetime as dt
import gzip
import json
import re
import zlib
from dataclasses import replace

import numpy as np
import pytest

from imbalance.errors import UserError
from imbalance.simulate import Gap, Link, Scenario, load_truth, simulate_market

PERPETUAL, SPOT = "binance-futures:BTCUSDT", "binance:BTCUSDT"
INVERSE = "binance-delivery:BTCUSD_PERP"
SMALL = replace(
    Scenario.default(),
    start=dt.datetime(2025, 3, 4, 12, tzinfo=dt.UTC),
    duration_seconds=30,
    seed=3,
)


def contents(directory):
    return {
        path.relative_to(directory).as_posix(): path.read_bytes()
        for path in sorted(directory.rglob("*"))
        if path.is_file()
    }


def text_lines(directory, name):
    return gzip.decompress((directory / name).read_bytes()).decode().splitlines()


def test_equal_scenarios_give_equal_bytes(tmp_path):
    simulate_market(tmp_path / "a", SMALL)
    simulate_market(tmp_path / "b", SMALL)
    simulate_market(tmp_path / "c", replace(SMALL, seed=4))
    first = contents(tmp_path / "a")
    assert first == contents(tmp_path / "b")
    assert sorted(first) == [
        "cm/btcusd_perp_20250304.gz",
        "spot/btcusdt_20250304.gz",
        "truth.json",
        "usdm/btcusdt_20250304.gz",
        "usdm/ethusdt_20250304.gz",
    ]
    other = contents(tmp_path / "c")
    assert all(first[name] != other[name] for name in first)


def test_every_line_is_a_receive_time_and_a_json_object(market):
    directory, truth = market
    for file in truth.files:
        lines = text_lines(directory, file.path)
        assert len(lines) == file.lines
        received = [int(line.partition(" ")[0]) for line in lines]
        assert received == sorted(received)
        assert all(re.fullmatch(r"\d{19} \{.*\}", line) for line in lines)
        assert all(isinstance(json.loads(line.partition(" ")[2]), dict) for line in lines)


def test_files_turn_over_at_midnight_of_the_receive_time(market):
    directory, truth = market
    midnight = 1741132800 * 10**9
    by_day = {"20250304": [], "20250305": []}
    for file in truth.files:
        by_day[file.path[-11:-3]].append(file)
    assert {len(files) for files in by_day.values()} == {4}
    for day, files in by_day.items():
        for file in files:
            lines = text_lines(directory, file.path)
            assert (int(lines[0].partition(" ")[0]) < midnight) == (day == "20250304")
            assert (int(lines[-1].partition(" ")[0]) < midnight) == (day == "20250304")
            snapshots = sum('"lastUpdateId"' in line for line in lines)
            assert snapshots == (day == "20250304")


def key_order(value):
    return (
        [(key, key_order(inner)) for key, inner in value.items() if key != "stream"]
        if (isinstance(value, dict))
        else None
    )


@pytest.mark.parametrize(
    ("folder", "file"),
    [("spot", "btcusdt"), ("usdm", "btcusdt"), ("usdm", "ethusdt"), ("cm", "btcusd_perp")],
)
def test_messages_look_like_the_recorded_ones(folder, file, market, shared):
    """Keys in order, stream names, and the decimals of prices and sizes, for each kind."""
    directory, _ = market
    with gzip.open(shared / "captures/binance-202408" / folder / f"{file}_20240808.gz", "rt") as f:
        real = [next(f) for _ in range(3000)]
    ours = text_lines(directory, f"{folder}/{file}_20250304.gz")[:3000]

    def shapes(lines):
        found = {}
        for line in lines:
            message = json.loads(line.partition(" ")[2])
            if not message.get("data", {}).get("b", True):
                continue  # a difference without bids has no decimals to compare
            kind = message.get("stream", "snapshot")
            numbers = re.findall(r'"\d+(\.\d+)?"', line)
            found.setdefault(kind, (key_order(message), {len(part) for part in numbers}))
        return found

    recorded, simulated = shapes(real), shapes(ours)
    assert {kind: simulated[kind] for kind in recorded} == recorded
    extra = set(simulated) - set(recorded)
    assert extra == (set() if folder == "spot" else {f"{file}@markPrice@1s"})


def test_losses_change_nothing_but_the_lost_lines(tmp_path):
    simulate_market(tmp_path / "whole", SMALL)
    gaps = (Gap(PERPETUAL, 10.0, 5), Gap(SPOT, 20.0, 1))
    simulate_market(tmp_path / "gaps", replace(SMALL, gaps=gaps))
    for name, lost in (("usdm/btcusdt", 5), ("spot/btcusdt", 1), ("usdm/ethusdt", 0)):
        whole = text_lines(tmp_path / "whole", f"{name}_20250304.gz")
        left = text_lines(tmp_path / "gaps", f"{name}_20250304.gz")
        missing = set(whole) - set(left)
        assert len(missing) == lost
        assert [line for line in whole if line not in missing] == left
        assert all("depthUpdate" in line for line in missing)


def test_a_gap_breaks_the_chain_once_and_a_new_snapshot_mends_it(tmp_path, reread):
    scenario = replace(
        SMALL,
        gaps=(Gap(PERPETUAL, 10.0, 3, resynchronise_seconds=2.0), Gap(SPOT, 15.0, 2)),
    )
    simulate_market(tmp_path / "m", scenario)
    perpetual = reread(
        [tmp_path / "m/usdm/btcusdt_20250304.gz"], "BTCUSDT", SMALL.start, SMALL.duration_seconds
    )
    assert len(perpetual.breaks) == 1
    assert perpetual.mismatches == 0
    missing = {i // 10 for i, mid in enumerate(perpetual.mid_100ms) if i >= 10 and np.isnan(mid)}
    assert missing
    assert missing <= {10, 11, 12}
    spot = reread(
        [tmp_path / "m/spot/btcusdt_20250304.gz"], "BTCUSDT", SMALL.start, SMALL.duration_seconds
    )
    assert len(spot.breaks) == 1
    assert np.isnan(spot.mid_100ms[150:]).all()


def test_a_quote_of_a_snapshots_id_shows_its_best(tmp_path):
    """A snapshot inside a difference has the id of a state within it, and so may a quote."""
    compared = 0
    for seed in range(8):
        gaps = tuple(Gap(PERPETUAL, 3.0 * k, 1, resynchronise_seconds=1.0) for k in range(1, 9))
        simulate_market(tmp_path / f"{seed}", replace(SMALL, seed=seed, gaps=gaps))
        lines = text_lines(tmp_path / f"{seed}", "usdm/btcusdt_20250304.gz")
        told = [json.loads(line.partition(" ")[2]) for line in lines]
        quotes = {m["data"]["u"]: m["data"] for m in told if "bookTicker" in m.get("stream", "")}
        for snapshot in told:
            quote = quotes.get(snapshot.get("lastUpdateId"))
            if quote is not None:
                compared += 1
                assert snapshot["bids"][0] == [quote["b"], quote["B"]]
                assert snapshot["asks"][0] == [quote["a"], quote["A"]]
    assert compared > 10


def test_share_of_differences_lost_at_random(tmp_path):
    simulate_market(tmp_path / "whole", SMALL)
    simulate_market(tmp_path / "holes", replace(SMALL, drop_fraction=0.1))
    name = "usdm/btcusdt_20250304.gz"
    counts = [
        sum("depthUpdate" in line for line in text_lines(tmp_path / where, name))
        for where in ("whole", "holes")
    ]
    assert counts[1] / counts[0] == pytest.approx(0.9, abs=0.04)


def test_clock_skew_moves_receive_times_only(tmp_path):
    simulate_market(tmp_path / "a", SMALL)
    simulate_market(tmp_path / "b", replace(SMALL, clock_skew_seconds=-1.27))
    name = "cm/btcusd_perp_20250304.gz"
    for line, skewed in zip(
        text_lines(tmp_path / "a", name), text_lines(tmp_path / "b", name), strict=True
    ):
        at, _, text = line.partition(" ")
        skewed_at, _, skewed_text = skewed.partition(" ")
        assert int(skewed_at) - int(at) == -1_270_000_000
        assert skewed_text == text


def test_a_truncated_file_is_the_beginning_of_the_whole_one(tmp_path):
    simulate_market(tmp_path / "a", SMALL)
    simulate_market(tmp_path / "b", replace(SMALL, truncations=((INVERSE, 0.6),)))
    name = "cm/btcusd_perp_20250304.gz"
    whole, cut = (tmp_path / "a" / name).read_bytes(), (tmp_path / "b" / name).read_bytes()
    assert cut == whole[: round(0.6 * len(whole))]
    with pytest.raises(EOFError):
        gzip.decompress(cut)
    text = zlib.decompressobj(wbits=31).decompress(cut)
    assert gzip.decompress(whole).startswith(text)
    lines = {file.path: file.lines for file in load_truth(tmp_path / "b").files}
    assert lines[name] == text.count(b"\n") < gzip.decompress(whole).count(b"\n")


def test_the_book_of_a_cheap_instrument_has_no_price_below_zero(tmp_path):
    cheap = replace(SMALL.instruments[0], price=0.05, tick=1e-4, price_decimals=4)
    truth = simulate_market(tmp_path, Scenario(instruments=(cheap,), duration_seconds=10))
    messages = [json.loads(line.partition(" ")[2])
                for line in text_lines(tmp_path, truth.files[0].path)]
    bids = [one["bids"] if "bids" in one else one["data"]["b"] for one in messages
            if "bids" in one or one["data"]["e"] == "depthUpdate"]
    prices = [float(price) for levels in bids for price, _ in levels]
    assert len(prices) > 500
    assert min(prices) == pytest.approx(1e-4)


def test_truth_is_read_back_as_it_was_written(market):
    directory, truth = market
    assert load_truth(directory) == truth
    first_line = (directory / "truth.json").read_text().splitlines()[1]
    assert first_line.strip() == '"kind": "imbalance-simulation-truth",'


def test_the_same_scenario_again_writes_nothing_unless_a_file_is_damaged(tmp_path):
    truth = simulate_market(tmp_path, SMALL)
    path = tmp_path / truth.files[0].path
    before = path.stat().st_mtime_ns
    assert simulate_market(tmp_path, SMALL) == truth
    assert path.stat().st_mtime_ns == before
    whole = path.read_bytes()
    path.write_bytes(whole[:100])
    assert simulate_market(tmp_path, SMALL) == truth
    assert path.read_bytes() == whole


def test_directories_that_hold_something_else_are_refused(tmp_path):
    (tmp_path / "notes.txt").write_text("mine")
    with pytest.raises(UserError, match="something other"):
        simulate_market(tmp_path, SMALL)
    assert (tmp_path / "notes.txt").read_text() == "mine"
    simulate_market(tmp_path / "a", SMALL)
    with pytest.raises(UserError, match="another simulation"):
        simulate_market(tmp_path / "a", replace(SMALL, seed=9))
    with pytest.raises(UserError, match="no planted truth"):
        load_truth(tmp_path)
    (tmp_path / "truth.json").write_text("[1]")
    with pytest.raises(UserError, match="not a"):
        load_truth(tmp_path)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"instruments": ()}, "each once"),
        ({"start": dt.datetime(2025, 1, 1)}, "time zone"),  # noqa: DTZ001
        ({"duration_seconds": 3}, "too short"),
        ({"drop_fraction": 1.0}, "not a share"),
        ({"truncations": ((SPOT, 1.5),)}, "share of its bytes"),
        ({"gaps": (Gap("binance:XRPUSDT", 1.0, 1),)}, "not simulated"),
        ({"links": (Link(PERPETUAL, SPOT, 5.0, 0.5),)}, "lag of 5"),
        (
            {"links": (Link(PERPETUAL, SPOT, 1.0, 0.5), Link(SPOT, INVERSE, 1.0, 0.5))},
            "cannot lead",
        ),
        ({"links": (Link(PERPETUAL, SPOT, 0.3, 0.5, cross_impact=0.1),)}, "fraction of a second"),
    ],
)
def test_scenarios_that_make_no_sense_are_refused(change, message):
    with pytest.raises(UserError, match=message):
        replace(SMALL, **change)


def test_explosive_dynamics_are_refused(tmp_path):
    wild = replace(SMALL.instruments[0], feedback=9.0)
    with pytest.raises(UserError, match="not stable"):
        simulate_market(tmp_path / "m", replace(SMALL, instruments=(wild, *SMALL.instruments[1:])))
    assert not (tmp_path / "m").exists()
    # A follower by a fraction of a second is outside of the joint system.
    wild = replace(SMALL.instruments[3], persistence=(0.9, 0.3))
    with pytest.raises(UserError, match="not stable"):
        simulate_market(tmp_path / "m", replace(SMALL, instruments=(*SMALL.instruments[:3], wild)))
