"""The only training loop: steps, keys, logs, the stop at a non-finite loss, evaluation, saves.

It knows the Method tuple and never names a method, a player or a loss.
"""

import datetime
import math
import pathlib
import signal
import subprocess
import time
from collections.abc import Callable, Iterator
from importlib import metadata
from typing import NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from absl import logging
from clu import parameter_overview
from etils import epath
from jax.experimental import multihost_utils
from ml_collections import ConfigDict

from configs import base
from fsketch import checkpoint, evaluate, methods, parallel, state, trees, types, writers
from fsketch.data import augment, pipeline
from fsketch.methods import interface

_MISSING = object()


class NonFiniteError(FloatingPointError):
    """A logged scalar became NaN or infinite; the last checkpoint is from before."""


def train(config: ConfigDict, workdir: str | epath.Path) -> state.TrainState:
    """Trains to config.num_steps, from the newest checkpoint in `workdir` if there is one.

    Returns the final state, on the host.  SIGTERM or Ctrl-C saves and returns early.
    """
    workdir = epath.Path(workdir)
    _check(config)
    method = methods.create(config)
    train_set = evaluate.load_canvases(
        config.data, config.data.train, canvas_px=config.data.canvas_px
    )
    validation_set = None
    if config.data.validation:
        validation_set = evaluate.load_canvases(
            config.data, config.data.validation, canvas_px=config.data.crop_px
        )
    test_set = evaluate.load_canvases(config.data, config.data.test, canvas_px=config.data.crop_px)
    checkpoints = checkpoint.open_workdir(workdir, keep=config.keep_checkpoints)
    writer = writers.Writer(workdir, is_first=jax.process_index() == 0)
    sets = _Sets(train_set, validation_set, test_set)
    try:
        return _Run(config, workdir, method, sets, checkpoints, writer).to_the_end()
    finally:
        checkpoints.wait()
        checkpoints.close()
        writer.close()


class _Sets(NamedTuple):
    """Pairs in memory: train on the larger canvas, the others padded to the crop's size."""

    train: pipeline.Canvases
    validation: pipeline.Canvases | None
    test: pipeline.Canvases


