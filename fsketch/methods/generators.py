"""STAND-IN with the interface of the generators proper, until they are merged: procedural only."""

import json

import jax
import jax.numpy as jnp
from flax import struct

from fsketch import embedders, types
from fsketch.data import procedural

NETS = {}
FACE_PX = 112


class Procedural(struct.PyTreeNode):
    """The faces of data/procedural.py; a latent is an identity and a view."""

    variables: types.PyTree
    size_px: int = struct.field(pytree_node=False)
    spec: str = struct.field(pytree_node=False)
    domains: tuple[str, ...] = struct.field(pytree_node=False, default=())

    def latents(self, keys: types.Key) -> jax.Array:
        """Identities and views, standard normal."""
        width = procedural.IDENTITY_DIM + procedural.VIEW_DIM
        return jax.vmap(lambda key: jax.random.normal(key, (width,)))(keys)

    def face(
        self, latents: jax.Array, keys: types.Key | None = None, *, size_px: int = FACE_PX
    ) -> jax.Array:
        """What a recogniser sees."""
        del keys
        left, top, right, _ = embedders.face_box()
        scale = size_px / (right - left)
        x, y, width, height = (round(n * scale) for n in (left, top, 200, 250))

        def one(latent: jax.Array) -> jax.Array:
            person, view = jnp.split(latent, [procedural.IDENTITY_DIM])
            return procedural.render_photo(person, view, height_px=height, width_px=width)

        return jax.vmap(one)(latents)[:, y : y + size_px, x : x + size_px]


def build(spec: str, variables: types.PyTree) -> Procedural:
    """The generator of a specification with these variables."""
    return Procedural(variables, json.loads(spec)["size_px"], spec)


def load(path: str, *, size_px: int = 256) -> Procedural:
    """The generator at `path`; "" for the procedural one."""
    return build(json.dumps({"net": "procedural", "size_px": size_px, "path": path}), {})


Generator = Procedural
