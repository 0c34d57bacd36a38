"""A run from its workdir alone: configuration, method, state, frozen nets, predictions."""

import importlib
import importlib.util
from typing import NamedTuple

import jax
from etils import epath
from ml_collections import ConfigDict

from fsketch import methods, prediction
from fsketch.configs import base
from fsketch.core import checkpoint, parallel, state
from fsketch.frozen import pretrained
from fsketch.methods import interface


class Restored(NamedTuple):
    """What a workdir's checkpoint holds, on the host."""

    method: interface.Method
    config: ConfigDict
    state: state.TrainState
    frozen: interface.Frozens
    step: int


def run(workdir: str | epath.Path, *, kind: str) -> Restored:
    """All that predictions need, from the workdir alone; `kind` is "best" or "latest"."""
    built, config, arrays, meta = method(workdir, kind=kind)
    frozen = frozen_nets(workdir) if meta["frozen"] else {}
    key, crop = parallel.initial_key(config.seed), config.data.crop_px
    one = prediction.blank(crop, crop, prediction.channels(config))
    shapes = jax.eval_shape(built.init, key, frozen, one)
    host = fill_players(shapes, arrays, source=f"{workdir} (step {meta['step']})")
    return Restored(built, config, host, frozen, meta["step"])


def method(
    workdir: str | epath.Path, *, kind: str
) -> tuple[interface.Method, ConfigDict, checkpoint.Arrays, checkpoint.Meta]:
    """The method, configuration and arrays of a workdir's checkpoint."""
    arrays, meta = checkpoint.read(workdir, kind=kind)
    config = completed(checkpoint.from_json(meta["config"]))
    return methods.create(config), config, arrays, meta


def completed(config: ConfigDict) -> ConfigDict:
    """A stored configuration with the fields that were added later, at the method's defaults.

    A section `arguments` belongs to the net beside it, not to the method, and is left alone.
    """

    def fill(old: ConfigDict, default: ConfigDict) -> None:
        for name, value in default.items():
            if name not in old:
                old[name] = value
            elif isinstance(value, ConfigDict) and name != "arguments":
                fill(old[name], value)

    config = config.copy_and_resolve_references()
    with config.unlocked():
        fill(config, _defaults(config.method))
    return config.lock()


def _defaults(method: str) -> ConfigDict:
    """What configs/ says of a method, or of all where it has no file of that name."""
    name = f"fsketch.configs.{method}"
    known = importlib.util.find_spec(name)
    return importlib.import_module(name).get_config() if known else base.get_config()


def fill_players(
    like: state.TrainState, arrays: checkpoint.Arrays, *, source: str
) -> state.TrainState:
    """`checkpoint.fill` without the memory (image pools), which predictions do not need.

    Its images have the size that training sees, which data.part_px makes another than `like`'s.
    """
    kept = {name: array for name, array in arrays.items() if not name.startswith("memory/")}
    return checkpoint.fill(like.replace(memory={}), kept, source=source)


def frozen_nets(workdir: str | epath.Path) -> dict[str, state.Frozen]:
    """The frozen nets that a run keeps beside its checkpoints."""
    arrays, meta = checkpoint.read(workdir, kind="frozen")
    return pretrained.rebuild(meta["specs"], arrays)
