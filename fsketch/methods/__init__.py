"""Methods: each a module with a function from a configuration to an `interface.Method`."""

from typing import Any

from ml_collections import ConfigDict

from fsketch.frozen import registry
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

# The only dict keyed by a method's name.
METHODS: dict[str, interface.Entry] = {
    "teacher": interface.Entry(teacher.method, exports=teacher.exports),
    "kt": interface.Entry(kt.method, kt.needs),
    "kd": interface.Entry(kd.method, kd.needs),
    "kd_plus": interface.Entry(kd.method_plus, kd.needs),
    "pix2pix": interface.Entry(pix2pix.method),
    "cyclegan": interface.Entry(cyclegan.method),
    "style": interface.Entry(style.method, style.needs),
    "ifrp": interface.Entry(ifrp.method, ifrp.needs),
    "ide": interface.Entry(ide.method, ide.needs),
    "embedder": interface.Entry(embedder.method, embedder.needs, embedder.exports),
    "synthdistill": interface.Entry(synthdistill.method, synthdistill.needs, synthdistill.exports),
}


def _entry(config: ConfigDict) -> interface.Entry:
    if config.method not in METHODS:
        raise ValueError(f"method: expected one of {sorted(METHODS)}, got {config.method!r}")
    return METHODS[config.method]


def create(config: ConfigDict) -> interface.Method:
    """The method that `config.method` names."""
    return _entry(config).create(config)


def needs(config: ConfigDict) -> registry.Needs:
    """The frozen nets that a run of this configuration needs, by role."""
    return _entry(config).needs(config)


def exports(config: ConfigDict) -> dict[str, dict[str, Any]]:
    """What other runs can load from this one, by form, as plain data; see `sources.Export`."""
    return {form: export._asdict() for form, export in _entry(config).exports(config).items()}
