"""The energy equals its definition; its minimum is that of a general solver; it never rises."""

import functools
import itertools
import json
import pathlib

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from golden import patch_loops, weight_field_draws

from fsketch.patches import graph, grid

pytestmark = pytest.mark.usefixtures("full_optimization")

CASES = weight_field_draws.CASES
PATCH, STEP = weight_field_draws.PATCH, weight_field_draws.STEP
GOLDEN = json.loads((pathlib.Path(__file__).parents[1] / "golden/weight_fields.json").read_text())


@functools.cache
def build(case):
    """(patches by node, the field) of a case."""
    rows, columns, _, _, weight = CASES[case]
    drawn = weight_field_draws.draw(case)
    given, near, wanted = (
        jnp.asarray(np.stack(list(part.values())), jnp.float32).reshape(
            rows, columns, *next(iter(part.values())).shape
        )
        for part in drawn
    )
    lattice = grid.Lattice(rows, columns, PATCH, STEP)
    make = jax.jit(
        lambda given, near, wanted: graph.field(
            graph.residual_blocks(given, near), wanted, lattice, overlap_weight=weight
        )
    )
    return drawn, make(given, near, wanted)


def by_node(weights, case):
    rows, columns = CASES[case][:2]
    return {(r, c): np.asarray(weights[r, c]) for r in range(rows) for c in range(columns)}


SOLVE = jax.jit(
    lambda field, start, tolerance: graph.solve(
        field, start, max_iterations=100, tolerance=tolerance
    )
)
CHOOSE = jax.jit(lambda field, damping: graph.choose(field, num_rounds=30, damping=damping))
ENERGY = jax.jit(graph.energy)


def uniform(field):
    return jnp.full(field.node.shape[:3], 1 / field.node.shape[2])


@pytest.mark.parametrize("case", CASES)
def test_energy_equals_its_definition(case):
    drawn, field = build(case)
    rng = np.random.default_rng(0)
    weights = rng.dirichlet(np.ones(CASES[case][2]), CASES[case][:2]).astype(np.float32)
    expected = patch_loops.energy(
        by_node(weights, case), *drawn, step=STEP, overlap_weight=CASES[case][4]
    )
    assert float(ENERGY(field, weights)) == pytest.approx(expected, rel=1e-5)


@pytest.mark.parametrize("case", CASES)
def test_the_minimum_is_that_of_scipy(case):
    drawn, field = build(case)
    solution = SOLVE(field, uniform(field), 1e-6)
    least = GOLDEN[case]["energy"]
    mine = patch_loops.energy(
        by_node(solution.weights, case), *drawn, step=STEP, overlap_weight=CASES[case][4]
    )
    assert mine == pytest.approx(least, rel=1e-6)
    assert float(solution.energies[-1]) == pytest.approx(least, rel=1e-6)
    assert int(solution.num_iterations) < 100
    found = np.asarray(solution.weights).reshape(-1, CASES[case][2])
    np.testing.assert_allclose(found, GOLDEN[case]["weights"], atol=1e-5)
    np.testing.assert_allclose(found.sum(-1), 1, atol=1e-5)


@pytest.mark.parametrize("case", CASES)
def test_energy_never_rises_and_the_gap_bounds_it(case):
    _, field = build(case)
    for tolerance in (0.3, 1e-2, 1e-5):
        solution = SOLVE(field, uniform(field), tolerance)
        energies = np.asarray(solution.energies)
        assert (np.diff(energies) <= 0).all()
        assert energies[0] == pytest.approx(float(ENERGY(field, uniform(field))), rel=1e-6)
        # Sums of changes stay true to the energy of where they led.
        end = float(ENERGY(field, solution.weights))
        assert energies[-1] == pytest.approx(end, rel=1e-5)
        least = GOLDEN[case]["energy"]
        assert end - least <= float(solution.gap) + 1e-5 * least
        assert float(solution.gap) <= tolerance * end * 1.0001


def test_bounds_are_above_the_largest_eigenvalue_and_near_it():
    rng = np.random.default_rng(2)
    factors = rng.normal(size=(4, 5, 6, 9)) * rng.uniform(0.01, 100, (4, 5, 1, 1))
    blocks = np.einsum("rckd,rcld->rckl", factors, factors)
    largest = np.linalg.eigvalsh(blocks)[..., -1]
    bound = np.asarray(graph._largest_eigenvalue(jnp.asarray(blocks, jnp.float32)))
    assert (bound >= largest).all()
    assert (bound <= largest * 6 ** (1 / 16) * 1.01).all()


def test_projection_equals_that_by_sorting():
    points = np.random.default_rng(3).normal(size=(50, 7))
    points[0], points[1, :3] = 0.0, points[1, 3]  # ties
    expected = [patch_loops.project(point) for point in points]
    np.testing.assert_allclose(graph.simplex(jnp.asarray(points)), expected, atol=1e-6)


def labelling_energies(field):
    """Energy of each choice of one candidate a node."""
    rows, columns, count = field.node.shape[:3]
    evaluate = jax.jit(jax.vmap(lambda w: graph.energy(field, w)))
    labels = np.array(list(itertools.product(range(count), repeat=rows * columns)))
    one_hot = np.eye(count, dtype=np.float32)[labels].reshape(-1, rows, columns, count)
    return np.asarray(evaluate(one_hot)), one_hot


@pytest.mark.parametrize("case", ["row", "column"])
def test_the_choice_on_a_chain_is_the_best_of_all(case):
    _, field = build(case)
    energies, choices = labelling_energies(field)
    solution = CHOOSE(field, 0.0)
    np.testing.assert_array_equal(solution.weights, choices[energies.argmin()])
    assert float(solution.energies[-1]) == pytest.approx(energies.min(), rel=1e-5)


def test_the_choice_on_a_lattice():
    _, field = build("square")
    energies, _ = labelling_energies(field)
    solution = CHOOSE(field, 0.5)
    assert set(np.unique(solution.weights)) == {0.0, 1.0}
    np.testing.assert_array_equal(np.asarray(solution.weights).sum(-1), 1)
    assert float(solution.energies[-1]) == pytest.approx(energies.min(), rel=1e-5)
    assert (np.diff(solution.energies) <= 1e-6).all()
    # Mixing candidates reaches below any choice.
    assert GOLDEN["square"]["energy"] < energies.min()
