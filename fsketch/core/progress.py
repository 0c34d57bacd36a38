"""Messages of a program to the user: lines, and the progress of long work.

All go to stderr (stdout is for results) and to the log file of a run.
"""

import contextlib
import logging
import sys
import time
from collections.abc import Iterable, Iterator
from typing import TypeVar

import tqdm

EVERY_SEC = 10.0  # between lines of progress where stderr is not a terminal
SAID = "fsketch.said"  # logger of what the terminal already shows

Item = TypeVar("Item")


def say(text: str) -> None:
    """Prints a line; a visible bar moves down."""
    tqdm.tqdm.write(text, file=sys.stderr)
    sys.stderr.flush()
    logging.getLogger(SAID).info("%s", text)


@contextlib.contextmanager
def compiling(what: str) -> Iterator[None]:
    """A context that compiles a program; says so before it starts, and how long it took."""
    say(f"compiling {what}")
    start = time.monotonic()
    yield
    say(f"compiled {what} in {duration(time.monotonic() - start)}")


def track(iterable: Iterable[Item], what: str, total: int | None) -> Iterator[Item]:
    """The items, one by one, while a `Bar` counts them."""
    with Bar(what, total) as bar:
        for item in iterable:
            yield item
            bar.step()


class Bar:
    """`what: done/total`, rate and time left: a bar on a terminal, elsewhere a line every 10 s.

    total: None if unknown.
    """

    def __init__(self, what: str, total: int | None) -> None:
        self._what, self._total, self._done = what, total, 0
        self._start = self._shown = time.monotonic()
        self._bar = tqdm.tqdm(
            desc=what, total=total, leave=False, file=sys.stderr, disable=not sys.stderr.isatty()
        )

    def __enter__(self) -> "Bar":
        return self

    def __exit__(self, *exception: object) -> None:
        self._bar.close()

    def step(self, *, count: int = 1) -> None:
        """Counts so many more as done."""
        self._done += count
        self._bar.update(count)
        now = time.monotonic()
        if self._bar.disable and now - self._shown >= EVERY_SEC:
            self._shown = now
            rate = self._done / (now - self._start)
            text = f"{self._what}: {self._done}  {rate:.3g}/s"
            if self._total is not None:
                left = duration((self._total - self._done) / rate)
                text = f"{self._what}: {self._done}/{self._total}  {rate:.3g}/s  {left} left"
            say(text)


def duration(seconds: float) -> str:
    """ "45 s", "12 min", "3.5 h": as exact as a user needs it."""
    if seconds < 90:
        return f"{seconds:.0f} s"
    return f"{seconds / 60:.0f} min" if seconds < 5400 else f"{seconds / 3600:.1f} h"
