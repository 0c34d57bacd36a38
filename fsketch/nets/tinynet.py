"""TinyNet A, B and C: EfficientNet-B0 made smaller.

Source: Han et al., "Model Rubik's Cube", NeurIPS 2020 (arXiv 2010.14819), in timm's form
(timm/models/efficientnet.py) [code]; the students of SynthDistill (IJCB 2023) [code:
github.com/otroshi/synthdistill], with one linear layer 1280 -> 512 in place of the classifier.
Modules carry timm's names.

    layer                    A             B             C             H x W (of 112 x 112)
    conv_stem 3x3 / 2        32            32            32            56 x 56
    stage 0   3x3            16            16            8             56 x 56
    stage 1   3x3 / 2        24 x 2        24 x 2        16 x 2        28 x 28
    stage 2   5x5 / 2        40 x 2        32 x 2        24 x 2        14 x 14
    stage 3   3x3 / 2        80 x 4        64 x 3        40 x 3        7 x 7
    stage 4   5x5            112 x 4       88 x 3        64 x 3        7 x 7
    stage 5   5x5 / 2        192 x 5       144 x 4       104 x 3       4 x 4
    stage 6   3x3            320           240           176           4 x 4
    conv_head 1x1            1280          1280          1280          4 x 4
    the mean over pixels     1280          1280          1280          1
    fc                       512           512           512           1
    parameters               5 562 844     3 105 434     1 832 106

Swish throughout.  Stage 0 is depthwise, squeeze-excite, 1x1; the others expand sixfold by 1x1 first
and add their input where the shapes agree.  Squeeze-excite narrows to a quarter of a block's
input.  BN after every convolution.  Images may have any size.
"""

from typing import NamedTuple

import jax
from flax import linen as nn

from fsketch.core import types
from fsketch.nets import layers

KERNELS = (3, 3, 5, 3, 5, 5, 3)
STRIDES = (1, 2, 2, 2, 1, 2, 1)
STEM, HEAD, EXPANSION = 32, 1280, 6
EPSILON = 1e-5


class Variant(NamedTuple):
    """Channels and blocks of the seven stages."""

    widths: tuple[int, ...]
    depths: tuple[int, ...]


VARIANTS = {
    "a": Variant((16, 24, 40, 80, 112, 192, 320), (1, 2, 2, 4, 4, 5, 1)),
    "b": Variant((16, 24, 32, 64, 88, 144, 240), (1, 2, 2, 3, 3, 4, 1)),
    "c": Variant((8, 16, 24, 40, 64, 104, 176), (1, 2, 2, 3, 3, 3, 1)),
}
# Ours, for faces of 48 px; 0.40 M parameters with an embedding of 128 numbers.
MINI = {"mini": Variant((8, 12, 16, 24, 32, 48, 64), (1, 1, 1, 2, 1, 2, 1))}

_conv_init = nn.initializers.variance_scaling(2.0, "fan_out", "normal")  # [code: timm]


def _conv(x: jax.Array, features: int, name: str, *, bias: bool = False) -> jax.Array:
    return layers.Conv(features, kernel_size=1, use_bias=bias, kernel_init=_conv_init, name=name)(x)


def _norm(x: jax.Array, name: str, *, train: bool) -> jax.Array:
    return layers.batch_norm(name, epsilon=EPSILON)(x, train=train)


class Block(nn.Module):
    """An inverted residual block; without expansion its two normalisations are bn1 and bn2."""

    features: int
    kernel_size: int
    stride: int
    expands: bool

    @nn.compact
    def __call__(self, x: jax.Array, *, train: bool) -> jax.Array:
        inputs = x.shape[-1]
        names = iter(("bn1", "bn2", "bn3"))
        y = x
        if self.expands:
            y = nn.swish(_norm(_conv(y, EXPANSION * inputs, "conv_pw"), next(names), train=train))
        # timm divides by the fan-out of all groups, so kernels of depthwise ones are N(0, 2 / k^2).
        init = nn.initializers.normal(2**0.5 / self.kernel_size)
        y = layers.DepthwiseConv(self.kernel_size, self.stride, kernel_init=init, name="conv_dw")(y)
        y = nn.swish(_norm(y, next(names), train=train))
        gate = y.mean((1, 2), keepdims=True)
        gate = nn.swish(_conv(gate, inputs // 4, "se_conv_reduce", bias=True))
        y = y * nn.sigmoid(_conv(gate, y.shape[-1], "se_conv_expand", bias=True))
        y = _conv(y, self.features, "conv_pwl" if self.expands else "conv_pw")
        y = _norm(y, next(names), train=train)
        return x + y if x.shape == y.shape else y


class TinyNet(nn.Module):
    """Image -> embedding [B, D], not normalised.

    Attributes:
      variant: a key of VARIANTS or MINI.
      embedding_size: of the linear layer; None leaves it out, D = 1280, as in timm's weights.
    """

    variant: str = "a"
    embedding_size: int | None = 512

    @nn.compact
    def __call__(
        self, image: jax.Array, *, train: bool = False, keys: types.Key | None = None
    ) -> jax.Array:
        """float32[B, H, W, 3] in [-1, 1] (timm's weights: `images.imagenet_normalised`).

        `keys` are not used.
        """
        del keys
        variants = {**VARIANTS, **MINI}
        if self.variant not in variants:
            raise ValueError(f"variant: expected one of {sorted(variants)}, got {self.variant!r}")
        widths, depths = variants[self.variant]
        x = layers.Conv(
            STEM, stride=2, padding=1, use_bias=False, kernel_init=_conv_init, name="conv_stem"
        )(image)
        x = nn.swish(_norm(x, "bn1", train=train))
        for stage, (width, depth) in enumerate(zip(widths, depths, strict=True)):
            for i in range(depth):
                x = Block(
                    width,
                    KERNELS[stage],
                    STRIDES[stage] if i == 0 else 1,
                    expands=stage > 0,
                    name=f"blocks_{stage}_{i}",
                )(x, train=train)
        x = nn.swish(_norm(_conv(x, HEAD, "conv_head"), "bn2", train=train))
        x = x.mean((1, 2))
        return x if self.embedding_size is None else nn.Dense(self.embedding_size, name="fc")(x)
