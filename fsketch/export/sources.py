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
    source = of(restored, flags.direction, name=os.path.basename(os.path.abspath(flags.workdir)))
    return source._replace(about={**source.about, "terms": flags.terms}) if flags.terms else source


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
    net, params = _alone(player.net, player.params)
    player = player.replace(net=net, opt_state=(), ema={}, ema_rate=0.0)

    def translate(variables: types.PyTree, image: jax.Array) -> jax.Array:
        stats = dict(variables)
        now = player.replace(params=stats.pop("params"), stats=stats)
        # Zeros in place of what the other direction takes, lest a program carry its weights.
        others = jax.tree.map(lambda leaf: jnp.zeros(leaf.shape, leaf.dtype), restored.state)
        batch = {source: image, target: jnp.zeros((*image.shape[:-1], depths[target]))}
        return restored.method.predict(others.put(**{role: now}), {}, batch)[target]

    variables = jax.tree.map(np.asarray, {"params": params, **player.stats})
    data = restored.config.data
    fill = pipeline.fills(data)[f"fill_{source}"]
    about = {
        "fsketch": fsketch.__version__,
        "direction": direction,
        "run": name,
        "method": restored.config.method,
        "step": str(restored.step),
        "weights": trees.digest(variables),
        "data": data.name,
        "terms": f"those of its training data, {data.name}",
        "frame": f"an image as those of {data.name}, in the middle of the canvas",
        "canvas": f"{crop}x{crop}",
        "fill": "the image, mirrored" if fill is None else str(fill),
    }
    channels = depths[source], depths[target]
    return Source(restored, direction, net, variables, translate, channels, about)


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


def _alone(net: nn.Module, params: types.PyTree) -> tuple[nn.Module, types.PyTree]:
    """The net and its parameters, without layers for teachers; it computes in their type."""
    if isinstance(net, students.Student):
        net = net.clone(translator=net.translator.clone(dtype=None), shapes={})
        return net, {"translator": params["translator"]}
    return net.clone(dtype=None), params


def of_images(*, is_uint8: bool) -> dict[str, str]:
    """What a file says of its images."""
    return {"layout": "NHWC", "range": "0 to 255" if is_uint8 else "-1 to 1"}


def in_half(source: Source) -> Source:
    """The source with kernels rounded to 16 bits; scales, biases and statistics keep theirs."""
    params = jax.tree.map(
        lambda leaf: leaf.astype(np.float16).astype(np.float32) if leaf.ndim > 1 else leaf,
        source.variables["params"],
    )
    about = {**source.about, "kernels": "rounded to 16 bits"}
    return source._replace(variables={**source.variables, "params": params}, about=about)
