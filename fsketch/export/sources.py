"""What is exported: one translator in one direction, from a run."""

import argparse
import os
from collections.abc import Callable, Mapping
from typing import NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from flax import linen as nn

import fsketch
from fsketch import prediction, restore
from fsketch.core import errors, state, trees, types
from fsketch.data import pipeline
from fsketch.nets import students
from fsketch.scoring import matching

DIRECTIONS = matching.DIRECTIONS


class Source(NamedTuple):
    """A translator.

    restored:   the run it is of.
    direction:  a key of DIRECTIONS.
    net:        its module, which computes in float32.
    variables:  the module's, on the host.
    translate:  (variables, float[n, h, w, C]) -> float[n, h, w, D], both in [-1, 1], as the run
                predicts, in float32; pure.
    channels:   (C, D).
    about:      what a file says of it.
    """

    restored: restore.Restored
    direction: str
    net: nn.Module
    variables: types.PyTree
    translate: Callable[[types.PyTree, jax.Array], jax.Array]
    channels: tuple[int, int]
    about: Mapping[str, str]

    @property
    def canvas(self) -> tuple[int, int]:
        """(height, width) of the run's canvas, on which its nets have learnt."""
        return (self.restored.config.data.crop_px,) * 2

    @property
    def fill(self) -> int | None:
        """The colour of the canvas around an image; None: the image, mirrored."""
        domain, _ = DIRECTIONS[self.direction]
        return pipeline.fills(self.restored.config.data)[f"fill_{domain}"]


def find(flags: argparse.Namespace) -> Source:
    """The source that --workdir and --direction name; UsageError where they do not fit."""
    restored = restore.run(flags.workdir, kind=flags.checkpoint)
    return of(restored, flags.direction, name=os.path.basename(os.path.abspath(flags.workdir)))


def of(restored: restore.Restored, direction: str, *, name: str) -> Source:
    """The translator of a restored run; name: what its file calls the run.

    Raises UsageError for a direction that the run does not translate in.
    """
    source, target = DIRECTIONS[direction]
    depths = prediction.channels(restored.config)
    crop = restored.config.data.crop_px
    blank = prediction.blank(crop, crop, depths)
    made = jax.eval_shape(restored.method.predict, restored.state, restored.frozen, blank)
    if target not in made:
        offered = [name for name, (_, kind) in DIRECTIONS.items() if kind in made]
        raise errors.UsageError(
            f"--direction: expected {' or '.join(offered) or 'a run that makes images'}, "
            f"got {direction} for a run of method {restored.config.method!r}"
        )
    role = _role(restored.state.players, target)
    player = restored.state[role].averaged()
    player = player.replace(net=_in_float32(player.net), ema_rate=0.0)

    def translate(variables: types.PyTree, image: jax.Array) -> jax.Array:
        stats = dict(variables)
        now = player.replace(params=stats.pop("params"), stats=stats)
        batch = {source: image, target: jnp.zeros((*image.shape[:-1], depths[target]))}
        train_state = restored.state.put(**{role: now})
        return restored.method.predict(train_state, restored.frozen, batch)[target]

    variables = jax.tree.map(np.asarray, {"params": player.params, **player.stats})
    about = {
        "fsketch": fsketch.__version__,
        "method": restored.config.method,
        "direction": direction,
        "run": name,
        "step": str(restored.step),
        "weights": trees.digest(variables),
        "data": restored.config.data.name,
    }
    channels = depths[source], depths[target]
    return Source(restored, direction, player.net, variables, translate, channels, about)


def _role(players: Mapping[str, state.Player], target: str) -> str:
    """The player that makes images of the target domain."""
    makers = (f"student_{target}", f"translator_{target}", "translator", "stylist", "remover")
    for role in makers:
        if role in players:
            return role
    raise errors.UsageError(
        f"--workdir: expected a run of one net, got one that also needs its first stage, a search "
        f"in training images (players: {', '.join(players)})"
    )


def _in_float32(net: nn.Module) -> nn.Module:
    """The module, computing in the type of its parameters."""
    if isinstance(net, students.Student):
        return net.clone(translator=_in_float32(net.translator))
    return net.clone(dtype=None)


def in_half(source: Source) -> Source:
    """The source with kernels rounded to 16 bits; scales, biases and statistics keep theirs."""
    params = jax.tree.map(
        lambda leaf: leaf.astype(np.float16).astype(np.float32) if leaf.ndim > 1 else leaf,
        source.variables["params"],
    )
    about = {**source.about, "kernels": "rounded to 16 bits"}
    return source._replace(variables={**source.variables, "params": params}, about=about)
