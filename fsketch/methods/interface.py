"""A method: a tuple of pure functions, all that the training loop knows of it."""

from collections.abc import Callable, Iterable
from typing import NamedTuple

from ml_collections import ConfigDict

from fsketch.core import state, types
from fsketch.frozen import registry, sources

Frozens = dict[str, state.Frozen]  # by role


class Method(NamedTuple):
    """Built by a closure over a configuration, as optax builds a gradient transformation.

    freeze:     training pairs (float, one by one, on the canvas) -> frozen nets by role.
                Reads teachers' weights; runs on the host, once, before `init`.
    init:       (key, frozen, batch) -> the state at step 0; `batch` shows shapes only.
    train_step: (state, frozen, batch, keys) -> (state, scalars by name); the loop pmaps it.
                keys holds one key per example, so that no result depends on the split.
    predict:    (state, frozen, batch) -> {"sketch" | "photo" | "embedding_...": array}.
    """

    freeze: Callable[[Iterable[types.Batch]], Frozens]
    init: Callable[[types.Key, Frozens, types.Batch], state.TrainState]
    train_step: Callable[
        [state.TrainState, Frozens, types.Batch, types.Key],
        tuple[state.TrainState, types.Scalars],
    ]
    predict: Callable[[state.TrainState, Frozens, types.Batch], types.Predictions]


def nothing(config: ConfigDict) -> dict:
    """For a method without frozen nets, or without a net that others can load."""
    del config
    return {}


def loads(
    config: ConfigDict, *, needs: Callable[[ConfigDict], registry.Needs] = nothing
) -> Callable[[Iterable[types.Batch]], Frozens]:
    """A `freeze` that loads the needed nets and looks at no training pairs."""
    return lambda batches: registry.load_all(config, needs(config))


class Entry(NamedTuple):
    """A method and its declarations, each a function of a configuration.

    create:  the method.
    needs:   its frozen nets by role; those without a path are trained first (fsketch/prepare.py).
    exports: what other runs can load from it as a frozen net, by form (frozen/architectures.py).
    """

    create: Callable[[ConfigDict], Method]
    needs: Callable[[ConfigDict], registry.Needs] = nothing
    exports: Callable[[ConfigDict], dict[str, sources.Export]] = nothing
