"""Optimizers built from `config.optim`, and players that they move."""

import jax
import jax.numpy as jnp
import optax
from flax import linen as nn
from ml_collections import ConfigDict

from fsketch.core import state, types


def player(key: types.Key, net: nn.Module, config: ConfigDict, *inputs: jax.Array) -> state.Player:
    """A player for inputs of these shapes, moved by `adam`; config is the whole one."""
    tx = adam(config.optim, num_steps=config.num_steps)
    return state.create_player(key, net, tx, *inputs, ema_rate=config.optim.ema_rate)


def adam(config: ConfigDict, *, num_steps: int) -> optax.GradientTransformation:
    """Adam whose rate is constant for `decay_from` of the steps, then falls linearly to 0.

    [secondary: the author's pix2pix, 100 + 100 epochs]  The rate is
    halved at each step listed in `halve_at`.
    """
    constant = round(config.decay_from * num_steps)
    rate = optax.linear_schedule(
        config.learning_rate,
        0.0,
        transition_steps=max(num_steps - constant, 1),  # with decay_from 1 it is never reached
        transition_begin=constant,
    )
    if config.halve_at:
        falling = rate
        halvings = optax.piecewise_constant_schedule(1.0, dict.fromkeys(config.halve_at, 0.5))

        def rate(count: jax.Array) -> jax.Array:
            return falling(count) * halvings(count)

    return optax.adam(rate, b1=config.b1, b2=config.b2)


def rmsprop(config: ConfigDict) -> optax.GradientTransformation:
    """RMSprop as torch has it, g / (sqrt(mean of g^2) + epsilon), at `falling_rate`.

    The rate depends on a count of steps in the optimizer's state, see `at_step`.
    """
    return optax.chain(
        optax.scale_by_rms(config.decay_rate, config.epsilon, eps_in_sqrt=False),
        optax.scale_by_learning_rate(lambda step: falling_rate(step, config)),
    )


def falling_rate(step: jax.Array, config: ConfigDict) -> jax.Array:
    """The rate of a step, counted from 0, that falls by a factor each epoch to a floor.

    The first `warm_up_steps` steps take 1/50 of it, as many more 1/5 [code: IFRP].
    """
    epoch = step // config.steps_per_epoch
    rate = jnp.maximum(config.learning_rate * config.epoch_factor**epoch, config.least_rate)
    divisor = jnp.where(step < config.warm_up_steps, 50.0, 5.0)
    return jnp.where(step < 2 * config.warm_up_steps, rate / divisor, rate)


def at_step(opt_state: optax.OptState, step: jax.Array) -> optax.OptState:
    """The state of `rmsprop` whose next step is this one, even if it skipped some."""
    return optax.tree_utils.tree_set(opt_state, count=step)
