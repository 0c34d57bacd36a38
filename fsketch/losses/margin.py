"""Margin softmax: cross-entropy over persons, in which the right one must win by a margin.

With the angle t between an embedding and the direction of its person, s the scale and m the
margin, the logit of every other person is s cos(angle to it), that of the right one

    arcface   s cos(t + m)       additive angular margin: Deng et al., CVPR 2019, eq. 3
    cosface   s (cos t - m)      additive cosine margin: Wang et al., CVPR 2018, eq. 4

Both are cross-entropy of s cos t at m = 0.  The papers have s = 64, m = 0.5 and s = 64, m = 0.35.

cos(t + m) rises again where t + m > pi.  There ArcFace takes cos t - m sin m, which goes on falling
[code: insightface].  The easy margin, off by default in that code and absent here, adds m only
where cos t > 0 and takes cos t elsewhere.
"""

import math
from collections.abc import Callable

import jax
import jax.numpy as jnp
import optax

# (cosines float32[B, N], identity int32[B]; scale=, margin=) -> loss
MarginSoftmax = Callable[..., jax.Array]


def cosines(embedding: jax.Array, directions: jax.Array) -> jax.Array:
    """Cosines float32[B, N] of embeddings float[B, D] with directions float[N, D] of persons.

    A vector of zeros has cosine 0 with everything.
    """
    return _unit(embedding) @ _unit(directions).T


def arcface(cosines: jax.Array, identity: jax.Array, *, scale: float, margin: float) -> jax.Array:
    """The loss with an additive angular margin in radians, 0 <= margin < pi; mean over B."""
    if not 0 <= margin < math.pi:
        raise ValueError(f"margin: expected at least 0 and below pi radians, got {margin}")

    def pushed(cosine: jax.Array) -> jax.Array:
        # The sine has no slope at cosine +-1, and rounding may exceed it.
        square = 1 - jnp.square(cosine)
        sine = jnp.where(square > 0, jnp.sqrt(jnp.where(square > 0, square, 1)), 0)
        turned = cosine * math.cos(margin) - sine * math.sin(margin)  # cos(t + m)
        beyond = cosine - margin * math.sin(margin)
        return jnp.where(cosine > -math.cos(margin), turned, beyond)

    return _cross_entropy(cosines, identity, pushed, scale=scale)


def cosface(cosines: jax.Array, identity: jax.Array, *, scale: float, margin: float) -> jax.Array:
    """The loss with an additive cosine margin, 0 <= margin < 2; mean over B."""
    if not 0 <= margin < 2:
        raise ValueError(f"margin: expected at least 0 and below 2, got {margin}")
    return _cross_entropy(cosines, identity, lambda cosine: cosine - margin, scale=scale)


KINDS: dict[str, MarginSoftmax] = {"arcface": arcface, "cosface": cosface}


def of(kind: str) -> MarginSoftmax:
    """The loss that `config.margin.kind` names."""
    if kind not in KINDS:
        raise ValueError(f"margin.kind: expected one of {sorted(KINDS)}, got {kind!r}")
    return KINDS[kind]


def _cross_entropy(
    cosines: jax.Array,
    identity: jax.Array,
    pushed: Callable[[jax.Array], jax.Array],
    *,
    scale: float,
) -> jax.Array:
    """Mean over B of -log softmax at the right person; `pushed` changes only that one's cosine."""
    if cosines.ndim != 2 or identity.shape != cosines.shape[:1]:
        raise ValueError(
            f"expected cosines [B, N], identity [B], got {cosines.shape}, {identity.shape}"
        )
    right = jnp.arange(cosines.shape[1]) == identity[:, None]
    logits = scale * jnp.where(right, pushed(cosines), cosines)
    return optax.softmax_cross_entropy_with_integer_labels(logits, identity).mean()


def _unit(x: jax.Array) -> jax.Array:
    x = x.astype(jnp.float32)
    square = jnp.square(x).sum(-1, keepdims=True)
    return x * jax.lax.rsqrt(jnp.maximum(square, 1e-24))