class _Run:
    """One process's part of a run, from a restored or a fresh state to the last step."""

    def __init__(
        self,
        config: ConfigDict,
        workdir: epath.Path,
        method: interface.Method,
        sets: "_Sets",
        checkpoints: checkpoint.Checkpoints,
        writer: writers.Writer,
    ) -> None:
        self.config, self.workdir, self.writer = config, workdir, writer
        self.checkpoints, self.sets = checkpoints, sets
        frozen = self._frozen(method)
        host, self.position, self.best = self._state(method, frozen)
        self.start = int(host.step)
        _report(config, host, frozen, sets)
        self.frozen = parallel.replicate(frozen)
        self.state = parallel.replicate(host)
        self.step_fn = parallel.pmap(_step(method, config.data), donate=(0,))
        self.bind = evaluate.predictor(method)

    def _frozen(self, method: interface.Method) -> interface.Frozens:
        """The frozen nets kept in the workdir, or made now and kept."""
        if self.checkpoints.frozen.all_steps():
            return evaluate.restore_frozen(self.workdir)
        frozen = method.freeze(_calibration_batches(self.sets.train, self.config))
        if frozen:
            variables = {role: net.variables for role, net in frozen.items()}
            specs = {role: net.spec for role, net in frozen.items()}
            checkpoint.save(self.checkpoints.frozen, 0, jax.device_get(variables), {"specs": specs})
            self.checkpoints.frozen.wait_until_finished()
        return frozen

    def _state(
        self, method: interface.Method, frozen: interface.Frozens
    ) -> tuple[state.TrainState, int, float]:
        """(state on the host, examples seen, best validation score) of the start of this run."""
        fresh = evaluate.initial_state(method, frozen, self.config, self.sets.train)
        if not self.checkpoints.latest.all_steps():
            return fresh, 0, -math.inf
        arrays, meta = checkpoint.load(self.checkpoints.latest)
        source = f"the checkpoint of step {meta['step']} in {self.workdir}"
        _log_difference(checkpoint.from_json(meta["config"]), self.config, source)
        logging.info("resumed from %s", source)
        best = meta["best"]
        return (
            checkpoint.fill(fresh, arrays, source=source),
            meta["position"],
            -math.inf if best is None else best,
        )

    def to_the_end(self) -> state.TrainState:
        config = self.config
        stop = _StopSignal()
        window = _Window(config, start=self.start)
        pending: tuple[int, types.Scalars] | None = None
        with stop:
            for step in range(self.start + 1, config.num_steps + 1):
                scalars = self._advance(step)
                # Scalars are read one step late, so that the device never waits for the host.
                if pending:
                    window.add(*pending)
                pending = (step, scalars)
                if stop.agreed(step, config.log_every_steps):
                    window.add(*pending)
                    self._save(step)
                    logging.info(
                        "stopped by a signal after step %d and saved; run again to resume", step
                    )
                    return self._host()
                if _is_due(step, config.log_every_steps, config.num_steps):
                    window.add(*pending)
                    pending = None
                    self.writer.scalars(step, window.flush(step))
                if _is_due(step, config.eval_every_steps, config.num_steps):
                    with window.paused():
                        self._evaluate(step)
                if _is_due(step, config.save_every_steps, config.num_steps):
                    if pending:
                        window.add(*pending)
                        pending = None
                    with window.paused():
                        self._save(step)
        self.checkpoints.wait()
        self._final_evaluation()
        return self._host()

    def _advance(self, step: int) -> types.Scalars:
        config = self.config
        batch = pipeline.training_batch(
            self.sets.train,
            self.position,
            batch_size=config.batch_size,
            seed=config.seed,
            process=jax.process_index(),
            num_processes=jax.process_count(),
        )
        keys = parallel.step_keys(config.seed, step, global_batch=config.batch_size)
        self.state, scalars = self.step_fn(self.state, self.frozen, parallel.split(batch), keys)
        self.position += config.batch_size
        return scalars

    def _evaluate(self, step: int) -> None:
        config = self.config
        predict = self.bind(self.state, self.frozen)
        batch_size = evaluate.local_batch(config.eval_batch_size)
        sheet = evaluate.sample_sheet(
            predict, self.sets.test, num_samples=config.num_samples, batch_size=batch_size
        )
        if sheet is not None:
            self.writer.samples(step, sheet)
        if self.sets.validation is None:
            return
        metrics = evaluate.evaluate(predict, self.sets.validation, batch_size=batch_size)
        self.writer.scalars(step, {f"validation/{k}": v for k, v in metrics.items()})
        logging.info("step %d  validation  %s", step, _line(metrics))
        if config.best_metric:
            if config.best_metric not in metrics:
                raise ValueError(
                    f"best_metric: {config.best_metric!r}; admitted are {sorted(metrics)}"
                )
            score = metrics[config.best_metric]
            if score > self.best:
                self.best = score
                self._save_to(self.checkpoints.best, step)

    def _save(self, step: int) -> None:
        self._save_to(self.checkpoints.latest, step)

    def _save_to(self, manager: "checkpoint.ocp.CheckpointManager", step: int) -> None:
        meta = {
            "config": checkpoint.to_json(self.config),
            "step": step,
            "position": self.position,
            "frozen": sorted(self.frozen),
            "best": self.best if math.isfinite(self.best) else None,
        }
        checkpoint.save(manager, step, self._host(), meta)

    def _host(self) -> state.TrainState:
        return parallel.unreplicate(self.state)

    def _final_evaluation(self) -> None:
        """Scores the checkpoint that the validation pairs chose on the test pairs."""
        result = evaluate.evaluate_workdir(self.workdir)
        values = {f"test/{name}": value for name, value in result["metrics"].items()}
        self.writer.scalars(result["step"], values)
        logging.info(
            "step %d  test (%d images, protocol %s)  %s",
            result["step"],
            result["num_images"],
            result["protocol"],
            _line(result["metrics"]),
        )


