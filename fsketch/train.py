"""The only training loop: steps, keys, logs, the stop at a non-finite loss, evaluation, saves.

It knows the Method tuple and never names a method, a player or a loss.
"""

import contextlib
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

from fsketch import evaluate, methods, recall
from fsketch.configs import base
from fsketch.convert import files
from fsketch.core import checkpoint, parallel, state, trees, types, writers
from fsketch.data import augment, coarse, pipeline
from fsketch.methods import interface

_MISSING = object()


class NonFiniteError(FloatingPointError):
    """A loss or a parameter became NaN or infinite; what is saved is finite."""

    ADVICE = "Resume with a lower optim.learning_rate or another seed."


class Stopped(SystemExit):
    """A signal stopped the run after saving; the exit code is 0."""


def train(config: ConfigDict, workdir: str | epath.Path) -> state.TrainState:
    """Trains to config.num_steps, from the newest checkpoint in `workdir` if there is one.

    Returns the final state, on the host.  SIGTERM or Ctrl-C saves and raises `Stopped`.
    """
    workdir = epath.Path(workdir)
    _check(config)
    method = methods.create(config)
    data, coarse_source = config.data, coarse.source(config, workdir)

    def load(split: str, canvas_px: int) -> pipeline.Canvases:
        return evaluate.load_canvases(data, split, canvas_px=canvas_px, coarse_source=coarse_source)

    train_set = load(data.train, data.canvas_px)
    validation_set = load(data.validation, data.crop_px) if data.validation else None
    test_set = load(data.test, data.crop_px)
    checkpoints = checkpoint.open_workdir(workdir, keep=config.keep_checkpoints)
    sets = _Sets(train_set, validation_set, test_set)
    try:
        run = _Run(config, workdir, method, sets, checkpoints)
        with contextlib.closing(run.writer):
            return run.to_the_end()
    finally:
        checkpoints.wait()
        checkpoints.close()


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
    ) -> None:
        self.config, self.workdir = config, workdir
        self.checkpoints, self.sets = checkpoints, sets
        frozen = self._frozen(method)
        host, self.position, self.best = self._state(method, frozen)
        self.start = int(host.step)
        if config.best_metric:
            admitted = evaluate.metric_names(
                method, host, frozen, sets.validation, protocol=config.protocol
            )
            if config.best_metric not in admitted:
                raise ValueError(f"best_metric: {config.best_metric!r}; admitted are {admitted}")
        is_first = jax.process_index() == 0
        self.writer = writers.Writer(workdir, start=self.start, is_first=is_first)
        _report(config, host, frozen, sets)
        self.recall = None
        if config.cache_mb:
            self.recall = recall.Recall(
                frozen, config.data, limit_mb=config.cache_mb, num_pairs=len(sets.train)
            )
        self.frozen = parallel.replicate(frozen)
        self.state = parallel.replicate(host)
        self.step_fn = parallel.pmap(_step(method, config.data), donate=(0,))
        self.bind = evaluate.predictor(method)

    def _frozen(self, method: interface.Method) -> interface.Frozens:
        """The frozen nets kept in the workdir, or made now and kept."""
        if self.checkpoints.frozen.all_steps():
            return evaluate.restore_frozen(self.workdir)
        frozen = method.freeze(_plain_batches(self.sets.train))
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
        resumes = bool(self.checkpoints.latest.all_steps())
        fresh = evaluate.initial_state(
            method, frozen, self.config, self.sets.train, shapes_only=resumes
        )
        if not resumes:
            if self.config.start_from:
                fresh = _started(fresh, self.config.start_from)
            return fresh, 0, -math.inf
        arrays, meta = checkpoint.load(self.checkpoints.latest)
        source = f"the checkpoint of step {meta['step']} in {self.workdir}"
        before = checkpoint.from_json(meta["config"])
        _check_choice(before, self.config, self.workdir)
        _log_difference(before, self.config, source)
        logging.info("resumed from %s", source)
        restored = checkpoint.fill(fresh, arrays, source=source)
        best = checkpoint.best_score(self.checkpoints.best, last_step=meta["step"])
        if meta.get("is_best") and meta["score"] > best:
            # The run ended between the two saves of its best step.
            best = meta["score"]
            checkpoint.save(self.checkpoints.best, meta["step"], restored, meta)
        return restored, meta["position"], best

    def to_the_end(self) -> state.TrainState:
        config = self.config
        window = _Window(config, start=self.start)
        pending: tuple[int, types.Scalars] | None = None
        with _StopSignal() as stop:
            for step in range(self.start + 1, config.num_steps + 1):
                scalars = self._advance(step)
                # Scalars are read one step late, so that the device never waits for the host,
                # but always before anything is made of the state they belong to.
                if pending:
                    window.add(*pending)
                pending = (step, scalars)
                stopping = stop.agreed(step, config.log_every_steps)
                log, evaluate_now, save = (
                    step == config.num_steps or step % every == 0
                    for every in (
                        config.log_every_steps,
                        config.eval_every_steps,
                        config.save_every_steps,
                    )
                )
                if log or evaluate_now or save or stopping:
                    window.add(*pending)
                    pending = None
                if log or stopping:
                    self.writer.scalars(step, window.flush(step))
                with window.paused():
                    if evaluate_now:
                        self._evaluate(step)
                    if save or stopping:
                        self._save(step)
                if stopping:
                    logging.info("stopped after step %d and saved; run again to resume", step)
                    raise Stopped(0)
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
        parts = parallel.split(batch)
        if self.recall:
            parts["maps"] = self.recall(self.frozen, parts, keys)
        self.state, scalars = self.step_fn(self.state, self.frozen, parts, keys)
        self.position += config.batch_size
        return scalars

    def _evaluate(self, step: int) -> None:
        config = self.config
        predict = self.bind(self.state, self.frozen)
        batch_size = evaluate.local_batch(config.eval_batch_size)
        # Sheets show test pairs only where no others are held out: eyes tune on them, too.
        shown = self.sets.test if self.sets.validation is None else self.sets.validation
        sheet = evaluate.sample_sheet(
            predict, shown, num_samples=config.num_samples, batch_size=batch_size
        )
        if sheet is not None:
            self.writer.samples(step, sheet)
        if self.sets.validation is None:
            return
        metrics = evaluate.evaluate(
            predict, self.sets.validation, batch_size=batch_size, protocol=config.protocol
        )
        self.writer.scalars(step, {f"validation/{k}": v for k, v in metrics.items()})
        logging.info("step %d  validation  %s", step, _line(metrics))
        if config.best_metric:
            score = metrics[config.best_metric]
            if score > self.best:
                self.best = score
                # The newest first, so that the best is never ahead of what a resume starts from;
                # it says that it is the best, so that a resume makes up for one that was not saved.
                self._save(step, is_best=True)
                self.checkpoints.latest.wait_until_finished()
                self._save_to(self.checkpoints.best, step, is_best=True)

    def _save(self, step: int, *, is_best: bool = False) -> None:
        self.checkpoints.best.wait_until_finished()  # of an earlier step, see `_state`
        self._save_to(self.checkpoints.latest, step, is_best=is_best)

    def _save_to(
        self, manager: checkpoint.ocp.CheckpointManager, step: int, *, is_best: bool
    ) -> None:
        host = self._host()
        bad = [name for name, leaf in trees.flatten(host).items() if not np.isfinite(leaf).all()]
        if bad:
            raise NonFiniteError(
                f"step {step}: {bad[0]} and {len(bad) - 1} more arrays are not finite after the "
                f"update; not saved. {NonFiniteError.ADVICE}"
            )
        meta = {
            "config": checkpoint.to_json(self.config),
            "step": step,
            "position": self.position,
            "frozen": sorted(self.frozen),
            "devices": f"{jax.device_count()} x {jax.devices()[0].device_kind}",
            "score": self.best if math.isfinite(self.best) else None,  # of the best until now
            "is_best": is_best,
        }
        checkpoint.save(manager, step, host, meta)

    def _host(self) -> state.TrainState:
        return parallel.unreplicate(self.state)

    def _final_evaluation(self) -> None:
        """Scores the checkpoint that the validation pairs chose on the test pairs."""
        data = self.config.data
        result = evaluate.evaluate_workdir(
            self.workdir, data_dir=data.data_dir, manual_dir=data.manual_dir
        )
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
        batch, keys = augment.apply(batch, keys, data)
        train_state, scalars = method.train_step(train_state, frozen, batch, keys)
        return train_state, state.device_mean(scalars)

    return step


