"""Closed-form drawing primitives: signed distances, coverage, strokes and noise.

Lengths are in units of the caller's frame; `px` is the size of one output
pixel in those units, so that a shape keeps its weight at any resolution.
Distances are negative inside a shape; coverages, strokes and noise lie in
[0, 1]. Every function is elementwise, so arrays may have any broadcastable
shape, and continuous in its arguments.
"""

import jax
import jax.numpy as jnp

Array = jax.Array
Number = jax.Array | float


def step(x: Array, low: Number, high: Number) -> Array:
    """Smooth ramp: 0 below `low`, 1 above `high` (the other way round if low > high)."""
    t = jnp.clip((x - low) / (high - low), 0.0, 1.0)
    return t * t * (3.0 - 2.0 * t)


def mix(a: Array, b: Number, weight: Array) -> Array:
    """a + weight (b - a)."""
    return a + weight * (b - a)


def bell(x: Array, width: Number) -> Array:
    """Compact bump in one variable: 1 at 0, 0 from 2.2 widths on, close to a Gaussian."""
    t = jnp.maximum(1.0 - (x / (2.2 * width)) ** 2, 0.0)
    return t * t * t


def blob(x: Array, y: Array, width: Number, height: Number) -> Array:
    """Compact bump in two variables, 0 outside an ellipse of 2.2 widths x 2.2 heights."""
    t = jnp.maximum(1.0 - (x / (2.2 * width)) ** 2 - (y / (2.2 * height)) ** 2, 0.0)
    return t * t * t


def length(x: Array, y: Array) -> Array:
    """Euclidean length with a finite gradient at 0."""
    return jnp.sqrt(x * x + y * y + 1e-6)


def ellipse(x: Array, y: Array, width: Number, height: Number) -> Array:
    """Distance to the ellipse with these half axes, exact on its outline."""
    level = length(x / width, y / height)
    return level * (level - 1.0) / length(x / width**2, y / height**2)


def box(x: Array, y: Array, width: Number, height: Number, corner: Number) -> Array:
    """Distance to a box with these half sides and rounded corners."""
    x, y = jnp.abs(x) - width + corner, jnp.abs(y) - height + corner
    outside = length(jnp.maximum(x, 0.0), jnp.maximum(y, 0.0))
    return outside + jnp.minimum(jnp.maximum(x, y), 0.0) - corner


def join(a: Array, b: Array, blend: Number) -> Array:
    """Union of two distances, rounded over `blend`."""
    h = jnp.maximum(blend - jnp.abs(a - b), 0.0) / blend
    return jnp.minimum(a, b) - 0.25 * blend * h * h


def meet(a: Array, b: Array, blend: Number) -> Array:
    """Intersection of two distances, rounded over `blend`."""
    return -join(-a, -b, blend)


def cover(distance: Array, px: Number, *, soft: Number = 0.0) -> Array:
    """Share of a pixel inside a shape whose edge is blurred over `soft`."""
    return step(distance / (1.3 * px + soft), 0.5, -0.5)


def stroke(distance: Array, width: Array | float, px: Number, *, soft: Number = 0.4) -> Array:
    """Ink of a line along distance == 0; thinner than a pixel, it pales instead of breaking."""
    drawn = jnp.sqrt(width * width + (0.75 * px) ** 2)
    ink = jnp.sqrt(jnp.maximum(width, 1e-3) / drawn)
    return ink * cover(jnp.abs(distance) - 0.5 * drawn, 0.7 * px, soft=soft)


def _hash(x: Array, y: Array) -> Array:
    """Uniform [0, 1] from two premultiplied lattice coordinates, uint32."""
    h = (x + y) * jnp.uint32(0x27D4EB2D)
    h = (h ^ (h >> 15)) * jnp.uint32(0x85EBCA6B)
    return (h >> 8).astype(jnp.float32) * (1.0 / (1 << 24))


def noise(x: Array, y: Array, seed: int) -> Array:
    """Value noise with unit cells: in [0, 1], mean 0.5, smooth between lattice points."""
    x0, y0 = jnp.floor(x), jnp.floor(y)
    fx, fy = x - x0, y - y0
    fx, fy = fx * fx * (3.0 - 2.0 * fx), fy * fy * (3.0 - 2.0 * fy)
    kx, ky = jnp.uint32(0x9E3779B1), jnp.uint32(0x7FEB352D)
    hx = (x0.astype(jnp.int32) + 131 * seed).astype(jnp.uint32) * kx
    hy = y0.astype(jnp.int32).astype(jnp.uint32) * ky
    top = mix(_hash(hx, hy), _hash(hx + kx, hy), fx)
    bottom = mix(_hash(hx, hy + ky), _hash(hx + kx, hy + ky), fx)
    return mix(top, bottom, fy)
