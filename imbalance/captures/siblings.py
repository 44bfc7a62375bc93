"""What the files of a recorder say of each other: Coinbase's channels saved as a folder of tables.

The level2 channel and the opening book name neither product nor, for the book, a time; the matches
beside them and the recorder's log of its request do.
"""

from __future__ import annotations

import csv
import datetime
from collections.abc import Iterator
from pathlib import Path

MATCHES, REQUESTS = "match.csv", "request_log.csv"


def symbol_beside(path: Path) -> str | None:
    """The one product of the matches in the same folder."""
    products: set[str] = set()
    for row in _rows(path.parent / MATCHES):
        products.add(row.get("product_id") or "")
        if len(products) > 1:
            return None
    return next(iter(products), None) or None


def time_beside(path: Path) -> int | None:
    """When the recorder asked for the opening book, ns, by its log in the same folder."""
    for row in _rows(path.parent / REQUESTS):
        if row.get("") == "request start" and row.get("iso"):
            try:
                asked = datetime.datetime.fromisoformat(str(row["iso"]))
            except ValueError:
                return None
            if asked.tzinfo is None:
                asked = asked.replace(tzinfo=datetime.UTC)
            since = asked - datetime.datetime(1970, 1, 1, tzinfo=datetime.UTC)
            return (since.days * 86_400 + since.seconds) * 10**9 + since.microseconds * 1_000
    return None


def _rows(path: Path) -> Iterator[dict[str, str | None]]:
    try:
        with path.open(newline="", encoding="utf-8") as file:
            yield from csv.DictReader(file)
    except (OSError, UnicodeDecodeError, csv.Error):
        return
