"""Types of the values that cross a seam.

Images are float32[B, H, W, C] in [-1, 1] wherever a function of one module
meets a function of another; each frozen net and each metric rescales inside.
"""

from collections.abc import Mapping
from typing import Any

import jax

Key = jax.Array  # typed PRNG keys: one, shape (), or one per example, [B]
# photo, sketch; optional coarse, style, identity, index, mask, and maps: {domain: taps}
Batch = Mapping[str, jax.Array]
Scalars = dict[str, jax.Array]  # named terms, each of shape ()
Predictions = dict[str, jax.Array]  # "sketch" | "photo" | "embedding" -> array
Taps = dict[str, jax.Array]  # named feature maps, each float32[B, H, W, C]
PyTree = Any

AXIS = "device"  # name of the mapped axis of every pmapped function
