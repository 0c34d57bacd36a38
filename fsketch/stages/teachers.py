"""Default frozen nets, where a configuration names none: trained once, beside the workdir."""

from etils import epath
from ml_collections import ConfigDict

from fsketch import train
from fsketch.configs import base
from fsketch.core import checkpoint, progress
from fsketch.frozen import pretrained
from fsketch.methods import students
from fsketch.stages import folders


def default_teachers(config: ConfigDict, workdir: epath.Path) -> ConfigDict:
    """Trains the default teacher of each role beside the workdir, unless one is given or there.

    The folder's name holds a hash of the teacher's configuration, so another configuration
    never finds this one's teacher, and two roles of one configuration share it.  A workdir that
    was started keeps its teachers.  Without a term that needs a teacher there is none.
    """
    if not students.need_teachers(config.loss_weights):
        return config
    return trained_teachers(config, workdir)


def trained_teachers(config: ConfigDict, workdir: epath.Path) -> ConfigDict:
    """As `default_teachers`, for methods that always need theirs."""
    roles = [role for role in base.FROZEN if role in config and not config[role].path]
    if not roles:
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


def default_face(config: ConfigDict, workdir: epath.Path) -> ConfigDict:
    """As `default_teachers`, for the face recogniser of an identity term."""
    return trained_teachers(config, workdir) if config.loss_weights.identity else config


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
    with folders.turn(path):
        if checkpoint.last_step(path) == nested.num_steps:
            progress.say(f"no {role} given: the default one in {path} is used")
        else:
            progress.say(f"no {role} given: training the default one in {path}, once")
            train.train(nested, path)
            progress.say("the default teacher is trained; now the run itself")
    return path


def teacher_folder(config: ConfigDict, workdir: epath.Path) -> epath.Path:
    """Where the default teacher of this configuration of its own lies: beside the workdir."""
    return folders.hashed(config, epath.Path(workdir).absolute().parent, "teacher")
