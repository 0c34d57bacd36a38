"""MLANet: the coarse-to-fine generator of IDE, which doubles the resolution of a sketch.

Source: Peng et al., "Face photo-sketch synthesis via intra-domain enhancement", Knowledge-Based
Systems 2022; the table is that of the released code (github.com/shenhaiyoualn/idesketch) [code].
3 068 290 parameters at width w = 64.

    layer                                  channels   resolution
    head   conv 3x3 (W)                    w          h
    body   8 x FAM                         w          h
    tail   a conv 3x3 (W) + b conv 5x5 (W) 12         h      each shuffled to 3 channels at 2h
    skip   bicubic (torch's rule)          3          2h     added

(W) = weight-normalised; all convolutions have a bias; a, b learnt, from 0.5.

FAM, feature aggregation of the input f by four MAB, r_i a 1x1 conv (W) from 2w to w channels:

    m0 = MAB(f)       m1 = MAB(m0) + m0      m2 = MAB(m1) + m1     m3 = MAB(m2)
    r1 = C1(m0 | m1)  r2 = C2(r1 | m2)       r3 = C3(r2 | m3)      out = a r3 + b f

where x | y joins channels and shuffles the two groups; a, b learnt, from 1.

MAB, attention on g; none of its convolutions is weight-normalised, 88 768 parameters:

    t       conv 3x3, LeakyReLU 0.05, conv 3x3                     w      h
    rc      conv 1x1 of t                                          w/4    h
    p       conv 3x3 / 2 of rc, max-pool 7x7 / 3 without padding   w/4    (h/2 - 7) // 3 + 1
    q       LReLU conv 3x3 of p + LReLU conv 3x3, dilation 2       w/4    as p
    s1      sigmoid ReLU conv 1x1 (q, nearest to h, + rc)          w      h
    s2      sigmoid depthwise conv 5x5 of conv 1x1 of t            w      h
    out     s1 t s2                                                w      h

Defaults follow the released code, perhaps against its intention; an option turns each off:
  relu_gate      s1 has a ReLU before its sigmoid, so it is never below 1/2.
  scaled_init    False: Kaiming's initialisation times 0.1, meant for all kernels, is written to a
                 copy of the weight-normalised ones, which keep torch's, U(-1, 1) / sqrt(fan-in).
  head_px        3, where the paper's figure says 5.
  num_blocks     8, whatever the constructor is told (16).
An unused activation (a LeakyReLU of slope 1) and an unused colour mean are left out.
"""

from collections.abc import Callable
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from flax import linen as nn
from flax.linen import dtypes
from jax import lax

from fsketch.nets import bicubic, convolution, layers

SLOPE = 0.05  # of every LeakyReLU
# Kaiming's normal distribution, N(0, 2 / fan-in), times 0.1.
scaled_init = nn.initializers.variance_scaling(2 * 0.1**2, "fan_in", "normal")


