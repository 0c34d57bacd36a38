"""The nearest patches of all training images around each node, exactly.

The distance of a patch a to the patch c of a training image at an offset of at most `radius_px`
is |c|^2 - 2 a'c + |a|^2.  All products of a node's patch with the (2 radius + 1)^2 patches of N
training images are one matrix product: the windows of the N images [N, s s C], s = patch + 2
radius, times a matrix [s s C, (2 radius + 1)^2] whose columns are the patch at each offset.  This
multiplies by zeros, 4 times the needed products for patches of 10 px and a radius of 5, but is
still faster than smaller products of windows that must be copied for each row of offsets: 0.38 s
against 0.65 s of one core for an image of 200 x 250 px and 88 training images.

Cost, with P nodes: time is 2 P N s s C (2 radius + 1)^2 FLOP an image, memory 4 N s (s + w) C bytes
for the training images' windows and 4 N (2 radius + 1)^2 for distances, each times the nodes
of a chunk; both grow linearly with N.  Chunks are as many nodes of a row as `memory_mb` allows.
The gallery itself takes 8 N H W bytes for C = 1.  Measured, the whole model on an image of 200 x
250 px, default settings, seconds of one core and peak memory of the process: 88 pairs 0.62 s and
0.8 GB, 268 pairs 1.45 s and 1.0 GB, 694 pairs 3.45 s and 1.8 GB (tests/golden/time_patches.py:
noise, on which the solver needs 6 iterations; on faces about 80, and 0.25 s more).
"""

from typing import NamedTuple

import jax
import jax.numpy as jnp
from jax import lax

from fsketch.patches import grid


class Gallery(NamedTuple):
    """Training images ready to be searched, with a margin of radius_px around.

    features float32[N, H, W, C]; norms float32[N, H - patch + 1, W - patch + 1], the squared norm
    of the patch whose corner is there, infinite for those that reach into the margin.
    """

    features: jax.Array
    norms: jax.Array


class Candidates(NamedTuple):
    """K patches for each node, nearest first: arrays [rows, columns, K].

    distance: squared; photo: int32, index of the training image; top, left: int32, place of the
    patch's corner in it.
    """

    distance: jax.Array
    photo: jax.Array
    top: jax.Array
    left: jax.Array


def gallery(features: jax.Array, lattice: grid.Lattice, *, radius_px: int) -> Gallery:
    """Prepares features float32[N, H, W, C] of all training images, H x W the lattice's."""
    covered = grid.cover(features, lattice)
    window = (1, lattice.patch_px, lattice.patch_px)
    squares = jnp.square(covered).sum(-1)
    norms = lax.reduce_window(squares, 0.0, lax.add, window, (1, 1, 1), "VALID")
    margin = [(0, 0), (radius_px, radius_px), (radius_px, radius_px)]
    return Gallery(
        jnp.pad(covered, [*margin, (0, 0)]), jnp.pad(norms, margin, constant_values=jnp.inf)
    )


