"""The cost of a prediction: parameters, bytes, operations, time.

A model is a function (variables, batch) -> images.  Its program shows which leaves of the variables
its output depends on.  So critics, optimizers and adapters to a teacher's shapes, which only
training needs, are not counted, whatever their names.
"""

import math
import statistics
import time
from collections.abc import Callable, Mapping
from typing import Any, NamedTuple

import jax
import numpy as np
from jax.extend import core
from safetensors import numpy as safetensors

from fsketch.core import trees, types

KINDS = ("params", "ema")  # collections that count as parameters
MIN_ROUNDS, MOST_SEC = 3, 60.0  # after MIN_ROUNDS, timing stops when MOST_SEC have passed
BLOCK_SEC = 0.02  # shortest timing [inferred: well above the clock's resolution and call overhead]


class Model(NamedTuple):
    """function(variables, batch) -> prediction; batch: images in [-1, 1] by kind.

    Paths of the variables end in ROLE/params/... (or ROLE/ema/...).
    """

    function: Callable[[types.PyTree, types.Batch], Any]
    variables: types.PyTree


def batch_of(
    batch_size: int, *, side_px: int, channels: Mapping[str, int]
) -> dict[str, np.ndarray]:
    """Noise in [-1, 1] of canvas size; channels: their number by kind of image."""
    rng = np.random.default_rng(0)
    return {
        kind: rng.uniform(-1, 1, (batch_size, side_px, side_px, depth)).astype(np.float32)
        for kind, depth in channels.items()
    }


def needed(model: Model, batch: types.Batch) -> dict[str, np.ndarray]:
    """The leaves of the variables that the output depends on, by flat name."""
    jaxpr = jax.make_jaxpr(model.function)(model.variables, batch).jaxpr
    live = {v for v in jaxpr.outvars if not isinstance(v, core.Literal)}
    for equation in reversed(jaxpr.eqns):
        if live.intersection(equation.outvars):
            live.update(v for v in equation.invars if not isinstance(v, core.Literal))
    leaves, structure = jax.tree.flatten(model.variables)
    is_live = structure.unflatten([v in live for v in jaxpr.invars[: len(leaves)]])
    flags = trees.flatten(is_live)
    return {name: leaf for name, leaf in trees.flatten(model.variables).items() if flags[name]}


def parameters(leaves: Mapping[str, np.ndarray]) -> dict[str, int]:
    """Numbers in params or ema, by role; batch statistics and constants do not count."""
    result: dict[str, int] = {}
    for name, leaf in leaves.items():
        if place := _place(name):
            result[place[0]] = result.get(place[0], 0) + int(np.prod(np.shape(leaf)))
    return result


def left_out(model: Model, leaves: Mapping[str, np.ndarray]) -> dict[str, int]:
    """Parameters of the same roles that only training needs (adapters), by role/part."""
    kept = {_place(name) for name in leaves}
    roles = {place[0] for place in kept if place}
    result: dict[str, int] = {}
    for name, leaf in trees.flatten(model.variables).items():
        place = _place(name)
        if place and place not in kept and place[0] in roles and "/params/" in f"/{name}":
            part = f"{place[0]}/{place[1].split('/')[0]}"
            result[part] = result.get(part, 0) + int(np.prod(np.shape(leaf)))
    return result


def _place(name: str) -> tuple[str, str] | None:
    """(role, path within its parameters) of a flat name; None if it is not a parameter."""
    parts = name.split("/")
    for i, part in enumerate(parts):
        if part in KINDS:
            return parts[i - 1], "/".join(parts[i + 1 :])
    return None


def num_bytes(leaves: Mapping[str, np.ndarray]) -> int:
    """Size of a safetensors file that holds these leaves in float32."""
    return len(safetensors.save({k: np.asarray(v, np.float32) for k, v in leaves.items()}))


def compiled(model: Model, batch: types.Batch) -> jax.stages.Compiled:
    """The model's program for batches like this one, on the first device."""
    return jax.jit(model.function).lower(model.variables, batch).compile()


def flops(program: jax.stages.Compiled) -> float | None:
    """XLA's count for one call; None if the backend does not count.

    XLA counts a multiply-add as two and omits taps that fall on padding zeros.
    """
    analysis = program.cost_analysis() or {}
    count = analysis.get("flops", -1.0)
    return float(count) if count > 0 else None


def times(calls: Mapping[str, Callable[[], Any]], *, num_rounds: int) -> dict[str, np.ndarray]:
    """Seconds of a call, float64[rounds], by name; each call waits for its result.

    The first call of each warms up.  Each round times all in turn, each for about BLOCK_SEC, so
    that anything that slows the machine slows all of them.  Slow models get fewer rounds than
    num_rounds: MIN_ROUNDS, and then as many as begin within MOST_SEC.
    """
    counts = {}
    for name, call in calls.items():
        jax.block_until_ready(call())
        counts[name] = max(1, math.ceil(BLOCK_SEC / max(_seconds(call, 1), 1e-9)))
    rows: list[list[float]] = []
    start = time.perf_counter()
    while len(rows) < num_rounds and (
        len(rows) < MIN_ROUNDS or time.perf_counter() - start < MOST_SEC
    ):
        rows.append([_seconds(call, counts[name]) for name, call in calls.items()])
    return dict(zip(calls, np.asarray(rows).T, strict=True))


def _seconds(call: Callable[[], Any], count: int) -> float:
    start = time.perf_counter()
    for _ in range(count):
        jax.block_until_ready(call())
    return (time.perf_counter() - start) / count


def spread(seconds: np.ndarray) -> dict[str, float]:
    """Median and quartiles of the rounds."""
    low, median, high = np.quantile(seconds, (0.25, 0.5, 0.75))
    return {"median_sec": float(median), "low_sec": float(low), "high_sec": float(high)}


def ratio(seconds: np.ndarray, reference: np.ndarray) -> float:
    """The median over rounds of the ratio within a round."""
    return float(statistics.median(seconds / reference))
