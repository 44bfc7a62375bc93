"""Work done ahead of its use, in a thread of its own: for stages that free the lock they hold."""

from __future__ import annotations

import queue
import threading
from collections.abc import Iterator
from typing import TypeVar

Item = TypeVar("Item")


def ahead(items: Iterator[Item], name: str, depth: int) -> Iterator[Item]:
    """The same items, up to `depth` of them made before they are asked for.

    An exception of the maker is raised where its item would have come. Giving up early stops the
    thread.
    """
    handed: queue.Queue[tuple[Item] | BaseException | None] = queue.Queue(maxsize=depth)
    stopped = threading.Event()

    def put(item: tuple[Item] | BaseException | None) -> bool:
        while not stopped.is_set():
            try:
                handed.put(item, timeout=0.1)
            except queue.Full:
                continue
            return True
        return False

    def produce() -> None:
        try:
            for item in items:
                if not put((item,)):
                    return
            put(None)
        except BaseException as error:  # noqa: BLE001 - handed to the consumer, raised there
            put(error)

    thread = threading.Thread(target=produce, name=name, daemon=True)
    thread.start()
    try:
        while (item := handed.get()) is not None:
            if isinstance(item, BaseException):
                raise item
            yield item[0]
    finally:
        stopped.set()
        thread.join()
