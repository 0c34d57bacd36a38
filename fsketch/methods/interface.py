"""What a method is: a tuple of pure functions, all that the training loop knows of it."""

from collections.abc import Callable, Iterable
from typing import NamedTuple

from fsketch.core import state, types

Frozens = dict[str, state.Frozen]  # by role


class Method(NamedTuple):
    """Built by a closure over a configuration, as optax builds a gradient transformation.

    freeze:     training pairs (float, one by one, on the canvas) -> frozen nets by role.
                Reads teachers' weights; runs on the host, once, before `init`.
    init:       (key, frozen, batch) -> the state at step 0; `batch` shows shapes only.
    train_step: (state, frozen, batch, keys) -> (state, scalars by name); the loop pmaps it.
                keys holds one key per example, so that no result depends on their split.
    predict:    (state, frozen, batch) -> {"sketch" | "photo" | "embedding_...": array}.
    """

    freeze: Callable[[Iterable[types.Batch]], Frozens]
    init: Callable[[types.Key, Frozens, types.Batch], state.TrainState]
    train_step: Callable[
        [state.TrainState, Frozens, types.Batch, types.Key],
        tuple[state.TrainState, types.Scalars],
    ]
    predict: Callable[[state.TrainState, Frozens, types.Batch], types.Predictions]
