"""Binance's public dumps, as they are published: by name, by columns, and without a header."""

import io
import zipfile

from imbalance.captures.register import register
from tests.captures.building import account, build_all, rows
from tests.captures.whole import decode

LINEAR = "binance-futures"

BANDS = """timestamp,percentage,depth,notional
2025-05-19 11:07:31,-5,7885.27500000,647368074.36920000
2025-05-19 11:07:31,-1,2294.32400000,191369991.21780000
2025-05-19 11:07:31,1,2097.41000000,176607765.20950000
2025-05-19 11:07:31,5,6491.51500000,555012399.28440000
2025-05-19 11:08:01,-0.20,612.50000000,51000000.00000000
2025-05-19 11:08:01,0.20,0.00000000,0.00000000
"""


def dump(path, text):
    """A dump as it is published: a zip of one CSV of the same name."""
    path.parent.mkdir(parents=True, exist_ok=True)
    packed = io.BytesIO()
    with zipfile.ZipFile(packed, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr(f"{path.stem}.csv", text)
    path.write_bytes(packed.getvalue())
    return path


def stamps(table, name="event_time"):
    """Times of rows in ns."""
    return table[name].cast("int64").to_pylist()


def test_depth_in_bands_is_kept_as_it_is(tmp_path):
    found = decode(dump(tmp_path / "BTCUSDT-bookDepth-2025-05-19.zip", BANDS))
    assert (found.layout, found.venue) == ("binance-depth-bands", LINEAR)
    assert found.instruments == [f"{LINEAR}:BTCUSDT"]
    assert (found.decoded, found.ignored) == ({"depth_band": 6}, {"header": 1})
    bands = found.tables.pop("raw.depth_bands")
    assert not found.tables  # no book, no trades are made of it
    assert bands["percentage"].to_pylist() == [-5, -1, 1, 5, -0.2, 0.2]
    assert bands["depth"].to_pylist() == [7885.275, 2294.324, 2097.41, 6491.515, 612.5, 0]
    assert bands["notional"].to_pylist() == [
        647_368_074.3692, 191_369_991.2178, 176_607_765.2095, 555_012_399.2844, 51e6, 0
    ]  # fmt: skip
    first = 1_747_652_851 * 10**9
    assert stamps(bands) == [first] * 4 + [first + 30 * 10**9] * 2
    assert stamps(bands, "available_at") == stamps(bands)
    assert set(bands["time_source"].to_pylist()) == {"exchange"}
    assert bands["receive_time"].null_count == 6


def test_bands_on_neither_side_and_without_size_are_quarantined(tmp_path):
    wrong = ("2025-05-19 11:08:31,0,1.5,9.0", "2025-05-19 11:08:31,,1.5,9.0",
             "2025-05-19 11:08:31,1,,9.0", "2025-05-19 11:08:31,1,-2,9.0",
             "2025-05-19,1,2,9.0")  # fmt: skip
    found = decode(dump(tmp_path / "BTCUSDT-bookDepth-2025-05-19.zip", BANDS + "\n".join(wrong)))
    assert found.decoded == {"depth_band": 6}
    assert found.quarantined == {
        "number_out_of_range": 3, "missing_field": 1, "wrong_type": 1
    }  # fmt: skip


def test_bands_are_a_table_of_the_raw_layer_each_told_once(store, tmp_path):
    path = dump(tmp_path / "a/BTCUSDT-bookDepth-2025-05-19.zip", BANDS)
    longer = BANDS + "2025-05-19 11:08:31,1,2000.0,168000000.0\n"
    again = dump(tmp_path / "b/BTCUSDT-bookDepth-2025-05-19.zip", longer)
    register(store, [path, again])
    build_all(store)
    held = rows(store, "raw.depth_bands", LINEAR, "2025-05-19")
    assert held["percentage"].to_pylist() == [-5, -1, 1, 5, -0.2, 0.2, 1]
    assert account(store, path)["decoded_by_kind"] == {"depth_band": 6}
    assert len(rows(store, "raw.book_updates", LINEAR, "2025-05-19")) == 0
