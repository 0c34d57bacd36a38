"""Restores a run from its workdir alone: configuration, method, state, frozen nets."""

import contextlib
from collections.abc import Iterable, Iterator
from typing import NamedTuple

import jax
from etils import epath
from ml_collections import ConfigDict

from fsketch import methods, prediction
from fsketch.core import checkpoint, history, parallel, state
from fsketch.frozen import registry
from fsketch.methods import interface


class Restored(NamedTuple):
    """The content of a workdir's checkpoint, on the host."""

    method: interface.Method
    config: ConfigDict
    state: state.TrainState
    frozen: interface.Frozens
    step: int


def meta_data(
    config: ConfigDict,
    *,
    step: int,
    position: int = 0,
    frozen: Iterable[str] = (),
    prepared: str = "",
) -> checkpoint.Meta:
    """The meta data of a checkpoint: all that `run` and `frozen.sources` need.

    position: examples seen.  frozen: roles of the frozen nets that are kept beside it.  prepared:
    the data set by its content (`sources.prepared_name`), "" for one that nobody trained on.
    """
    return {
        "config": checkpoint.to_json(config),
        "exports": methods.exports(config),
        "step": step,
        "position": position,
        "frozen": sorted(frozen),
        "prepared": prepared,
    }


def run(workdir: str | epath.Path, *, kind: str) -> Restored:
    """Everything that predictions need, from the workdir alone; `kind` is "best" or "latest".

    Raises ValueError that names a missing field if the stored configuration lacks one.
    """
    arrays, meta = checkpoint.read(workdir, kind=kind)
    config = checkpoint.from_json(history.completed(meta["config"], meta["version"]))
    frozen = frozen_nets(workdir) if meta["frozen"] else {}
    with _lacking_fields_named(config, source=f"{workdir}: made by version {meta['version']}"):
        method = methods.create(config)
        key, one = parallel.initial_key(config.seed), prediction.blank(config)
        shapes = jax.eval_shape(method.init, key, frozen, one)
        jax.eval_shape(method.predict, shapes, frozen, one)
    # The memory (image pools) is left out: predictions do not need it, and with data.part_px its
    # images have the size of parts.
    kept = {name: array for name, array in arrays.items() if not name.startswith("memory/")}
    source = f"{workdir} (step {meta['step']})"
    host = checkpoint.fill(shapes.replace(memory={}), kept, source=source)
    return Restored(method, config, host, frozen, meta["step"])


@contextlib.contextmanager
def _lacking_fields_named(config: ConfigDict, *, source: str) -> Iterator[None]:
    try:
        yield
    except AttributeError as error:
        if not isinstance(error.obj, ConfigDict):
            raise
        name = _dotted(config, error.obj, error.name)
        raise ValueError(
            f"{source}: expected a configuration with the field {name!r}, got one without; use "
            "that version"
        ) from error


def _dotted(config: ConfigDict, section: ConfigDict, field: str) -> str:
    """The full name of a field of a section of the configuration."""
    if config is section:
        return field
    for name, value in config.items():
        if isinstance(value, ConfigDict) and (inner := _dotted(value, section, field)):
            return f"{name}.{inner}"
    return ""


def frozen_nets(workdir: str | epath.Path) -> dict[str, state.Frozen]:
    """The frozen nets that a run stores beside its checkpoints."""
    arrays, meta = checkpoint.read(workdir, kind="frozen")
    return registry.rebuild(meta["specs"], arrays)
