"""DCGAN's generator: 100 normals become a picture of 64 x 64 pixels.

Source: Radford et al., ICLR 2016 (arXiv 1511.06434), in the form of PyTorch's tutorial, whose names
the modules carry [code].  3 576 704 parameters at width 64.

    layer                                             channels    H x W
    main_0 4x4 transposed, of one pixel               8 width     4 x 4
    main_3, main_6, main_9 4x4 transposed / 2         4, 2, 1     8 x 8, 16 x 16, 32 x 32
    main_12 4x4 transposed / 2, tanh                  3           64 x 64

BN and ReLU (main_1, main_4, ...) come before all but the first; no biases.
"""

import jax
import jax.numpy as jnp
from flax import linen as nn

from fsketch.nets import layers


class Generator(nn.Module):
    """Latents [B, latent_size] -> images."""

    latent_size: int = 100
    width: int = 64

    @nn.compact
    def __call__(self, latents: jax.Array) -> jax.Array:
        """float32[B, latent_size], standard normal -> float32[B, 64, 64, 3] in [-1, 1]."""
        x = latents[:, None, None]  # B x 1 x 1 x D
        for i, factor in enumerate((8, 4, 2, 1)):
            x = _enlarged(x, self.width * factor, f"main_{3 * i}", is_first=i == 0)
            x = layers.batch_norm(f"main_{3 * i + 1}")(x)
            x = nn.relu(x)
        return jnp.tanh(_enlarged(x, 3, "main_12"))


def _enlarged(x: jax.Array, features: int, name: str, *, is_first: bool = False) -> jax.Array:
    stride, padding = (1, 0) if is_first else (2, 1)
    layer = layers.ConvTranspose(
        features, 4, stride, padding, output_padding=0, use_bias=False, name=name
    )
    return layer(x)
