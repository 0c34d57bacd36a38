"""Face generators as frozen nets: latents -> images, all on the device.

STAND-IN until the generators proper are merged: procedural faces only.
"""

import functools
import json

import jax
import jax.numpy as jnp
from flax import linen as nn
from ml_collections import ConfigDict

from fsketch import embedders, state, types
from fsketch.data import procedural


class Procedural(nn.Module):
    """The renderer of data/procedural.py, cut to the recognition crop."""

    side_px: int

    def latents(self, person: types.Key, view: types.Key) -> jax.Array:
        """Key[B], Key[B] -> float32[B, L]: who, then in which view."""
        identity = jax.vmap(procedural.sample_identity)(person)
        return jnp.concatenate([identity, jax.vmap(procedural.sample_view)(view)], -1)

    def images(self, latents: jax.Array, keys: types.Key) -> jax.Array:
        """float32[B, L] -> faces float32[B, S, S, 3] in [-1, 1]."""
        del keys
        left, top, right, _ = embedders.face_box()
        width = round(200 * self.side_px / (right - left))
        height = round(250 * self.side_px / (right - left))
        render = functools.partial(procedural.render_photo, height_px=height, width_px=width)
        split = procedural.IDENTITY_DIM
        photo = jax.vmap(render)(latents[:, :split], latents[:, split:])
        x, y = round(left * width / 200), round(top * height / 250)
        return photo[:, y : y + self.side_px, x : x + self.side_px]


def load(config: ConfigDict, *, side_px: int) -> state.Frozen:
    """The generator that `config.generator` names, of recognition crops of this side."""
    if config.name != "procedural":
        raise ValueError(f"generator.name: {config.name!r}; admitted are ['procedural']")
    spec = {"kind": "generator", "net": "procedural", "arguments": {"side_px": side_px}}
    return build(json.dumps({**spec, "path": config.path}), {})


def build(spec: str, variables: types.PyTree) -> state.Frozen:
    """The frozen generator of a specification with these variables."""
    return state.Frozen(variables, Procedural(**json.loads(spec)["arguments"]), lambda x: x, spec)


def latents(generator: state.Frozen, person: types.Key, view: types.Key) -> jax.Array:
    """Latents float32[B, L] for keys of persons and of views, Key[B] each."""
    return generator.net.apply(generator.variables, person, view, method="latents")


def images(generator: state.Frozen, latents: jax.Array, keys: types.Key) -> jax.Array:
    """Recognition crops float32[B, S, S, 3] in [-1, 1] of latents float32[B, L]."""
    return generator.net.apply(generator.variables, latents, keys, method="images")
