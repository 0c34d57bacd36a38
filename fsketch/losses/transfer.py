"""Knowledge transfer between feature maps.

Source: KT (IJCAI 2019) and KD (TNNLS 2022) name two kinds of transfer, from teacher to
students and between students; the squared distances below are a reconstruction [inferred].
With N_k = C_k H_k W_k, the distance of two lists of maps is sum_k ||a_k - b_k||^2 / N_k,
averaged over the batch.
"""

from collections.abc import Mapping, Sequence

import chex
import jax
import jax.numpy as jnp
from jax import lax

from fsketch.core import types

# Taps of a translator in the order of the teacher's t1, t2, t3: encoder on the way down,
# decoder on the way up.
ENCODER = ("in", "d1", "d2")
DECODER = ("u2", "u1", "bottle")
TEACHER = ("t1", "t2", "t3")


def distance(maps: Sequence[jax.Array], targets: Sequence[jax.Array]) -> jax.Array:
    """sum_k mean (maps_k - targets_k)^2 in float32; equal shapes, else an error."""
    if len(maps) != len(targets):
        raise ValueError(f"maps: expected {len(targets)}, one per target, got {len(maps)}")
    for one, other in zip(maps, targets, strict=True):
        chex.assert_equal_shape([one, other])
    return sum(_mean_square(one, other) for one, other in zip(maps, targets, strict=True))


def _mean_square(one: jax.Array, other: jax.Array) -> jax.Array:
    if one.dtype == other.dtype:
        return jnp.square(one.astype(jnp.float32) - other.astype(jnp.float32)).mean()
    return _mixed_mean_square(one, other)


@jax.custom_vjp
def _mixed_mean_square(one: jax.Array, other: jax.Array) -> jax.Array:
    return _forward(one, other)[0]


def _forward(one: jax.Array, other: jax.Array) -> tuple[jax.Array, tuple[jax.Array, ...]]:
    """Keeps the difference in the narrower of two types; autodiff would keep it in float32."""
    difference = one.astype(jnp.float32) - other.astype(jnp.float32)
    narrower = min((one.dtype, other.dtype), key=lambda kind: kind.itemsize)
    kept = lax.optimization_barrier(difference.astype(narrower))  # or XLA undoes the rounding
    kinds = jnp.empty(0, one.dtype), jnp.empty(0, other.dtype)
    return jnp.square(difference).mean(), (kept, *kinds)


def _backward(kept: tuple[jax.Array, ...], gradient: jax.Array) -> tuple[jax.Array, jax.Array]:
    difference, one, other = kept
    slope = gradient / difference.size * (2 * difference.astype(jnp.float32))
    return slope.astype(one.dtype), -slope.astype(other.dtype)


_mixed_mean_square.defvjp(_forward, _backward)


def mimic(student: types.Taps, teacher: types.Taps) -> jax.Array:
    """Encoder maps against the teacher's maps of the same input (L_mim)."""
    return distance(_pick(student, ENCODER), _pick(teacher, TEACHER))


def transform(student: types.Taps, teacher: types.Taps) -> jax.Array:
    """Decoder maps against the teacher's maps of the *target* image (L_tra)."""
    return distance(_pick(student, DECODER), _pick(teacher, TEACHER))


def mutual(student: types.Taps, peer: types.Taps) -> jax.Array:
    """Maps of one domain in the student against those in its peer, the peer held constant.

    The student's encoder sees the domain that the peer's decoder draws, and the other way
    round (L_mut for one student).  Holding the peer changes nothing: the students share no
    parameters, so one joint distance that both lower has the same gradients.
    """
    peer = {name: lax.stop_gradient(peer[name]) for name in peer}
    # Encoder first in both, so that a compiler sees that both students' differences are the same.
    return distance(_pick(student, ENCODER), _pick(peer, DECODER)) + distance(
        _pick(peer, ENCODER), _pick(student, DECODER)
    )


def _pick(taps: Mapping[str, jax.Array], names: Sequence[str]) -> list[jax.Array]:
    return [taps[name] for name in names]
