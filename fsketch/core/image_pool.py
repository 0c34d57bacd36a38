"""Image pool: sometimes shows a critic earlier fakes.

Source: Shrivastava et al., CVPR 2017, section 2.3, in the form of CycleGAN's published code
(github.com/junyanz/pytorch-CycleGAN-and-pix2pix): while the pool fills, each fake is stored
and shown; then, with probability 1/2, it takes the place of a random stored one, which is
shown instead.

A pool is part of the training state, so a resumed run continues with the same pool.  It sees
the fakes of the global batch, one after the other in their order, so that it does not depend
on the number of devices.
"""

import jax
import jax.numpy as jnp
from flax import struct

from fsketch.core import types


class ImagePool(struct.PyTreeNode):
    """images float32[N, H, W, C], the first `count` int32[] of them filled."""

    images: jax.Array
    count: jax.Array


def create(size: int, image_shape: tuple[int, ...]) -> ImagePool:
    """An empty pool of `size` images of this shape."""
    return ImagePool(jnp.zeros((size, *image_shape)), jnp.zeros((), jnp.int32))


def draw(keys: types.Key, *, size: int) -> tuple[jax.Array, jax.Array]:
    """Key[B] -> (whether to show a stored image bool[B], which int32[B]), one per example."""

    def one(key: jax.Array) -> tuple[jax.Array, jax.Array]:
        swap_key, place_key = jax.random.split(key)
        return jax.random.bernoulli(swap_key), jax.random.randint(place_key, (), 0, size)

    return jax.vmap(one)(keys)


def exchange(
    pool: ImagePool, fakes: jax.Array, swaps: jax.Array, places: jax.Array
) -> tuple[ImagePool, jax.Array]:
    """(pool after all fakes [B, H, W, C], images to show [B, H, W, C]), one after the other.

    swaps bool[B] and places int32[B] are those of `draw`.  A pool of size 0 shows every fake.
    """
    size = pool.images.shape[0]
    if not size:
        return pool, fakes

    def one(
        pool: ImagePool, item: tuple[jax.Array, jax.Array, jax.Array]
    ) -> tuple[ImagePool, jax.Array]:
        fake, swap, place = item
        is_full = pool.count == size
        place = jnp.where(is_full, place, pool.count)
        stored = pool.images[place]
        shown = jnp.where(is_full & swap, stored, fake)
        kept = jnp.where(is_full & ~swap, stored, fake)
        count = jnp.minimum(pool.count + 1, size)
        return ImagePool(pool.images.at[place].set(kept), count), shown

    return jax.lax.scan(one, pool, (fakes, swaps, places))
