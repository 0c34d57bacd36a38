"""The distance of a student's maps from a teacher's, tap by tap, on test pairs.

The teacher's maps have unit mean square over training pairs (frozen/taps.py), so at every tap a
distance of 1 is about that of a map of zeros.  Two distances:

    distance   the tap's addend of mimic or transform (losses/transfer.py): the sums over taps are
               the terms that training logs.  None if the shapes differ and the student was trained
               without adapters.
    fitted     the same after the best affine 1x1 map of the student's channels on these pairs
               (least squares).  Channels have no order unless a teacher gives them one, so use
               this distance for students without a teacher.
"""

from collections.abc import Iterable
from typing import NamedTuple

import jax
import jax.numpy as jnp
import numpy as np

from fsketch.core import state, types
from fsketch.losses import transfer
from fsketch.methods import students

# term -> (the student's taps, the image the teacher sees: (input, target)[i])
TERMS = {"mimic": (transfer.ENCODER, 0), "transform": (transfer.DECODER, 1)}
RCOND = 1e-6  # singular values of float32 sums below this share of the largest are noise


class Tap(NamedTuple):
    """See the module's docstring."""

    distance: float | None
    fitted: float


def measure(
    player: state.Player,
    role: str,
    teachers: students.Teachers,
    batches: Iterable[tuple[types.Batch, np.ndarray]],
) -> dict[str, dict[str, Tap]]:
    """term -> tap -> distances, for a student of this role (methods/students.py).

    batches: (pairs in [-1, 1], mask bool[B] of the pairs that count).
    """
    domains = students.ROLES[role]

    @jax.jit
    def sums(
        player: state.Player, teachers: students.Teachers, batch: types.Batch, mask: jax.Array
    ) -> dict:
        _, own, matched = player(batch[domains[0]])
        maps = students.teacher_features(teachers, batch)
        return {
            (term, tap): _sums(own[tap], matched[tap], maps[domains[side]][name], mask)
            for term, (taps, side) in TERMS.items()
            for tap, name in zip(taps, transfer.TEACHER, strict=True)
        }

    total, count, student = None, 0, player.averaged()
    for batch, mask in batches:
        here = jax.tree.map(
            lambda x: np.asarray(x, np.float64), sums(student, teachers, batch, jnp.asarray(mask))
        )
        total = here if total is None else jax.tree.map(np.add, total, here)
        count += int(mask.sum())
    if not count:
        raise ValueError("distances: expected at least one pair, got none")
    result: dict[str, dict[str, Tap]] = {term: {} for term in TERMS}
    for (term, tap), parts in total.items():
        distance = float(parts["distance"]) / count if "distance" in parts else None
        result[term][tap] = Tap(distance, _residual(parts))
    return {term: {tap: result[term][tap] for tap in taps} for term, (taps, _) in TERMS.items()}


def _sums(own: jax.Array, matched: jax.Array, target: jax.Array, mask: jax.Array) -> dict:
    """Sums over the masked images: distance, and the normal equations of the best 1x1 map."""
    if own.shape[1:3] != target.shape[1:3]:  # as nets/students.py Student
        size = (*target.shape[:3], own.shape[3])
        own = jax.image.resize(own, size, "linear", antialias=True)
    weight = mask.astype(jnp.float32)[:, None, None, None]
    ones = jnp.ones((*own.shape[:3], 1))
    x = (jnp.concatenate([own.astype(jnp.float32), ones], -1) * weight).reshape(
        -1, own.shape[3] + 1
    )
    y = (target * weight).reshape(-1, target.shape[3])
    highest = jax.lax.Precision.HIGHEST
    result = {
        "xx": jnp.matmul(x.T, x, precision=highest),
        "xy": jnp.matmul(x.T, y, precision=highest),
        "yy": jnp.square(y).sum(),
        "numbers": weight.sum() * target[0].size,
    }
    if matched.shape == target.shape:
        one = jax.vmap(lambda a, b: transfer.distance([a], [b]))
        result["distance"] = (one(matched, target) * mask).sum()
    return result


def _residual(parts: dict[str, np.ndarray]) -> float:
    """Mean square residual of the best affine map, from the sums over all images."""
    best = np.linalg.lstsq(parts["xx"], parts["xy"], rcond=RCOND)[0]
    rest = parts["yy"] - 2 * (best * parts["xy"]).sum() + (best * (parts["xx"] @ best)).sum()
    return float(max(rest, 0.0) / parts["numbers"])
