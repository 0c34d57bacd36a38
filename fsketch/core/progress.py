"""How far long work has come, on stderr."""

import sys
import time
from collections.abc import Iterable, Iterator
from typing import TypeVar

import tqdm

Item = TypeVar("Item")
EVERY_SEC = 10.0  # between two lines


def track(iterable: Iterable[Item], what: str, total: int) -> Iterator[Item]:
    """The items; a bar on a terminal, elsewhere "scoring: 40 of 100, 12 s left" every 10 s."""
    if sys.stderr.isatty():
        yield from tqdm.tqdm(iterable, desc=what, total=total, leave=False, delay=1)
        return
    start = last = time.monotonic()
    for count, item in enumerate(iterable, 1):
        yield item
        now = time.monotonic()
        if now - last >= EVERY_SEC and count < total:
            left = (now - start) / count * (total - count)
            print(f"{what}: {count} of {total}, {left:.0f} s left", file=sys.stderr, flush=True)
            last = now
