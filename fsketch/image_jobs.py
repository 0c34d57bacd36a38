"""What programs share that make images of images: inputs, results, failures, how they end.

Inputs are files, folders and patterns (`photos/*.jpg`); each image has one result in a folder.
Existing results are kept, so the same command continues after an interruption; each result says
what made it, and results of anything else are refused rather than taken for done.
"""

import argparse
import collections
import glob
import os
from collections.abc import Iterable, Iterator, Mapping, Sequence
from concurrent import futures
from pathlib import Path
from typing import NamedTuple

import numpy as np

from fsketch.core import arguments, errors, image_files, names, progress, writers

FORMATS = {"png": writers.write_png, "jpg": writers.write_jpeg}
THREADS = 4  # that decode and encode beside the device


class Job(NamedTuple):
    """One image to make: input and output file."""

    given: Path
    made: Path


class Failure(NamedTuple):
    """A file without a result."""

    path: Path
    reason: str


class Result(NamedTuple):
    """A file to write: uint8[H, W, 1 or 3], None if it was not finite; what the file says of it."""

    path: Path
    image: np.ndarray | None
    about: str


class Plan(NamedTuple):
    """Images to make, sorted by path; the number of files that are no images; notes."""

    jobs: list[Job]
    num_unread: int
    notes: list[str]


def add_flags(parser: arguments.Parser, what: str) -> None:
    """Adds inputs, OUT and the flags on them; what: the name of an input in --help."""
    add = parser.add_argument
    parser.path("inputs", nargs="+", metavar=what, help="images, folders of images and patterns")
    parser.path("out", metavar="OUT", help="folder for the results, which keep their names")
    add("--recursive", action="store_true", help="also read subfolders, and keep their tree")
    add("--format", default="png", choices=FORMATS, help="of the results; jpg has quality 95")
    add("--overwrite", action="store_true", help="replace existing results")


def positive(text: str) -> int:
    """Parses a whole number from 1."""
    if not text.isdecimal() or not int(text):
        raise argparse.ArgumentTypeError(f"expected a whole number from 1, got {text!r}")
    return int(text)


def plan(flags: argparse.Namespace, *, formats: Sequence[str]) -> Plan:
    """The images to make by the flags of `add_flags`; formats: of the inputs, for messages.

    Raises `DataError` with every input that does not exist or contains no image, and every input
    whose output would overwrite another output or an input.
    """
    problems: dict[tuple[str, str], list[str]] = collections.defaultdict(list)
    roles = (*(("IN", given) for given in flags.inputs), ("OUT", flags.out))
    empty = [role for role, path in roles if not path]
    if empty:
        raise errors.DataError("the arguments", problems={("''", "a path"): empty})
    folder = Path(flags.out)
    if folder.exists() and not folder.is_dir():
        problems["a file", "OUT: a folder"].append(flags.out)
    jobs, num_unread, notes = [], 0, []
    for given in _expanded(flags.inputs):
        root = Path(given)
        files = [root]
        if root.is_dir():
            files, unread, remarks = below(root, recursive=flags.recursive)
            num_unread += unread
            notes += remarks
            if not files:
                problems["no image in it", f"images ({', '.join(formats)})"].append(given)
            is_below = folder.resolve().is_relative_to(root.resolve())
            if is_below if flags.recursive else folder.resolve() == root.resolve():
                problems[f"OUT in {given}", "a folder elsewhere"].append(flags.out)
        elif not root.is_file():
            problems["no such file or folder", "images and folders of images"].append(given)
        base = root if root.is_dir() else root.parent
        jobs += [
            Job(file, folder / file.relative_to(base).with_suffix(f".{flags.format}"))
            for file in files
        ]
    writers_of: dict[Path, list[str]] = collections.defaultdict(list)
    for job in jobs:
        writers_of[job.made].append(str(job.given))
    for made, given in writers_of.items():
        if len(given) > 1:
            problems[f"inputs that all write {made}", "one input for each output"] += given
    read = {job.given.resolve() for job in jobs}
    for job in jobs:
        if job.made.resolve() in read:
            problems["an output that is an input", "a folder elsewhere"].append(str(job.made))
    if problems:
        raise errors.DataError("the arguments", problems=problems)
    return Plan(jobs, num_unread, notes)


