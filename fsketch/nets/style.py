"""The feed-forward style network: photo -> the photo in the style it was trained for.

Source: Johnson et al., ECCV 2016, its supplement's table, with the changes that the field made
since: instance normalisation (Ulyanov et al., arXiv 1607.08022) [code: the authors' release],
nearest-neighbour enlargement and a convolution in place of transposed ones, and reflection before
every convolution [secondary: github.com/pytorch/examples, fast_neural_style].  1 679 235 parameters
at width 32 and 3 channels, as there.

    layer                                      channels   resolution
    conv 9x9                                   w          H
    conv 3x3 / 2                               2w         H/2
    conv 3x3 / 2                               4w         H/4
    5 residual blocks, nothing after the sum   4w         H/4
    nearest x2, conv 3x3                       2w         H/2
    nearest x2, conv 3x3                       w          H
    conv 9x9, tanh                             3          H

Every convolution but the last is followed by normalisation and ReLU; in a block, ReLU stands
between the two convolutions only.  The scaled tanh keeps pixels in their range [paper]; ours is
exactly [-1, 1].
"""

from typing import Any

import jax
import jax.numpy as jnp
from flax import linen as nn

from fsketch.nets import layers


class StyleNet(nn.Module):
    """float[B, H, W, C] in [-1, 1] -> the same; H and W are multiples of 4, at least 8 px.

    Attributes:
      width: channels of the first layer, 32 in the paper.
      num_blocks: residual blocks, 5 in the paper.
      dtype: type to compute in (None: float32); parameters stay float32.
    """

    width: int = 32
    num_blocks: int = 5
    dtype: Any = None

    @nn.compact
    def __call__(self, image: jax.Array, *, train: bool = False) -> jax.Array:
        """The stylised image; `train` changes nothing."""
        del train
        height, width_px, channels = image.shape[1:]
        if height % 4 or width_px % 4 or min(height, width_px) < 8:
            raise ValueError(
                "image: expected height and width divisible by 4 and at least 8, "
                f"got {height} x {width_px}"
            )

        def conv(x: jax.Array, features: int, kernel_size: int, **options: Any) -> jax.Array:
            padding = kernel_size // 2
            return layers.Conv(
                features,
                kernel_size=kernel_size,
                padding=padding,
                pad_mode="reflect",
                kernel_init=nn.initializers.lecun_normal(),
                dtype=self.dtype,
                **options,
            )(x)

        def norm_relu(x: jax.Array) -> jax.Array:
            return nn.relu(layers.InstanceNorm(dtype=self.dtype)(x))

        w = self.width
        x = norm_relu(conv(image, w, 9))  # B x H x W x w
        x = norm_relu(conv(x, 2 * w, 3, stride=2))  # B x H/2 x W/2 x 2w
        x = norm_relu(conv(x, 4 * w, 3, stride=2))  # B x H/4 x W/4 x 4w
        for _ in range(self.num_blocks):
            y = norm_relu(conv(x, 4 * w, 3))
            x = x + layers.InstanceNorm(dtype=self.dtype)(conv(y, 4 * w, 3))
        x = norm_relu(conv(layers.upsample(x), 2 * w, 3))  # B x H/2 x W/2 x 2w
        x = norm_relu(conv(layers.upsample(x), w, 3))  # B x H x W x w
        return jnp.tanh(conv(x, channels, 9).astype(jnp.float32))
