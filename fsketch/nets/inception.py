"""Inception-v3 as FID uses it: 2048 features of an image.

Source: Szegedy et al., arXiv 1512.00567; the net of the TensorFlow graph of 2015-12-05, which
Heusel et al. (NIPS 2017) chose, in the form of github.com/mseitzer/pytorch-fid [code]:
torchvision's Inception3, except that average pools do not count their zero padding and that the
last block pools by the maximum.  21 785 568 parameters and 34 432 running statistics without the
1008 logits, which FID does not need.  Modules carry the published names.

    layer                            channels        resolution
    Conv2d_1a_3x3 / 2                32              149
    Conv2d_2a_3x3, Conv2d_2b_3x3     32, 64          147
    pool 3x3 / 2                     64              73
    Conv2d_3b_1x1, Conv2d_4a_3x3     80, 192         73, 71
    pool 3x3 / 2                     192             35
    Mixed_5b, Mixed_5c, Mixed_5d     256, 288, 288   35
    Mixed_6a ... Mixed_6e            768             17
    Mixed_7a                         1280            8
    Mixed_7b, Mixed_7c               2048            8
    pool3, the mean over pixels      2048            1

Each convolution has no bias and is followed by batch normalisation (epsilon 0.001) and ReLU;
only the first, 2a, 4a and the reductions 6a and 7a shrink the map by their borders.

Two rules convert images of 0..255 to the net's input; they give different FIDs:

    legacy   pytorch-fid: bilinear, half-pixel centres, no antialiasing; x / 127.5 - 1 [code]
    clean    clean-fid: Pillow's bicubic with antialiasing on float channels, clipped to 0..255;
             (x - 128) / 128 [code].  Parmar et al., CVPR 2022
"""

from collections.abc import Callable, Sequence
from typing import NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from flax import linen as nn
from jax import lax
from PIL import Image

from fsketch.core import types
from fsketch.nets import layers

SIZE_PX = 299


class ConvNormReLU(nn.Module):
    """Convolution without bias, batch normalisation with running statistics, ReLU.

    The kernel is rows x columns; padding "SAME" keeps the size, "VALID" adds none.  Factors
    stay float32 on every device; TPUs and GPUs would round them by default.
    """

    features: int
    kernel: tuple[int, int]
    stride: int = 1
    padding: str = "SAME"

    @nn.compact
    def __call__(self, x: jax.Array) -> jax.Array:
        x = nn.Conv(
            self.features,
            self.kernel,
            self.stride,
            padding=self.padding,
            use_bias=False,
            precision=lax.Precision.HIGHEST,
            name="conv",
        )(x)
        return nn.relu(layers.Norm("batch", epsilon=1e-3, name="bn")(x))


def _chain(x: jax.Array, name: str, *widths_and_kernels: tuple[int, int, int]) -> jax.Array:
    """Convolutions name_1, name_2, ... of (features, rows, columns)."""
    for i, (features, *kernel) in enumerate(widths_and_kernels, 1):
        x = ConvNormReLU(features, tuple(kernel), name=f"{name}_{i}")(x)
    return x


def _reduce(x: jax.Array, features: int, name: str) -> jax.Array:
    """3x3 with stride 2 and no padding."""
    return ConvNormReLU(features, (3, 3), stride=2, padding="VALID", name=name)(x)


def _average(x: jax.Array) -> jax.Array:
    """The mean over the pixels of a 3x3 window that lie inside the map."""
    return nn.avg_pool(x, (3, 3), padding="SAME", count_include_pad=False)


def _maximum(x: jax.Array) -> jax.Array:
    return nn.max_pool(x, (3, 3), padding="SAME")


class BlockA(nn.Module):
    """Mixed_5b, 5c, 5d: 224 channels plus those of the pooled branch."""

    pooled: int

    @nn.compact
    def __call__(self, x: jax.Array) -> jax.Array:
        one = ConvNormReLU(64, (1, 1), name="branch1x1")(x)
        five = _chain(x, "branch5x5", (48, 1, 1), (64, 5, 5))
        double = _chain(x, "branch3x3dbl", (64, 1, 1), (96, 3, 3), (96, 3, 3))
        pooled = ConvNormReLU(self.pooled, (1, 1), name="branch_pool")(_average(x))
        return jnp.concatenate([one, five, double, pooled], axis=-1)


