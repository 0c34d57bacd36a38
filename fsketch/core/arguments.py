"""The parser of every program's command line: paths, and flags that take several values."""

import argparse
from collections.abc import Iterable, Sequence
from typing import Any

from fsketch.core import paths


class Parser(argparse.ArgumentParser):
    """An `argparse.ArgumentParser` for `fsketch COMMAND`, without abbreviations of flags."""

    def __init__(self, command: str, **options: Any) -> None:
        super().__init__(prog=f"fsketch {command}", allow_abbrev=False, **options)
        self._lists: set[str] = set()

    def path(self, *names: str, **options: Any) -> None:
        """A flag or argument that names a file or a folder."""
        self.add_argument(*names, type=paths.expanded, **options)

    def several(
        self, flag: str, *, commas: bool = False, known: Iterable[str] = (), **options: Any
    ):
        """A flag of one or more values, `--flag=A B` or `--flag A B`; it may be repeated.

        commas: also accept `--flag=A,B`.  known: refuse all other values.
        """
        self._lists.add(flag)
        self.add_argument(
            flag,
            nargs="+",
            action=_Several,
            default=(),
            commas=commas,
            known=tuple(known),
            **options,
        )

    def parse_known_args(
        self, arguments: Sequence[str], namespace: Any = None
    ) -> tuple[argparse.Namespace, list[str]]:
        words: list[str] = []
        for word in arguments:
            flag, equals, value = word.partition("=")
            words += [flag, value] if equals and flag in self._lists else [word]
        return super().parse_known_args(words, namespace)


class _Several(argparse.Action):
    """Adds its values to the list."""

    def __init__(self, *args: Any, commas: bool, known: tuple[str, ...], **options: Any) -> None:
        super().__init__(*args, **options)
        self.commas, self.known = commas, known

    def __call__(
        self,
        parser: argparse.ArgumentParser,
        namespace: argparse.Namespace,
        values: list[str],
        option_string: str | None = None,
    ) -> None:
        if self.commas:
            values = [part for value in values for part in value.split(",") if part]
        if self.known and (others := [value for value in values if value not in self.known]):
            expected = ", ".join(self.known)
            parser.error(f"{option_string}: expected some of {expected}, got {', '.join(others)}")
        setattr(namespace, self.dest, [*getattr(namespace, self.dest), *values])
