"""The pair list of Labeled Faces in the Wild, View 2 (`pairs.txt`).

Source: Huang et al., UMass Amherst TR 07-49, 2007.  First line: folds and pairs a kind, "10 300";
then fold by fold 300 lines "NAME I J" (one person) and 300 lines "NAME I OTHER J".
"""

import re
from pathlib import Path
from typing import NamedTuple

HEADER = re.compile(r"([1-9]\d*)\s+([1-9]\d*)\s*")
SAME = re.compile(r"(?P<a>\S+)\s+(?P<i>[1-9]\d*)\s+(?P<j>[1-9]\d*)\s*")
DIFFERENT = re.compile(r"(?P<a>\S+)\s+(?P<i>[1-9]\d*)\s+(?P<b>\S+)\s+(?P<j>[1-9]\d*)\s*")


class Pair(NamedTuple):
    """Two images, relative to the folder of the set, as in "Zico/Zico_0001.jpg"."""

    file_a: str
    file_b: str
    is_same: bool


def read_pairs(path: str | Path) -> list[Pair]:
    """The pairs in the order of the list, fold by fold, on which verification relies.

    ValueError: names the file, the line, what was found there and what is admitted.
    """
    lines = Path(path).read_text(encoding="utf-8").splitlines()
    header = HEADER.fullmatch(lines[0]) if lines else None
    if not header:
        raise ValueError(f"{path}, line 1: found {lines[:1]}, admitted 'FOLDS PAIRS' ('10 300')")
    num_folds, num_pairs = map(int, header.groups())
    if len(lines) - 1 != 2 * num_folds * num_pairs:
        raise ValueError(
            f"{path}: found {len(lines) - 1} pairs, admitted {2 * num_folds * num_pairs} "
            f"({num_folds} folds of {num_pairs} + {num_pairs}, says line 1)"
        )
    pairs = []
    for number, line in enumerate(lines[1:]):
        is_same = number // num_pairs % 2 == 0
        match = (SAME if is_same else DIFFERENT).fullmatch(line)
        if not match:
            admitted = "'NAME I J' (one person)" if is_same else "'NAME I OTHER J'"
            raise ValueError(f"{path}, line {number + 2}: found {line!r}, admitted {admitted}")
        words = match.groupdict()
        other = words.get("b", words["a"])
        if not is_same and other == words["a"]:
            raise ValueError(f"{path}, line {number + 2}: found {line!r}, admitted two persons")
        pairs.append(Pair(_file(words["a"], words["i"]), _file(other, words["j"]), is_same))
    return pairs


def _file(name: str, number: str) -> str:
    return f"{name}/{name}_{int(number):04d}.jpg"