def _step(method: interface.Method, data: ConfigDict) -> Callable:
    """Augmentation, the method's step and the mean of its scalars, for one device."""

    def step(
        train_state: state.TrainState,
        frozen: interface.Frozens,
        batch: types.Batch,
        keys: jax.Array,
    ) -> tuple[state.TrainState, types.Scalars]:
        batch = augment.random_crop_and_flip(
            augment.scale(batch), keys, crop_px=data.crop_px, flip=data.flip
        )
        key = jax.random.fold_in(keys[0], 1)
        train_state, scalars = method.train_step(train_state, frozen, batch, key)
        return train_state, state.device_mean(scalars)

    return step


class _Window:
    """Scalars since the last log line, and the speed."""

    def __init__(self, config: ConfigDict, *, start: int) -> None:
        self.config, self.step = config, start
        self.rows: list[dict[str, float]] = []
        self.time = time.perf_counter()

    def add(self, step: int, scalars: types.Scalars) -> None:
        """Reads a step's scalars; raises NonFiniteError at the first that is not finite."""
        if step <= self.step + len(self.rows):
            return
        values = {k: float(v) for k, v in parallel.unreplicate(scalars).items()}
        bad = [name for name, value in values.items() if not math.isfinite(value)]
        if bad:
            raise NonFiniteError(
                f"step {step}: {', '.join(bad)} not finite ({_line(values)}). Nothing of this step "
                "was saved; resume with a lower optim.learning_rate or another seed."
            )
        self.rows.append(values)

    def flush(self, step: int) -> dict[str, float]:
        """Means over the window, logged as one line with speed and time left."""
        seconds = max(time.perf_counter() - self.time, 1e-9)
        steps = step - self.step
        means = {name: float(np.mean([row[name] for row in self.rows])) for name in self.rows[-1]}
        rate = steps * self.config.batch_size / seconds
        left = datetime.timedelta(seconds=round((self.config.num_steps - step) * seconds / steps))
        logging.info(
            "step %d/%d  %.1f images/s  %s left  %s",
            step,
            self.config.num_steps,
            rate,
            left,
            _line(means),
        )
        self.rows, self.step, self.time = [], step, time.perf_counter()
        return {**means, "images_per_sec": rate}

    def paused(self) -> "_Paused":
        """A context whose time does not count as training time."""
        return _Paused(self)


class _Paused:
    def __init__(self, window: _Window) -> None:
        self.window = window

    def __enter__(self) -> None:
        self.began = time.perf_counter()

    def __exit__(self, *exception: object) -> None:
        self.window.time += time.perf_counter() - self.began


class _StopSignal:
    """Turns SIGTERM and the first Ctrl-C into a flag; a second Ctrl-C interrupts at once."""

    SIGNALS = (signal.SIGTERM, signal.SIGINT)

    def __enter__(self) -> "_StopSignal":
        self.received = False
        self.before = {s: signal.signal(s, self._receive) for s in self.SIGNALS}
        return self

    def __exit__(self, *exception: object) -> None:
        for number, handler in self.before.items():
            signal.signal(number, handler)

    def _receive(self, number: int, frame: object) -> None:
        del frame
        if self.received and number == signal.SIGINT:
            raise KeyboardInterrupt
        self.received = True

    def agreed(self, step: int, every_steps: int) -> bool:
        """Whether to stop now: every process answers alike."""
        if jax.process_count() == 1:
            return self.received
        if step % every_steps:
            return False
        return bool(multihost_utils.process_allgather(np.asarray(self.received)).any())


