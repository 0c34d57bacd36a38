"""The translator with depthwise separable blocks: a lighter trunk of the same shape.

Source: MobileNets (Howard et al., arXiv 1704.04861), section 3.1: a depthwise 3x3 convolution, then
a 1x1 convolution over channels, has 1/9 + 1/C of the multiply-adds of a 3x3
convolution of C channels.  Here each of the two convolutions of nets/resnet.py's blocks is such a
pair, without normalisation between them [ours]; its other layers, taps and options are unchanged.

    width, blocks    parameters, 3 channels in and out    with residual blocks
    64, 9            1.99 M                               11.38 M
"""

from typing import Any

import flax.linen as nn
import jax

from fsketch.nets import layers


class SeparableBlock(nn.Module):
    """Twice depthwise 3x3 and 1x1, norm, ReLU between; identity added, then optional ReLU."""

    norm: str = "instance"
    relu_after_add: bool = True
    dtype: Any = None

    @nn.compact
    def __call__(self, x: jax.Array, *, train: bool = False) -> jax.Array:
        def conv_norm(y: jax.Array) -> jax.Array:
            y = layers.DepthwiseConv(dtype=self.dtype, kernel_init=layers.torch_init)(y)
            bias = self.norm == "none"
            y = layers.Conv(x.shape[-1], kernel_size=1, use_bias=bias, dtype=self.dtype)(y)
            return layers.Norm(self.norm, dtype=self.dtype)(y, train=train)

        x = x + conv_norm(nn.relu(conv_norm(x)))
        return nn.relu(x) if self.relu_after_add else x
