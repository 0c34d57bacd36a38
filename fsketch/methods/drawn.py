"""The faces of a data set "drawn": numbered persons, whom a generator draws in any view.

A person is the same in every run, so persons of another range of numbers are unseen.  The
procedural generator draws a person in different views; StyleGAN2 knows no persons and draws a
number always with the same latent.
"""

from collections.abc import Mapping

import jax
import jax.numpy as jnp

from fsketch.core import types
from fsketch.data.synthetic import procedural
from fsketch.frozen import generators

SEED = 2308  # of all persons, and of the views that are evaluated


def views(
    generator: generators.Generator, identity: jax.Array, keys: types.Key, *, side_px: int
) -> jax.Array:
    """A face of each person int32[B], in a view drawn with Key[B]: float32[B, S, S, 3]."""
    latents = generator.latents(_persons(identity))
    view_keys, noise_keys = split(keys, 2)
    if isinstance(generator, generators.Procedural):
        end = procedural.IDENTITY_DIM
        latents = jnp.concatenate([latents[:, :end], generator.latents(view_keys)[:, end:]], -1)
    return generator.face(latents, noise_keys, size_px=side_px)


def photos(
    frozen: Mapping[str, generators.Generator], batch: types.Batch, *, side_px: int
) -> jax.Array:
    """The photos of an evaluation batch; without photos, its faces, always in the same views."""
    if "photo" in batch:
        return batch["photo"]
    keys = jax.vmap(jax.random.fold_in)(_persons(batch["identity"]), batch["index"])
    return views(frozen["generator"], batch["identity"], keys, side_px=side_px)


def faces(batch: types.Batch, photo: jax.Array) -> types.Predictions:
    """The drawn faces as a prediction "face", for sheets; none if the batch has photos."""
    return {} if "photo" in batch else {"face": photo}


def split(keys: types.Key, count: int) -> list[types.Key]:
    """`count` keys of each of Key[B]."""
    parts = jax.vmap(lambda key: jax.random.split(key, count))(keys)
    return [parts[:, i] for i in range(count)]


def _persons(identity: jax.Array) -> types.Key:
    root = jax.random.key(SEED, impl="threefry2x32")
    return jax.vmap(jax.random.fold_in, (None, 0))(root, identity)
