"""Optimizers built from `config.optim`."""

import optax
from ml_collections import ConfigDict


def adam(config: ConfigDict, *, num_steps: int) -> optax.GradientTransformation:
    """Adam whose rate is constant for `decay_from` of the steps, then falls linearly to 0.

    [secondary: the author's pix2pix, 100 + 100 epochs]
    """
    constant = round(config.decay_from * num_steps)
    schedule = optax.linear_schedule(
        config.learning_rate,
        0.0,
        transition_steps=max(num_steps - constant, 1),  # with decay_from 1 it is never reached
        transition_begin=constant,
    )
    return optax.adam(schedule, b1=config.b1, b2=config.b2)