class BlockB(nn.Module):
    """Mixed_6a: halves the resolution and adds 480 channels."""

    @nn.compact
    def __call__(self, x: jax.Array) -> jax.Array:
        three = _reduce(x, 384, "branch3x3")
        double = _chain(x, "branch3x3dbl", (64, 1, 1), (96, 3, 3))
        double = _reduce(double, 96, "branch3x3dbl_3")
        return jnp.concatenate([three, double, layers.max_pool(x, window=3, stride=2)], axis=-1)


class BlockC(nn.Module):
    """Mixed_6b ... 6e: 768 channels; `width` is that of the 1x7 and 7x1 branches."""

    width: int

    @nn.compact
    def __call__(self, x: jax.Array) -> jax.Array:
        w = self.width
        one = ConvNormReLU(192, (1, 1), name="branch1x1")(x)
        seven = _chain(x, "branch7x7", (w, 1, 1), (w, 1, 7), (192, 7, 1))
        double = _chain(x, "branch7x7dbl", (w, 1, 1), (w, 7, 1), (w, 1, 7), (w, 7, 1), (192, 1, 7))
        pooled = ConvNormReLU(192, (1, 1), name="branch_pool")(_average(x))
        return jnp.concatenate([one, seven, double, pooled], axis=-1)


class BlockD(nn.Module):
    """Mixed_7a: halves the resolution and adds 512 channels."""

    @nn.compact
    def __call__(self, x: jax.Array) -> jax.Array:
        three = _reduce(_chain(x, "branch3x3", (192, 1, 1)), 320, "branch3x3_2")
        seven = _chain(x, "branch7x7x3", (192, 1, 1), (192, 1, 7), (192, 7, 1))
        seven = _reduce(seven, 192, "branch7x7x3_4")
        return jnp.concatenate([three, seven, layers.max_pool(x, window=3, stride=2)], axis=-1)


class BlockE(nn.Module):
    """Mixed_7b, 7c: 2048 channels; `pool` is the only difference between the two."""

    pool: Callable[[jax.Array], jax.Array]

    @nn.compact
    def __call__(self, x: jax.Array) -> jax.Array:
        def fork(x: jax.Array, name: str) -> jax.Array:
            wide = ConvNormReLU(384, (1, 3), name=f"{name}a")(x)
            high = ConvNormReLU(384, (3, 1), name=f"{name}b")(x)
            return jnp.concatenate([wide, high], axis=-1)

        one = ConvNormReLU(320, (1, 1), name="branch1x1")(x)
        three = fork(_chain(x, "branch3x3", (384, 1, 1)), "branch3x3_2")
        double = fork(_chain(x, "branch3x3dbl", (448, 1, 1), (384, 3, 3)), "branch3x3dbl_3")
        pooled = ConvNormReLU(192, (1, 1), name="branch_pool")(self.pool(x))
        return jnp.concatenate([one, three, double, pooled], axis=-1)


class Inception(nn.Module):
    """Returns the map of every layer of the table by its name, and "pool3" [B, 2048]."""

    @nn.compact
    def __call__(self, image: jax.Array) -> types.Taps:
        """float32[B, 299, 299, 3] in [-1, 1]."""
        taps: types.Taps = {}

        def through(x: jax.Array, layer: nn.Module) -> jax.Array:
            taps[layer.name] = layer(x)
            return taps[layer.name]

        x = image
        x = through(x, ConvNormReLU(32, (3, 3), 2, "VALID", name="Conv2d_1a_3x3"))
        x = through(x, ConvNormReLU(32, (3, 3), 1, "VALID", name="Conv2d_2a_3x3"))
        x = through(x, ConvNormReLU(64, (3, 3), name="Conv2d_2b_3x3"))
        x = layers.max_pool(x, window=3, stride=2)
        x = through(x, ConvNormReLU(80, (1, 1), name="Conv2d_3b_1x1"))
        x = through(x, ConvNormReLU(192, (3, 3), 1, "VALID", name="Conv2d_4a_3x3"))
        x = layers.max_pool(x, window=3, stride=2)
        for name, pooled in {"Mixed_5b": 32, "Mixed_5c": 64, "Mixed_5d": 64}.items():
            x = through(x, BlockA(pooled, name=name))
        x = through(x, BlockB(name="Mixed_6a"))
        for name, width in {
            "Mixed_6b": 128,
            "Mixed_6c": 160,
            "Mixed_6d": 160,
            "Mixed_6e": 192,
        }.items():
            x = through(x, BlockC(width, name=name))
        x = through(x, BlockD(name="Mixed_7a"))
        x = through(x, BlockE(_average, name="Mixed_7b"))
        x = through(x, BlockE(_maximum, name="Mixed_7c"))
        taps["pool3"] = x.mean((1, 2))
        return taps


