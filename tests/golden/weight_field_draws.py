"""Small weight fields drawn from a seed, alike by the script and the tests; numpy only."""

import numpy as np

PATCH, STEP = 4, 2
CASES = {  # name -> (rows, columns, K, C, overlap weight)
    "square": (3, 3, 4, 1, 1.0),
    "row": (1, 5, 3, 3, 0.25),
    "column": (4, 1, 5, 1, 4.0),
    "one": (1, 1, 6, 1, 1.0),
    "apart": (2, 3, 4, 1, 0.0),
}


def draw(case):
    """(given, near, wanted): dicts by node of patches in [0, 1]."""
    rows, columns, count, channels, _ = CASES[case]
    rng = np.random.default_rng(len(case))
    nodes = [(r, c) for r in range(rows) for c in range(columns)]
    given = {node: rng.uniform(size=(PATCH, PATCH, 2)) for node in nodes}
    near = {
        node: given[node] + 0.3 * rng.normal(size=(count, PATCH, PATCH, 2)) + 0.1 for node in nodes
    }
    wanted = {node: rng.uniform(size=(count, PATCH, PATCH, channels)) for node in nodes}
    return given, near, wanted
