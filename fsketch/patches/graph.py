"""Markov weight fields: the energy of a lattice's candidates, and its minimisers.

Node i has K candidates with weights w_i on the simplex.  With A_i their patches in the given image
a_i and O_ij the strips that their patches of the wanted image share with the neighbour's,

    E(w) = 1/2 sum_i |a_i - A_i w_i|^2 + overlap_weight / 2 sum_ij |O_ij w_i - O_ji w_j|^2

over all nodes and all pairs of 4-connected neighbours: the energy of Zhou, Kuang and Wong, "Markov
Weight Fields for Face Sketch Synthesis", CVPR 2012, times s_D^2, with overlap_weight =
(s_D / s_S)^2 [the form: secondary].  Weights of a node sum to 1, so a_i may be subtracted from its
candidates and one strip from all candidates of a pair; then E is a quadratic form without further
terms, held as K x K blocks.  At weights of 0 and 1 it is the energy of a Markov random field that
chooses one candidate a node.
"""

import math
from typing import NamedTuple

import jax
import jax.numpy as jnp
from jax import lax

from fsketch.patches import grid


class Field(NamedTuple):
    """E(w) = 1/2 sum_i w_i' node_i w_i - sum_ij w_i' pair_ij w_j, pairs each once.

    node: [rows, columns, K, K]; right: [rows, columns - 1, K, K], of a node and its right
    neighbour; down: [rows - 1, columns, K, K].  bound: [rows, columns], at least the largest
    eigenvalue, along directions of sum 0, of node i's block in a block diagonal matrix that is
    above the Hessian of E: a step of 1 / bound lowers E.
    """

    node: jax.Array
    right: jax.Array
    down: jax.Array
    bound: jax.Array


class Solution(NamedTuple):
    """weights float32[rows, columns, K]; energies float32[iterations + 1], from the start on and
    constant after the last; gap: E is at most this much above its minimum; num_iterations int32.
    """

    weights: jax.Array
    energies: jax.Array
    gap: jax.Array
    num_iterations: jax.Array


def residual_blocks(given: jax.Array, candidates: jax.Array) -> jax.Array:
    """Blocks [rows, columns, K, K] of |a - A w|^2 = w' block w on the simplex.

    given: patches [rows, columns, patch, patch, D]; candidates [rows, columns, K, patch, patch, D].
    """
    residual = (candidates - given[:, :, None]).reshape(*candidates.shape[:3], -1)
    return jnp.einsum("rckd,rcld->rckl", residual, residual, precision="highest")


def field(
    blocks: jax.Array, targets: jax.Array, lattice: grid.Lattice, *, overlap_weight: float
) -> Field:
    """The energy from `residual_blocks` and targets [rows, columns, K, patch, patch, C]."""
    overlap, start = lattice.overlap_px, lattice.step_px
    right = _pairs(targets[:, :-1, :, :, start:], targets[:, 1:, :, :, :overlap])
    down = _pairs(targets[:-1, :, :, start:], targets[1:, :, :, :overlap])
    strips = jnp.zeros_like(blocks)
    strips = strips.at[:, :-1].add(right[0]).at[:, 1:].add(right[2])
    strips = strips.at[:-1].add(down[0]).at[1:].add(down[2])
    # |p - q|^2 <= 2 |p|^2 + 2 |q|^2 separates the nodes.
    bound = _largest_eigenvalue(_centred(blocks + 2 * overlap_weight * strips))
    return Field(
        blocks + overlap_weight * strips, overlap_weight * right[1], overlap_weight * down[1], bound
    )


def _pairs(one: jax.Array, other: jax.Array) -> tuple[jax.Array, jax.Array, jax.Array]:
    """Products of the strips of one with themselves, with the other's, and of the other's.

    Both [rows, columns, K, ...]; strips less the mean of all 2 K.
    """
    one, other = (x.reshape(*x.shape[:3], math.prod(x.shape[3:])) for x in (one, other))
    mean = (one.mean(2, keepdims=True) + other.mean(2, keepdims=True)) / 2
    one, other = one - mean, other - mean
    return tuple(
        jnp.einsum("rckd,rcld->rckl", x, y, precision="highest")
        for x, y in ((one, one), (one, other), (other, other))
    )


