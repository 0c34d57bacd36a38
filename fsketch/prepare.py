"""Offline stages that must be done before a method trains.

A stage takes the configuration and the workdir and returns the configuration to train with.
`train` mode runs it first; `--mode=prepare` runs it alone.
"""

import hashlib
import json
from collections.abc import Callable

from absl import logging
from etils import epath
from ml_collections import ConfigDict

from fsketch import checkpoint, train


def default_teacher(config: ConfigDict, workdir: epath.Path) -> ConfigDict:
    """Trains the teacher of `teacher.config` beside the workdir, unless one is given or there.

    The folder's name holds a hash of the teacher's configuration, so another configuration
    never finds this one's teacher.
    """
    if config.teacher.path:
        return config
    path = teacher_folder(config, workdir)
    config = config.copy_and_resolve_references()
    with config.unlocked():
        config.teacher.path = str(path)
    if is_finished(path, config.teacher.config.num_steps):
        logging.info("no teacher given: the default teacher in %s is used", path)
    else:
        logging.info("no teacher given: training the default teacher in %s, once", path)
        train.train(config.teacher.config, path)
        if not is_finished(path, config.teacher.config.num_steps):
            raise SystemExit(0)  # stopped by a signal, saved; the next start goes on
        logging.info("the default teacher is trained; now the run itself")
    return config


def teacher_folder(config: ConfigDict, workdir: epath.Path) -> epath.Path:
    """Where the default teacher of this configuration lies: beside the workdir."""
    content = json.dumps(checkpoint.to_json(config.teacher.config), sort_keys=True)
    digest = hashlib.sha256(content.encode()).hexdigest()[:8]
    return epath.Path(workdir).absolute().parent / f"teacher-{digest}"


def is_finished(path: epath.Path, num_steps: int) -> bool:
    """Whether the run in `path` has a checkpoint of its last step."""
    try:
        _, meta = checkpoint.read(path, kind="latest")
    except FileNotFoundError:
        return False
    return meta["step"] >= num_steps


# method -> its stage; a method that is not named needs none.
PREPARE: dict[str, Callable[[ConfigDict, epath.Path], ConfigDict]] = {"kd": default_teacher}


def prepare(config: ConfigDict, workdir: str | epath.Path) -> ConfigDict:
    """Runs the stage of `config.method`, if it has one."""
    if config.method not in PREPARE:
        return config
    return PREPARE[config.method](config, epath.Path(workdir))
