"""Recognition by search in an embedding space.

Every score is a share of probes found within the first k gallery entries, in [0, 1].  Ties are
pessimistic: a wrong entry as near as the right one ranks before it, and so does one at distance
NaN; so an embedder that maps all faces to one point, or to NaN, finds nobody.  A probe
whose person is not in the gallery is never found.

Distances are cosine: Euclidean ones of embeddings of length 1, which have the same order.
"""

import jax
import jax.numpy as jnp


def nearest_other(embedding: jax.Array) -> jax.Array:
    """The place of the nearest other row of float[N, D] int[N]; N >= 2."""
    distances = _distances(embedding, embedding)
    return jnp.where(jnp.eye(len(embedding), dtype=bool), jnp.inf, distances).argmin(1)


def rank1(probe: jax.Array, gallery: jax.Array, identity: jax.Array) -> jax.Array:
    """Share of probes whose nearest gallery entry, other than itself, is of the same identity.

    probe, gallery: float[N, D], row i of both from the same picture, which is why entry i is
    left out of probe i's search; identity: int[N], each at least twice.
    """
    others = ~jnp.eye(len(probe), dtype=bool)
    distances = jnp.where(others, _distances(probe, gallery), jnp.inf)
    same = _same(identity, identity) & others
    return (_ranks(distances, same) == 1).mean()


def rank_k(
    probe: jax.Array,
    gallery: jax.Array,
    probe_identity: jax.Array,
    gallery_identity: jax.Array,
    *,
    k: int,
) -> jax.Array:
    """Share of probes with an entry of the same identity among the k nearest.

    probe float[N, D], gallery float[M, D], identities int[N] and int[M].  ValueError: k is not
    within 1 ... M, or shapes do not fit.
    """
    if not 1 <= k <= len(gallery):
        raise ValueError(f"k: expected 1 to {len(gallery)} (the gallery), got {k}")
    same = _same(probe_identity, gallery_identity)
    return (_ranks(_distances(probe, gallery), same) <= k).mean()


def frr(recovered: jax.Array, faces: jax.Array, identity: jax.Array, *, k: int = 5) -> jax.Array:
    """Face retrieval ratio: each recovered face searches for its person's real face.

    recovered: float[S, N, D], embeddings of the faces recovered from S styles; faces: float[N, D]
    of the real faces, the gallery; identity: int[N].  The rate within the first k,
    averaged over styles.  IFRP, arXiv 1904.04241, reports it [paper]; the definition
    and k = 5 are [inferred].
    """
    _check_styles(recovered, at_least=1)
    rates = [rank_k(style, faces, identity, identity, k=k) for style in recovered]
    return jnp.stack(rates).mean()


def fcr(recovered: jax.Array, identity: jax.Array, *, k: int = 5) -> jax.Array:
    """Face consistency ratio: the same person recovered from different styles looks alike.

    The faces recovered from one style search for their person among those of all other styles,
    (S - 1) N entries; the rate within the first k, averaged over styles.
    Shapes as for `frr`, S >= 2, else ValueError.  Definition [inferred], as for `frr`; that the
    other styles form one gallery is part of the inference.
    """
    _check_styles(recovered, at_least=2)
    num_styles = len(recovered)
    rates = []
    for s in range(num_styles):
        gallery = jnp.concatenate([recovered[other] for other in range(num_styles) if other != s])
        everyone = jnp.tile(identity, num_styles - 1)
        rates.append(rank_k(recovered[s], gallery, identity, everyone, k=k))
    return jnp.stack(rates).mean()


def _distances(probe: jax.Array, gallery: jax.Array) -> jax.Array:
    """Squared distances float[N, M], by differences: equal rows give equal numbers and 0."""
    probe, gallery = jnp.asarray(probe), jnp.asarray(gallery)
    if probe.ndim != 2 or gallery.ndim != 2 or probe.shape[1] != gallery.shape[1]:
        raise ValueError(f"expected [N, D] and [M, D], got {probe.shape} and {gallery.shape}")
    return _squared(*(x / jnp.linalg.norm(x, axis=1, keepdims=True) for x in (probe, gallery)))


@jax.jit
def _squared(probe: jax.Array, gallery: jax.Array) -> jax.Array:
    return jax.lax.map(lambda row: jnp.square(gallery - row).sum(1), probe)


def _same(probe_identity: jax.Array, gallery_identity: jax.Array) -> jax.Array:
    return jnp.asarray(probe_identity)[:, None] == jnp.asarray(gallery_identity)


def _ranks(distances: jax.Array, same: jax.Array) -> jax.Array:
    """Rank of each probe's nearest true entry, from 1; M + 1 where there is none."""
    if distances.shape != same.shape:
        raise ValueError(f"identities: expected {distances.shape}, as distances, got {same.shape}")
    nearest = jnp.where(same, distances, jnp.inf).min(1, keepdims=True)
    before = ~same & ~(distances > nearest)  # negated, so that NaN ranks before
    return jnp.where(jnp.isfinite(nearest[:, 0]), 1 + before.sum(1), 1 + same.shape[1])


def _check_styles(recovered: jax.Array, *, at_least: int) -> None:
    if recovered.ndim != 3 or len(recovered) < at_least:
        raise ValueError(
            f"recovered: expected [S, N, D] of at least {at_least} styles, got {recovered.shape}"
        )
