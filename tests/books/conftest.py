"""Random markets as book messages, and how the kernel is fed with them."""

from __future__ import annotations

import importlib.util
import sys
from collections import defaultdict
from pathlib import Path
from types import ModuleType
from typing import Any

import numpy as np
import pyarrow as pa
import pytest

from imbalance.books.rebuild import BookBuilder, ClosingBook, Rules
from imbalance.books.state import Messages


def _load(name: str) -> ModuleType:
    path = Path(__file__).parent / f"{name}.py"
    spec = importlib.util.spec_from_file_location(f"tests_books_{name}", path)
    module = importlib.util.module_from_spec(spec)
    sys.modules[spec.name] = module
    spec.loader.exec_module(module)
    return module


@pytest.fixture(scope="session")
def reference() -> ModuleType:
    """The slow book."""
    return _load("reference_book")


def as_arrays(messages: list[Any]) -> Messages:
    """Messages as the kernel takes them."""
    bids = [level for m in messages for level in m.bids]
    asks = [level for m in messages for level in m.asks]
    return Messages(
        np.array([m.snapshot for m in messages], np.uint8),
        np.array([(m.first, m.last, m.previous) for m in messages], np.int64).reshape(-1, 3),
        np.array([m.event for m in messages], np.int64),
        np.array([m.available for m in messages], np.int64),
        np.cumsum([0, *(len(m.bids) for m in messages)]).astype(np.int64),
        np.cumsum([0, *(len(m.asks) for m in messages)]).astype(np.int64),
        np.array([p for p, _ in bids], float),
        np.array([s for _, s in bids], float),
        np.array([p for p, _ in asks], float),
        np.array([s for _, s in asks], float),
    )


class Rebuilt:
    """What the kernel made of messages: tables by name, the closing book, the proofs."""

    def __init__(
        self,
        messages: list[Any],
        rules: Rules,
        *,
        chunk: int = 10**9,
        until: int | None = None,
        opening: ClosingBook | None = None,
        day_start: int = 0,
    ) -> None:
        tables = defaultdict(list)
        builder = BookBuilder(
            "test:X", rules, lambda name, rows: tables[name].append(rows), opening, day_start
        )
        for start in range(0, len(messages), chunk):
            builder.feed(as_arrays(messages[start : start + chunk]))
        end = messages[-1].event if until is None and messages else until
        self.closing = builder.finish(end or 0)
        self.proofs = builder.take_proofs()
        self._tables = tables

    def rows(self, name: str) -> list[dict[str, Any]]:
        """Rows of a table; times as int64 ns."""
        if not self._tables[name]:
            return []
        table = pa.concat_tables(self._tables[name])
        for position, column in enumerate(table.schema):
            if pa.types.is_timestamp(column.type):
                table = table.set_column(
                    position, column.name, table.column(position).cast(pa.int64())
                )
        return table.to_pylist()


@pytest.fixture(scope="session")
def rebuilt() -> type[Rebuilt]:
    """Runs the kernel over messages."""
    return Rebuilt


@pytest.fixture(scope="session")
def market(reference: ModuleType) -> Any:
    """Makes a random market's messages: a snapshot among differences whose ids chain."""

    def make(
        seed: int,
        *,
        futures: bool,
        count: int = 400,
        tick: float = 0.1,
        middle: int = 10_000,
        step_ns: int = 20_000_000,
        start: int = 1_000_000_000_000_000_000,
    ) -> list[Any]:
        rng = np.random.default_rng(seed)
        decimals = max(0, round(-np.log10(tick)))
        bids: dict[int, float] = {}
        asks: dict[int, float] = {}
        identity, now = 1_000, start
        messages = []
        for k in range(count):
            middle += int(rng.integers(-3, 4)) if rng.random() < 0.3 else 0
            changes: dict[str, dict[int, float]] = {"b": {}, "a": {}}
            for price in [p for p in bids if p >= middle]:
                changes["b"][price] = 0.0
            for price in [p for p in asks if p <= middle]:
                changes["a"][price] = 0.0
            for _ in range(int(rng.integers(1, 12))):
                side = "b" if rng.random() < 0.5 else "a"
                distance = int(rng.geometric(0.08))
                if rng.random() < 0.02:
                    distance *= 400
                price = middle - distance if side == "b" else middle + distance
                if price > 0:
                    size = 0.0 if rng.random() < 0.35 else float(rng.integers(1, 500)) / 8
                    changes[side][price] = size
            if k == 0:
                for distance in range(1, 30):
                    changes["b"][middle - distance] = float(rng.integers(1, 99))
                    changes["a"][middle + distance] = float(rng.integers(1, 99))
            for name, held in (("b", bids), ("a", asks)):
                for price, size in changes[name].items():
                    if size:
                        held[price] = size
                    else:
                        held.pop(price, None)
            first = identity + 1
            previous = identity
            identity += int(rng.integers(1, 6))
            now += int(rng.integers(1, step_ns))
            levels = [
                [(round(p * tick, decimals), s) for p, s in changes[name].items()] for name in "ba"
            ]
            messages.append(
                reference.Message(
                    False, first, identity, previous if futures else -1, now, now + 5, *levels
                )
            )
            if k == 9:
                held_levels = [
                    [(round(p * tick, decimals), s) for p, s in held.items()]
                    for held in (bids, asks)
                ]
                messages.insert(
                    -3,
                    reference.Message(
                        True, -1, messages[-1].last, -1, messages[-4].event, now, *held_levels
                    ),
                )
        return messages

    return make
