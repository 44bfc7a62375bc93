"""Rows of `raw.captures`: where every line of a capture went."""

from __future__ import annotations

import json
from typing import Any

from imbalance.captures.decode import Account
from imbalance.captures.decoding import Decoding
from imbalance.captures.formats.format import Sniff
from imbalance.store.ledger import CaptureFile

OUTPUTS = ("raw.captures", "raw.quarantine", "raw.instruments", "raw.clock_skew")
"""Tables with a partition per capture."""


def account_row(
    capture: CaptureFile, found: Sniff, decoder: Decoding, span: tuple[int | None, int | None]
) -> dict[str, Any]:
    """The row of `raw.captures` of a capture that has been decoded to its end."""
    account: Account = decoder.account
    shortcoming = decoder.shortcoming
    return {
        "capture_id": capture.capture_id,
        "sha256": capture.sha256,
        "path": capture.path,
        "size_bytes": capture.size,
        "text_bytes": account.text_bytes,
        "format": found.format,
        "compression": found.compression,
        "venue": found.venue,
        "receive_time_unit": found.unit,
        "state": "truncated" if shortcoming else "whole",
        "reason": shortcoming,
        "lines_read": account.lines_read,
        "lines_decoded": account.decoded.total(),
        "lines_ignored": account.ignored.total(),
        "lines_quarantined": account.quarantined.total(),
        "ignored_by_rule": json.dumps(account.ignored, sort_keys=True),
        "decoded_by_kind": json.dumps(account.decoded, sort_keys=True),
        "quarantined_by_reason": json.dumps(account.quarantined, sort_keys=True),
        "instruments": json.dumps(sorted(decoder.instruments)),
        "fields_unknown": json.dumps(account.unknown_fields, sort_keys=True),
        "events_left_out": json.dumps(account.events_left_out, sort_keys=True),
        "first_event_time": span[0],
        "last_event_time": span[1],
        "last_receive_time": decoder.last_receive,
        "clock_skew_ns": decoder.clock_skew,
    }
