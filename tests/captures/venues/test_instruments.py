"""What symbols say of instruments, held against what the venues' own lists say."""

import pytest

from imbalance.captures.venues.registry import venue
from tests.captures.venues.recordings import recorded, take
from tests.captures.venues.test_any_bytes import FILES

FACTS = ("kind", "base", "quote", "inverse", "multiplier", "expiry")


@pytest.mark.parametrize("name", FILES)
def test_a_symbol_never_says_what_the_list_denies(cryptofeed, name):
    """It may say nothing. KuCoin's symbols alone keep the old names of coins that were renamed."""
    records = [r for r in recorded(cryptofeed / "v3" / f"{name}.jsonl.zst") if r.kind == "http"]
    listed = take(venue(FILES[name]), records).session.instruments()
    wrong = []
    for one in listed:
        told = venue(one.venue or FILES[name]).instrument(one.symbol)
        for fact in FACTS:
            says, is_ = getattr(told, fact), getattr(one, fact)
            day_alone = fact == "expiry" and says is not None and len(says) == 10
            if says is not None and is_ not in (None, says) and not day_alone:
                wrong.append((one.symbol, fact, says, is_))
            if day_alone:
                assert is_ is None or is_.startswith(says)
    if name != "KUCOIN":
        assert wrong == []
    assert [w for w in wrong if w[1] != "base"] == []
    assert len(wrong) == {"KUCOIN": 15}.get(name, 0)
