"""Optimizers built from `config.optim`."""

import jax
import optax
from ml_collections import ConfigDict


def adam(config: ConfigDict, *, num_steps: int) -> optax.GradientTransformation:
    """Adam whose rate is constant for `decay_from` of the steps, then falls linearly to 0.

    [secondary: the author's pix2pix, 100 + 100 epochs]  After each number of steps in `halve_at`
    it is half of what it were.
    """
    constant = round(config.decay_from * num_steps)
    rate = optax.linear_schedule(
        config.learning_rate, 0.0, transition_steps=num_steps - constant, transition_begin=constant
    )
    if config.halve_at:
        falling = rate
        halvings = optax.piecewise_constant_schedule(1.0, dict.fromkeys(config.halve_at, 0.5))

        def rate(count: jax.Array) -> jax.Array:
            return falling(count) * halvings(count)

    return optax.adam(rate, b1=config.b1, b2=config.b2)
