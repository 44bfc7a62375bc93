"""The caution on instruments of which nobody said what they are, or what a contract is worth."""

from imbalance.report.cautions import of_instruments
from imbalance.report.queries import Source


def test_nothing_unknown_is_nothing_said(filled):
    assert Source(filled).unknown_instruments() == {}
    assert of_instruments({}) == []


def test_unknown_contract_sizes_and_kinds_are_named_with_what_to_do():
    unknown = {f"a:{k}": ["contract size"] for k in range(6)} | {"b:X": ["kind", "contract size"]}
    sizes, kinds = of_instruments(unknown)
    assert sizes.section == kinds.section == "ingestion"
    assert sizes.text == (
        "What a contract of a:0, a:1, a:2, a:3 and 3 more is worth is not known: sizes in base "
        "units, and all that is made of them, are null. To say it, in the settings: [multipliers] "
        '"a:0" = { linear = NUMBER }, or { inverse = NUMBER }.'
    )
    assert kinds.text == (
        "Whether they are spot or derivatives is not known of b:X: they are compared with no "
        "spot, and no spot with them."
    )


def test_contract_sizes_unknown_to_some_captures_are_told_apart():
    (found,) = of_instruments({"a:X": ["contract size in some captures"]})
    assert found.text == (
        "Some captures do not say what a contract of a:X is worth: sizes of their trades in base "
        "units, and what is made of them, are null. To say it, in the settings: [multipliers] "
        '"a:X" = { linear = NUMBER }, or { inverse = NUMBER }.'
    )


def test_the_session_s_instruments_are_asked(session, store_rows):
    row = {"capture_id": "c", "instrument": "okex:KNC-USDT-SWAP", "venue": "okex",
           "kind": "perpetual", "inverse": False, "source": "{}", "available_at": 0}
    store_rows["insert"](session, "raw.instruments", [row])
    assert Source(session).unknown_instruments() == {"okex:KNC-USDT-SWAP": ["contract size"]}
