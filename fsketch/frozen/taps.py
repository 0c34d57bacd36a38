"""A frozen network seen through some of its maps.

`Teacher`: three maps t1, t2, t3, each of unit mean square.  `Maps`: any maps, by their own names
and as they are.

KT and KD compare student maps with teacher maps of very different magnitude; dividing each
teacher map by its root mean square over training pairs puts the terms on one scale
[inferred: methods leave the normalisation open; raw ImageNet maps would dominate].
"""

from collections.abc import Sequence

import jax
import jax.numpy as jnp
from flax import linen as nn

from fsketch.core import types

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


class Maps(nn.Module):
    """`net`'s maps `taps`, {tap: B x H x W x C}; what they are not needed for is not computed."""

    net: nn.Module
    taps: Sequence[str]

    @nn.compact
    def __call__(self, image: jax.Array) -> types.Taps:
        maps = _maps(self.net, image)
        unknown = [tap for tap in self.taps if tap not in maps]
        if unknown or not self.taps:
            raise ValueError(f"taps {tuple(self.taps)}: one or more of {sorted(maps)} are needed")
        return {tap: maps[tap] for tap in self.taps}


def _maps(net: nn.Module, image: jax.Array) -> types.Taps:
    """All maps of a net, without its embeddings and logits."""
    return {tap: x for tap, x in net(image).items() if x.ndim == 4}
