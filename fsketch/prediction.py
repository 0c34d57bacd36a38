"""A method's predictions on all devices, and the states and shapes they need."""

from collections.abc import Callable, Sequence

import jax
import jax.numpy as jnp
import numpy as np
from ml_collections import ConfigDict

from fsketch.core import images, mapping, parallel, platforms, progress, state, types
from fsketch.data import augment, pipeline
from fsketch.methods import interface


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
    one |= _about(styles(config))
    key = parallel.initial_key(config.seed)
    try:
        if shapes_only:
            return jax.eval_shape(method.init, key, frozen, one)
        with progress.compiling("the initial state"):
            init = jax.jit(method.init, compiler_options=quick_to_compile())
            return jax.device_get(init(key, frozen, one))
    except KeyError as error:
        if error.args[0] in ("photo", "sketch") and error.args[0] not in one:
            raise ValueError(
                f"data.name: expected a data set with {error.args[0]} for method "
                f"{config.method!r}, got {config.data.name!r}"
            ) from None
        raise


def quick_to_compile() -> dict[str, int]:
    """Compiler options for a program that runs once; they leave its results as they are.

    On CPU, LLVM optimises less: a quarter of the time for hundreds of draws.
    """
    return {"xla_backend_optimization_level": 2} if platforms.is_cpu() else {}


def channels(config: ConfigDict) -> dict[str, int]:
    """Channels of each kind of image; a coarse image has as many as the image it predicts."""
    depths = {"photo": 3, "sketch": config.data.sketch_channels}
    if "patches" in config:
        depths["coarse"] = depths[images.DIRECTIONS[config.direction][1]]
    return depths


def styles(config: ConfigDict, *, direction: str = "to_sketch") -> tuple[str, ...]:
    """The styles that a configuration's net draws in; () = one, as always for photos."""
    if direction != "to_sketch" or "model" not in config or "styles" not in config.model:
        return ()
    return tuple(config.model.styles)


def blank(config: ConfigDict) -> types.Batch:
    """One grey pair in a configuration's size and channels and in no style, for its shapes."""
    px = config.data.crop_px
    pair = {kind: jnp.zeros((1, px, px, depth)) for kind, depth in channels(config).items()}
    return pair | _about(styles(config))


def _about(styles: Sequence[str]) -> types.Batch:
    """The entries of a batch of one beside its images."""
    style = {"style": jnp.zeros((1, len(styles)))} if styles else {}
    return {"identity": jnp.zeros((1,), jnp.int32), **style}


def predictor(
    method: interface.Method,
) -> Callable[[state.TrainState, interface.Frozens], mapping.Predict]:
    """A method's `predict` on all local devices; bind it to (state, frozen), both replicated.

    The first batch of a shape compiles, which is said.
    """
    bind = mapping.predictor(_of_a_run(method))
    compiled = set()

    def bound(train_state: state.TrainState, frozen: interface.Frozens) -> mapping.Predict:
        predict = bind((train_state, frozen))

        def said(batch: dict[str, np.ndarray]) -> dict[str, np.ndarray]:
            shapes = frozenset((name, array.shape) for name, array in batch.items())
            if shapes in compiled:
                return predict(batch)
            compiled.add(shapes)
            with progress.compiling("the predictions"):
                return predict(batch)

        return said

    return bound


def one_device(method: interface.Method) -> mapping.Function:
    """What `predictor` runs on each device: ((state, frozen), its part of a batch) -> images."""
    return mapping.one_device(_of_a_run(method))


def _of_a_run(method: interface.Method) -> mapping.Function:
    return lambda held, batch: method.predict(*held, batch)
