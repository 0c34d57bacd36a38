"""`--format=stablehlo`: a program of jax.export for CPU, CUDA and TPU, checked against the run.

The file is what `jax.export.deserialize` reads; `.call(images)` takes any number of images of one
size, NHWC.  OUT.json beside it says what it is.
"""

import argparse
import json

import jax
import jax.numpy as jnp
import numpy as np
from jax import export

from fsketch.core import images, types, writers
from fsketch.export import parity, sources

PLATFORMS = ("cpu", "cuda", "tpu")


def run(flags: argparse.Namespace) -> None:
    """Writes flags.out and its .json; ValueError, and nothing written, where it differs."""
    writers.check_file("OUT", flags.out)
    exact = sources.find(flags)
    source = sources.in_half(exact) if flags.fp16 else exact
    size = flags.size or source.canvas
    floats, levels = (
        serialized(source, size=size, is_uint8=is_uint8, half=flags.fp16)
        for is_uint8 in (False, True)
    )
    parity.report(
        source, parity.Files(function(floats), function(levels)), flags, step=0, exact=exact
    )
    content = levels if flags.uint8 else floats
    about = {
        **source.about,
        **sources.of_images(is_uint8=flags.uint8),
        "size": f"{size[0]}x{size[1]}",
    }
    writers.write_whole(flags.out, content)
    writers.write_whole(f"{flags.out}.json", json.dumps(about, indent=2).encode())
    print(f"{flags.out}: {len(content):,} bytes")


def serialized(
    source: sources.Source, *, size: tuple[int, int], is_uint8: bool, half: bool
) -> bytes:
    """The content of the file."""

    def stored(leaf: np.ndarray) -> np.ndarray:
        return leaf.astype(np.float16) if half and leaf.ndim > 1 else leaf

    kept: types.PyTree = jax.tree.map(stored, source.variables)

    def translate(batch: jax.Array) -> jax.Array:
        variables = jax.tree.map(lambda leaf: jnp.asarray(leaf).astype(jnp.float32), kept)
        if not is_uint8:
            return source.translate(variables, batch)
        made = source.translate(variables, images.from_uint8(batch))
        return jnp.clip(jnp.round((made + 1.0) * 127.5), 0, 255).astype(jnp.uint8)

    shape = export.symbolic_shape(f"n, {size[0]}, {size[1]}, {source.channels[0]}")
    given = jax.ShapeDtypeStruct(shape, jnp.uint8 if is_uint8 else jnp.float32)
    return export.export(jax.jit(translate), platforms=PLATFORMS)(given).serialize()


def function(content: bytes) -> parity.Function:
    """The file as a function of a batch, on the first device here."""
    called = jax.jit(export.deserialize(content).call)
    return lambda batch: np.asarray(called(batch))
