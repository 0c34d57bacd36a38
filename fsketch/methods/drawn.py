"""Faces drawn by a generator: of a data set "drawn", persons by number, or of latents.

A person of the data set is the same in every run, so those of another range of numbers were never
seen.  A generator that does not tell persons from views (StyleGAN2) shows each person in one.
"""

from collections.abc import Mapping

import jax

from fsketch import state, types
from fsketch.methods import generators

SEED = 2308  # of all persons, and of the views that are evaluated


def latents(generator: state.Frozen, person: types.Key, view: types.Key) -> jax.Array:
    """Latents w float32[B, L] for keys of persons and of views, Key[B] each."""
    return generators.latents(generator, person, view)


def faces(generator: state.Frozen, w: jax.Array, keys: types.Key) -> jax.Array:
    """Recognition crops float32[B, S, S, 3] in [-1, 1] of latents; keys Key[B], for noise."""
    return generators.images(generator, w, keys)


def views(generator: state.Frozen, identity: jax.Array, keys: types.Key) -> jax.Array:
    """A face of each person int32[B], in a view drawn with Key[B]: float32[B, S, S, 3]."""
    view, noise = split(keys, 2)
    return faces(generator, latents(generator, _persons(identity), view), noise)


def photos(frozen: Mapping[str, state.Frozen], batch: types.Batch) -> jax.Array:
    """The photos of an evaluation batch; where it has none its faces, always in the same views."""
    if "photo" in batch:
        return batch["photo"]
    keys = jax.vmap(jax.random.fold_in)(_persons(batch["identity"]), batch["index"])
    return views(frozen["generator"], batch["identity"], keys)


def split(keys: types.Key, count: int) -> list[types.Key]:
    """`count` keys of each of Key[B]."""
    parts = jax.vmap(lambda key: jax.random.split(key, count))(keys)
    return [parts[:, i] for i in range(count)]


def _persons(identity: jax.Array) -> types.Key:
    root = jax.random.key(SEED, impl="threefry2x32")
    return jax.vmap(jax.random.fold_in, (None, 0))(root, identity)
