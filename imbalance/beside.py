"""Work done in a thread beside, ahead of its use or after it was asked for: for what frees the
interpreter's lock.
"""

from __future__ import annotations

import queue
import threading
from collections import deque
from collections.abc import Callable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from typing import Any, TypeVar

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


class Beside:
    """One thread, which does what it is given in turn.

    Parameters
    ----------
    name : of the thread.
    most : pieces of work that may wait for it; who gives it more waits.
    """

    def __init__(self, name: str, most: int) -> None:
        self._thread = ThreadPoolExecutor(1, thread_name_prefix=name)
        self._most = most
        self._waiting: deque[Future[Any]] = deque()

    def do(self, work: Callable[..., Any], *arguments: Any) -> None:
        """Have some work done soon; raises what earlier work has raised."""
        self._waiting.append(self._thread.submit(work, *arguments))
        while len(self._waiting) > self._most:
            self._waiting.popleft().result()

    def finish(self) -> None:
        """Wait until all is done; raises the first error there was."""
        while self._waiting:
            self._waiting.popleft().result()

    def end(self) -> None:
        """End the thread; what it has not begun is left undone."""
        self._thread.shutdown(cancel_futures=True)
