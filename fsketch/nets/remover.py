"""IFRP's nets: unaligned stylised portrait -> aligned face, and the critic of faces.

Source: Shiri et al., "Identity-preserving Face Recovery from Stylized Portraits", IJCV 2019, and
its released code, which is the net of an earlier paper.  Spatial transformers (nets/stn.py) are
named by the convolutions of their localisation net.

`Remover`, the journal's; w = 32: 11.66 M parameters.  Strided convolutions, batch normalisation
after all but the last, leaky ReLU, transformers at these resolutions, skips of three residual
blocks between the deepest layers [paper]; kernel 4, slope 0.2, addition of the skips [inferred].
With `up` "nearest" [ours] its ways up double the map and convolve it, 3x3: no lattice.

    down: conv 4x4 / 2, BN, LReLU            at 128 px     up: transposed conv 4x4 / 2, BN, LReLU
    1   64 x 64 x w     transformer 1                      1   8 x 8 x 8w     + skip from down 4
    2   32 x 32 x 2w    transformer 2                      2   16 x 16 x 4w   + skip from down 3
    3   16 x 16 x 4w    transformer 3                      3   32 x 32 x 2w   transformer 4
    4   8 x 8 x 8w                                         4   64 x 64 x w
    5   4 x 4 x 16w                                        5   128 x 128 x 3, no BN, no LReLU

    transformer 1: 2w 4w 8w 20 20    2: 4w 8w 20 20    3: 8w 20 20    4: 2w 4w 8w 20

`ReleasedRemover`, the code's; w = 16: 7.48 M parameters and 0.89 M of its transformers [code].

    down: conv, BN, LReLU, max pooling       at 128 px     up: conv, BN, ReLU, doubled (nearest)
    1   5x5   64 x 64 x w                                  1   1x1   4 x 4 x 16w
    2   5x5   32 x 32 x 2w    transformer 1, then pooling  2   3x3   8 x 8 x 8w     transformer 3
    3   3x3   16 x 16 x 4w    transformer 2, then pooling  3   3x3   16 x 16 x 4w
    4   3x3   8 x 8 x 8w                                   4   3x3   32 x 32 x 32w
    5   1x1   4 x 4 x 16w                                  5   3x3   64 x 64 x 16w
    6   1x1   2 x 2 x 32w     dense, 2 x 2 x 32w           6   5x5   128 x 128 x 8w
                                                           then conv 5x5, BN, ReLU: 4w; conv 5x5: 3
    transformer 1: 4w 8w 16w 20 20    2: 8w 16w 20 20    3: 20 20

Both end without a bound: values may leave [-1, 1] in training.

`FaceCritic`, the paper's DN; w = 32: 6.66 M parameters [code].

    conv 5x5 w, conv 5x5 2w, conv 5x5 4w, conv 3x3 3w, each with max pooling, BN, LReLU: 8 x 8 x 3w
    dense 32w, LReLU, dense 1
"""

from collections.abc import Callable
from typing import Any

import jax
import jax.numpy as jnp
from flax import linen as nn

from fsketch.nets import layers, stn

SLOPE = 0.2  # of the leaky ReLU [code]

# Skips of the journal's net: which levels of the way down lead to the way up, and through how many
# residual blocks.  "residual" is the paper's, the others are the rows of its ablation.
SKIPS = {
    "none": ((), 0),
    "unet": ((4, 3, 2, 1), 0),
    "top": ((4, 3), 0),
    "residual": ((4, 3), 3),
}
JOINS = ("add", "concat")
UPS = ("transposed", "nearest")


class _Blocks(nn.Module):
    """Residual blocks: conv 3x3, norm, LReLU, conv 3x3, norm, the input added."""

    number: int
    norm: str
    dtype: Any = None

    @nn.compact
    def __call__(self, x: jax.Array, *, train: bool) -> jax.Array:
        def conv_norm(y: jax.Array) -> jax.Array:
            bias = self.norm == "none"
            y = layers.Conv(x.shape[-1], use_bias=bias, dtype=self.dtype)(y)
            return layers.Norm(self.norm, dtype=self.dtype)(y, train=train)

        for _ in range(self.number):
            x = x + conv_norm(nn.leaky_relu(conv_norm(x), SLOPE))
        return x


