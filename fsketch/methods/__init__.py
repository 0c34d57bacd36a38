"""Methods: each a module with one function from a configuration to an `interface.Method`."""

from collections.abc import Callable

from ml_collections import ConfigDict

from fsketch.methods import (
    cyclegan,
    embedder,
    ide,
    ifrp,
    interface,
    kd,
    kt,
    pix2pix,
    style,
    synthdistill,
    teacher,
)

# The only place where a string becomes a method.
METHODS: dict[str, Callable[[ConfigDict], interface.Method]] = {
    "teacher": teacher.method,
    "kt": kt.method,
    "kd": kd.method,
    "kd_plus": kd.method_plus,
    "pix2pix": pix2pix.method,
    "cyclegan": cyclegan.method,
    "style": style.method,
    "ifrp": ifrp.method,
    "ide": ide.method,
    "embedder": embedder.method,
    "synthdistill": synthdistill.method,
}


def create(config: ConfigDict) -> interface.Method:
    """The method that `config.method` names."""
    if config.method not in METHODS:
        raise ValueError(f"method: {config.method!r}; admitted are {sorted(METHODS)}")
    return METHODS[config.method](config)
