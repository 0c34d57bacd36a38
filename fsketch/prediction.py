"""A method's predictions on all devices, and the states and shapes they need."""

import functools
from collections.abc import Callable, Mapping

import jax
import jax.numpy as jnp
import numpy as np
from ml_collections import ConfigDict

from fsketch.core import parallel, state, types
from fsketch.data import augment, pipeline
from fsketch.methods import interface

# direction -> predicted kind of image
DIRECTIONS = {"to_sketch": "sketch", "to_photo": "photo"}

# A host-side function from a padded batch of numpy arrays to predictions as numpy arrays.
Predict = Callable[[dict[str, np.ndarray]], dict[str, np.ndarray]]


def initial_state(
    method: interface.Method,
    frozen: dict[str, state.Frozen],
    config: ConfigDict,
    canvases: pipeline.AnyCanvases,
    *,
    shapes_only: bool = False,
) -> state.TrainState:
    """The state at step 0 on the host, or its shapes; it depends only on (config, frozen).

    Raises ValueError if the method needs images that the data set does not have.
    """
    side = augment.side_px(config.data)
    one = {kind: jnp.zeros((1, side, side, depth)) for kind, depth in canvases.channels.items()}
    one["identity"] = jnp.zeros((1,), jnp.int32)
    key = parallel.initial_key(config.seed)
    try:
        if shapes_only:
            return jax.eval_shape(method.init, key, frozen, one)
        return jax.device_get(jax.jit(method.init)(key, frozen, one))
    except KeyError as error:
        if error.args[0] in ("photo", "sketch") and error.args[0] not in one:
            raise ValueError(
                f"data.name: expected a data set with {error.args[0]} for method "
                f"{config.method!r}, got {config.data.name!r}"
            ) from None
        raise


def channels(config: ConfigDict) -> dict[str, int]:
    """Channels of each kind of image; a coarse image has as many as the image it predicts."""
    depths = {"photo": 3, "sketch": config.data.sketch_channels}
    if "patches" in config:
        depths["coarse"] = depths[DIRECTIONS[config.direction]]
    return depths


def blank(height: int, width: int, depths: Mapping[str, int]) -> types.Batch:
    """One grey pair of this size and these channels, for the shapes of a method."""
    pair = {kind: jnp.zeros((1, height, width, depth)) for kind, depth in depths.items()}
    return {**pair, "identity": jnp.zeros((1,), jnp.int32)}


def predictor(
    method: interface.Method,
) -> Callable[[state.TrainState, interface.Frozens], Predict]:
    """A method's `predict` on all local devices; bind it to (state, frozen), both replicated."""

    def one_device(train_state: state.TrainState, frozen: dict, batch: types.Batch) -> dict:
        def one_example(example: types.Batch) -> dict:
            alone = augment.scale(jax.tree.map(lambda x: x[None], example))
            return jax.tree.map(lambda x: x[0], method.predict(train_state, frozen, alone))

        return _each(one_example)(batch)

    mapped = parallel.pmap(one_device)

    def bind(train_state: state.TrainState, frozen: interface.Frozens) -> Predict:
        return lambda batch: parallel.join(mapped(train_state, frozen, parallel.split(batch)))

    return bind


def _each(function: Callable[[types.Batch], types.Predictions]) -> Callable:
    """A function of one example, applied to a batch.

    GPUs and TPUs take all examples at once.  A CPU takes them one by one, so that results do not
    depend on the batch size: XLA sums larger batches in another order.
    """
    one_by_one = functools.partial(jax.lax.map, function)
    return one_by_one if jax.default_backend() == "cpu" else jax.vmap(function)


def local_batch(batch_size: int) -> int:
    """The batch size rounded up to a multiple of the local devices."""
    devices = jax.local_device_count()
    return -(-batch_size // devices) * devices