class Remover(nn.Module):
    """The journal's style-removal net; see the module's docstring.

    Attributes:
      features: channels of the output image.
      width: channels w of the first layer.
      skips: a key of SKIPS.
      join: how a skip enters: "add", or "concat" and a 1x1 convolution.
      up: "transposed" [paper], or "nearest" [ours].
      has_transformers: without them this is the paper's ablation for unaligned portraits.
      one_radian_start: see nets/stn.py.
      norm: "batch" [paper], "instance" or "none".
      dtype: type to compute in (None: float32); parameters stay float32.
    """

    features: int
    width: int = 32
    skips: str = "residual"
    join: str = "add"
    up: str = "transposed"
    has_transformers: bool = True
    one_radian_start: bool = False
    norm: str = "batch"
    dtype: Any = None

    @nn.compact
    def __call__(self, image: jax.Array, *, train: bool = False) -> jax.Array:
        """float[B, H, W, C] in [-1, 1], H and W multiples of 32 -> float32[B, H, W, features]."""
        _check_size(image, 32)
        _check_choice("skips", self.skips, SKIPS)
        _check_choice("join", self.join, JOINS)
        _check_choice("up", self.up, UPS)
        levels, num_blocks = SKIPS[self.skips]
        w = self.width
        square = {"kernel_size": 4, "stride": 2, "padding": 1, "dtype": self.dtype}
        bias = self.norm == "none"

        def finish(x: jax.Array) -> jax.Array:
            x = layers.Norm(self.norm, dtype=self.dtype)(x, train=train)
            return nn.leaky_relu(x, SLOPE)

        def enlarge(x: jax.Array, features: int, *, bias: bool) -> jax.Array:
            if self.up == "nearest":
                x = layers.upsample(x)
                return layers.Conv(features, use_bias=bias, dtype=self.dtype)(x)
            return layers.ConvTranspose(features, output_padding=0, use_bias=bias, **square)(x)

        transform = _transformers(self)
        tables = {
            1: (2 * w, 4 * w, 8 * w, 20, 20),
            2: (4 * w, 8 * w, 20, 20),
            3: (8 * w, 20, 20),
            4: (2 * w, 4 * w, 8 * w, 20),
        }
        maps = {}
        x = image
        for level in range(1, 6):
            features = w * 2 ** (level - 1)
            x = finish(layers.Conv(features, use_bias=bias, **square)(x))
            if level <= 3:
                x = transform(x, level, tables[level])
            maps[level] = x  # B x H/2^level x W/2^level x features
        for level in range(4, 0, -1):
            features = w * 2 ** (level - 1)
            x = finish(enlarge(x, features, bias=bias))  # B x H/2^level x W/2^level x features
            if level in levels:
                skip = _Blocks(num_blocks, self.norm, self.dtype)(maps[level], train=train)
                if self.join == "add":
                    x = x + skip
                else:
                    joined = jnp.concatenate([x, skip], -1)
                    x = layers.Conv(features, kernel_size=1, dtype=self.dtype)(joined)
            if level == 2:
                x = transform(x, 4, tables[4])
        x = enlarge(x, self.features, bias=True)
        return x.astype(jnp.float32)


