"""A frozen network seen by its maps: as a teacher, by three, or by one as it is.

A teacher's maps t1, t2, t3 have unit mean square each.

KT and KD compare student maps with teacher maps of very different magnitude; dividing each
teacher map by its root mean square over training pairs puts the terms on one scale
[inferred: methods leave the normalisation open; raw ImageNet maps would dominate].
"""

from collections.abc import Sequence

import jax
import jax.numpy as jnp
from flax import linen as nn

from fsketch import types

NAMES = ("t1", "t2", "t3")


class Teacher(nn.Module):
    """`net`'s maps `taps`, renamed t1..t3 and divided by the stored constants `rms`."""

    net: nn.Module
    taps: Sequence[str]

    @nn.compact
    def __call__(self, image: jax.Array) -> types.Taps:
        maps = _maps(self.net, image)
        unknown = [tap for tap in self.taps if tap not in maps]
        if unknown or len(self.taps) != len(NAMES):
            raise ValueError(f"teacher taps {tuple(self.taps)}: three of {sorted(maps)} are needed")
        rms = self.variable("constants", "rms", jnp.ones, (len(NAMES),))
        return {
            name: maps[tap] / rms.value[i]
            for i, (name, tap) in enumerate(zip(NAMES, self.taps, strict=True))
        }


class OneMap(nn.Module):
    """`net`'s map `tap`, in the net's own units."""

    net: nn.Module
    tap: str

    @nn.compact
    def __call__(self, image: jax.Array) -> jax.Array:
        maps = _maps(self.net, image)
        if self.tap not in maps:
            raise ValueError(f"tap: {self.tap!r}; admitted are {sorted(maps)}")
        return maps[self.tap]


def _maps(net: nn.Module, image: jax.Array) -> types.Taps:
    return {tap: x for tap, x in net(image).items() if x.ndim == 4}
