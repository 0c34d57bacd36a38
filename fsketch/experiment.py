"""Experiments of several stages (configs/experiments), trained one after another.

Each stage is a whole configuration, trained in WORKDIR/STAGE.  Finished stages are skipped, an
interrupted one resumes.  A plain configuration is trained in WORKDIR itself.
"""

import functools
import json
import time
from collections.abc import Iterable, Iterator

import jax
import tabulate
from etils import epath
from ml_collections import ConfigDict

from fsketch import preflight
from fsketch import prepare as offline
from fsketch import train as loop
from fsketch.core import checkpoint, progress


def train(config: ConfigDict, workdir: str | epath.Path) -> None:
    """Trains a configuration, or the stages of an experiment, and prints their test scores."""
    workdir = epath.Path(workdir)
    if "stages" not in config:
        loop.train(offline.prepare(config, workdir), workdir)
        return
    for stage, folder in stages(config, workdir):
        if is_finished(folder, stage.num_steps):
            progress.say(f"stage {folder.name} is finished")
            continue
        progress.say(f"stage {folder.name} in {folder}")
        loop.train(offline.prepare(stage, folder), folder)
        jax.clear_caches()  # the next stage cannot use this stage's programs
    if jax.process_index() == 0:
        print(table(workdir, config.order))


def check(config: ConfigDict, workdir: str | epath.Path) -> None:
    """Raises what any stage that is not finished would raise before its first step.

    Takes seconds, and the preparation of the data sets; nothing is trained (preflight.py).
    """
    workdir, start = epath.Path(workdir), time.perf_counter()
    left = [
        (part, folder)
        for part, folder in parts(config, workdir)
        if "stages" not in config or not is_finished(folder, part.num_steps)
    ]
    preflight.check(left)
    plural = "s" * (len(left) > 1)
    seconds = progress.duration(time.perf_counter() - start)
    progress.say(f"checked {len(left)} configuration{plural} with data and nets in {seconds}")


def prepare(config: ConfigDict, workdir: str | epath.Path) -> None:
    """Runs the offline stages of a configuration, or of all stages of an experiment."""
    workdir = epath.Path(workdir)
    for part, folder in parts(config, workdir):
        offline.prepare(part, folder)


def parts(config: ConfigDict, workdir: epath.Path) -> Iterable[tuple[ConfigDict, epath.Path]]:
    """(configuration, workdir) of each stage, or of the single configuration."""
    return stages(config, workdir) if "stages" in config else [(config, workdir)]


def stages(config: ConfigDict, workdir: epath.Path) -> Iterator[tuple[ConfigDict, epath.Path]]:
    """(configuration, workdir) of each stage in order; names of stages in fields become paths."""
    if sorted(config.order) != sorted(config.stages):
        raise ValueError(
            f"order: expected the stages {', '.join(sorted(config.stages))}, got {config.order}"
        )
    for number, name in enumerate(config.order):
        stage = config.stages[name].copy_and_resolve_references()
        for field in ("start_from", "unlabelled.teacher"):
            *sections, last = field.split(".")
            place = functools.reduce(lambda part, key: part.get(key, {}), sections, stage)
            runs = [part for part in place.get(last, "").split(",") if part]
            for run in runs:
                if run in config.order[number:]:
                    raise ValueError(
                        f"stages.{name}.{field}: expected an earlier stage, got {run!r}"
                    )
            if runs:
                paths = (str(workdir / part) if part in config.order else part for part in runs)
                place[last] = ",".join(paths)
        yield stage, workdir / name


def is_finished(folder: epath.Path, num_steps: int) -> bool:
    """Whether the run in `folder` has reached its last step and is evaluated."""
    return (folder / "evaluation.json").exists() and checkpoint.last_step(folder) == num_steps


def table(workdir: epath.Path, names: tuple[str, ...]) -> str:
    """Test scores of the stages, a row each, with the scored step."""
    found = [json.loads((workdir / name / "evaluation.json").read_text()) for name in names]
    metrics = list(dict.fromkeys(metric for one in found for metric in one["metrics"]))
    rows = [
        [name, one["step"], *(one["metrics"].get(metric) for metric in metrics)]
        for name, one in zip(names, found, strict=True)
    ]
    return tabulate.tabulate(rows, ["stage", "step", *metrics], floatfmt=".3f", missingval="-")
