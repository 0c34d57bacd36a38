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

from configs import base
from fsketch import checkpoint, train
from fsketch.methods import pretrained, students


def default_teachers(config: ConfigDict, workdir: epath.Path) -> ConfigDict:
    """Trains the default teacher of each role beside the workdir, unless one is given or there.

    The folder's name holds a hash of the teacher's configuration, so another configuration
    never finds this one's teacher, and two roles of one configuration share it.  A workdir that
    was started keeps its teachers.  Without a term that needs a teacher there is none.
    """
    roles = [role for role in base.TEACHERS if role in config and not config[role].path]
    if not roles or not students.need_teachers(config.loss_weights):
        return config
    config = config.copy_and_resolve_references()
    specs = checkpoint.frozen_specs(workdir)
    for role in roles:
        with config.unlocked():
            if role in specs:
                config[role].path = pretrained.source_of(specs[role])
                continue
            config[role].path = str(_trained_teacher(config, role, workdir))
    return config


def default_embedder(config: ConfigDict, workdir: epath.Path) -> ConfigDict:
    """As `default_teachers`, for the section `embedder`; a started workdir has its own."""
    if config.embedder.path:
        return config
    config = config.copy_and_resolve_references()
    specs = checkpoint.frozen_specs(workdir)
    with config.unlocked():
        if specs:
            config.embedder.path = pretrained.source_of(specs["teacher"])
        else:
            config.embedder.path = str(_trained_teacher(config, "embedder", workdir))
    return config


def _trained_teacher(config: ConfigDict, role: str, workdir: epath.Path) -> epath.Path:
    """The folder of the default net of section `role`, trained now if it is not there."""
    path = teacher_folder(config[role].config, workdir)
    nested = config[role].config
    nested.data.data_dir = nested.data.data_dir or config.data.data_dir
    with _turn(path):
        if checkpoint.last_step(path) == nested.num_steps:
            logging.info("no %s given: the default one in %s is used", role, path)
        else:
            logging.info("no %s given: training the default one in %s, once", role, path)
            train.train(nested, path)
            logging.info("the default teacher is trained; now the run itself")
    return path


def teacher_folder(config: ConfigDict, workdir: epath.Path) -> epath.Path:
    """Where the default teacher of this configuration of its own lies: beside the workdir."""
    content = json.dumps(checkpoint.to_json(config), sort_keys=True)
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
PREPARE: dict[str, Callable[[ConfigDict, epath.Path], ConfigDict]] = {
    "kt": default_teachers,
    "kd": default_teachers,
    "kd_plus": default_teachers,
    "synthdistill": default_embedder,
}


def prepare(config: ConfigDict, workdir: str | epath.Path) -> ConfigDict:
    """Runs the stage of `config.method`, if it has one."""
    if config.method not in PREPARE:
        return config
    return PREPARE[config.method](config, epath.Path(workdir))