class ReleasedRemover(nn.Module):
    """The released code's net; see the module's docstring, and `Remover` for the attributes."""

    features: int
    width: int = 16
    has_transformers: bool = True
    one_radian_start: bool = False
    norm: str = "batch"
    dtype: Any = None

    @nn.compact
    def __call__(self, image: jax.Array, *, train: bool = False) -> jax.Array:
        """float[B, H, W, C] in [-1, 1], H and W multiples of 64 -> float32[B, H, W, features]."""
        _check_size(image, 64)
        w = self.width

        def conv(x: jax.Array, kernel_size: int, features: int, activation: Callable) -> jax.Array:
            x = layers.Conv(features, kernel_size=kernel_size, dtype=self.dtype)(x)
            return activation(layers.Norm(self.norm, dtype=self.dtype)(x, train=train))

        transform = _transformers(self)
        x = image
        for level, (kernel, features) in enumerate(
            ((5, w), (5, 2 * w), (3, 4 * w), (3, 8 * w), (1, 16 * w), (1, 32 * w)), 1
        ):
            x = conv(x, kernel, features, lambda y: nn.leaky_relu(y, SLOPE))
            if level == 2:
                x = transform(x, 1, (4 * w, 8 * w, 16 * w, 20, 20))
            if level == 3:
                x = transform(x, 2, (8 * w, 16 * w, 20, 20))
            x = layers.max_pool(x)  # B x H/2^level x W/2^level x features
        shape = x.shape
        x = x.reshape(shape[0], -1)
        x = nn.Dense(x.shape[-1], dtype=self.dtype, kernel_init=layers.conv_init)(x).reshape(shape)
        for level, (kernel, features) in enumerate(
            ((1, 16 * w), (3, 8 * w), (3, 4 * w), (3, 32 * w), (3, 16 * w), (5, 8 * w)), 1
        ):
            x = layers.upsample(conv(x, kernel, features, nn.relu))
            if level == 2:
                x = transform(x, 3, (20, 20))
        x = conv(x, 5, 4 * w, nn.relu)  # B x H x W x 4w
        x = layers.Conv(self.features, kernel_size=5, dtype=self.dtype)(x)
        return x.astype(jnp.float32)


class FaceCritic(nn.Module):
    """The paper's discriminator: image -> verdict, the logarithm of the odds that it is real.

    See the module's docstring, and `Remover` for the attributes.
    """

    width: int = 32
    norm: str = "batch"
    dtype: Any = None

    @nn.compact
    def __call__(self, image: jax.Array, *, train: bool = False) -> jax.Array:
        """float[B, H, W, C], H and W multiples of 16 -> float32[B, 1]."""
        _check_size(image, 16)
        w = self.width
        x = image
        for kernel_size, features in ((5, w), (5, 2 * w), (5, 4 * w), (3, 3 * w)):
            x = layers.Conv(features, kernel_size=kernel_size, dtype=self.dtype)(x)
            x = layers.Norm(self.norm, dtype=self.dtype)(layers.max_pool(x), train=train)
            x = nn.leaky_relu(x, SLOPE)
        x = x.reshape(x.shape[0], -1)
        x = nn.Dense(32 * w, dtype=self.dtype, kernel_init=layers.conv_init)(x)
        x = nn.Dense(1, dtype=self.dtype, kernel_init=layers.conv_init)(nn.leaky_relu(x, SLOPE))
        return x.astype(jnp.float32)


def _transformers(net: Remover | ReleasedRemover) -> Callable[[jax.Array, int, tuple], jax.Array]:
    """A function (map, number, channels) -> the map, warped where the net has transformers."""

    def transform(x: jax.Array, number: int, channels: tuple[int, ...]) -> jax.Array:
        if not net.has_transformers:
            return x
        name = f"transformer{number}"
        return stn.SpatialTransformer(channels, net.one_radian_start, net.dtype, name=name)(x)

    return transform


def _check_size(image: jax.Array, multiple: int) -> None:
    height, width = image.shape[1:3]
    if height % multiple or width % multiple:
        raise ValueError(
            f"image: expected height and width divisible by {multiple}, got {height} x {width}"
        )


def _check_choice(field: str, value: str, allowed: Any) -> None:
    if value not in allowed:
        raise ValueError(f"{field}: expected one of {sorted(allowed)}, got {value!r}")