def _expanded(inputs: Iterable[str]) -> Iterator[str]:
    """The inputs with each pattern that is no name replaced by what it matches, sorted."""
    for given in inputs:
        matches = [] if os.path.lexists(given) else sorted(glob.glob(given, recursive=True))
        yield from matches or [given]


def below(root: Path, *, recursive: bool) -> tuple[list[Path], int, list[str]]:
    """Images of a folder, sorted, the number of other files, and notes on files not read."""
    files, unread, subfolders, visited = [], [], [], set()
    for place, folders, leaves in os.walk(root, followlinks=True):
        if not recursive:
            subfolders += [name for name in folders if not names.is_debris(name)]
            folders.clear()
        elif (real := os.path.realpath(place)) in visited:  # a circular link
            folders.clear()
            continue
        else:
            visited.add(real)
            folders[:] = sorted(name for name in folders if not names.is_debris(name))
        for leaf in sorted(leaves):
            path = Path(place, leaf)
            if not names.is_debris(leaf) and image_files.is_image(path):
                files.append(path)
            else:
                unread.append(str(path.relative_to(root)))
    notes = []
    if unread:
        notes.append(f"{root}: not read, since their first bytes are no image: {_some(unread)}")
    if subfolders:
        notes.append(f"{root}: folders not entered without --recursive: {_some(subfolders)}")
    return files, len(unread), notes


def _some(names: Sequence[str]) -> str:
    rest = f" and {len(names) - 5} more" if len(names) > 5 else ""
    return ", ".join(sorted(names)[:5]) + rest


def check_origins(origins: Mapping[Path, str]) -> None:
    """Raises ValueError where files that are there say that something else made them.

    origins: what each must say, if it says anything.
    """
    told = {path: writers.about(path) for path in origins}
    others = {
        path: found
        for path, found in told.items()
        if found.startswith("fsketch ") and found != origins[path]
    }
    if others:
        path, found = next(iter(others.items()))
        raise ValueError(
            f"OUT: expected results of {origins[path]}, got {len(others)} of others, the first "
            f"{path} of {found}; name another folder, or make them again by --overwrite"
        )


class Outcomes:
    """What became of each job: results, written by the threads of a pool, and failures."""

    def __init__(self, pool: futures.Executor, bar: progress.Bar, *, extension: str) -> None:
        self._pool, self._bar, self._write = pool, bar, FORMATS[extension]
        self._failures: list[Failure] = []
        self._pending: collections.deque[tuple[Job, futures.Future]] = collections.deque()

    def fail(self, job: Job, reason: str) -> None:
        """Ends a job without a result."""
        self._failures.append(Failure(job.given, reason))
        self._bar.step()

    def write(self, job: Job, results: Sequence[Result]) -> None:
        """Starts to write the files of a job, in this order."""
        self._pending.append((job, self._pool.submit(self._write_all, results)))

    def _write_all(self, results: Sequence[Result]) -> None:
        if any(result.image is None for result in results):
            raise FloatingPointError("expected a finite output of the net, got NaN or infinity")
        for path, image, about in results:
            path.parent.mkdir(parents=True, exist_ok=True)
            self._write(path, image, about=about)

    def finish(self, most: int) -> None:
        """Waits until at most so many jobs are still being written."""
        while len(self._pending) > most:
            job, future = self._pending.popleft()
            if error := future.exception():
                self.fail(job, f"cannot write {job.made}: {error}")
            else:
                self._bar.step()

    def failures(self, jobs: Sequence[Job]) -> list[Failure]:
        """Those of all jobs, in the order of `jobs`."""
        self.finish(0)
        places = {job.given: i for i, job in enumerate(jobs)}
        return sorted(self._failures, key=lambda failure: places[failure.path])


def close(counts: Sequence[str], out: str, failures: Sequence[Failure], *, num_unread: int) -> int:
    """Prints what was done, as "3 written", and each failure; the exit code."""
    counts = [*counts, *([f"{num_unread} not read"] if num_unread else [])]
    print(f"{', '.join(counts)}: {out}")
    for failure in failures:
        progress.say(names.shown(f"{failure.path}: {failure.reason}"))
    return 1 if failures else 0
