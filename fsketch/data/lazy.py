"""Sequences that compute their elements when they are read."""

from collections.abc import Callable, Sequence
from typing import Any


class Lazy(Sequence):
    """`function` of each item, computed anew at each access, so that nothing stays in memory."""

    def __init__(self, items: Sequence, function: Callable[[Any], Any]) -> None:
        self.items, self.function = items, function

    def __len__(self) -> int:
        return len(self.items)

    def __getitem__(self, index: int) -> Any:
        return self.function(self.items[range(len(self))[index]])
