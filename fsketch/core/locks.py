"""One process at a time."""

import contextlib
import os
import sys
from collections.abc import Iterator

import filelock
from etils import epath


@contextlib.contextmanager
def turn(path: str | epath.Path) -> Iterator[None]:
    """Holds the lock of what is made at `path`, in the folder of `path`, which exists.

    Other processes wait and say so once.  The lock of a process that dies is free.  Object
    stores (gs://) have no locks: nothing is held there.
    """
    path = epath.Path(path)
    if "://" in os.fspath(path):
        yield
        return
    lock = filelock.FileLock(path.parent / f".{path.name}.lock")
    try:
        lock.acquire(timeout=0)
    except filelock.Timeout:
        print(f"waiting for another process that makes {path}", file=sys.stderr, flush=True)
        lock.acquire()
    try:
        yield
    finally:
        lock.release()
