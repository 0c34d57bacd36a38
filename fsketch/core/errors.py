"""Errors that a user can mend, told without a traceback; the one handler of all programs."""

import errno
import itertools
import os
import re
import sys
import traceback
from collections.abc import Callable, Mapping, Sequence
from typing import Any

from fsketch.core import names

LISTED = 20  # kinds of problems, and places, that a message names


class DataError(ValueError):
    """What is wrong with a folder of images or with the arguments, all of it in one message.

    The message names up to `LISTED` kinds of problems and places and counts the others.

    Attributes:
      problems: {(got, expected): [file or field, ...]}
      notes: remarks that alone would not have refused the folder.
    """

    def __init__(
        self,
        subject: str,
        *,
        problems: Mapping[tuple[str, str], Sequence[str]],
        notes: Sequence[str] = (),
    ) -> None:
        self.subject, self.problems, self.notes = subject, problems, notes
        num_problems = sum(len(places) for places in problems.values())
        plural = "s" * (num_problems > 1)
        lines = [f"{num_problems:,} problem{plural} in {subject}; nothing written"]
        left = LISTED
        for (got, expected), places in itertools.islice(problems.items(), LISTED):
            where = places[0] if len(places) == 1 else f"{len(places):,} places"
            lines.append(f"- {told(where, got=got, expected=expected)}")
            if len(places) > 1 and left:
                lines += [f"    {place}" for place in places[:left]]
                lines += [f"    and {len(places) - left:,} more"] * (len(places) > left)
                left = max(0, left - len(places))
        others = sum(map(len, itertools.islice(problems.values(), LISTED, None)))
        lines += [f"and {others:,} more"] * (others > 0)
        lines += noted(notes)
        # Some texts have lines of their own.
        super().__init__("\n".join(map(names.shown, "\n".join(lines).split("\n"))))

    def __reduce__(self) -> tuple[Any, ...]:
        # Exceptions pickle by their positional arguments only.
        return _revive, (self.subject, dict(self.problems), list(self.notes))


def _revive(subject: str, problems: dict, notes: list) -> DataError:
    return DataError(subject, problems=problems, notes=notes)


def refusal(field: str, *, got: str, expected: str) -> DataError:
    """The error for one field of the arguments."""
    return DataError("the arguments", problems={(got, expected): [field]})


def told(where: str, *, got: str, expected: str) -> str:
    """One problem in words; lines of `expected` after the first come at the end."""
    first, _, others = expected.partition("\n")
    return f"{where}: expected {first}, got {got}" + (f":\n{others}" if others else "")


def noted(notes: Sequence[str]) -> list[str]:
    """Notes as lines of a message, the first `LISTED` and the number of the others."""
    rest = len(notes) - LISTED
    return [f"note: {note}" for note in notes[:LISTED]] + [f"and {rest:,} more notes"] * (rest > 0)


class UsageError(ValueError):
    """A program was called in a way that it does not know: exit code 2."""


# What programs raise on purpose; anything else is a mistake of ours, and says so.
_ON_PURPOSE = (OSError, ValueError, FloatingPointError)

# What a file or folder had to be, by the operating system's error.
_EXPECTED = {
    errno.ENOSPC: "room on its disk",
    errno.EDQUOT: "room on its disk",
    errno.EFBIG: "room for a file of this size",
    errno.EROFS: "a place that can be written",
    errno.EACCES: "a place that this user may use",
    errno.EPERM: "a place that this user may use",
    errno.ENOENT: "an existing file or folder",
    errno.ENOTDIR: "a folder",
    errno.EEXIST: "a folder",
    errno.EISDIR: "a file",
}
# Orbax' file layer puts the path and the operating system's error into text.
_TENSORSTORE = re.compile(r""".*"(/[^"]*)".*\[os_error_code='(\d+)'\]""", re.DOTALL)


def run(
    program: Callable[[Sequence[str]], int | None],
    arguments: Sequence[str],
    *,
    verbose: bool = False,
) -> int:
    """The exit code of a program: its own (None is 0), or that of the exception that ended it.

    1 for what went wrong, 2 for how it was called, 130 for Ctrl-C; each is told in one message on
    stderr, with its notes (`BaseException.add_note`), and if `verbose` with its traceback.
    """
    try:
        return program(arguments) or 0
    except (Exception, KeyboardInterrupt) as error:
        if verbose:
            traceback.print_exc()
        if not isinstance(error, BrokenPipeError):  # nobody reads
            print(message(error), file=sys.stderr)
        if isinstance(error, UsageError):
            return 2
        return 130 if isinstance(error, KeyboardInterrupt) else 1


def message(error: BaseException) -> str:
    """What a person must know of an exception, and its notes."""
    if isinstance(error, KeyboardInterrupt):
        text = "interrupted"
    elif at_file := _of_file(error):
        path, code = at_file
        text = f"{path}: expected {_EXPECTED[code]}, got: {os.strerror(code).lower()}"
    elif isinstance(error, _ON_PURPOSE):
        text = str(error) or type(error).__name__
    else:
        text = (
            f"{type(error).__name__}: {error}\n"
            "This is a mistake of the program; --verbosity=1 shows where it happened."
        )
    return "\n".join([text, *getattr(error, "__notes__", ())])


def _of_file(error: BaseException | None) -> tuple[str, int] | None:
    """(path, the operating system's error) of an exception that a file caused."""
    while error:
        if isinstance(error, OSError) and error.filename and error.errno in _EXPECTED:
            return os.fspath(error.filename), error.errno
        found = _TENSORSTORE.match(str(error))
        if found and int(found[2]) in _EXPECTED:
            return found[1], int(found[2])
        error = None if isinstance(error, _ON_PURPOSE) else error.__cause__
    return None
