"""What a training refuses in its configuration before it starts: numbers that cannot work."""

import jax
from ml_collections import ConfigDict

from fsketch.data import augment


def check(config: ConfigDict) -> None:
    """Raises ValueError for numbers that cannot work, naming the field."""
    positive = (
        "num_steps",
        "batch_size",
        "log_every_steps",
        "eval_every_steps",
        "save_every_steps",
        "keep_checkpoints",
        "eval_batch_size",
        "accumulate_steps",
    )
    for name in positive:
        if config[name] < 1:
            raise ValueError(f"{name}: expected at least 1, got {config[name]}")
    devices = jax.device_count()
    if config.batch_size % devices:
        raise ValueError(
            f"batch_size: expected a multiple of {devices} devices, got {config.batch_size} "
            f"for method {config.method!r}"
        )
    if config.batch_size // devices % config.accumulate_steps:
        raise ValueError(
            f"accumulate_steps: expected a divisor of the {config.batch_size // devices} pairs of "
            f"each device, got {config.accumulate_steps}"
        )
    optim = config.optim
    for name, expected, fits in (
        ("learning_rate", "more than 0", optim.learning_rate > 0),
        ("decay_from", "0 to 1", 0 <= optim.get("decay_from", 0) <= 1),
        ("ema_rate", "0 to less than 1", 0 <= optim.ema_rate < 1),
    ):
        if not fits:
            raise ValueError(f"optim.{name}: expected {expected}, got {optim[name]}")
    augment.check(config.data)
    if config.best_metric and not config.data.validation:
        raise ValueError(
            f"best_metric: expected '' without data.validation, got {config.best_metric!r}"
        )
