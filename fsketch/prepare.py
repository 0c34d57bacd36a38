"""Offline stages (fsketch/stages) that run before a method trains.

A stage takes the configuration and the workdir and returns the configuration to train with.
`fsketch train` runs the stages first; `fsketch prepare` runs only them.
"""

from etils import epath
from ml_collections import ConfigDict

from fsketch import unlabelled
from fsketch.stages import coarse_images, default_nets, portraits


def prepare(config: ConfigDict, workdir: str | epath.Path) -> ConfigDict:
    """Makes the missing inputs of a run; returns the configuration to train with.

    These are the portraits of `config.portraits`, unless `config.data.manual_dir` names a folder of
    them; the coarse images of `config.patches`; the sketches of `config.unlabelled`; and the frozen
    nets that the method needs and for which no path is given.
    """
    workdir = epath.Path(workdir)
    if "portraits" in config and config.portraits.faces and not config.data.manual_dir:
        config = portraits.stylised_portraits(config, workdir)
    if "patches" in config:
        config = coarse_images.coarse_images(config, workdir)
    if "unlabelled" in config:
        config = unlabelled.draw(config, workdir)
    return default_nets.trained(config, workdir)
