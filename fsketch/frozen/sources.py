"""Sources of frozen nets: the workdir of a run, or converted weights (*.safetensors).

The name of weights in an installed package ("sface", see convert/installed.py) stands for them
converted.

A run's checkpoints say what others can load from it, see `Export`; its method declares it.
"""

import os
from collections.abc import Mapping
from typing import Any, NamedTuple

from etils import epath
from flax import traverse_util

from fsketch.convert import files, installed, published
from fsketch.core import checkpoint, trees, types
from fsketch.frozen import architectures


class Export(NamedTuple):
    """A part of a player's net that other runs can load as a frozen net.

    player: its role.  fields: of a specification, `net` and `arguments` at least.  prefix: where
    the part is in the player's variables, "" or "name/".  unused: a name to leave out, or "".
    """

    player: str
    fields: Mapping[str, Any]
    prefix: str = ""
    unused: str = ""


class Untrained(NamedTuple):
    """A run that is not trained yet, in place of a path: arrays and meta data of its checkpoint."""

    arrays: checkpoint.Arrays
    meta: checkpoint.Meta


class Source(NamedTuple):
    """A net as it was read.

    fields: of a specification: net, arguments, path, step, digest of the variables, and what a
    run's `Export` adds.  variables: {"params": ...}, with "batch_stats" where the net has them.
    """

    fields: dict[str, Any]
    variables: dict[str, types.PyTree]


def read(path: str | Untrained, form: str) -> Source:
    """The net at `path`, of a form of `architectures`.

    Raises FileNotFoundError if nothing is there, ValueError if it is not such a net.
    """
    if isinstance(path, Untrained):
        fields, variables = _exported(*path, form, "a default net")
        return Source({**fields, "path": "", "digest": ""}, variables)
    place = located(path)
    if not path or not epath.Path(place).exists():
        raise FileNotFoundError(
            f"{path!r}: expected the workdir of a run or converted weights (*.safetensors), got "
            "no such file or folder"
        )
    if place.endswith(".safetensors"):
        fields, variables = _of_file(place, form)
    else:
        fields, variables = _exported(*checkpoint.read(place), form, place)
    digest = trees.digest(variables)
    return Source({"arguments": {}, "step": 0, **fields, "path": path, "digest": digest}, variables)


def located(path: str) -> str:
    """The place of a source on disk; FileNotFoundError for a name whose package is missing."""
    if path in installed.MEMBERS and not os.path.exists(path):
        return installed.path(path)
    return os.path.expanduser(path)


def _of_file(path: str, form: str) -> tuple[dict[str, Any], dict[str, types.PyTree]]:
    net, tree = files.read(path)
    expected = [name for name in architectures.names(form) if name in published.WEIGHTS]
    if net not in expected:
        raise ValueError(f"{path}: expected weights of one of {expected}, got those of {net!r}")
    try:
        published.check(net, tree)
    except ValueError as error:
        raise ValueError(f"{path}: {error}") from None
    return {"net": net}, files.variables(tree)


def _exported(
    arrays: checkpoint.Arrays, meta: checkpoint.Meta, form: str, path: str
) -> tuple[dict[str, Any], dict[str, types.PyTree]]:
    """What a run at `path` with this checkpoint has of that form."""
    if form not in meta["exports"]:
        raise ValueError(
            f"{path}: expected a run whose net is used as {form}, got one of method "
            f"{meta['config']['method']!r}"
        )
    export = Export(**meta["exports"][form])
    flat = {}
    for name, array in checkpoint.of_player(arrays, export.player).items():
        kind, _, inner = name.partition("/")
        part = inner.removeprefix(export.prefix)
        if inner.startswith(export.prefix) and part.split("/")[0] != export.unused:
            flat[f"{kind}/{part}"] = array
    return {**export.fields, "step": meta["step"]}, traverse_util.unflatten_dict(flat, sep="/")
