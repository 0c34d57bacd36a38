"""What happens to a batch on the device: scaling, random crop and flip of pairs.

Photo and sketch are joined on channels, moved once and split again, so both always see the
same crop and the same flip.
"""

from collections.abc import Mapping

import dm_pix as pix
import jax
import jax.numpy as jnp

from fsketch import images, types

PAIR = ("photo", "sketch")


def scale(batch: Mapping[str, jax.Array]) -> types.Batch:
    """uint8 images -> float32 in [-1, 1]; other entries pass."""
    return {name: images.from_uint8(x) if name in PAIR else x for name, x in batch.items()}


def random_crop_and_flip(
    batch: types.Batch, keys: jax.Array, *, crop_px: int, flip: bool
) -> types.Batch:
    """A crop_px x crop_px window and, if `flip`, a mirror image with probability 1/2.

    batch: photo and sketch float32[B, S, S, C] with S >= crop_px; keys: Key[B], one an example.
    """
    pair = jnp.concatenate([batch[name] for name in PAIR], axis=-1)  # B x S x S x 4
    channels = pair.shape[-1]

    def one(key: jax.Array, image: jax.Array) -> jax.Array:
        crop_key, flip_key = jax.random.split(key)
        if image.shape[:2] != (crop_px, crop_px):
            image = pix.random_crop(
                key=crop_key, image=image, crop_sizes=(crop_px, crop_px, channels)
            )
        return pix.random_flip_left_right(key=flip_key, image=image) if flip else image

    moved = jax.vmap(one)(keys, pair)  # B x crop x crop x 4
    photo, sketch = jnp.split(moved, [batch["photo"].shape[-1]], axis=-1)
    return {**batch, "photo": photo, "sketch": sketch}