def _check(config: ConfigDict) -> None:
    """Raises ValueError for numbers that cannot work, naming the field."""
    positive = (
        "num_steps",
        "batch_size",
        "log_every_steps",
        "eval_every_steps",
        "save_every_steps",
        "keep_checkpoints",
        "eval_batch_size",
    )
    for name in positive:
        if config[name] < 1:
            raise ValueError(f"{name}: {config[name]}, must be at least 1")
    devices = jax.device_count()
    if config.batch_size % devices:
        raise ValueError(f"batch_size: {config.batch_size} does not divide over {devices} devices")
    if config.data.crop_px > config.data.canvas_px:
        raise ValueError(
            f"data.crop_px: {config.data.crop_px} is larger than data.canvas_px: "
            f"{config.data.canvas_px}"
        )
    if config.best_metric and not config.data.validation:
        raise ValueError(
            f"best_metric: {config.best_metric!r} needs data.validation; set both or neither"
        )


def _calibration_batches(canvases: pipeline.Canvases, config: ConfigDict) -> Iterator[types.Batch]:
    """The first training pairs as float batches of equal size, for `Method.freeze`."""
    count = config.teacher.num_calibration if "teacher" in config else 0
    first = pipeline.Canvases(*(field[:count] for field in canvases)) if count else None
    for i in range(len(first) if first else 0):
        batch = {"photo": first.photo[i : i + 1], "sketch": first.sketch[i : i + 1]}
        yield augment.scale({name: jnp.asarray(image) for name, image in batch.items()})


def _is_due(step: int, every_steps: int, last: int) -> bool:
    return step % every_steps == 0 or step == last


def _line(values: dict[str, float]) -> str:
    return "  ".join(f"{name} {value:.4g}" for name, value in sorted(values.items()))


def _report(
    config: ConfigDict,
    host: state.TrainState,
    frozen: interface.Frozens,
    sets: "_Sets",
) -> None:
    """What a reader of the log must know: versions, devices, code, configuration, parameters."""
    packages = ("fsketch", "jax", "jaxlib", "flax", "optax", "orbax-checkpoint", "numpy")
    versions = "  ".join(f"{name} {metadata.version(name)}" for name in packages)
    logging.info("versions: %s", versions)
    kind = jax.devices()[0].device_kind
    logging.info("devices: %d x %s in %d processes", jax.device_count(), kind, jax.process_count())
    logging.info("code: %s", _git_revision())
    logging.info("configuration (what differs from configs/base.py):\n%s", _changes(config))
    counts = [len(canvases) if canvases else 0 for canvases in sets]
    logging.info("pairs: %d training, %d validation, %d test", *counts)
    for role, player in host.players.items():
        parameter_overview.log_parameter_overview(player.params, msg=f"player {role}")
    for role, net in frozen.items():
        logging.info("frozen %s: %s numbers, %s", role, f"{trees.count(net.variables):,}", net.spec)


def _git_revision() -> str:
    root = pathlib.Path(__file__).parent
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


def _changes(config: ConfigDict) -> str:
    """A line per field that differs from its default; a nested experiment's likewise."""
    default = dict(_flat(checkpoint.to_json(base.get_config())))
    lines = [
        f"  {name} = {value!r}"
        for name, value in _flat(checkpoint.to_json(config))
        if default.get(name.removeprefix("teacher.config."), _MISSING) != value
    ]
    return "\n".join(lines)


def _log_difference(before: ConfigDict, now: ConfigDict, source: str) -> None:
    """Logs every field in which a resumed run differs from its checkpoint."""
    one, other = (dict(_flat(checkpoint.to_json(config))) for config in (before, now))
    for name in sorted(one.keys() | other.keys()):
        if one.get(name) != other.get(name):
            logging.warning("%s has %s=%s, now %s", source, name, one.get(name), other.get(name))


def _flat(data: dict, prefix: str = "") -> Iterator[tuple[str, object]]:
    for name, value in data.items():
        if isinstance(value, dict):
            yield from _flat(value, f"{prefix}{name}.")
        else:
            yield f"{prefix}{name}", value
