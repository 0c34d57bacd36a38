"""A run's training step and `predict`, compiled for a slice of TPUs and counted.

They are the functions that training and evaluation pmap (`train.one_device`,
`prediction.one_device`), pmapped by the same `parallel.pmap` over the slice's devices.
"""

import re
import time
from collections.abc import Sequence
from typing import NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from etils import epath
from ml_collections import ConfigDict

from fsketch import prediction, preflight, train
from fsketch.core import parallel, platforms, types
from fsketch.data import pipeline
from fsketch.tpu import hlo

PROGRAMS = ("train", "predict")
GIB = 2**30
_USED = re.compile(r"Used ([\d.]+)([KMG]) of ([\d.]+)([KMG]) hbm")
_UNITS = {"K": 2**10, "M": 2**20, "G": 2**30}


class Counted(NamedTuple):
    """One chip's program.

    moved: bytes to and from HBM, the sum of the `consumers`.  accessed: bytes by the compiler's own
    count, on-chip memory included.  arguments, temporary, held (all together): bytes in HBM.
    fits: False if the compiler refused it for memory; then only `held` is known.
    """

    pairs: int
    flop: float
    moved: float
    accessed: float
    arguments: int
    temporary: int
    held: int
    fits: bool
    consumers: Sequence[hlo.Consumer]
    seconds: float


class Run:
    """A configuration by shapes: its method, state, frozen nets and examples; no data is read."""

    def __init__(self, config: ConfigDict) -> None:
        self.config = config
        nowhere = epath.Path("/nonexistent/run")
        self.method, self._state, self._frozen, canvases = preflight.stand_ins(config, nowhere)
        self._example = pipeline.for_method(canvases.batch(np.arange(1)))

    def lowered(
        self, program: str, pairs: int, devices: Sequence[jax.Device] | None = None
    ) -> jax.stages.Lowered:
        """A program of PROGRAMS for `pairs` a device; devices: None for those of this machine."""
        number = len(devices or jax.local_devices())
        platform = (devices or jax.devices())[0].platform
        held = _shapes((self._state, self._frozen), number)
        batch = self._batch(program, (number, pairs))
        with platforms.tracing_for(platform):
            if program == "predict":
                mapped = parallel.pmap(prediction.one_device(self.method), devices=devices)
                return mapped.lower(held, batch)
            step = train.one_device(self.method, self.config.data)
            keys = jax.eval_shape(lambda: jax.random.split(jax.random.key(0), (number, pairs)))
            mapped = parallel.pmap(step, donate=(0,), devices=devices)
            return mapped.lower(*held, batch, keys)

    def _batch(self, program: str, leading: tuple[int, int]) -> dict[str, jax.ShapeDtypeStruct]:
        data = self.config.data
        side = data.canvas_px if program == "train" else data.crop_px
        batch = {
            name: (*leading, side, side, x.shape[-1]) if x.ndim == 4 else (*leading, *x.shape[1:])
            for name, x in self._example.items()
        }
        batch = {
            name: jax.ShapeDtypeStruct(shape, self._example[name].dtype)
            for name, shape in batch.items()
        }
        if program == "predict":
            batch["index"] = jax.ShapeDtypeStruct(leading, jnp.int32)
        return batch


def _shapes(tree: types.PyTree, number: int) -> types.PyTree:
    """The shapes of `parallel.replicate` on this number of devices."""
    return jax.tree.map(
        lambda x: jax.ShapeDtypeStruct((number, *np.shape(x)), jnp.result_type(x)), tree
    )


def count(lowered: jax.stages.Lowered, pairs: int, *, full: bool = False) -> Counted:
    """Compiles a program and counts it; full: with all optimisations, as on a TPU, for minutes."""
    start = time.perf_counter()
    options = {} if full else {"exec_time_optimization_effort": -1.0}
    try:
        compiled = lowered.compile(compiler_options=options)
    except jax.errors.JaxRuntimeError as error:
        used = _USED.search(str(error))
        if used is None:
            raise
        held = int(float(used[1]) * _UNITS[used[2]])
        seconds = time.perf_counter() - start
        return Counted(pairs, 0, 0, 0, 0, 0, held, False, (), seconds)
    memory, cost = compiled.memory_analysis(), compiled.cost_analysis()
    arguments, temporary = memory.argument_size_in_bytes, memory.temp_size_in_bytes
    new = memory.output_size_in_bytes - memory.alias_size_in_bytes
    consumers = hlo.consumers(compiled.as_text())
    return Counted(
        pairs,
        cost["flops"],
        sum(one.bytes for one in consumers),
        cost["bytes accessed"],
        arguments,
        temporary,
        arguments + temporary + new + memory.generated_code_size_in_bytes,
        True,
        consumers,
        time.perf_counter() - start,
    )


def largest(counts: Sequence[Counted], hbm_bytes: float) -> int:
    """The most pairs that fit, if memory grows by the same number of bytes with each pair.

    By the largest two batches; by one alone what is no argument counts as the pairs'.
    """
    ordered = sorted(counts, key=lambda one: one.pairs)
    high = ordered[-1]
    if len(ordered) > 1:
        low = ordered[-2]
        each = (high.held - low.held) / (high.pairs - low.pairs)
    else:
        each = (high.held - high.arguments) / high.pairs
    if each <= 0:
        return high.pairs
    return max(0, int((hbm_bytes - (high.held - each * high.pairs)) // each))
