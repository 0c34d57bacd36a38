"""Our published results: each file is one configuration, trained by one command.

    fsketch train --config=configs/experiments/cuhk_kd.py --workdir=runs/cuhk \\
        --config.data.manual_dir=DIR

trains the stages of `config.stages` in the order of `config.order`, each in WORKDIR/STAGE, and
prints a table of their test scores (fsketch/experiment.py).  A stage's `start_from` may name
earlier stages.  The same command resumes and skips finished stages, so experiments with the same
first stages may share a workdir.

Fields of the experiment itself apply to all stages, see SHARED.  Set a field of one stage by
--config.stages.STAGE.FIELD=VALUE.
"""

from collections.abc import Iterable, Mapping
from typing import Any

from ml_collections import ConfigDict, FieldReference

# Field of an experiment -> the fields it sets in its stages, if they have them.
SHARED = {
    "data.manual_dir": ("data.manual_dir",),
    "data.data_dir": ("data.data_dir",),
    "portraits.manual_dir": ("portraits.manual_dir",),
    "portraits.networks": ("portraits.networks",),
    "unlabelled.folder": ("unlabelled.folder",),
    "generator.path": ("generator.path",),
    "embedder.path": ("embedder.path",),
    "teacher.path": (
        "teacher.path",
        "teacher_photo.path",
        "teacher_sketch.path",
        "perceptual.path",
        "portraits.network.teacher.path",
    ),
}
# The teacher of our rows, made by `fsketch convert squeezenet_v1.0 FILE squeezenet.safetensors`.
SQUEEZENET = "squeezenet.safetensors"


def stage(config: ConfigDict, changes: Mapping[str, Any], *, start_from: str = "") -> ConfigDict:
    """`config` with changed fields, e.g. {"optim.learning_rate": 7e-4}."""
    for field, value in changes.items():
        section, name = _place(config, field)
        section[name] = value
    if start_from:
        config.start_from = start_from  # stages, A,B,C; unlabelled.teacher may be one, too
    return config


def experiment(stages: Mapping[str, ConfigDict], *, teacher: str = SQUEEZENET) -> ConfigDict:
    """The configuration of these stages, in this order; teacher: the path for all stages."""
    config = ConfigDict()
    config.order = tuple(stages)  # of the stages, since a ConfigDict has no order
    config.stages = ConfigDict()
    for name, value in stages.items():
        config.stages[name] = value
    for field, theirs in SHARED.items():
        places = [place for one in stages.values() for place in _places(one, theirs)]
        if not places:
            continue
        section, name = places[0]
        reference = FieldReference(teacher if field == "teacher.path" else section[name])
        for section, name in places:
            section[name] = reference
        section, _, name = field.partition(".")
        if section not in config:
            config[section] = ConfigDict()
        config[section][name] = reference
    return config.lock()


def _places(config: ConfigDict, fields: Iterable[str]) -> list[tuple[ConfigDict, str]]:
    """(section, name) of each of the fields that `config` has."""
    found = []
    for field in fields:
        try:
            found.append(_place(config, field))
        except KeyError:
            continue
    return found


def _place(config: ConfigDict, field: str) -> tuple[ConfigDict, str]:
    """(section, name) of a field; KeyError if `config` does not have it."""
    *sections, name = field.split(".")
    for section in sections:
        config = config[section]
    if name not in config:
        raise KeyError(field)
    return config, name
