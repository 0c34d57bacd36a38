"""One process at a time: locks on files, released when the process that holds them ends.

    FILE           the lock (filelock: flock, or that of Windows)
    FILE.holder    who took it last, for the messages of others

Places on other machines ("gs://...") are not locked.
"""

import contextlib
import datetime
import errno
import json
import os
import pathlib
import socket
from collections.abc import Iterator

import filelock

from fsketch.core import progress

WORKDIR = ".lock"  # in a workdir
_NO_LOCKS = (errno.ENOLCK, errno.ENOSYS, errno.ENOTSUP)


class HeldError(BlockingIOError):
    """Another process holds the lock."""


def workdir(folder: str | os.PathLike, what: str) -> contextlib.AbstractContextManager[None]:
    """A context in which no other process works on the workdir, which is created if needed.

    what: e.g. "fsketch train".  Raises HeldError, which names the process that works on it.
    """
    return _locked(os.path.join(folder, WORKDIR), what, waits=False)


def turn(file: str | os.PathLike, what: str) -> contextlib.AbstractContextManager[None]:
    """A context for one process at a time; others print which one they wait for.

    file: the lock, created if needed.  what: the work, e.g. "preparing cufs/cuhk".
    """
    return _locked(os.fspath(file), what, waits=True)


@contextlib.contextmanager
def _locked(file: str, what: str, *, waits: bool) -> Iterator[None]:
    if "://" in file:
        yield
        return
    path = pathlib.Path(file)
    path.parent.mkdir(parents=True, exist_ok=True)
    lock = filelock.FileLock(path)
    try:
        lock.acquire(timeout=0)
    except filelock.Timeout:
        if not waits:
            raise HeldError(
                f"{path.parent}: expected a folder that no other program works on, got "
                f"{holder(path)}; wait for it, or stop it"
            ) from None
        progress.say(f"{what}: waiting for {holder(path)} ({path})")
        lock.acquire()
    except OSError as error:
        if error.errno not in _NO_LOCKS:
            raise
        raise OSError(f"{path}: expected a file system with locks, got {error.strerror}") from error
    try:
        told = {
            "what": what,
            "host": socket.gethostname(),
            "process": os.getpid(),
            "since": f"{datetime.datetime.now():%Y-%m-%d %H:%M}",
        }
        with contextlib.suppress(OSError):  # what needs the disk reports a full one
            _holder_file(path).write_text(json.dumps(told))
        yield
    finally:
        lock.release()


def holder(file: pathlib.Path) -> str:
    """Who took a lock last: "process 123 on HOST (fsketch train) since 2025-05-01 10:30"."""
    try:
        told = json.loads(_holder_file(file).read_text())
        return "process {process} on {host} ({what}) since {since}".format(**told)
    except (OSError, ValueError, KeyError):  # it has just taken the lock
        return "another process"


def _holder_file(file: pathlib.Path) -> pathlib.Path:
    return file.with_name(f"{file.name}.holder")