def _centred(blocks: jax.Array) -> jax.Array:
    """P block P with P = I - 11' / K: the part along directions of sum 0."""
    blocks = blocks - blocks.mean(-1, keepdims=True)
    return blocks - blocks.mean(-2, keepdims=True)


def _largest_eigenvalue(blocks: jax.Array) -> jax.Array:
    """At least the largest eigenvalue of positive semidefinite blocks, at most K^(1/16) times it:
    |B^8|_F^(1/8)."""
    size = jnp.sqrt(jnp.square(blocks).sum((-2, -1), keepdims=True)) + 1e-12
    power = blocks / size
    for _ in range(3):
        power = jnp.matmul(power, power, precision="highest")
    root = jnp.square(power).sum((-2, -1), keepdims=True) ** (1 / 16)
    # For blocks of zeros any step works; rounding must not lower the bound.
    return jnp.maximum(1.001 * size * root, 1e-9)[..., 0, 0]


def gradient(field: Field, weights: jax.Array) -> jax.Array:
    """dE / dw at weights [rows, columns, K]; also the Hessian times them."""
    result = _times(field.node, weights)
    if field.right.size:
        left, right = weights[:, :-1], weights[:, 1:]
        result = result.at[:, :-1].add(-_times(field.right, right))
        result = result.at[:, 1:].add(-_times(field.right.mT, left))
    if field.down.size:
        above, below = weights[:-1], weights[1:]
        result = result.at[:-1].add(-_times(field.down, below))
        result = result.at[1:].add(-_times(field.down.mT, above))
    return result


def _times(blocks: jax.Array, weights: jax.Array) -> jax.Array:
    return (blocks * weights[..., None, :]).sum(-1)


def energy(field: Field, weights: jax.Array) -> jax.Array:
    """E(w), a scalar."""
    return (weights * gradient(field, weights)).sum() / 2


def simplex(point: jax.Array) -> jax.Array:
    """The nearest point of the simplex to each point [..., K]: max(v - t, 0) with sum 1.

    t is the largest of (sum of the j largest of v, less 1) / j over j.
    """
    is_larger = point[..., None, :] >= point[..., :, None]
    sums = jnp.where(is_larger, point[..., None, :], 0.0).sum(-1)
    return jnp.maximum(point - ((sums - 1) / is_larger.sum(-1)).max(-1, keepdims=True), 0.0)


def gap(weights: jax.Array, slope: jax.Array) -> jax.Array:
    """E(w) is at most this much above its minimum: sum_i (g_i' w_i - min_k g_ik), g the slope."""
    return (weights * slope).sum() - slope.min(-1).sum()


class _Point(NamedTuple):
    weights: jax.Array
    slope: jax.Array  # the gradient there; it is linear, so that between two points is between both
    energy: jax.Array


def solve(field: Field, start: jax.Array, *, max_iterations: int, tolerance: float) -> Solution:
    """The weights of least energy, all nodes at once, until gap <= tolerance * E.

    Accelerated projected gradient (Beck and Teboulle, "A fast iterative shrinkage-thresholding
    algorithm", 2009) with a step for each node.  A step that would raise E is skipped, and
    the next starts without momentum, so that E falls; so E never rises.
    start: [rows, columns, K] on the simplex.
    """

    def unfinished(state: tuple) -> jax.Array:
        count, now, *_ = state
        return (count < max_iterations) & (gap(now.weights, now.slope) > tolerance * now.energy)

    def step(state: tuple) -> tuple:
        count, now, before, momentum, energies = state
        grown = (1 + jnp.sqrt(1 + 4 * momentum**2)) / 2
        ahead = (momentum - 1) / grown
        point = now.weights + ahead * (now.weights - before.weights)
        slope = now.slope + ahead * (now.slope - before.slope)
        weights = simplex(point - slope / field.bound[..., None])
        slope = gradient(field, weights)
        # E(new) - E(now), far more exact than the difference of the two.  Moves of a node sum
        # to 0 but for rounding, which must not weigh what the slopes have in common.
        both = slope + now.slope
        both -= both.mean(-1, keepdims=True)
        change = ((weights - now.weights) * both).sum() / 2
        is_lower = change <= 0
        new = _Point(weights, slope, now.energy + change)
        new = jax.tree.map(lambda x, y: jnp.where(is_lower, x, y), new, now)
        momentum = jnp.where(is_lower, grown, 1.0)
        energies = jnp.where(jnp.arange(len(energies)) > count, new.energy, energies)
        return count + 1, new, now, momentum, energies

    first = _Point(start, gradient(field, start), energy(field, start))
    state = (0, first, first, jnp.ones(()), jnp.full(max_iterations + 1, first.energy))
    count, now, _, _, energies = lax.while_loop(unfinished, step, state)
    return Solution(now.weights, energies, gap(now.weights, now.slope), jnp.asarray(count))


