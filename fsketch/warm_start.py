"""Initialises players from another run or from converted weights."""

from collections.abc import Callable

import jax
import numpy as np
from absl import logging

from fsketch.convert import files
from fsketch.core import checkpoint, progress, state, trees, types

Read = Callable[[str], tuple[checkpoint.Arrays, checkpoint.Meta]]
Learned = dict[str, tuple[types.PyTree, types.PyTree]]  # (parameters, statistics) by player


def started(fresh: state.TrainState, start_from: str) -> state.TrainState:
    """The state with players initialised from the players of the same name in a workdir.

    Takes averaged parameters if the run keeps them; optimizers start fresh.  Several workdirs,
    separated by commas, give the mean.  Raises ValueError if a workdir has a player of another name
    or shape, or not the players of the first workdir.
    """
    if start_from.endswith(".safetensors"):
        return _with_weights(fresh, start_from)
    learned = _all_learned(fresh, start_from, checkpoint.read)
    for workdir, players in learned.items():
        progress.say(f"start_from: {workdir}: {', '.join(players)} start from there")
    first, *others = learned.values()
    mean = jax.tree.map(lambda *arrays: np.mean(arrays, axis=0), first, *others)
    players = {}
    for role, (params, stats) in mean.items():
        ema = params if fresh[role].ema_rate else {}
        players[role] = fresh[role].replace(params=params, stats=stats, ema=ema)
    return fresh.put(**players)


def check(fresh: state.TrainState, start_from: str, *, read: Read) -> None:
    """Raises the errors of `started`; read: the arrays and meta data of a workdir."""
    if start_from.endswith(".safetensors"):
        _with_weights(fresh, start_from)
    else:
        _all_learned(fresh, start_from, read)


def _all_learned(fresh: state.TrainState, start_from: str, read: Read) -> dict[str, Learned]:
    """The players of each workdir; ValueError unless all have the same ones."""
    learned = {workdir: _learned(fresh, workdir, read) for workdir in start_from.split(",")}
    first = next(iter(learned.values()))
    for workdir, players in learned.items():
        if players.keys() != first.keys():
            raise ValueError(
                f"start_from: {workdir}: expected the players of the first run, {sorted(first)}, "
                f"got {sorted(players)}"
            )
    return learned


def _learned(fresh: state.TrainState, workdir: str, read: Read) -> Learned:
    """Parameters and statistics of each player in the best checkpoint of a workdir."""
    try:
        arrays, meta = read(workdir)
    except FileNotFoundError as error:
        raise FileNotFoundError(f"start_from: {error}") from None
    source = f"start_from: {workdir} (step {meta['step']})"
    players = {}
    for role in sorted({name.split("/")[1] for name in arrays if name.startswith("players/")}):
        if role not in fresh.players:
            raise ValueError(
                f"{source}: expected players among {sorted(fresh.players)}, got {role!r}"
            )
        player = fresh[role]
        # Critics have no averaged parameters.
        own = checkpoint.below(arrays, f"players/{role}/")
        learned = checkpoint.below(own, "ema/") or checkpoint.below(own, "params/")
        kept = checkpoint.below(own, "stats/")
        params = _filled(player.params, learned, source=f"{source}, {role}")
        stats = _filled(player.stats, kept, source=f"{source}, {role}")
        players[role] = (params, stats)
    return players


def _filled(like: types.PyTree, arrays: checkpoint.Arrays, *, source: str) -> types.PyTree:
    """`checkpoint.fill`, but arrays that start at zero, and so change nothing, may be missing."""
    drawn = trees.flatten(like)
    new = {name: x for name, x in drawn.items() if name not in arrays and not np.any(x)}
    return checkpoint.fill(like, {**arrays, **new}, source=source)


def _with_weights(fresh: state.TrainState, path: str) -> state.TrainState:
    """The state whose only player starts from converted weights; missing ones stay random.

    Raises ValueError if there are more players, or for weights without a place in the player.
    """
    net, tree = files.read(path)
    source = f"start_from: {path} ({net})"
    if len(fresh.players) != 1:
        raise ValueError(f"{source}: expected a single player, got {sorted(fresh.players)}")
    ((role, player),) = fresh.players.items()
    variables = files.variables(tree)
    if surplus := variables.keys() - {"params", *player.stats}:
        raise ValueError(
            f"{source}: expected kinds of variables of {role!r}, got {sorted(surplus)}"
        )

    def part(kind: str, like: types.PyTree) -> types.PyTree:
        drawn, given = trees.flatten(like), trees.flatten(variables.get(kind, {}))
        kept = sorted(drawn.keys() - given.keys())
        logging.info("%s: %s of %r start from there, except %s", source, kind, role, kept)
        return checkpoint.fill(like, {**drawn, **given}, source=f"{source}, {role}")

    params = part("params", player.params)
    stats = {kind: part(kind, like) for kind, like in player.stats.items()}
    ema = params if player.ema_rate else {}
    return fresh.put(**{role: player.replace(params=params, stats=stats, ema=ema)})
