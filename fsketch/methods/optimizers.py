"""Optimizers built from `config.optim`."""

import optax
from ml_collections import ConfigDict


def adam(
    config: ConfigDict, *, num_steps: int, halve_every: int = 0
) -> optax.GradientTransformation:
    """Adam whose rate is constant for `decay_from` of the steps, then falls linearly to 0.

    [secondary: the author's pix2pix, 100 + 100 epochs]  With halve_every > 0 the rate is halved
    after each so many steps instead, and `decay_from` is 1.
    """
    if halve_every:
        if config.decay_from != 1:
            raise ValueError(
                f"optim.decay_from: {config.decay_from} beside halvings; 1 is admitted"
            )
        halving = optax.exponential_decay(config.learning_rate, halve_every, 0.5, staircase=True)
        return optax.adam(halving, b1=config.b1, b2=config.b2)
    constant = round(config.decay_from * num_steps)
    schedule = optax.linear_schedule(
        config.learning_rate, 0.0, transition_steps=num_steps - constant, transition_begin=constant
    )
    return optax.adam(schedule, b1=config.b1, b2=config.b2)
