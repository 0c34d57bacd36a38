"""What a training says and asks: versions, configuration, losses, speed; resuming."""

import contextlib
import math
import os
import pathlib
import subprocess
import time
from collections.abc import Iterator, Sequence
from importlib import metadata

import jax
import numpy as np
from absl import logging
from clu import parameter_overview
from flax import traverse_util
from ml_collections import ConfigDict

from fsketch.configs import shared
from fsketch.core import checkpoint, parallel, progress, state, trees, types
from fsketch.methods import interface

_MISSING = object()


class NonFiniteError(FloatingPointError):
    """A loss or a parameter became NaN or infinite; saved checkpoints are finite."""

    ADVICE = "Resume with a lower optim.learning_rate or another seed."


class Window:
    """The scalars since the last log line, and the speed."""

    def __init__(self, config: ConfigDict, *, start: int) -> None:
        self.config, self.step = config, start
        self.rows: list[dict[str, float]] = []
        self.time = time.perf_counter()
        self.untimed = (0, 0.0)  # steps and seconds of compilation, left out of the speed

    def add(self, step: int, scalars: types.Scalars) -> None:
        """Adds a step's scalars; raises NonFiniteError if one is not finite."""
        if step <= self.step + len(self.rows):
            return
        values = {k: float(v) for k, v in parallel.unreplicate(scalars).items()}
        bad = [name for name, value in values.items() if not math.isfinite(value)]
        if bad:
            raise NonFiniteError(
                f"step {step}: {', '.join(bad)} not finite ({line(values)}). "
                f"{NonFiniteError.ADVICE}"
            )
        self.rows.append(values)

    def compiled(self) -> None:
        """Marks the start of the first step: the time until now was compilation."""
        self.untimed = (1, time.perf_counter() - self.time)
        progress.say(f"compiled in {progress.duration(self.untimed[1])}")

    def flush(self, step: int) -> dict[str, float]:
        """Means over the window; prints them in one line with speed and time left."""
        steps, seconds = step - self.step, time.perf_counter() - self.time
        if steps > self.untimed[0]:
            steps, seconds = steps - self.untimed[0], seconds - self.untimed[1]
        seconds = max(seconds, 1e-9)
        means = {name: float(np.mean([row[name] for row in self.rows])) for name in self.rows[-1]}
        rate = steps * self.config.batch_size / seconds
        left = progress.duration((self.config.num_steps - step) * seconds / steps)
        progress.say(
            f"step {step}/{self.config.num_steps}  {rate:.1f} images/s  {left} left  {line(means)}"
        )
        self.rows, self.step = [], step
        self.time, self.untimed = time.perf_counter(), (0, 0.0)
        return {**means, "images_per_sec": rate}

    @contextlib.contextmanager
    def paused(self) -> Iterator[None]:
        """A context whose time does not count as training time."""
        began = time.perf_counter()
        yield
        self.time += time.perf_counter() - began


def line(values: dict[str, float]) -> str:
    """Names and values, sorted, as a log line."""
    return "  ".join(f"{name} {value:.4g}" for name, value in sorted(values.items()))


def report(
    config: ConfigDict,
    host: state.TrainState,
    frozen: interface.Frozens,
    num_pairs: Sequence[int],
    num_drawn: int,
) -> None:
    """Logs versions, devices, code, configuration and parameters.

    num_pairs: for training, validation and test; a teacher drew num_drawn of the first.
    """
    packages = ("fsketch", "jax", "jaxlib", "flax", "optax", "orbax-checkpoint", "numpy")
    versions = "  ".join(f"{name} {metadata.version(name)}" for name in packages)
    logging.info("versions: %s", versions)
    kind, processes = jax.devices()[0].device_kind, jax.process_count()
    train, validation, test = num_pairs
    drawn = f" ({num_drawn} drawn by the teacher)" * bool(num_drawn)
    progress.say(
        f"{config.method} on {config.data.name}: {train} training{drawn}, {validation} validation, "
        f"{test} test pairs; {jax.device_count()} x {kind} in {processes} "
        f"process{'es' * (processes > 1)}"
    )
    logging.info("code: %s", _git_revision())
    logging.info("configuration (what differs from configs/shared.py):\n%s", changes(config))
    sizes = {role: trees.count(player.params) for role, player in host.players.items()}
    listed = ", ".join(f"{role} {size / 1e6:.2f} M" for role, size in sizes.items())
    progress.say(f"parameters: {listed}")
    for role, player in host.players.items():
        parameter_overview.log_parameter_overview(player.params, msg=f"player {role}")
    for role, net in frozen.items():
        logging.info("frozen %s: %s numbers, %s", role, f"{trees.count(net.variables):,}", net.spec)


def _git_revision() -> str:
    root = pathlib.Path(__file__).parents[1]
    if not (root / ".git").exists():
        return "no git checkout"
    try:
        run = subprocess.run(
            ["git", "describe", "--always", "--dirty"],
            cwd=root,
            capture_output=True,
            text=True,
            timeout=10,
            check=True,
        )
    except (OSError, subprocess.SubprocessError):
        return "no git revision"
    return run.stdout.strip()


def changes(config: ConfigDict) -> str:
    """A line for each field that differs from its default, nested experiments included."""
    default = _flat(shared.get_config())
    lines = [
        f"  {name} = {value!r}"
        for name, value in _flat(config).items()
        if default.get(name.rpartition("config.")[2], _MISSING) != value
    ]
    return "\n".join(lines)


def log_difference(before: ConfigDict, now: ConfigDict, source: str) -> None:
    """Logs every field in which a resumed run differs from its checkpoint."""
    one, other = (_flat(config) for config in (before, now))
    for name in sorted(one.keys() | other.keys()):
        if one.get(name) != other.get(name):
            logging.warning("%s has %s=%s, now %s", source, name, one.get(name), other.get(name))


def check_data(before: str, now: str, workdir: str | os.PathLike) -> None:
    """Raises ValueError where a resumed run would go on with other images or lists than before."""
    if before and before != now:
        raise ValueError(
            f"data: expected what {workdir} was trained on until now, {before}, got {now}: images "
            "or lists were changed; put the former ones back, or go on in another workdir with "
            f"--config.start_from={workdir}"
        )


def check_choice(before: ConfigDict, now: ConfigDict, workdir: str | os.PathLike) -> None:
    """Raises ValueError where a resumed run would choose its best by other scores than before."""
    if not before.best_metric:
        return
    fields = [_flat(config) for config in (before, now)]
    for name in ("best_metric", "protocol", "data.validation"):
        one, other = (values.get(name) for values in fields)
        if one != other:
            raise ValueError(
                f"{name}: {other!r}, but the best checkpoint of {workdir} was chosen by {one!r}; "
                f"keep that, or go on in another workdir with --config.start_from={workdir}"
            )


def _flat(config: ConfigDict) -> dict[str, object]:
    """{"section.field": value}, nested experiments included."""
    return traverse_util.flatten_dict(checkpoint.to_json(config), sep=".")
