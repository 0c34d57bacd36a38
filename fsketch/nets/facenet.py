"""Inception-ResNet-v1 as FaceNet uses it: a unit vector of 512 numbers.

Source: Szegedy et al., AAAI 2017 (arXiv 1602.07261), figures 9 to 14, as David Sandberg's FaceNet
scaled it down and github.com/timesler/facenet-pytorch ported it (models/inception_resnet_v1.py)
[code], whose names the modules carry.  23 482 624 parameters without its classifier.

    layer                                            channels   resolution (of 160 x 160)
    conv2d_1a 3x3 / 2, conv2d_2a 3x3, conv2d_2b 3x3  32 32 64   79, 77, 77
    pool 3x3 / 2                                     64         38
    conv2d_3b 1x1, conv2d_4a 3x3, conv2d_4b 3x3 / 2  80 192 256 38, 36, 17
    repeat_1: 5 blocks of 35x35, scale 0.17          256        17
    mixed_6a / 2                                     896        8
    repeat_2: 10 blocks of 17x17, scale 0.10         896        8
    mixed_7a / 2                                     1792       3
    repeat_3: 5 blocks of 8x8, scale 0.20; block8    1792       3
    the mean over pixels, last_linear, last_bn       512        1, then divided by its length

Each convolution but the last of a block has no bias and is followed by BN (epsilon 0.001) and
ReLU.  Only 2b and the blocks pad.  Images may have any size of at least 75 px.
"""

from collections.abc import Callable, Iterator
from functools import partial

import jax
import jax.numpy as jnp
from flax import linen as nn

from fsketch.core import types
from fsketch.nets import layers

EPSILON = 1e-3
SIZE_PX = 160
MIN_SIZE_PX = 75  # at which mixed_7a leaves one pixel


class ConvNormReLU(nn.Module):
    """Convolution of rows x columns without bias, BN, ReLU; "VALID" adds no border."""

    features: int
    kernel: tuple[int, int]
    stride: int = 1
    padding: str = "SAME"

    @nn.compact
    def __call__(self, x: jax.Array, *, train: bool) -> jax.Array:
        x = nn.Conv(
            self.features,
            self.kernel,
            self.stride,
            padding=self.padding,
            use_bias=False,
            name="conv",
        )(x)
        return nn.relu(layers.batch_norm("bn", epsilon=EPSILON)(x, train=train))


class Block(nn.Module):
    """relu(x + scale * 1x1(branches)); each branch is a tuple of (features, rows, columns)."""

    branches: tuple[tuple[tuple[int, int, int], ...], ...]
    scale: float
    acts: bool = True

    @nn.compact
    def __call__(self, x: jax.Array, *, train: bool) -> jax.Array:
        y = jnp.concatenate([_branch(x, i, b, train) for i, b in enumerate(self.branches)], -1)
        y = nn.Conv(x.shape[-1], (1, 1), name="conv2d")(y)
        y = x + self.scale * y
        return nn.relu(y) if self.acts else y


class Reduction(nn.Module):
    """Branches whose last convolution, and a maximum beside them, halve the resolution."""

    branches: tuple[tuple[tuple[int, int, int], ...], ...]

    @nn.compact
    def __call__(self, x: jax.Array, *, train: bool) -> jax.Array:
        parts = [_branch(x, i, b, train, halves=True) for i, b in enumerate(self.branches)]
        return jnp.concatenate([*parts, layers.max_pool(x, window=3, stride=2)], axis=-1)


def _branch(
    x: jax.Array,
    number: int,
    convolutions: tuple[tuple[int, int, int], ...],
    train: bool,
    *,
    halves: bool = False,
) -> jax.Array:
    """Convolutions one after the other, named as in torch's Sequential if there are several."""
    for i, (features, *kernel) in enumerate(convolutions):
        name = f"branch{number}_{i}" if len(convolutions) > 1 else f"branch{number}"
        ends = (2, "VALID") if halves and i == len(convolutions) - 1 else ()
        x = ConvNormReLU(features, tuple(kernel), *ends, name=name)(x, train=train)
    return x


