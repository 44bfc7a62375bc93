"""The program of `test_failing_disk`: tasks and publications while writes fail at chosen bytes.

Run with `failing_writes.c` preloaded; prints one line of JSON for each fault.
"""

import ctypes
import errno
import json
import sys
from collections.abc import Sequence

from imbalance.store import Home, Store
from imbalance.store.generations import find_generation, open_generation
from imbalance.store.publishing import publish
from imbalance.store.sweep import find_leftovers
from imbalance.store.verify import verify
from tests.store.samples import TABLES, bars, next_day, put, study

DISK = ctypes.CDLL(None)
DISK.written_bytes.restype = ctypes.c_long
FAULTS = {"full": (errno.ENOSPC, 0), "broken": (errno.EIO, 0), "short": (errno.ENOSPC, 1)}


def fail_writes(root: str, after: int, error: int, shortened: int) -> None:
    DISK.fail_writes(root.encode(), ctypes.c_long(after), error, shortened)


def one_more_day(store: Store, number: int, *, published: bool) -> None:
    day = next_day("2024-08-08", number)
    put(store, "features.bars", bars(2000, seed=number, day=day), f"{day}|binance-futures")
    if published:
        publish(store)


def state(store: Store, *, published: bool) -> tuple[str, int]:
    """The current generation and its rows of bars; without one, those of the ledger."""
    if not published:
        held = store.ledger.partitions("features.bars")
        assert all(store.home.file(e.file).is_file() for e in held.values())
        return str(sorted(held)), sum(entry.row_count for entry in held.values())
    generation = find_generation(store.home)
    with open_generation(store.home, generation.id) as connection:
        rows = connection.execute("select count(*) from features.bars").fetchone()[0]
    return generation.id, rows


def leftovers(store: Store) -> list[str]:
    return [one.path for one in find_leftovers(store.home, store.ledger)]


def tell(**said: object) -> None:
    sys.stdout.write(json.dumps(said) + "\n")
    sys.stdout.flush()


def main(root: str, offsets: int, faults: Sequence[str], *, published: bool) -> None:
    store = Store(Home.open(root, create=True), tables=TABLES)
    put(store, "studies.correlation", study(), "2024-08-08")
    one_more_day(store, 0, published=published)  # what all children of a fault need is imported
    fail_writes(root, 2**40, 0, 0)
    one_more_day(store, 1, published=published)
    written = DISK.written_bytes()
    fail_writes("", 0, 0, 0)
    tell(written=written)
    number = 2
    for name in faults:
        error, shortened = FAULTS[name]
        for place in range(offsets):
            before = state(store, published=published)
            fail_writes(root, written * place // offsets, error, shortened)
            try:
                one_more_day(store, number, published=published)
                said = ""
            except Exception as caught:  # noqa: BLE001 - what is raised is what is asked
                said = f"{type(caught).__name__}: {caught}".splitlines()[0]
            fail_writes("", 0, 0, 0)
            begun = leftovers(store)
            now = state(store, published=published)
            # There is room again: the same work ends well.
            one_more_day(store, number, published=published)
            after = state(store, published=published)
            number += 1
            tell(fault=name, place=place, said=said, same=now == before, begun=begun,
                 left=leftovers(store), gained=after[1] - before[1])
    tell(whole=verify(store.home).whole)


if __name__ == "__main__":
    main(sys.argv[1], int(sys.argv[2]), sys.argv[4:], published=sys.argv[3] == "published")