class Rule(NamedTuple):
    """How an image becomes the net's input: its size, then its range."""

    resize: Callable[[np.ndarray], np.ndarray]  # float32[H, W, C] -> [299, 299, C], both 0..255
    scale: Callable[[np.ndarray], np.ndarray]


def _bilinear(image: np.ndarray) -> np.ndarray:
    """torch's interpolate(mode="bilinear", align_corners=False)."""
    rows, columns = (_bilinear_weights(size) for size in image.shape[:2])
    return np.einsum("ih,hwc,jw->ijc", rows, image, columns, optimize=True)


def _bilinear_weights(size: int) -> np.ndarray:
    """float32[299, size]: each row the weights of the two nearest pixel centres."""
    rows = np.arange(SIZE_PX)
    # In torch's float32, which differs from float64 by up to 0.003 of 255.
    step = float(np.float32(size) / np.float32(SIZE_PX))
    centre = np.maximum((rows + 0.5) * step - 0.5, 0).astype(np.float32)
    low = centre.astype(int)
    share = centre - low.astype(np.float32)
    weights = np.zeros((SIZE_PX, size), np.float32)
    np.add.at(weights, (rows, low), 1 - share)
    np.add.at(weights, (rows, np.minimum(low + 1, size - 1)), share)
    return weights


def _bicubic(image: np.ndarray) -> np.ndarray:
    """Pillow's bicubic, whose kernel widens where the image shrinks; each channel by itself."""
    channels = [
        Image.fromarray(channel).resize((SIZE_PX, SIZE_PX), Image.Resampling.BICUBIC)
        for channel in np.ascontiguousarray(image.transpose(2, 0, 1))
    ]
    return np.stack(channels, axis=-1).clip(0, 255)


RULES = {
    "legacy": Rule(_bilinear, lambda x: x / 127.5 - 1),
    "clean": Rule(_bicubic, lambda x: (x - 128) / 128),
}


def prepare(image: np.ndarray, *, rule: str) -> np.ndarray:
    """One image [H, W, 1 or 3] of 0..255 -> the net's input float32[299, 299, 3].

    `rule` is a key of RULES; a grey image is repeated.  ValueError for another rule, shape or
    range.
    """
    if rule not in RULES:
        raise ValueError(f"rule: expected one of {sorted(RULES)}, got {rule!r}")
    if image.ndim != 3 or image.shape[-1] not in (1, 3):
        raise ValueError(f"image: expected [H, W, 1 or 3], got {image.shape}")
    image = np.asarray(image, np.float32)
    if not (image.min() >= 0 and image.max() <= 255):
        raise ValueError(f"image: expected values 0..255, got {image.min()} to {image.max()}")
    resize, scale = RULES[rule]
    return np.broadcast_to(scale(resize(image)), (SIZE_PX, SIZE_PX, 3))


def features(
    variables: types.PyTree,
    images: Sequence[np.ndarray] | np.ndarray,
    *,
    rule: str = "legacy",
    batch_size: int = 8,
) -> np.ndarray:
    """The pool3 features of images, float32[N, 2048].

    variables: {"params", "batch_stats"} of `Inception`, as `files.read` returns them; images: any
    number of [H, W, 1 or 3], of one size or of several, 0..255; rule: see `prepare`, by default
    that of most published FIDs.  The net takes batch_size images at a time and pads
    the last batch with zeros, which changes the result by rounding alone.
    """
    if not len(images):
        raise ValueError("images: expected at least one, got no images")
    variables = jax.device_put(variables)
    found = []
    for start in range(0, len(images), batch_size):
        batch = np.zeros((batch_size, SIZE_PX, SIZE_PX, 3), np.float32)
        some = images[start : start + batch_size]
        for i, image in enumerate(some):
            batch[i] = prepare(image, rule=rule)
        found.append(np.asarray(_pool3(variables, batch))[: len(some)])
    return np.concatenate(found)


@jax.jit
def _pool3(variables: types.PyTree, batch: jax.Array) -> jax.Array:
    return Inception().apply(variables, batch)["pool3"]
