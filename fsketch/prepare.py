"""Offline stages that must be done before a method trains.

A stage takes the configuration and the workdir and returns the configuration to train with.
`train` mode runs it first; `--mode=prepare` runs it alone.
"""

import contextlib
import fcntl
import hashlib
import json
from collections.abc import Callable, Iterator

import jax
from absl import logging
from etils import epath
from ml_collections import ConfigDict

from fsketch import checkpoint, train
from fsketch.methods import pretrained


def default_teacher(config: ConfigDict, workdir: epath.Path) -> ConfigDict:
    """Trains the teacher of `teacher.config` beside the workdir, unless one is given or there.

    The folder's name holds a hash of the teacher's configuration, so another configuration
    never finds this one's teacher.  A workdir that was started keeps its teacher.
    """
    if config.teacher.path:
        return config
    config = config.copy_and_resolve_references()
    specs = checkpoint.frozen_specs(workdir)
    with config.unlocked():
        if specs:
            config.teacher.path = pretrained.source_of(specs["teacher"])
            return config
        path = teacher_folder(config, workdir)
        config.teacher.path = str(path)
        nested = config.teacher.config
        nested.data.data_dir = nested.data.data_dir or config.data.data_dir
    with _turn(path):
        if checkpoint.last_step(path) == nested.num_steps:
            logging.info("no teacher given: the default teacher in %s is used", path)
        else:
            logging.info("no teacher given: training the default teacher in %s, once", path)
            train.train(nested, path)
            logging.info("the default teacher is trained; now the run itself")
    return config


def teacher_folder(config: ConfigDict, workdir: epath.Path) -> epath.Path:
    """Where the default teacher of this configuration lies: beside the workdir."""
    content = json.dumps(checkpoint.to_json(config.teacher.config), sort_keys=True)
    digest = hashlib.sha256(content.encode()).hexdigest()[:8]
    return epath.Path(workdir).absolute().parent / f"teacher-{digest}"


@contextlib.contextmanager
def _turn(path: epath.Path) -> Iterator[None]:
    """One run at a time makes what lies in `path`; another run waits for it.

    The processes of one run work on it together, so only the first of them takes the turn.
    """
    if jax.process_index():
        yield
        return
    path.parent.mkdir(parents=True, exist_ok=True)
    with (path.parent / f".{path.name}.lock").open("w") as file:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            logging.info("waiting for another run that makes %s", path)
            fcntl.flock(file, fcntl.LOCK_EX)
        yield


# method -> its stage; a method that is not named needs none.
PREPARE: dict[str, Callable[[ConfigDict, epath.Path], ConfigDict]] = {"kd": default_teacher}


def prepare(config: ConfigDict, workdir: str | epath.Path) -> ConfigDict:
    """Runs the stage of `config.method`, if it has one."""
    if config.method not in PREPARE:
        return config
    return PREPARE[config.method](config, epath.Path(workdir))
