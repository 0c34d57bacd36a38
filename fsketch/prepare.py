"""Offline stages (fsketch/stages) that must be done before a method trains.

A stage takes the configuration and the workdir and returns the configuration to train with.
`fsketch train` runs it first; `fsketch prepare` runs it alone.
"""

from collections.abc import Callable

from etils import epath
from ml_collections import ConfigDict

from fsketch.stages import coarse_images, portraits, teachers


def coarse_images_and_teacher(config: ConfigDict, workdir: epath.Path) -> ConfigDict:
    """The coarse images, and the net of a perceptual term."""
    config = coarse_images.coarse_images(config, workdir)
    return teachers.trained_teachers(config, workdir) if config.loss_weights.perceptual else config


# method -> its stage; a method that is not named needs none.
PREPARE: dict[str, Callable[[ConfigDict, epath.Path], ConfigDict]] = {
    "kt": teachers.default_teachers,
    "kd": teachers.default_teachers,
    "kd_plus": teachers.default_teachers,
    "style": teachers.trained_teachers,
    "ifrp": teachers.default_face,
    "ide": coarse_images_and_teacher,
    "synthdistill": teachers.default_embedder,
}


def prepare(config: ConfigDict, workdir: str | epath.Path) -> ConfigDict:
    """Runs the stage of `config.method`, if it has one.

    Before it, whatever the method, the portraits are made that `config.portraits` asks for, unless
    `config.data.manual_dir` names a folder of them.
    """
    workdir = epath.Path(workdir)
    if "portraits" in config and config.portraits.faces and not config.data.manual_dir:
        config = portraits.stylised_portraits(config, workdir)
    if config.method not in PREPARE:
        return config
    return PREPARE[config.method](config, workdir)