class NormalisedConv(nn.Module):
    """Convolution with the kernel `scale` * `direction` / |direction|, one norm per output channel.

    Source: Salimans and Kingma, NIPS 2016; `direction` is torch's weight_v, `scale` its weight_g,
    which starts at the norm of the initial direction.
    """

    features: int
    kernel_size: int
    dtype: Any = None
    kernel_init: Callable[..., jax.Array] = layers.torch_init

    @nn.compact
    def __call__(self, x: jax.Array) -> jax.Array:
        shape = (self.kernel_size, self.kernel_size, x.shape[-1], self.features)
        direction = self.param("direction", self.kernel_init, shape)
        norm = jnp.sqrt(jnp.square(direction).sum((0, 1, 2)))
        scale = self.param("scale", lambda _: norm)
        bias = self.param("bias", nn.initializers.zeros, (self.features,))
        kernel = direction * (scale / norm)
        x, kernel, bias = dtypes.promote_dtype(x, kernel, bias, dtype=self.dtype)
        return convolution.conv2d(x, kernel, padding=self.kernel_size // 2) + bias


class MAB(nn.Module):
    """The attention block of the module's docstring; keeps the shape."""

    pool_px: int = 7
    relu_gate: bool = True
    dtype: Any = None

    @nn.compact
    def __call__(self, x: jax.Array) -> jax.Array:
        width = x.shape[-1]

        def conv(x: jax.Array, features: int, size: int, name: str, **options: int) -> jax.Array:
            return layers.Conv(
                features, size, dtype=self.dtype, kernel_init=scaled_init, name=name, **options
            )(x)

        def act(x: jax.Array) -> jax.Array:
            return nn.leaky_relu(x, SLOPE)

        t = conv(act(conv(x, width, 3, "first")), width, 3, "second")
        reduced = conv(t, width // 4, 1, "reduce")  # B x h x w x C/4
        halved = conv(reduced, width // 4, 3, "halve", stride=2, padding=1)  # B x h/2 x w/2 x C/4
        if min(halved.shape[1:3]) < self.pool_px:
            raise ValueError(
                f"MLANet: expected an input of at least {2 * self.pool_px - 1} px a side, got "
                f"{x.shape[2]} x {x.shape[1]} px"
            )
        pooled = layers.max_pool(halved, window=self.pool_px, stride=3)
        branches = act(conv(pooled, width // 4, 3, "dilated", dilation=2))
        branches = branches + act(conv(pooled, width // 4, 3, "dense"))
        u = nearest(branches, reduced.shape[1:3]) + reduced  # B x h x w x C/4
        gate = conv(u, width, 1, "increase")
        gate = nn.sigmoid(nn.relu(gate) if self.relu_gate else gate)
        spatial = Depthwise(5, dtype=self.dtype, name="depthwise")(conv(t, width, 1, "pointwise"))
        return gate * t * nn.sigmoid(spatial)


class Depthwise(nn.Module):
    """A depthwise convolution; `kernel` is k x k x 1 x C."""

    kernel_size: int
    dtype: Any = None

    @nn.compact
    def __call__(self, x: jax.Array) -> jax.Array:
        return nn.Conv(
            x.shape[-1],
            (self.kernel_size, self.kernel_size),
            padding=self.kernel_size // 2,
            feature_group_count=x.shape[-1],
            dtype=self.dtype,
            kernel_init=scaled_init,
        )(x)


class FAM(nn.Module):
    """The aggregation of the module's docstring; keeps the shape."""

    pool_px: int = 7
    relu_gate: bool = True
    kernel_init: Callable[..., jax.Array] = layers.torch_init
    dtype: Any = None

    @nn.compact
    def __call__(self, x: jax.Array) -> jax.Array:
        def block(x: jax.Array, i: int) -> jax.Array:
            return MAB(self.pool_px, self.relu_gate, self.dtype, name=f"mab{i}")(x)

        def join(one: jax.Array, other: jax.Array, i: int) -> jax.Array:
            both = interleaved(one, other)
            return NormalisedConv(
                x.shape[-1], 1, self.dtype, self.kernel_init, name=f"reduction{i}"
            )(both)

        first = block(x, 0)
        second = block(first, 1) + first
        third = block(second, 2) + second
        joined = join(first, second, 1)
        joined = join(joined, third, 2)
        joined = join(joined, block(third, 3), 3)
        return Scale(1.0, name="scale_joined")(joined) + Scale(1.0, name="scale_input")(x)


class Scale(nn.Module):
    """A learnt scalar times the input."""

    start: float

    @nn.compact
    def __call__(self, x: jax.Array) -> jax.Array:
        return x * self.param("scale", nn.initializers.constant(self.start), ()).astype(x.dtype)


class MLANet(nn.Module):
    """Coarse sketch -> fine sketch of twice the size; not limited to [-1, 1].

    Attributes: see the module's docstring, and
      width: channels everywhere, a multiple of 4.
      pool_px: the window of the pooling; needs inputs of at least 2 pool_px - 1 px a side.
      dtype: type to compute in (None: float32); parameters and output are float32.
    """

    width: int = 64
    num_blocks: int = 8
    head_px: int = 3
    pool_px: int = 7
    relu_gate: bool = True
    scaled_init: bool = False
    dtype: Any = None

    @nn.compact
    def __call__(self, image: jax.Array, *, train: bool = False) -> jax.Array:
        """float[B, h, w, C] in [-1, 1] -> float32[B, 2h, 2w, C]; within, the range is [0, 1]."""
        del train  # nothing here is random, and nothing keeps statistics
        init = scaled_init if self.scaled_init else layers.torch_init
        image = (image.astype(jnp.float32) + 1.0) / 2.0
        _, height, width, channels = image.shape

        x = NormalisedConv(self.width, self.head_px, self.dtype, init, name="head")(image)
        for i in range(self.num_blocks):
            x = FAM(self.pool_px, self.relu_gate, init, self.dtype, name=f"fam{i}")(x)
        out = bicubic.resize(image, (2 * height, 2 * width), rule="torch")
        for size in (3, 5):
            tail = NormalisedConv(4 * channels, size, self.dtype, init, name=f"tail{size}")(x)
            tail = Scale(0.5, name=f"scale_tail{size}")(tail)
            out = out + layers.pixel_shuffle(tail).astype(jnp.float32)
        return 2.0 * out - 1.0


def nearest(x: jax.Array, size: tuple[int, int]) -> jax.Array:
    """Nearest-neighbour resizing to (h, w) as torch's: output i is pixel floor(i old / new).

    By products with matrices of 0 and 1: the gradient of indexing is slow on accelerators.
    """
    rows, columns = (
        np.eye(old)[np.floor(np.arange(new) * np.float32(old / new)).astype(int)]
        for old, new in zip(x.shape[1:3], size, strict=True)
    )
    return jnp.einsum(
        "ih,bhwc,jw->bijc",
        jnp.asarray(rows, x.dtype),
        x,
        jnp.asarray(columns, x.dtype),
        precision=lax.Precision.HIGHEST,
    )


def interleaved(one: jax.Array, other: jax.Array) -> jax.Array:
    """Channels in turn, ShuffleNet's shuffle of two groups: B x H x W x C twice -> ... x 2C."""
    return jnp.stack([one, other], -1).reshape(*one.shape[:-1], -1)
