"""One process at a time: locks on files, freed by the death of the process that holds them.

    FILE           the lock (filelock: flock, or what Windows has)
    FILE.holder    who took it last, for the message that others get

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
    """A context in which no other process works on the workdir; it is made where needed.

    what: e.g. "fsketch train".  Raises HeldError, which says who works on it.
    """
    return _locked(os.path.join(folder, WORKDIR), what, waits=False)


def turn(file: str | os.PathLike, what: str) -> contextlib.AbstractContextManager[None]:
    """A context for one process after the other; who waits is told for whom.

    file: the lock, which is made where needed.  what: what is done, e.g. "preparing cufs/cuhk".
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
        with contextlib.suppress(OSError):  # a full disk is told by what needs it
            _holder_file(path).write_text(json.dumps(told))
        yield
    finally:
        lock.release()


def holder(file: pathlib.Path) -> str:
    """Who took a lock last: "process 123 on HOST (fsketch train) since 2025-05-01 10:30"."""
    try:
        told = json.loads(_holder_file(file).read_text())
        return "process {process} on {host} ({what}) since {since}".format(**told)
    except (OSError, ValueError, KeyError):  # it has only just taken it
        return "another process"


def _holder_file(file: pathlib.Path) -> pathlib.Path:
    return file.with_name(f"{file.name}.holder")
