"""Default frozen nets for a configuration that names none: trained once, beside the workdir."""

from etils import epath
from ml_collections import ConfigDict

from fsketch import methods, train
from fsketch.core import checkpoint, progress
from fsketch.frozen import registry
from fsketch.stages import folders


def trained(config: ConfigDict, workdir: epath.Path) -> ConfigDict:
    """The configuration with a path for each frozen net that its method needs.

    A net without a path is trained by the configuration in its section, unless it already exists
    (`folder`).  A workdir that was started keeps its own nets and gets no paths.
    """
    sections = registry.to_train(config, methods.needs(config))
    if not sections or checkpoint.frozen_specs(workdir):
        return config
    config = config.copy_and_resolve_references()
    for section in sections:
        nested = config[section].config
        path = folder(nested, workdir)
        nested.data.data_dir = nested.data.data_dir or config.data.data_dir
        with folders.turn(path):
            if checkpoint.last_step(path) == nested.num_steps:
                progress.say(f"no {section}.path: using the default net in {path}")
            else:
                progress.say(f"no {section}.path: training the default net in {path}, once")
                train.train(nested, path)
                progress.say("the default net is trained; now the run itself")
        config[section].path = str(path)
    return config


def folder(config: ConfigDict, workdir: epath.Path) -> epath.Path:
    """The folder of the default net that this configuration trains, beside the workdir.

    Its name contains a hash of the configuration, so other configurations never use it, and
    sections with the same configuration share it.
    """
    return folders.hashed(config, epath.Path(workdir).absolute().parent, "teacher")