BLOCK35 = (
    ((32, 1, 1),),
    ((32, 1, 1), (32, 3, 3)),
    ((32, 1, 1), (32, 3, 3), (32, 3, 3)),
)
BLOCK17 = (((128, 1, 1),), ((128, 1, 1), (128, 1, 7), (128, 7, 1)))
BLOCK8 = (((192, 1, 1),), ((192, 1, 1), (192, 1, 3), (192, 3, 1)))
MIXED_6A = (((384, 3, 3),), ((192, 1, 1), (192, 3, 3), (256, 3, 3)))
MIXED_7A = (
    ((256, 1, 1), (384, 3, 3)),
    ((256, 1, 1), (256, 3, 3)),
    ((256, 1, 1), (256, 3, 3), (256, 3, 3)),
)


def _maps(image: jax.Array, *, train: bool) -> types.Taps:
    """Every layer's map; call it in a compact module, whose children the layers become."""
    if min(image.shape[1:3]) < MIN_SIZE_PX or image.shape[-1] != 3:
        raise ValueError(
            f"image: expected H, W >= {MIN_SIZE_PX} and 3 channels, got {image.shape[1:]}"
        )
    taps: types.Taps = {}
    x = image
    for name, layer in _layers():
        x = taps[name] = layer(name=name)(x, train=train)
        if name == "conv2d_2b":
            x = layers.max_pool(x, window=3, stride=2)
    return taps


def _layers() -> Iterator[tuple[str, Callable[..., nn.Module]]]:
    """(name, constructor) of the layers above, in order."""
    valid = {"padding": "VALID"}
    yield "conv2d_1a", partial(ConvNormReLU, 32, (3, 3), 2, **valid)
    yield "conv2d_2a", partial(ConvNormReLU, 32, (3, 3), **valid)
    yield "conv2d_2b", partial(ConvNormReLU, 64, (3, 3))
    yield "conv2d_3b", partial(ConvNormReLU, 80, (1, 1))
    yield "conv2d_4a", partial(ConvNormReLU, 192, (3, 3), **valid)
    yield "conv2d_4b", partial(ConvNormReLU, 256, (3, 3), 2, **valid)
    for i in range(5):
        yield f"repeat_1_{i}", partial(Block, BLOCK35, 0.17)
    yield "mixed_6a", partial(Reduction, MIXED_6A)
    for i in range(10):
        yield f"repeat_2_{i}", partial(Block, BLOCK17, 0.10)
    yield "mixed_7a", partial(Reduction, MIXED_7A)
    for i in range(5):
        yield f"repeat_3_{i}", partial(Block, BLOCK8, 0.20)
    yield "block8", partial(Block, BLOCK8, 1.0, acts=False)


class FaceNetMaps(nn.Module):
    """The maps of `InceptionResNetV1` by the names of its layers, for identity terms.

    Its variables are those of the whole net; it does not use the last two layers.
    """

    @nn.compact
    def __call__(self, image: jax.Array) -> types.Taps:
        """float32[B, H, W, 3] of at least 75 px -> {layer: B x H' x W' x C}."""
        return _maps(image, train=False)


class InceptionResNetV1(nn.Module):
    """Image -> embedding [B, D] of length 1.

    Attributes:
      dropout_rate: before the linear layer, in training [code: 0.6].
    """

    embedding_size: int = 512
    dropout_rate: float = 0.6

    @nn.compact
    def __call__(
        self, image: jax.Array, *, train: bool = False, keys: types.Key | None = None
    ) -> jax.Array:
        """float32[B, H, W, 3], 160 x 160 for published weights; keys Key[B], for dropout."""
        x = _maps(image, train=train)["block8"].mean((1, 2))
        if train and self.dropout_rate:
            x = layers.dropout(x, keys, rate=self.dropout_rate)
        x = nn.Dense(self.embedding_size, use_bias=False, name="last_linear")(x)
        x = layers.batch_norm("last_bn", epsilon=EPSILON)(x, train=train)
        return x / jnp.maximum(jnp.linalg.norm(x, axis=-1, keepdims=True), 1e-12)
