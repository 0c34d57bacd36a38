"""Recognition by nearest neighbour in an embedding space."""

import jax
import jax.numpy as jnp


def rank1(probe: jax.Array, gallery: jax.Array, identity: jax.Array) -> jax.Array:
    """Share of probes whose nearest gallery entry, itself aside, is of the same identity.

    probe, gallery: float[N, D], row i of both from the same picture, which is why entry i is
    left out of probe i's search; identity: int[N], each at least twice.  Cosine distance.
    The result lies in [0, 1].
    """
    probe, gallery = (x / jnp.linalg.norm(x, axis=-1, keepdims=True) for x in (probe, gallery))
    similarity = probe @ gallery.T  # N x N
    similarity = jnp.where(jnp.eye(len(probe), dtype=bool), -jnp.inf, similarity)
    nearest = similarity.argmax(-1)
    return (identity[nearest] == identity).mean()
