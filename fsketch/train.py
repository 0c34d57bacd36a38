"""The only training loop: steps, keys, logs, the stop at a non-finite loss, evaluation, saves.

It knows the Method tuple and never names a method, a player or a loss.
"""

import contextlib
import functools
import math
from collections.abc import Callable, Iterator
from typing import NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from etils import epath
from ml_collections import ConfigDict

from fsketch import (
    evaluate,
    methods,
    prediction,
    restore,
    sample_sheets,
    train_check,
    training_log,
    warm_start,
)
from fsketch.core import (
    checkpoint,
    mapping,
    parallel,
    progress,
    state,
    stops,
    trees,
    types,
    writers,
)
from fsketch.data import augment, coarse, drawn, pipeline
from fsketch.frozen import registry
from fsketch.methods import interface


class Stopped(SystemExit):
    """A signal stopped the run after saving; the exit code is 0, or 130 after Ctrl-C."""


def train(config: ConfigDict, workdir: str | epath.Path) -> state.TrainState:
    """Trains to config.num_steps, from the newest checkpoint in `workdir` if there is one.

    Returns the final state, on the host.  SIGTERM or Ctrl-C saves and raises `Stopped`, at the next
    step, or at once during the compilation of the first step or an evaluation.
    """
    workdir = epath.Path(workdir)
    train_check.check(config)
    method = methods.create(config)
    data, coarse_source = config.data, coarse.source(config, workdir)

    load = functools.partial(
        evaluate.load_canvases,
        data,
        coarse_source=coarse_source,
        styles=prediction.styles(config),
    )

    keyed = augment.needs_person(data)
    train_set = load(data.train, canvas_px=data.canvas_px, keyed=keyed, drawn=drawn.pairs(config))
    validation_set = load(data.validation, canvas_px=data.crop_px) if data.validation else None
    test_set = load(data.test, canvas_px=data.crop_px)
    checkpoints = checkpoint.open_workdir(workdir, keep=config.keep_checkpoints)
    sets = _Sets(train_set, validation_set, test_set)
    try:
        training = _Training(config, workdir, method, sets, checkpoints)
        with contextlib.closing(training.writer):
            return training.to_the_end()
    finally:
        checkpoints.wait()
        checkpoints.close()


class _Sets(NamedTuple):
    """Pairs: train on the larger canvas, the others padded to the crop's size."""

    train: pipeline.AnyCanvases
    validation: pipeline.AnyCanvases | None
    test: pipeline.AnyCanvases


