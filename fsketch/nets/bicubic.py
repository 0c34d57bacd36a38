"""Bicubic resizing by the two rules that super-resolution mixes.

With s = new / old size, output i is centred at u = (i + 0.5) / s - 0.5 and weighs the pixels j
around it by Keys' cubic kernel k of |u - j| (IEEE TASSP 29(6), 1981):

    k(x) = (a + 2) x^3 - (a + 3) x^2 + 1                  for x <= 1
           a x^3 - 5 a x^2 + 8 a x - 4 a                  for 1 < x < 2

    rule     a       to shrink (s < 1)            beyond the border
    torch    -0.75   as to enlarge: four pixels   the border pixel repeats
    matlab   -0.5    s k(s x), 1 / s as wide      the image is mirrored, border pixel included

torch is `interpolate(mode="bicubic", align_corners=False)`, the skip of released networks; matlab
is `imresize`, by which the "LR_bicubic/X2" images of data sets are made.
"""

import functools
from typing import NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from jax import lax


class _Rule(NamedTuple):
    a: float
    widens: bool  # to shrink without aliasing
    pad_mode: str  # of numpy.pad


RULES = {"torch": _Rule(-0.75, False, "edge"), "matlab": _Rule(-0.5, True, "symmetric")}


def resize(image: jax.Array, size: tuple[int, int], *, rule: str) -> jax.Array:
    """The image at another size (height, width), in float32: B x H x W x C -> B x h x w x C.

    Values may leave the image's range by a few percent beside edges; clip where that matters.
    """
    if rule not in RULES:
        raise ValueError(f"rule: expected one of {sorted(RULES)}, got {rule!r}")
    rows, columns = (
        jnp.asarray(weights(old, new, rule=rule))
        for old, new in zip(image.shape[1:3], size, strict=True)
    )
    image = image.astype(jnp.float32)
    high = functools.partial(jnp.einsum, precision=lax.Precision.HIGHEST)
    return high("jw,biwc->bijc", columns, high("ih,bhwc->biwc", rows, image))


def weights(old: int, new: int, *, rule: str) -> np.ndarray:
    """float32[new, old]: row i makes output i of a line of `old` pixels; rows sum to 1."""
    a, widens, pad_mode = RULES[rule]
    scale = new / old
    stretch = min(scale, 1.0) if widens else 1.0
    u = (np.arange(new) + 0.5) / scale - 0.5
    margin = int(np.ceil(2 / stretch)) + 1
    pixels = np.arange(-margin, old + margin)
    w = _kernel(np.abs(u[:, None] - pixels) * stretch, a)
    w /= w.sum(1, keepdims=True)
    source = np.pad(np.arange(old), margin, mode=pad_mode)  # the pixel each one repeats
    return (w @ np.eye(old)[source]).astype(np.float32)


def _kernel(x: np.ndarray, a: float) -> np.ndarray:
    near = (a + 2) * x**3 - (a + 3) * x**2 + 1
    far = a * (x**3 - 5 * x**2 + 8 * x - 4)
    return np.where(x <= 1, near, np.where(x < 2, far, 0.0))