def _started(fresh: state.TrainState, start_from: str) -> state.TrainState:
    """The state whose players that a workdir trained, too, begin with what it learned there.

    Its averaged parameters, where it keeps them; optimizers begin anew.  Of several workdirs, with
    commas between them, the mean.  Raises ValueError if one trained a player of another name or
    shape, or not the players of the first.
    """
    if start_from.endswith(".safetensors"):
        return _with_weights(fresh, start_from)
    learned = {workdir: _learned(fresh, workdir) for workdir in start_from.split(",")}
    first, *others = learned.values()
    for workdir, players in learned.items():
        if players.keys() != first.keys():
            raise ValueError(
                f"start_from: {workdir} trained {sorted(players)}, the first {sorted(first)}"
            )
    mean = jax.tree.map(lambda *arrays: np.mean(arrays, axis=0), first, *others)
    players = {}
    for role, (params, stats) in mean.items():
        ema = params if fresh[role].ema_rate else {}
        players[role] = fresh[role].replace(params=params, stats=stats, ema=ema)
    return fresh.put(**players)


def _learned(fresh: state.TrainState, workdir: str) -> dict[str, tuple[types.PyTree, types.PyTree]]:
    """(parameters, statistics) that the best checkpoint of a workdir has of each player."""
    try:
        arrays, meta = checkpoint.read(workdir)
    except FileNotFoundError as error:
        raise FileNotFoundError(f"start_from: {error}") from None
    source = f"start_from: {workdir} (step {meta['step']})"
    players = {}
    for role in sorted({name.split("/")[1] for name in arrays if name.startswith("players/")}):
        if role not in fresh.players:
            raise ValueError(f"{source}: no player {role!r} here, only {sorted(fresh.players)}")
        player = fresh[role]
        # Critics keep no average beside players that do.
        learned = _of(arrays, role, "ema") or _of(arrays, role, "params")
        params = _filled(player.params, learned, source=f"{source}, {role}")
        stats = _filled(player.stats, _of(arrays, role, "stats"), source=f"{source}, {role}")
        players[role] = (params, stats)
    logging.info("%s: %s start from there", source, ", ".join(players))
    return players