def choose(field: Field, *, num_rounds: int, damping: float) -> Solution:
    """One candidate a node: weights of 0 and 1, of low energy.

    Min-sum belief propagation, all messages at once, each new one mixed with `damping` of the old;
    exact on chains without damping, after as many rounds as nodes.  Then, from its choice and from
    the nearest candidates, nodes of one colour of a chessboard after the other take their best
    candidate while their neighbours keep theirs, which never raises E; the better result is
    returned.  `energies` are those of its passes; the gap has no bound and is infinite.
    """
    costs = jnp.diagonal(field.node, axis1=-2, axis2=-1) / 2  # rows, columns, K
    zero = jnp.zeros_like(costs)

    def received(messages: tuple[jax.Array, ...]) -> jax.Array:
        """Costs plus the messages of all neighbours: from the left, the right, above, below."""
        from_left, from_right, from_above, from_below = messages
        total = costs.at[:, 1:].add(from_left).at[:, :-1].add(from_right)
        return total.at[1:].add(from_above).at[:-1].add(from_below)

    def told(sender: jax.Array, back: jax.Array, pairs: jax.Array, old: jax.Array) -> jax.Array:
        """Messages along `pairs` [..., sender's K, receiver's K]; `back`: the opposite messages."""
        if not old.size:
            return old
        new = ((sender - back)[..., :, None] - pairs).min(-2)
        new -= new.min(-1, keepdims=True)
        return (1 - damping) * new + damping * old

    def exchange(_: int, messages: tuple[jax.Array, ...]) -> tuple[jax.Array, ...]:
        from_left, from_right, from_above, from_below = messages
        total = received(messages)
        return (
            told(total[:, :-1], from_right, field.right, from_left),
            told(total[:, 1:], from_left, field.right.mT, from_right),
            told(total[:-1], from_below, field.down, from_above),
            told(total[1:], from_above, field.down.mT, from_below),
        )

    rows, columns = costs.shape[:2]
    black = (jnp.arange(rows)[:, None] + jnp.arange(columns)) % 2 == 0

    def one_hot(costs: jax.Array) -> jax.Array:
        return jax.nn.one_hot(costs.argmin(-1), costs.shape[-1])

    def improve(weights: jax.Array, _: None) -> tuple[jax.Array, jax.Array]:
        for colour in (black, ~black):
            others = gradient(field, weights) - _times(field.node, weights)
            weights = jnp.where(colour[..., None], one_hot(costs + others), weights)
        return weights, energy(field, weights)

    quiet = (zero[:, 1:], zero[:, 1:], zero[1:], zero[1:])
    beliefs = received(lax.fori_loop(0, num_rounds, exchange, quiet))
    starts = [one_hot(beliefs), one_hot(jnp.broadcast_to(jnp.arange(costs.shape[-1]), costs.shape))]
    ends = []
    for start in starts:
        end, energies = lax.scan(improve, start, length=num_rounds)
        ends.append((end, jnp.append(energy(field, start), energies)))
    is_first = ends[0][1][-1] <= ends[1][1][-1]
    weights, energies = jax.tree.map(lambda x, y: jnp.where(is_first, x, y), *ends)
    return Solution(weights, energies, jnp.asarray(jnp.inf), jnp.asarray(num_rounds))
