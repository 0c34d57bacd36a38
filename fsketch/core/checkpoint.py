"""Checkpoints: Orbax, in a workdir, readable from the workdir alone.

    WORKDIR/checkpoints/latest/STEP   the newest few
    WORKDIR/checkpoints/best/STEP     the best by the validation metric, kept besides
    WORKDIR/checkpoints/frozen/0      frozen nets, written once at the start of a run

Each holds `arrays`, a flat dict of numpy arrays without the replica axis, which restores on any
number of devices, and `meta`, JSON: the package's version, the configuration, the step and what
else the run says of itself (restore.meta_data).
Orbax writes to a temporary folder and renames it, so a kill never damages a finished one.  `meta`
has a checksum of each array and of itself (core/checksums.py): what a disk changed is found out.

    WORKDIR/checkpoints/damaged/KIND-STEP   what `set_aside` took out of the way, never deleted
"""

import functools
import json
import math
from collections.abc import Mapping
from typing import Any, NamedTuple

import jax
import numpy as np
import orbax.checkpoint as ocp
from etils import epath
from flax import traverse_util
from jax.experimental import multihost_utils
from ml_collections import ConfigDict

import fsketch
from fsketch.core import checksums, errors, history, names, trees, types

FIRST_VERSION = "0.2.0"  # whose workdirs are read
KINDS = ("latest", "best", "frozen")
_CHECKSUMS = "checksums"  # key of meta data: {"arrays": {name: ...}, "meta": of all else}
# What helps where one of a kind is damaged and no older one is whole.
_ADVICE = {
    "latest": "none before it is whole; begin again in another workdir",
    "best": "`fsketch evaluate --checkpoint=latest` scores the newest; `fsketch train "
    "--checkpoint=previous` goes on and chooses anew",
    "frozen": "`fsketch train --checkpoint=previous` makes the nets again from where they came",
}
NOTHING = "nothing"  # stands for a tree without arrays (nets without weights), which Orbax refuses

Arrays = dict[str, np.ndarray]
Meta = dict[str, Any]


class DamagedError(ValueError):
    """The files of a checkpoint are not what was saved."""


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
    if manager.latest_step() is not None and step < manager.latest_step():
        raise ValueError(f"{manager.directory}: step {step} is older than what is saved there")
    flat = trees.flatten(tree) or {NOTHING: np.zeros(1)}
    nested = traverse_util.unflatten_dict(flat, sep="/")
    meta = {**meta, "version": fsketch.__version__}
    sums = {"arrays": checksums.of_arrays(flat)}
    sums["meta"] = checksums.of_json([meta, sums["arrays"]])
    manager.save(
        step,
        args=ocp.args.Composite(
            arrays=ocp.args.StandardSave(nested),
            meta=ocp.args.JsonSave({**meta, _CHECKSUMS: sums}),
        ),
    )


def load(manager: ocp.CheckpointManager) -> tuple[Arrays, Meta]:
    """The arrays by flat name and the meta data of the newest step.

    ValueError: another format, or parts of names, or roles of frozen nets, that are no plain names.
    DamagedError: other bytes than were saved; it says which step before is whole.
    """
    step = manager.latest_step()
    try:
        return _load(manager, step)
    except DamagedError as error:
        kind = manager.directory.name
        whole = next(filter(functools.partial(_is_whole, manager), _older(manager, step)), None)
        advice = _ADVICE[kind]
        if whole is not None:
            advice = f"the one before it, of step {whole}, is whole: add --checkpoint=previous"
        raise DamagedError(f"{error}; {advice}") from error


def _load(manager: ocp.CheckpointManager, step: int) -> tuple[Arrays, Meta]:
    """`load` of a step."""
    meta, sums = _meta(manager, step)
    item = _restored(manager, step, arrays=ocp.args.StandardRestore())
    flat = traverse_util.flatten_dict(item.arrays, sep="/")
    arrays = {name: np.asarray(array) for name, array in flat.items()}
    if sums and (changed := checksums.changed(arrays, sums["arrays"])):
        raise _damaged(manager, step, f"other numbers in {_some(changed)}")
    for part in {part for name in arrays for part in name.split("/")}.union(meta.get("specs", ())):
        names.check(part, f"{manager.directory}/{step}: a name of an array")
    arrays.pop(NOTHING, None)
    return arrays, meta


def _restored(manager: ocp.CheckpointManager, step: int, **parts: Any) -> Any:
    try:
        return manager.restore(step, args=ocp.args.Composite(**parts))
    except Exception as error:  # each layer below raises its own
        reason = str(error).strip().partition("\n")[0][:200] or type(error).__name__
        raise _damaged(manager, step, f"unreadable files ({reason})") from error


def _damaged(manager: ocp.CheckpointManager, step: int, got: str) -> DamagedError:
    where = f"{manager.directory}/{step}"
    return DamagedError(errors.told(where, got=got, expected="the checkpoint that was saved"))


def _some(changed: list[str]) -> str:
    rest = len(changed) - 1
    return changed[0] + (f" and {rest} more arrays" if rest else "")


def _older(manager: ocp.CheckpointManager, step: int) -> list[int]:
    """The steps before one, the newest first."""
    return sorted((other for other in manager.all_steps() if other < step), reverse=True)


