"""Code shared by metrics that compare pairs of images in the maps of a network."""

from collections.abc import Callable, Iterable

import jax
import jax.numpy as jnp

from fsketch.core import images, types
from fsketch.metrics import checks

Features = Callable[[jax.Array], types.Taps]  # normalised float32[B, H, W, 3] -> maps by name


def stack(truth: jax.Array, output: jax.Array) -> jax.Array:
    """Both images, float[B, H, W, 1 or 3], as one float32[2 B, H, W, 3]; grey is repeated."""
    truth, output = checks.float_pair("features", truth, output, channels=(1, 3))
    return images.to_rgb(jnp.concatenate([truth, output])).astype(jnp.float32)


def maps(features: Features, image: jax.Array, taps: Iterable[str]) -> list[jax.Array]:
    """The named maps of an image; ValueError if the net lacks one or the image is too small."""
    found = features(image)
    result = []
    for tap in taps:
        if tap not in found:
            raise ValueError(f"map: expected one of {sorted(found)}, got {tap!r}")
        if 0 in found[tap].shape:
            raise ValueError(f"images: expected {tap} to have pixels, got {image.shape[1:3]} px")
        result.append(found[tap])
    return result
