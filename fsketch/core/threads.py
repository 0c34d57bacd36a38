"""Work that the threads of a pool do ahead of its use."""

import collections
from collections.abc import Callable, Iterable, Iterator
from concurrent import futures
from typing import TypeVar

Item = TypeVar("Item")
Made = TypeVar("Made")


def ahead(
    pool: futures.Executor, items: Iterable[Item], make: Callable[[Item], Made], most: int
) -> Iterator[tuple[Item, Made]]:
    """Each item with what `make` makes of it, in order; `most` are made ahead."""
    queue: collections.deque[tuple[Item, futures.Future]] = collections.deque()
    for item in items:
        queue.append((item, pool.submit(make, item)))
        if len(queue) > most:
            first, future = queue.popleft()
            yield first, future.result()
    for item, future in queue:
        yield item, future.result()
