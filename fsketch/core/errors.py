"""Errors that a user can mend, told without a traceback."""

import itertools
from collections.abc import Mapping, Sequence
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
