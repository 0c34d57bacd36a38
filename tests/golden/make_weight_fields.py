"""Least energies of small weight fields by scipy 1.17 (SLSQP), written out as one dense program.

python tests/golden/make_weight_fields.py     # writes tests/golden/weight_fields.json
"""

import json
import pathlib

import numpy as np
import patch_loops
import weight_field_draws as draws


def minimise(case):
    """(least energy, weights [nodes, K]) by a general solver, from the definition."""
    from scipy import optimize

    given, near, wanted = draws.draw(case)
    count, weight = draws.CASES[case][2], draws.CASES[case][4]
    place = {node: slice(i * count, (i + 1) * count) for i, node in enumerate(given)}
    size = count * len(given)
    rows, targets = [], []  # E = |rows w - targets|^2 / 2
    for node, mine in given.items():
        block = np.zeros((mine.size, size))
        block[:, place[node]] = near[node].reshape(count, -1).T
        rows.append(block)
        targets.append(mine.reshape(-1))
    for node, other, is_right in patch_loops.neighbours(given):
        one, two = patch_loops.strips(
            wanted[node], wanted[other], is_right, draws.STEP, draws.PATCH
        )
        block = np.zeros((one[0].size, size))
        block[:, place[node]] = np.sqrt(weight) * one.reshape(count, -1).T
        block[:, place[other]] = -np.sqrt(weight) * two.reshape(count, -1).T
        rows.append(block)
        targets.append(np.zeros(len(block)))
    rows, targets = np.concatenate(rows), np.concatenate(targets)
    sums = np.kron(np.eye(len(given)), np.ones((1, count)))
    result = optimize.minimize(
        lambda w: np.square(rows @ w - targets).sum() / 2,
        np.full(size, 1 / count),
        jac=lambda w: rows.T @ (rows @ w - targets),
        bounds=[(0, 1)] * size,
        constraints={"type": "eq", "fun": lambda w: sums @ w - 1, "jac": lambda w: sums},
        method="SLSQP",
        options={"ftol": 1e-14, "maxiter": 2000},
    )
    assert result.success, result.message
    return float(result.fun), result.x.reshape(-1, count)


def main():
    """Writes {case: {"energy": E, "weights": [nodes, K]}}."""
    values = {}
    for case in draws.CASES:
        energy, weights = minimise(case)
        values[case] = {"energy": energy, "weights": np.round(weights, 9).tolist()}
    path = pathlib.Path(__file__).with_name("weight_fields.json")
    path.write_text(json.dumps(values) + "\n")


if __name__ == "__main__":
    main()
