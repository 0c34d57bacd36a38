"""SFace: a face recogniser of 9.67 M parameters, 128 numbers a face.

Source: Zhong et al., "SFace: Sigmoid-Constrained Hypersphere Loss for Robust Face Recognition",
IEEE TIP 2021 (arXiv 2205.12010), in the form of OpenCV's model zoo (face_recognition_sface,
2021dec) [code: its ONNX graph]: a MobileNet whose units are a depthwise 3x3 and a 1x1 convolution,
each followed by BN (epsilon 0.001) and PReLU.

    layer                               channels    H x W (of 112 x 112)
    conv1 3x3                           32          112 x 112
    depthwise2, conv2                   64          112 x 112
    3 (the depthwise / 2), 4            128         56 x 56
    5 (/ 2), 6                          256         28 x 28
    7 (/ 2), 8, 9, 10, 11, 12           512         14 x 14
    13 (/ 2), 14                        1024        7 x 7
    bn, fc, features (BN)               128

The linear layer takes all pixels: 112 x 112 only.  Its output is not normalised.
"""

import jax
from flax import linen as nn

from fsketch.core import types
from fsketch.nets import layers, mobilefacenet

SIZE_PX = 112
UNITS = (  # channels and stride of units 2, 3, ...
    (64, 1), (128, 2), (128, 1), (256, 2), (256, 1), (512, 2), (512, 1), (512, 1), (512, 1),
    (512, 1), (512, 1), (1024, 2), (1024, 1),
)  # fmt: skip
EPSILON, HEAD_EPSILON = 1e-3, 2e-5  # of the units' BN, and of the last two


def _maps(image: jax.Array, *, train: bool) -> types.Taps:
    """Every layer's map after its PReLU; call it in a compact module."""
    if image.shape[-1] != 3:
        raise ValueError(f"image: expected 3 channels, got {image.shape[1:]}")

    def unit(x: jax.Array, name: str, features: int, *size: int, groups: int = 1) -> jax.Array:
        layer = mobilefacenet.ConvNorm(features, *size, groups=groups, epsilon=EPSILON, name=name)
        return layer(x, train=train)

    taps: types.Taps = {}
    x = taps["conv1"] = unit(image, "conv1", 32, 3)
    for number, (features, stride) in enumerate(UNITS, 2):
        x = unit(x, f"depthwise{number}", x.shape[-1], 3, stride, groups=x.shape[-1])
        x = taps[f"conv{number}"] = unit(x, f"conv{number}", features)
    return taps


class SFaceMaps(nn.Module):
    """The maps of `SFace` behind each 1x1 convolution's PReLU, for identity terms.

    Its variables are those of the whole net; it does not use the last three layers, so that
    images may have any size.
    """

    @nn.compact
    def __call__(self, image: jax.Array) -> types.Taps:
        """float32[B, H, W, 3] -> {"conv1": B x H x W x 32, ..., "conv14": B x H/16 x W/16 x 1024}.

        Sides that are no multiple of 16 round up.
        """
        return _maps(image, train=False)


class SFace(nn.Module):
    """Image -> embedding [B, D]."""

    embedding_size: int = 128

    @nn.compact
    def __call__(
        self, image: jax.Array, *, train: bool = False, keys: types.Key | None = None
    ) -> jax.Array:
        """float32[B, 112, 112, 3]; `keys` are not used."""
        del keys
        if image.shape[1:] != (SIZE_PX, SIZE_PX, 3):
            raise ValueError(
                f"image: expected {SIZE_PX} x {SIZE_PX} x 3 (SFace's linear layer sees all "
                f"pixels), got {image.shape[1:]}"
            )

        def norm(x: jax.Array, name: str) -> jax.Array:
            return layers.batch_norm(name, epsilon=HEAD_EPSILON)(x, train=train)

        x = norm(_maps(image, train=train)[f"conv{len(UNITS) + 1}"], "bn")
        x = x.transpose(0, 3, 1, 2).reshape(x.shape[0], -1)  # channels lead in published kernels
        x = nn.Dense(self.embedding_size, name="fc")(x)
        return norm(x, "features")
