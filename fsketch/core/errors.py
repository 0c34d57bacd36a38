"""Errors that a user can mend, told without a traceback."""

from collections.abc import Mapping, Sequence
from typing import Any


class DataError(ValueError):
    """What is wrong with a folder of images or with the arguments, all of it in one message.

    Attributes:
      problems: {(found, admitted): [file or field, ...]}
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
        lines = [f"{num_problems} problem{'s' * (num_problems > 1)} in {subject}; nothing written"]
        for (found, admitted), places in problems.items():
            where = places[0] if len(places) == 1 else f"{len(places)} places"
            lines.append(f"- {where}: found {found}; admitted {admitted}")
            lines += [f"    {place}" for place in places if len(places) > 1]
        lines += [f"note: {note}" for note in notes]
        super().__init__("\n".join(lines))

    def __reduce__(self) -> tuple[Any, ...]:
        # Exceptions pickle by their positional arguments only.
        return _revive, (self.subject, dict(self.problems), list(self.notes))


def _revive(subject: str, problems: dict, notes: list) -> DataError:
    return DataError(subject, problems=problems, notes=notes)


def refusal(field: str, *, found: str, admitted: str) -> DataError:
    """The error for one field of the arguments."""
    return DataError("the arguments", problems={(found, admitted): [field]})
