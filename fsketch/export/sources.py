"""What is exported: a translator of one direction, from a run or a model of the zoo."""

import argparse
import os
from collections.abc import Callable, Mapping
from typing import NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from flax import linen as nn
from flax import traverse_util

import fsketch
from fsketch import prediction, restore, translator
from fsketch.core import drawing_styles, errors, images, state, trees, types
from fsketch.data import pipeline
from fsketch.nets import students
from fsketch.zoo import cards, entries, nets


class Source(NamedTuple):
    """A translator.

    direction:  a key of images.DIRECTIONS.
    net:        its module, which computes in float32.
    variables:  the module's, on the host.
    translate:  (variables, float[n, h, w, C]) -> float[n, h, w, D], both in [-1, 1], as the run
                or the model predicts, in float32; pure.
    channels:   (C, D).
    canvas:     (height, width) on which the net has learnt.
    fill:       the colour of the canvas around an image; None: the image, mirrored.
    shares:     what beside the image says its style, of `drawing_styles.shares`.
    about:      what a file says of it.
    """

    direction: str
    net: nn.Module
    variables: types.PyTree
    translate: Callable[[types.PyTree, jax.Array], jax.Array]
    channels: tuple[int, int]
    canvas: tuple[int, int]
    fill: int | None
    shares: Mapping[str, np.ndarray]
    about: Mapping[str, str]


def find(flags: argparse.Namespace) -> Source:
    """The source that --model, or --workdir and --direction name.

    Raises UsageError where these flags do not fit.
    """
    if bool(flags.workdir) == bool(flags.model) or len(flags.model) > 1:
        raise errors.UsageError("--workdir, --model: expected one run or one model")
    if flags.model:
        source = of_card(cards.find(*flags.model, zoo=flags.zoo), style=flags.style)
        if flags.direction not in (None, source.direction):
            raise errors.UsageError(
                f"--direction: expected {source.direction} for {source.about['run']}, "
                f"got {flags.direction}"
            )
    elif flags.direction:
        name = os.path.basename(os.path.abspath(flags.workdir))
        restored = restore.run(flags.workdir, kind=flags.checkpoint)
        source = of(restored, flags.direction, name=name, style=flags.style)
    else:
        raise errors.UsageError(f"--direction: expected {' or '.join(images.DIRECTIONS)}, got none")
    return source._replace(about={**source.about, "terms": flags.terms or source.about["terms"]})


def of_card(card: cards.Card, *, style: str = "") -> Source:
    """A model of the zoo in one style, by default its first; ValueError as `zoo.nets.load`."""
    style = drawing_styles.chosen(style, card.styles, of=card.name)
    shares = drawing_styles.shares(style, card.styles)
    flat = {name: array.astype(np.float32) for name, array in nets.weights(card).items()}
    net, crop, fill = nets.module(card), card.config["crop_px"], card.config["fill"]

    def translate(variables: types.PyTree, image: jax.Array) -> jax.Array:
        return net.apply(variables, image, *shares.values(), train=False)[0]

    about = _about(card.direction, card.name, crop, fill, card.training_data, card.terms)
    return Source(
        card.direction, net.clone(dtype=None), traverse_util.unflatten_dict(flat, sep="/"),
        translate, tuple(card.config["channels"]), (crop, crop), fill, shares,
        {**about, **_in(style), "weights": card.sha256[:16]},
    )  # fmt: skip


def _about(
    direction: str, name: str, crop: int, fill: int | None, data: str, terms: str
) -> dict[str, str]:
    return {
        "fsketch": fsketch.__version__,
        "direction": direction,
        "run": name,
        "data": data,
        "terms": terms,
        "frame": "an image as those of the data, in the middle of the canvas",
        "canvas": f"{crop}x{crop}",
        "fill": "the image, mirrored" if fill is None else str(fill),
    }


def _in(style: str) -> dict[str, str]:
    return {"style": style} if style else {}


def of(restored: restore.Restored, direction: str, *, name: str, style: str = "") -> Source:
    """The translator of a restored run in one style, by default its first.

    name: what its file calls the run.  Raises UsageError for a direction that the run does not
    translate in, ValueError for a style that it does not have.
    """
    styles = prediction.styles(restored.config, direction=direction)
    style = drawing_styles.chosen(style, styles, of=f"{name}, {direction}")
    shares = drawing_styles.shares(style, styles)
    source, target = images.DIRECTIONS[direction]
    depths = prediction.channels(restored.config)
    crop = restored.config.data.crop_px
    offered = translator.directions(restored)
    if direction not in offered:
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
        blank = jnp.zeros((*image.shape[:-1], depths[target]))
        batch = {source: image, target: blank, **shares}
        return restored.method.predict(others.put(**{role: now}), {}, batch)[target]

    variables = jax.tree.map(np.asarray, {"params": params, **player.stats})
    data = restored.config.data
    fill = pipeline.fills(data)[f"fill_{source}"]
    _, terms = entries.DATA.get(data.name.partition("/")[0], ("", "those of its training data"))
    about = {
        **_about(direction, name, crop, fill, data.name, terms),
        **_in(style),
        "method": restored.config.method,
        "step": str(restored.step),
        "weights": trees.digest(variables),
    }
    channels = depths[source], depths[target]
    return Source(direction, net, variables, translate, channels, (crop, crop), fill, shares, about)


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