def nearest(
    gallery: Gallery,
    query: jax.Array,
    allowed: jax.Array,
    lattice: grid.Lattice,
    *,
    num_candidates: int,
    radius_px: int,
    is_distinct: bool,
    memory_mb: int,
) -> Candidates:
    """The candidates of each node of one image.

    query: float32[H, W, C]; allowed: bool[N], training images that may be used.  With
    `is_distinct` a training image gives at most one candidate to a node, its best.  Near ties,
    equal patches among them, are ordered as float32 rounds them, which depends on the processor.
    If fewer candidates exist than requested, the rest have infinite distance.
    """
    patches = grid.extract(query, lattice)  # rows, columns, patch, patch, C
    group = _group(len(gallery.features), lattice, query.shape[-1], radius_px, memory_mb)
    missing = -lattice.columns % group
    patches = jnp.pad(patches, [(0, 0), (0, missing)] + [(0, 0)] * 3)
    wider = [(0, 0), (0, 0), (0, missing * lattice.step_px)]
    features = jnp.pad(gallery.features, [*wider, (0, 0)])
    norms = jnp.pad(gallery.norms, wider, constant_values=jnp.inf)
    norms = jnp.where(allowed[:, None, None], norms, jnp.inf)
    step, places = lattice.step_px, 2 * radius_px + 1
    side = lattice.patch_px + 2 * radius_px
    groups = (lattice.columns + missing) // group
    num_photos = min(num_candidates, len(gallery.features))

    def windows(array: jax.Array, top: jax.Array, left: jax.Array, size: int) -> jax.Array:
        """[N, H, W, ...] -> [group, N, size, size, ...], from (top, left) on, `step` apart."""
        wide = (group - 1) * step + size
        strip = lax.dynamic_slice_in_dim(array, top, size, 1)
        strip = lax.dynamic_slice_in_dim(strip, left, wide, 2)
        return jnp.stack([strip[:, :, i * step : i * step + size] for i in range(group)])

    def one_group(place: tuple[jax.Array, jax.Array]) -> tuple[jax.Array, jax.Array, jax.Array]:
        number, mine = place
        top, left = number // groups * step, number % groups * (group * step)
        images = windows(features, top, left, side).reshape(group, len(features), -1)
        products = jnp.matmul(images, _shifted(mine, places, side), precision="highest")
        away = windows(norms, top, left, places).reshape(products.shape) - 2 * products
        closest = away.min(-1)  # group, N
        _, photo = lax.top_k(-closest, num_photos)
        # The K nearest of all come from the K training images with the nearest best patches.
        away = jnp.take_along_axis(away, photo[..., None], 1)  # group, K, places^2
        if is_distinct:
            offset = away.argmin(-1)
            distance = away.min(-1)
        else:
            flat, at = lax.top_k(-away.reshape(group, -1), num_candidates)
            distance, offset = -flat, at % places**2
            photo = jnp.take_along_axis(photo, at // places**2, 1)
        return distance + jnp.square(mine).sum((1, 2, 3))[:, None], photo, offset

    mine = patches.reshape(-1, group, *patches.shape[2:])
    found = lax.map(one_group, (jnp.arange(len(mine)), mine))
    distance, photo, offset = (
        x.reshape(lattice.rows, -1, x.shape[-1])[:, : lattice.columns] for x in found
    )
    top = jnp.arange(lattice.rows)[:, None, None] * step + offset // places - radius_px
    left = jnp.arange(lattice.columns)[:, None] * step + offset % places - radius_px
    return Candidates(distance, photo.astype(jnp.int32), top, left)


def gather(images: jax.Array, candidates: Candidates, lattice: grid.Lattice) -> jax.Array:
    """The candidates' patches of images [N, H, W, C]: [rows, columns, K, patch, patch, C]."""
    images = grid.cover(images, lattice)
    size = (1, lattice.patch_px, lattice.patch_px, images.shape[-1])

    def one(photo: jax.Array, top: jax.Array, left: jax.Array) -> jax.Array:
        return lax.dynamic_slice(images, (photo, top, left, 0), size)[0]

    places = (candidates.photo, candidates.top, candidates.left)
    patches = jax.vmap(one)(*(place.reshape(-1) for place in places))
    return patches.reshape(*candidates.photo.shape, *size[1:])


def _group(count: int, lattice: grid.Lattice, channels: int, radius_px: int, memory_mb: int) -> int:
    """Nodes of a chunk: a whole row if memory allows it, at least one node."""
    places, side = (2 * radius_px + 1) ** 2, lattice.patch_px + 2 * radius_px
    strip = side * lattice.step_px * channels  # what a node adds to the strip that is cut up
    node = 4 * count * (strip + side * side * channels + 3 * places)
    return max(1, min(lattice.columns, memory_mb * 10**6 // node))


def _shifted(patches: jax.Array, places: int, side: int) -> jax.Array:
    """Patches [G, p, p, C] at each offset of a window: [G, side side C, places places]."""
    margin = places - 1
    canvas = jnp.pad(patches, [(0, 0), (margin, margin), (margin, margin), (0, 0)])
    starts = range(margin, -1, -1)
    rows = jnp.stack([canvas[:, i : i + side] for i in starts], -1)  # G, side, wide, C, places
    both = jnp.stack([rows[:, :, i : i + side] for i in starts], -1)
    return both.reshape(len(patches), -1, places * places)
