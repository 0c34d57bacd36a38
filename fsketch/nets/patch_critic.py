"""PatchGAN: a critic that gives one verdict for each patch of an image.

Source: Isola et al., CVPR 2017, section 6.1.2; the table is that of the published code
(github.com/junyanz/pytorch-CycleGAN-and-pix2pix, "basic").  With three layers a verdict sees
70 x 70 pixels; with width 64 there are 2.77 M parameters for 6 channels in.

    layer           channels   resolution (256 in)   norm   then
    conv 4x4 / 2    w          128                   no     LeakyReLU 0.2
    conv 4x4 / 2    2w         64                    yes    LeakyReLU 0.2
    conv 4x4 / 2    4w         32                    yes    LeakyReLU 0.2
    conv 4x4        8w         31                    yes    LeakyReLU 0.2
    conv 4x4        1          30                    no     -

A conditional critic gets its condition and the image joined on channels.  Difference from the
code: instance normalisation by default, as in the translators.
"""

from typing import Any

import jax
import jax.numpy as jnp
from flax import linen as nn

from fsketch.nets import layers


class PatchCritic(nn.Module):
    """Image -> verdicts.

    Attributes:
      width: channels of the first layer.
      num_layers: layers of stride 2; 3 give the 70 x 70 patch; each more about doubles it.
      norm: "instance", "batch" or "none".
      dtype: type to compute in (None: float32); parameters stay float32.
    """

    width: int = 64
    num_layers: int = 3
    norm: str = "instance"
    dtype: Any = None

    @nn.compact
    def __call__(self, image: jax.Array, *, train: bool = False) -> jax.Array:
        """float[B, H, W, C] in [-1, 1] -> float32[B, h, w, 1], h = H / 2^num_layers - 2."""
        least = 3 * 2**self.num_layers
        if min(image.shape[1:3]) < least:
            raise ValueError(
                f"image: expected, for {self.num_layers} layers, at least {least} px a side, "
                f"got {image.shape[1]} x {image.shape[2]}"
            )

        def conv(x: jax.Array, features: int, *, stride: int, bias: bool = True) -> jax.Array:
            return layers.Conv(
                features,
                kernel_size=4,
                stride=stride,
                padding=1,
                use_bias=bias,
                dtype=self.dtype,
            )(x)

        x = nn.leaky_relu(conv(image, self.width, stride=2), 0.2)
        for layer in range(1, self.num_layers + 1):
            stride = 2 if layer < self.num_layers else 1
            features = self.width * min(2**layer, 8)
            x = conv(x, features, stride=stride, bias=self.norm == "none")
            x = nn.leaky_relu(layers.Norm(self.norm, dtype=self.dtype)(x, train=train), 0.2)
        return conv(x, 1, stride=1).astype(jnp.float32)


class MultiScale(nn.Module):
    """Critics of an image at several sizes, each half the one before, by mean of 2 x 2 pixels.

    Source: Wang et al., "High-Resolution Image Synthesis and Semantic Manipulation with Conditional
    GANs", CVPR 2018, section 3.2.

    Attributes:
      num_scales: how many critics, each with parameters of its own.
      others: as of `PatchCritic`.
    """

    num_scales: int
    width: int = 64
    num_layers: int = 3
    norm: str = "instance"
    dtype: Any = None

    @nn.compact
    def __call__(self, image: jax.Array, *, train: bool = False) -> list[jax.Array]:
        """float[B, H, W, C] in [-1, 1] -> the verdicts of each scale, the largest first."""
        verdicts = []
        for scale in range(self.num_scales):
            critic = PatchCritic(
                self.width, self.num_layers, self.norm, self.dtype, name=f"scale{scale}"
            )
            verdicts.append(critic(image, train=train))
            image = nn.avg_pool(image, (2, 2), (2, 2))
        return verdicts
