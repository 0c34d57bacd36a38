"""The U-Net of pix2pix: halved down to a point, doubled up again, skips between equal sizes.

Source: Isola et al., CVPR 2017, section 6.1.1; the table is that of the published code
(github.com/junyanz/pytorch-CycleGAN-and-pix2pix).  With width 64, depth 8 and 3 channels in and
out it has 54.41 M parameters (unet_256); with depth 7, 41.83 M (unet_128).

    down, i = 0 .. d-1    LeakyReLU 0.2 (not first), conv 4x4 / 2, norm (not first, not last)
                          w min(2^i, 8) channels at H / 2^(i+1)
    up, i = d-1 .. 1      ReLU, transposed conv 4x4 / 2, norm, dropout (the first three), joined
                          with down i-1 on channels
    last                  ReLU, transposed conv 4x4 / 2, tanh

Dropout lies where the paper puts it, in the first three layers on the way up; the code's is one
layer later.  Differences: the paper keeps dropout at test time as its source of noise, here
tests are deterministic; instance normalisation by default, which is the paper's batch
normalisation over batches of one.
"""

from typing import Any

import jax
import jax.numpy as jnp
from flax import linen as nn

from fsketch.core import types
from fsketch.nets import layers

NUM_DROPOUT = 3  # layers on the way up that have it


class UNet(nn.Module):
    """Image of one domain -> image of the other.

    Attributes:
      features: channels of the output image.
      width: channels of the first layer.
      depth: number of halvings; images have a multiple of 2^depth pixels a side.
      norm: "instance", "batch" or "none".
      dropout_rate: share of the values that training sets to 0.
      dtype: type to compute in (None: float32); parameters stay float32.
    """

    features: int
    width: int = 64
    depth: int = 8
    norm: str = "instance"
    dropout_rate: float = 0.5
    dtype: Any = None

    @nn.compact
    def __call__(
        self,
        image: jax.Array,
        style: jax.Array | None = None,
        *,
        train: bool = False,
        keys: types.Key | None = None,
    ) -> jax.Array:
        """float[B, H, W, C] in [-1, 1] -> float32[B, H, W, features] in [-1, 1].

        style: float[B, S], the share of each style to draw in, for a net of several styles [ours].
        `keys`, one per example, draw the dropout of training; without them there is none.
        """
        height, width_px = image.shape[1:3]
        if height % 2**self.depth or width_px % 2**self.depth:
            raise ValueError(
                f"image: expected, for depth {self.depth}, height and width divisible by "
                f"{2**self.depth}, got {height} x {width_px}"
            )
        widths = [self.width * min(2**level, 8) for level in range(self.depth)]
        bias = self.norm == "none"
        square = {"kernel_size": 4, "stride": 2, "padding": 1, "dtype": self.dtype}

        def norm(x: jax.Array) -> jax.Array:
            return layers.Norm(self.norm, dtype=self.dtype)(x, train=train)

        skips = []
        x = image
        for level, features in enumerate(widths):
            x = nn.leaky_relu(x, 0.2) if level else x
            x = layers.Conv(features, use_bias=bias, **square)(x)
            x = norm(x) if 0 < level < self.depth - 1 else x
            x = x if style is None else x + layers.shift(style, like=x)
            skips.append(x)  # B x H/2^(level+1) x W/2^(level+1) x features
        x = skips.pop()
        for level in range(self.depth - 1, 0, -1):
            features = widths[level - 1]
            x = layers.ConvTranspose(features, output_padding=0, use_bias=bias, **square)(
                nn.relu(x)
            )
            x = norm(x)
            if train and keys is not None and level >= self.depth - NUM_DROPOUT:
                here = jax.vmap(jax.random.fold_in, (0, None))(keys, level)
                x = layers.dropout(x, here, rate=self.dropout_rate)
            x = jnp.concatenate([skips.pop(), x], -1)  # B x H/2^level x W/2^level x 2 features
        x = layers.ConvTranspose(self.features, output_padding=0, **square)(nn.relu(x))
        return jnp.tanh(x.astype(jnp.float32))
