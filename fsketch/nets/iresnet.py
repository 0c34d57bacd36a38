"""IResNet: the residual nets of ArcFace.

Source: Deng et al., "ArcFace", CVPR 2019, section 3.1 (unit BN-Conv-BN-PReLU-Conv-BN of Han et al.,
CVPR 2017, head BN-Dropout-FC-BN), in the form of github.com/deepinsight/insightface,
recognition/arcface_torch [code].  Modules carry its names.

    layer                         IResNet-18   50   100   H x W x C
    conv1 3x3, bn1, prelu                                 112 x 112 x 64
    layer1, units, the first / 2  2            3    3     56 x 56 x 64
    layer2                        2            4    13    28 x 28 x 128
    layer3                        2            14   30    14 x 14 x 256
    layer4                        2            3    3     7 x 7 x 512
    bn2, fc, features (BN)                                512
    parameters                    24.03 M      43.59 M  65.16 M

The linear layer takes all pixels, so a net is built for one image size, 112 px in all published
weights.  Its output is not normalised.

Differences: insightface never moves the scale of the last normalisation, 1; here it learns.
"""

from collections.abc import Sequence

import jax
from flax import linen as nn

from fsketch.core import types
from fsketch.nets import layers

DEPTHS = {18: (2, 2, 2, 2), 50: (3, 4, 14, 3), 100: (3, 13, 30, 3)}
WIDTHS = (64, 128, 256, 512)
EPSILON = 1e-5
EPSILON_MXNET = 2e-5  # of the weights that were ported from MXNet [code]

_conv_init = nn.initializers.normal(0.1)  # [code]


class Unit(nn.Module):
    """BN, 3x3, BN, PReLU, 3x3 / stride, BN, beside the identity or 1x1 / stride and BN."""

    features: int
    stride: int
    epsilon: float

    @nn.compact
    def __call__(self, x: jax.Array, *, train: bool) -> jax.Array:
        def norm(x: jax.Array, name: str) -> jax.Array:
            return layers.batch_norm(name, epsilon=self.epsilon)(x, train=train)

        def conv(x: jax.Array, name: str, size: int = 3, stride: int = 1) -> jax.Array:
            return layers.Conv(
                self.features,
                kernel_size=size,
                stride=stride,
                padding=size // 2,
                use_bias=False,
                kernel_init=_conv_init,
                name=name,
            )(x)

        y = norm(conv(norm(x, "bn1"), "conv1"), "bn2")
        y = layers.PReLU(name="prelu")(y)
        y = norm(conv(y, "conv2", stride=self.stride), "bn3")
        if self.stride != 1 or x.shape[-1] != self.features:
            x = conv(x, "downsample_0", size=1, stride=self.stride)
            x = norm(x, "downsample_1")
        return x + y


class IResNet(nn.Module):
    """Image -> embedding [B, D].

    Attributes:
      depths: units of the four stages, a value of DEPTHS.
      size_px: height and width of the images.
      epsilon: of all normalisations; EPSILON_MXNET for weights ported from MXNet.
      dropout_rate: before the linear layer, in training [code: 0].
    """

    depths: Sequence[int]
    embedding_size: int = 512
    size_px: int = 112
    epsilon: float = EPSILON
    dropout_rate: float = 0.0

    @nn.compact
    def __call__(
        self, image: jax.Array, *, train: bool = False, keys: types.Key | None = None
    ) -> jax.Array:
        """float32[B, size_px, size_px, 3] in [-1, 1]; keys Key[B], for dropout."""
        if image.shape[1:] != (self.size_px, self.size_px, 3):
            raise ValueError(
                f"image: expected {self.size_px} x {self.size_px} x 3 (IResNet's linear layer sees "
                f"all pixels; size_px sets the size), got {image.shape[1:]}"
            )

        def norm(x: jax.Array, name: str) -> jax.Array:
            return layers.batch_norm(name, epsilon=self.epsilon)(x, train=train)

        x = layers.Conv(WIDTHS[0], padding=1, use_bias=False, kernel_init=_conv_init, name="conv1")(
            image
        )
        x = layers.PReLU(name="prelu")(norm(x, "bn1"))
        for stage, (width, depth) in enumerate(zip(WIDTHS, self.depths, strict=True), 1):
            for unit in range(depth):
                stride = 2 if unit == 0 else 1
                x = Unit(width, stride, self.epsilon, name=f"layer{stage}_{unit}")(x, train=train)
        x = norm(x, "bn2")
        if train and self.dropout_rate:
            x = layers.dropout(x, keys, rate=self.dropout_rate)
        x = x.transpose(0, 3, 1, 2).reshape(x.shape[0], -1)  # channels lead in published kernels
        x = nn.Dense(self.embedding_size, name="fc")(x)
        return norm(x, "features")
