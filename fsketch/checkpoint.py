"""Checkpoints: Orbax, in a workdir, readable from the workdir alone.

    WORKDIR/checkpoints/latest/STEP   the newest few
    WORKDIR/checkpoints/best/STEP     the best by the validation metric, kept besides
    WORKDIR/checkpoints/frozen/0      frozen nets, written once at the start of a run

Each holds `arrays`, a flat dict of numpy arrays without the replica axis, which restores on any
number of devices, and `meta`, JSON: configuration, step, examples seen, metrics, versions.
Orbax writes to a temporary folder and renames it, so a kill never damages a finished one.
"""

import json
from collections.abc import Mapping
from typing import Any, NamedTuple

import numpy as np
import orbax.checkpoint as ocp
from etils import epath
from flax import traverse_util
from ml_collections import ConfigDict

from fsketch import trees, types

VERSION = 1
KINDS = ("latest", "best", "frozen")

Arrays = dict[str, np.ndarray]
Meta = dict[str, Any]


class Checkpoints(NamedTuple):
    """The three places of a workdir."""

    latest: ocp.CheckpointManager
    best: ocp.CheckpointManager
    frozen: ocp.CheckpointManager

    def wait(self) -> None:
        """Returns when everything saved so far is on disk."""
        for manager in self:
            manager.wait_until_finished()

    def close(self) -> None:
        for manager in self:
            manager.close()


def open_workdir(workdir: str | epath.Path, *, keep: int) -> Checkpoints:
    """Opens, and creates where needed, the checkpoints of a workdir; keeps `keep` latest."""
    root = epath.Path(workdir).absolute() / "checkpoints"
    managers = {}
    for kind in KINDS:
        options = ocp.CheckpointManagerOptions(
            max_to_keep=keep if kind == "latest" else 1, create=True
        )
        managers[kind] = ocp.CheckpointManager(root / kind, options=options)
    return Checkpoints(**managers)


def save(
    manager: ocp.CheckpointManager, step: int, tree: types.PyTree, meta: Mapping[str, Any]
) -> None:
    """Starts to save a tree of host arrays; returns before it is on disk.

    All processes call it.  A step that is already there is left as it is.
    """
    if step in manager.all_steps():
        return
    nested = traverse_util.unflatten_dict(trees.flatten(tree), sep="/")
    manager.save(
        step,
        args=ocp.args.Composite(
            arrays=ocp.args.StandardSave(nested),
            meta=ocp.args.JsonSave({**meta, "version": VERSION}),
        ),
    )


def load(manager: ocp.CheckpointManager, *, step: int | None = None) -> tuple[Arrays, Meta]:
    """The arrays by flat name and the meta data of a step (default: the newest).

    Raises FileNotFoundError if there is no such step.
    """
    steps = sorted(manager.all_steps())
    step = steps[-1] if step is None and steps else step
    if step not in steps:
        raise FileNotFoundError(
            f"{manager.directory}: no checkpoint of step {step}, there are {steps}"
        )
    item = manager.restore(
        step,
        args=ocp.args.Composite(arrays=ocp.args.StandardRestore(), meta=ocp.args.JsonRestore()),
    )
    if item.meta["version"] != VERSION:
        raise ValueError(
            f"{manager.directory}/{step}: format {item.meta['version']}, {VERSION} is read"
        )
    arrays = traverse_util.flatten_dict(item.arrays, sep="/")
    return {name: np.asarray(array) for name, array in arrays.items()}, item.meta


def read(
    workdir: str | epath.Path, *, kind: str = "best", step: int | None = None
) -> tuple[Arrays, Meta]:
    """The arrays and meta data of a workdir.

    `best` falls back to `latest` where validation chose none.
    """
    root = epath.Path(workdir).absolute() / "checkpoints"
    kinds = ("best", "latest") if kind == "best" else (kind,)
    for name in kinds:
        if not (root / name).is_dir():
            continue
        with ocp.CheckpointManager(root / name) as manager:
            if manager.all_steps():
                return load(manager, step=step)
    raise FileNotFoundError(f"{workdir}: no checkpoint ({' or '.join(kinds)}) there")


def fill(like: types.PyTree, arrays: Mapping[str, np.ndarray], *, source: str) -> types.PyTree:
    """The tree `like` with the arrays of a checkpoint.

    Raises ValueError that lists every array in which the two differ.
    """
    try:
        return trees.unflatten(like, arrays)
    except ValueError as error:
        raise ValueError(
            f"{source} does not fit this configuration (another architecture?):\n{error}"
        ) from None


def to_json(config: ConfigDict) -> dict[str, Any]:
    """A configuration as plain JSON data."""
    return json.loads(config.to_json_best_effort())


def from_json(data: Mapping[str, Any]) -> ConfigDict:
    """The configuration that `to_json` wrote; lists come back as tuples."""

    def convert(value: Any) -> Any:
        if isinstance(value, Mapping):
            return ConfigDict({name: convert(v) for name, v in value.items()})
        return tuple(value) if isinstance(value, list) else value

    return convert(data).lock()