class _Training:
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
        sources = (evaluate.prepared_name(config.data), drawn.prepared_name(config))
        self.prepared = "+".join(filter(None, sources))
        self.checkpoints, self.sets = checkpoints, sets
        self.owes_evaluation = False  # a signal broke off that of the last step
        frozen = self._frozen(method)
        host, self.position, self.best = self._state(method, frozen)
        self.start = int(host.step)
        evaluate.check_metric(config, method, host, frozen, sets.validation)
        is_first = jax.process_index() == 0
        self.writer = writers.Writer(workdir, start=self.start, is_first=is_first)
        num_pairs = [len(canvases) if canvases else 0 for canvases in sets]
        training_log.report(config, host, frozen, num_pairs, sets.train.num_drawn)
        self.frozen = parallel.replicate(frozen)
        self.state = parallel.replicate(host)
        self.step_fn = parallel.pmap(one_device(method, config.data), donate=(0,))
        self.bind = prediction.predictor(method)

    def _frozen(self, method: interface.Method) -> interface.Frozens:
        """The frozen nets kept in the workdir, or made now and kept."""
        if self.checkpoints.frozen.all_steps():
            kept = restore.frozen_nets(self.workdir)
            registry.check(self.config, methods.needs(self.config), kept)
            return kept
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
        fresh = prediction.initial_state(
            method, frozen, self.config, self.sets.train, shapes_only=resumes
        )
        if not resumes:
            if self.config.start_from:
                fresh = warm_start.started(fresh, self.config.start_from)
            return fresh, 0, -math.inf
        arrays, meta = checkpoint.load(self.checkpoints.latest)
        source = f"the checkpoint of step {meta['step']} in {self.workdir}"
        before = checkpoint.from_json(meta["config"])
        training_log.check_choice(before, self.config, self.workdir)
        training_log.check_data(meta["prepared"], self.prepared, self.workdir)
        training_log.log_difference(before, self.config, source)
        self.owes_evaluation = meta.get("owes_evaluation", False)
        progress.say(f"resumed from {source}")
        restored = checkpoint.fill(fresh, arrays, source=source)
        best = checkpoint.best_score(self.checkpoints.best, last_step=meta["step"])
        if meta.get("is_best") and meta["score"] > best:
            # The run ended between the two saves of its best step.
            best = meta["score"]
            checkpoint.save(self.checkpoints.best, meta["step"], restored, meta)
        return restored, meta["position"], best

    def to_the_end(self) -> state.TrainState:
        config = self.config
        window = training_log.Window(config, start=self.start)
        pending: tuple[int, types.Scalars] | None = None
        if self.start >= config.num_steps:
            progress.say(
                f"nothing to train: the checkpoint is of step {self.start}, num_steps is "
                f"{config.num_steps}; set --config.num_steps to more to go on"
            )
        batches = self._batches()
        with contextlib.closing(batches), stops.StopSignal() as stop:
            if self.owes_evaluation and not self._evaluate(self.start, stop):
                raise self._stopped(stop, f"again in the evaluation of step {self.start}")
            self.owes_evaluation = False
            on_devices = parallel.on_devices(batches)
            for step in range(self.start + 1, config.num_steps + 1):
                parts = next(on_devices)
                if step == self.start + 1:
                    progress.say("compiling the training step")
                    try:
                        scalars = stop.wait_for(self._advance, step, parts)
                    except stops.Interrupted:
                        raise self._stopped(stop, f"before step {step}, nothing is lost") from None
                    window.compiled()
                else:
                    scalars = self._advance(step, parts)
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
                    if evaluate_now and not self._evaluate(step, stop):
                        stopping = self.owes_evaluation = True
                        if not log:
                            self.writer.scalars(step, window.flush(step))
                    if save or stopping:
                        self._save(step)
                if stopping:
                    raise self._stopped(stop, f"after step {step} and saved")
        self.checkpoints.wait()
        self._final_evaluation()
        return self._host()

    def _batches(self) -> Iterator[types.Batch]:
        config = self.config
        return pipeline.training_batches(
            self.sets.train,
            self.position,
            batch_size=config.batch_size,
            seed=config.seed,
            process=jax.process_index(),
            num_processes=jax.process_count(),
            num_workers=config.data.num_workers,
        )

    def _advance(self, step: int, parts: types.Batch) -> types.Scalars:
        config = self.config
        keys = parallel.step_keys(config.seed, step, global_batch=config.batch_size)
        self.state, scalars = self.step_fn(self.state, self.frozen, parts, keys)
        self.position += config.batch_size
        return scalars

    def _stopped(self, stop: stops.StopSignal, when: str) -> Stopped:
        self.checkpoints.wait()
        progress.say(f"stopped {when}; run again to resume")
        return Stopped(stop.exit_code)

    def _evaluate(self, step: int, stop: stops.StopSignal) -> bool:
        """Evaluates the state; whether it was done before a signal came."""
        try:
            self._evaluated(step, stop)
        except stops.Interrupted:
            return False
        return True

    def _evaluated(self, step: int, stop: stops.StopSignal) -> None:
        config = self.config
        predict = functools.partial(stop.wait_for, self.bind(self.state, self.frozen))
        batch_size = mapping.local_batch(config.eval_batch_size)
        # Sheets show test pairs only where no others are held out: eyes tune on them, too.
        shown = self.sets.test if self.sets.validation is None else self.sets.validation
        sheet = sample_sheets.sample_sheet(
            predict,
            shown,
            num_samples=config.num_samples,
            batch_size=batch_size,
            above=sample_sheets.style_row(config),
        )
        if sheet is not None:
            self.writer.samples(step, sheet)
        if self.sets.validation is None:
            return
        metrics = evaluate.evaluate(
            predict,
            self.sets.validation,
            batch_size=batch_size,
            protocol=config.protocol,
            border_px=config.validation_border_px if "validation_border_px" in config else 0,
        )
        self.writer.scalars_once(step, {f"validation/{k}": v for k, v in metrics.items()})
        progress.say(f"step {step}  validation  {training_log.line(metrics)}")
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
            raise training_log.NonFiniteError(
                f"step {step}: {bad[0]} and {len(bad) - 1} more arrays are not finite after the "
                f"update; not saved. {training_log.NonFiniteError.ADVICE}"
            )
        meta = {
            **restore.meta_data(
                self.config,
                step=step,
                position=self.position,
                frozen=self.frozen,
                prepared=self.prepared,
            ),
            "devices": f"{jax.device_count()} x {jax.devices()[0].device_kind}",
            "score": self.best if math.isfinite(self.best) else None,  # of the best until now
            "is_best": is_best,
            "owes_evaluation": self.owes_evaluation,
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
        self.writer.scalars_once(result["step"], values)
        progress.say(
            f"step {result['step']}  test ({result['num_images']} images, protocol "
            f"{result['protocol']})  {training_log.line(result['metrics'])}"
        )
        for style, scores in result["by_style"].items():
            progress.say(f"    {style}  {training_log.line(scores)}")


def one_device(method: interface.Method, data: ConfigDict) -> Callable:
    """Augmentation, the method's step and the mean of its scalars: what the loop pmaps."""

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


def _plain_batches(canvases: pipeline.AnyCanvases) -> Iterator[types.Batch]:
    """The training pairs one by one, as floats, for `Method.freeze`.

    In an order drawn once for all: the first few stand for all, lists being sorted by set and sex.
    """
    for i in np.random.default_rng(0).permutation(len(canvases)):
        batch = pipeline.for_method(canvases.batch(np.asarray([i])))
        yield augment.scale({name: jnp.asarray(array) for name, array in batch.items()})
