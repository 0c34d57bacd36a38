"""MobileFaceNet: a face recogniser of 1 M parameters.

Source: Chen et al., "MobileFaceNets", CCBR 2018 (arXiv 1804.07573), table 1, in two published
forms: width 1 as in github.com/TreB1eN/InsightFace_Pytorch (model.py) and width 2, insightface's
"mbf" (recognition/arcface_torch/backbones/mobilefacenet.py) [code].

    layer                               width 1   2     H x W (of 112 x 112)
    conv1 3x3 / 2                       64        128   56 x 56
    conv2 3x3 in 64 groups              64        128   56 x 56
    down3, residual3 x 4   t = 128      64        128   28 x 28
    down4, residual4 x 6   t = 256      128       256   14 x 14
    down5, residual5 x 2   t = 512, 256 128       256   7 x 7
    conv6 1x1                           512       512   7 x 7
    gdc, a kernel as large as its map   512       512   1 x 1, without PReLU
    linear, without bias, and bn        512       512
    parameters                          1.20 M    2.06 M

Bottlenecks are 1x1 to t channels, 3x3 depthwise (/ 2 in down), 1x1 back without PReLU;
BN after every convolution.  The paper's embedding has 128 numbers: 1.00 M parameters.
`gdc` takes all pixels, so a net is built for one image size.  Its output is not normalised
(TreB1eN normalises outside of the weights).

Differences: TreB1eN initialises kernels as torch does, insightface as here.
"""

import jax
from flax import linen as nn

from fsketch.core import types
from fsketch.nets import layers

STAGES = (  # name, channels at width 1, channels between (down, residual), residual blocks
    ("3", 64, (128, 128), 4),
    ("4", 128, (256, 256), 6),
    ("5", 128, (512, 256), 2),
)
EPSILON = 1e-5
GROUPS = 64

_conv_init = nn.initializers.variance_scaling(2.0, "fan_out", "normal")  # [code: insightface]


class ConvNorm(nn.Module):
    """Convolution without bias, BN and, where `acts`, PReLU.

    `groups`: 1, as many as channels, or another number that divides them.
    """

    features: int
    kernel_size: int = 1
    stride: int = 1
    groups: int = 1
    padding: int | None = None
    acts: bool = True
    epsilon: float = EPSILON

    @nn.compact
    def __call__(self, x: jax.Array, *, train: bool) -> jax.Array:
        options = {"kernel_init": _conv_init, "name": "conv"}
        if self.groups == 1:
            x = layers.Conv(
                self.features, self.kernel_size, self.stride, use_bias=False, **options
            )(x)
        elif self.groups == self.features == x.shape[-1] and self.padding is None:
            x = layers.DepthwiseConv(self.kernel_size, self.stride, **options)(x)
        else:
            padding = (self.kernel_size - 1) // 2 if self.padding is None else self.padding
            x = nn.Conv(
                self.features,
                (self.kernel_size, self.kernel_size),
                self.stride,
                padding=padding,
                feature_group_count=self.groups,
                use_bias=False,
                **options,
            )(x)
        x = layers.batch_norm("bn", epsilon=self.epsilon)(x, train=train)
        return layers.PReLU(name="prelu")(x) if self.acts else x


class Bottleneck(nn.Module):
    """1x1 to `between` channels, depthwise 3x3 / stride, 1x1 to `features`; `adds` its input."""

    features: int
    between: int
    stride: int = 1
    adds: bool = True

    @nn.compact
    def __call__(self, x: jax.Array, *, train: bool) -> jax.Array:
        y = ConvNorm(self.between, name="expand")(x, train=train)
        y = ConvNorm(self.between, 3, self.stride, groups=self.between, name="depthwise")(
            y, train=train
        )
        y = ConvNorm(self.features, acts=False, name="project")(y, train=train)
        return x + y if self.adds else y


class MobileFaceNet(nn.Module):
    """Image -> embedding [B, D].

    Attributes:
      width: 1 or 2, see above.
      size_px: height and width of the images, a multiple of 16.
    """

    width: int = 1
    embedding_size: int = 512
    size_px: int = 112

    @nn.compact
    def __call__(
        self, image: jax.Array, *, train: bool = False, keys: types.Key | None = None
    ) -> jax.Array:
        """float32[B, size_px, size_px, 3] in [-1, 1]; `keys` are not used."""
        del keys
        if self.size_px % 16:
            raise ValueError(f"size_px: expected a multiple of 16, got {self.size_px}")
        if image.shape[1:] != (self.size_px, self.size_px, 3):
            raise ValueError(
                f"image: expected {self.size_px} x {self.size_px} x 3 (MobileFaceNet's last kernel "
                f"covers the map; size_px sets the size), got {image.shape[1:]}"
            )
        w = self.width
        x = ConvNorm(64 * w, 3, 2, name="conv1")(image, train=train)
        x = ConvNorm(64 * w, 3, groups=GROUPS, name="conv2")(x, train=train)
        for name, channels, (down, residual), depth in STAGES:
            x = Bottleneck(channels * w, down, 2, adds=False, name=f"down{name}")(x, train=train)
            for i in range(depth):
                x = Bottleneck(channels * w, residual, name=f"residual{name}_{i}")(x, train=train)
        x = ConvNorm(512, name="conv6")(x, train=train)
        x = ConvNorm(512, x.shape[1], groups=512, padding=0, acts=False, name="gdc")(x, train=train)
        x = nn.Dense(self.embedding_size, use_bias=False, kernel_init=_conv_init, name="linear")(
            x[:, 0, 0]
        )
        return layers.batch_norm("bn", epsilon=EPSILON)(x, train=train)
