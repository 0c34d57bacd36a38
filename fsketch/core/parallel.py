"""Many devices: the only file that uses pmap.

Arrays that every device holds are replicated; a batch is split over its first axis.  All
per-example randomness comes from one key per example, so results do not depend on how the
batch is split.
"""

import functools
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence

import jax
import numpy as np
from flax import jax_utils

from fsketch.core import types

INITIALISATION, STEPS = 0, 1  # streams of random numbers of a seed


def initial_key(seed: int) -> jax.Array:
    """The key that draws parameters; it is independent of the keys of steps."""
    return jax.random.fold_in(jax.random.key(seed), INITIALISATION)


def pmap(
    function: Callable,
    *,
    donate: tuple[int, ...] = (),
    devices: Sequence[jax.Device] | None = None,
) -> Callable:
    """`function` on all devices at once; `donate` names arguments whose memory may be reused.

    devices: those of a slice that need not be there, for a program that is compiled and not run.
    """
    return jax.pmap(function, axis_name=types.AXIS, donate_argnums=donate, devices=devices)


def here(function: Callable, fixed: types.PyTree) -> Callable:
    """`function(fixed, *parts)` on this process's devices, however often other processes call it.

    parts: with a first axis of local devices, as from `split`.
    """
    program = jax.pmap(function, devices=jax.local_devices())
    return functools.partial(program, jax_utils.replicate(fixed))


def replicate(tree: types.PyTree) -> types.PyTree:
    """A copy of each leaf on every local device (new first axis).

    A pmapped program makes them, so that they are placed like its results: otherwise the step
    compiles once for the first state and again for the second.
    """
    if not jax.tree.leaves(tree):  # which a pmapped program of several processes does not take
        return tree
    return _copies(np.zeros(jax.local_device_count()), tree)


_copies = jax.pmap(lambda _, tree: tree, axis_name=types.AXIS, in_axes=(0, None))


def unreplicate(tree: types.PyTree) -> types.PyTree:
    """The first device's copy, as numpy: for logs and checkpoints."""
    return jax.device_get(jax_utils.unreplicate(tree))


def split(batch: Mapping[str, np.ndarray]) -> dict[str, np.ndarray]:
    """This process's part of a batch [B, ...] -> [local devices, B / local devices, ...]."""
    devices = jax.local_device_count()
    size = len(next(iter(batch.values())))
    if size % devices:
        raise ValueError(
            f"batch_size: expected a multiple of {devices} devices here, got {size} examples"
        )
    return {
        name: array.reshape(devices, size // devices, *array.shape[1:])
        for name, array in batch.items()
    }


def on_devices(batches: Iterable[Mapping[str, np.ndarray]]) -> Iterator[dict[str, jax.Array]]:
    """Each batch, `split` over the devices and moved there while the one before it is used."""
    waiting = None
    for batch in batches:
        moved = _moved(split(batch))
        if waiting is not None:
            yield waiting
        waiting = moved
    if waiting is not None:
        yield waiting


_moved = jax.pmap(lambda parts: parts, axis_name=types.AXIS)


def join(tree: types.PyTree) -> types.PyTree:
    """[local devices, n, ...] -> numpy [local devices * n, ...]: the inverse of `split`."""
    tree = jax.device_get(tree)
    return jax.tree.map(lambda leaf: leaf.reshape(-1, *leaf.shape[2:]), tree)


def step_keys(seed: int, step: int, *, global_batch: int) -> jax.Array:
    """One key per example of this process: Key[local devices, examples per device].

    They depend on (seed, step, place in the global batch) alone.
    """
    stream = jax.random.fold_in(jax.random.key(seed), STEPS)
    keys = jax.random.split(jax.random.fold_in(stream, step), global_batch)
    mine = keys.reshape(jax.process_count(), -1)[jax.process_index()]
    return mine.reshape(jax.local_device_count(), -1)