def _is_whole(manager: ocp.CheckpointManager, step: int) -> bool:
    try:
        _load(manager, step)
    except DamagedError:
        return False
    return True


def set_aside(workdir: str | epath.Path) -> list[str]:
    """Moves damaged checkpoints to checkpoints/damaged; what was moved, as "latest/8".

    The newest ones are looked at until one is whole, so that a run goes on from there.
    """
    root, moved = epath.Path(workdir).absolute() / "checkpoints", []
    for kind in KINDS:
        if not (root / kind).is_dir():
            continue
        with ocp.CheckpointManager(root / kind) as manager:
            steps = sorted(manager.all_steps(), reverse=True)
            whole = next((step for step in steps if _is_whole(manager, step)), None)
        damaged = steps if whole is None else steps[: steps.index(whole)]
        moved += [f"{kind}/{step}" for step in damaged]
    _together("damaged checkpoints were found")
    if moved and jax.process_index() == 0:
        (root / "damaged").mkdir(exist_ok=True)
        for name in moved:
            (root / name).rename(root / "damaged" / name.replace("/", "-"))
    _together("damaged checkpoints were moved")
    return moved


def _together(what: str) -> None:
    if jax.process_count() > 1:
        multihost_utils.sync_global_devices(what)


def best_score(manager: ocp.CheckpointManager, *, last_step: int) -> float:
    """The score of the best checkpoint; -inf without one.

    One from after `last_step` belongs to steps that are about to be taken again: it is deleted.
    """
    for step in manager.all_steps():
        if step > last_step:
            manager.delete(step)
    if not manager.all_steps():
        return -math.inf
    return meta_of(manager, max(manager.all_steps()))["score"]


def meta_of(manager: ocp.CheckpointManager, step: int) -> Meta:
    """The meta data of a step, without its arrays."""
    return _meta(manager, step)[0]


def _meta(manager: ocp.CheckpointManager, step: int) -> tuple[Meta, dict[str, Any]]:
    """(meta data, checksums) of a step; no checksums of one that was saved without."""
    meta = _restored(manager, step, meta=ocp.args.JsonRestore()).meta
    sums = meta.pop(_CHECKSUMS, {})
    # Under another name they are there as well, and that is a flipped bit.
    stray = any(isinstance(value, dict) and "arrays" in value for value in meta.values())
    if stray or (sums and checksums.of_json([meta, sums["arrays"]]) != sums["meta"]):
        raise _damaged(manager, step, "other meta data")
    _check_version(manager, meta)
    return meta, sums


def _check_version(manager: ocp.CheckpointManager, meta: Meta) -> None:
    version = meta["version"]  # of the oldest, a number
    if not isinstance(version, str) or history.before(version, FIRST_VERSION):
        raise ValueError(
            f"{manager.directory.parent.parent}: made by a version before {FIRST_VERSION}, "
            f"expected {FIRST_VERSION} or later; train again, or use that version"
        )


def frozen_specs(workdir: str | epath.Path) -> dict[str, str]:
    """Specifications of the frozen nets that a workdir keeps, by role; {} for a new one."""
    root = epath.Path(workdir).absolute() / "checkpoints" / "frozen"
    if not root.is_dir():
        return {}
    with ocp.CheckpointManager(root) as manager:
        specs = meta_of(manager, 0)["specs"] if manager.all_steps() else {}
    for role in specs:
        names.check(role, f"{root}: a role")
    return specs


def last_step(workdir: str | epath.Path) -> int | None:
    """The newest step saved in a workdir; None without one."""
    root = epath.Path(workdir).absolute() / "checkpoints" / "latest"
    if not root.is_dir():
        return None
    with ocp.CheckpointManager(root) as manager:
        return manager.latest_step()


def read(workdir: str | epath.Path, *, kind: str = "best") -> tuple[Arrays, Meta]:
    """The arrays and meta data of a workdir.

    kind: one of KINDS, or "previous", the newest whole one before the newest of `latest`.  `best`
    falls back to `latest` where validation chose none.
    """
    root = epath.Path(workdir).absolute() / "checkpoints"
    kinds = {"best": ("best", "latest"), "previous": ("latest",)}.get(kind, (kind,))
    for name in kinds:
        if not (root / name).is_dir():
            continue
        with ocp.CheckpointManager(root / name) as manager:
            if manager.all_steps() and kind != "previous":
                return load(manager)
            for step in _older(manager, manager.latest_step() or 0):
                if _is_whole(manager, step):
                    return _load(manager, step)
    raise FileNotFoundError(f"{workdir}: no checkpoint ({' or '.join(kinds)}) there")


def of_player(arrays: Mapping[str, np.ndarray], role: str) -> Arrays:
    """The variables of a player's net, "params/..." and its statistics, by flat name.

    The parameters are the averaged ones, which validation chose, where the player keeps them.
    """
    own = below(arrays, f"players/{role}/")
    params = below(own, "ema/") or below(own, "params/")
    return {f"params/{name}": x for name, x in params.items()} | below(own, "stats/")


def below(arrays: Mapping[str, np.ndarray], prefix: str) -> Arrays:
    """The arrays whose flat names begin with `prefix`, without it."""
    return {n.removeprefix(prefix): x for n, x in arrays.items() if n.startswith(prefix)}


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