def _of(arrays: checkpoint.Arrays, role: str, kind: str) -> checkpoint.Arrays:
    """What a checkpoint holds of a player's params, stats or ema."""
    prefix = f"players/{role}/{kind}/"
    return {k.removeprefix(prefix): v for k, v in arrays.items() if k.startswith(prefix)}


def _filled(like: types.PyTree, arrays: checkpoint.Arrays, *, source: str) -> types.PyTree:
    """`checkpoint.fill`, but of what begins at zero, and so changes nothing, some may lack."""
    drawn = trees.flatten(like)
    new = {name: x for name, x in drawn.items() if name not in arrays and not np.any(x)}
    return checkpoint.fill(like, {**arrays, **new}, source=source)


def _with_weights(fresh: state.TrainState, path: str) -> state.TrainState:
    """The state whose only player begins with converted weights; what they lack stays as drawn.

    Raises ValueError if there are more players, or for weights that the player has no place for.
    """
    net, tree = files.read(path)
    source = f"start_from: {path} ({net})"
    if len(fresh.players) != 1:
        raise ValueError(f"{source}: starts one player, here are {sorted(fresh.players)}")
    ((role, player),) = fresh.players.items()
    variables = files.variables(tree)
    if surplus := variables.keys() - {"params", *player.stats}:
        raise ValueError(f"{source}: {role!r} has no {sorted(surplus)}")

    def part(kind: str, like: types.PyTree) -> types.PyTree:
        drawn, given = trees.flatten(like), trees.flatten(variables.get(kind, {}))
        kept = sorted(drawn.keys() - given.keys())
        logging.info("%s: %s of %r start from there, but %s", source, kind, role, kept)
        return checkpoint.fill(like, {**drawn, **given}, source=f"{source}, {role}")

    params = part("params", player.params)
    stats = {kind: part(kind, like) for kind, like in player.stats.items()}
    ema = params if player.ema_rate else {}
    return fresh.put(**{role: player.replace(params=params, stats=stats, ema=ema)})


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
                f"step {step}: {', '.join(bad)} not finite ({_line(values)}). "
                f"{NonFiniteError.ADVICE}"
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

    @contextlib.contextmanager
    def paused(self) -> Iterator[None]:
        """A context whose time does not count as training time."""
        began = time.perf_counter()
        yield
        self.time += time.perf_counter() - began


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
        "accumulate_steps",
    )
    for name in positive:
        if config[name] < 1:
            raise ValueError(f"{name}: {config[name]}, must be at least 1")
    devices = jax.device_count()
    if config.batch_size % devices:
        raise ValueError(
            f"batch_size: {config.batch_size} of method {config.method!r} does not divide over "
            f"{devices} devices; admitted are multiples of {devices}"
        )
    if config.batch_size // devices % config.accumulate_steps:
        raise ValueError(
            f"accumulate_steps: {config.accumulate_steps} parts of the "
            f"{config.batch_size // devices} pairs of each device; must divide them"
        )
    optim = config.optim
    for name, admitted, fits in (
        ("learning_rate", "more than 0", optim.learning_rate > 0),
        ("decay_from", "0 to 1", 0 <= optim.get("decay_from", 0) <= 1),
        ("ema_rate", "0 to less than 1", 0 <= optim.ema_rate < 1),
    ):
        if not fits:
            raise ValueError(f"optim.{name}: {optim[name]}; admitted is {admitted}")
    augment.check(config.data)
    if config.best_metric and not config.data.validation:
        raise ValueError(
            f"best_metric: {config.best_metric!r} needs data.validation; set both or neither"
        )


