"""A pure function of images, on all local devices of this process: numpy in, numpy out."""

import functools
from collections.abc import Callable

import jax
import jax.numpy as jnp
import numpy as np

from fsketch.core import images, parallel, platforms, types

# (fixed arrays, batch of images in [-1, 1]) -> images by name.
Function = Callable[[types.PyTree, types.Batch], types.Predictions]
# A host-side function from a padded batch of numpy arrays to predictions as numpy arrays.
Predict = Callable[[dict[str, np.ndarray]], dict[str, np.ndarray]]


def one_device(function: Function) -> Function:
    """`function` for one device's batch of uint8 images; other arrays are passed on as they are."""

    def mapped(fixed: types.PyTree, batch: types.Batch) -> types.Predictions:
        def one_example(example: types.Batch) -> types.Predictions:
            alone = jax.tree.map(lambda x: _scaled(x[None]), example)
            return jax.tree.map(lambda x: x[0], function(fixed, alone))

        return _each(one_example)(batch)

    return mapped


def predictor(function: Function) -> Callable[[types.PyTree], Predict]:
    """`one_device` on all local devices, in numpy; bind it to its fixed arrays, replicated."""
    program = parallel.pmap(one_device(function))

    def bind(fixed: types.PyTree) -> Predict:
        return lambda batch: parallel.join(program(fixed, parallel.split(batch)))

    return bind


def _scaled(x: jax.Array) -> jax.Array:
    return images.from_uint8(x) if x.dtype == jnp.uint8 else x


def _each(function: Callable[[types.Batch], types.Predictions]) -> Callable:
    """A function of one example, applied to a batch.

    GPUs and TPUs take all examples at once.  A CPU takes them one by one, so that results do not
    depend on the batch size: XLA sums larger batches in another order.
    """
    one_by_one = functools.partial(jax.lax.map, function)
    return one_by_one if platforms.is_cpu() else jax.vmap(function)


def local_batch(batch_size: int) -> int:
    """The batch size rounded up to a multiple of the local devices."""
    devices = jax.local_device_count()
    return -(-batch_size // devices) * devices