def _plain_batches(canvases: pipeline.Canvases) -> Iterator[types.Batch]:
    """The training pairs one by one, as floats, for `Method.freeze`.

    In an order drawn once for all: the first few stand for all, lists being sorted by set and sex.
    """
    for i in np.random.default_rng(0).permutation(len(canvases)):
        arrays = {**canvases.images, "identity": canvases.identity}
        yield augment.scale({name: jnp.asarray(array[i : i + 1]) for name, array in arrays.items()})


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


def _changes(config: ConfigDict) -> str:
    """A line per field that differs from its default; a nested experiment's likewise."""
    default = dict(_flat(checkpoint.to_json(base.get_config())))
    lines = [
        f"  {name} = {value!r}"
        for name, value in _flat(checkpoint.to_json(config))
        if default.get(name.rpartition("config.")[2], _MISSING) != value
    ]
    return "\n".join(lines)


def _check_choice(before: ConfigDict, now: ConfigDict, workdir: epath.Path) -> None:
    """Raises ValueError where a resumed run would choose its best by other scores than before."""
    if not before.best_metric:
        return
    fields = [dict(_flat(checkpoint.to_json(config))) for config in (before, now)]
    for name in ("best_metric", "protocol", "data.validation"):
        one, other = (values.get(name) for values in fields)
        if one != other:
            raise ValueError(
                f"{name}: {other!r}, but the best checkpoint of {workdir} was chosen by {one!r}; "
                f"keep that, or go on in another workdir with --config.start_from={workdir}"
            )


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
