"""Layers the networks are made of: convolutions, normalisation, pooling, resampling.

Images and feature maps are B x H x W x C. Parameters are float32 and named `kernel`,
`bias`, `scale`; `dtype` is the type a layer computes in (None: that of its input).
Defaults of initialisation are those of the author's public image-translation code
(github.com/mrzhu-cool/pix2pix-pytorch): kernels N(0, 0.02), scales N(1, 0.02), biases 0.
"""

import functools
from collections.abc import Callable
from typing import Any

import flax.linen as nn
import jax
import jax.numpy as jnp
from flax.linen import dtypes
from jax import lax

from fsketch.core import types
from fsketch.nets import convolution

conv_init = nn.initializers.normal(0.02)
# U(-1, 1) / sqrt(fan-in): as torch initialises convolutions and dense layers.
torch_init = nn.initializers.variance_scaling(1 / 3, "fan_in", "uniform")


def _scale_init(key: jax.Array, shape: tuple[int, ...], dtype: Any = jnp.float32) -> jax.Array:
    """N(1, 0.02)."""
    return 1 + nn.initializers.normal(0.02)(key, shape, dtype)


def param(
    module: nn.Module, name: str, init: Callable[..., jax.Array], shape: tuple[int, ...]
) -> jax.Array:
    """`module.param(name, init, shape)`, quickly where the parameter is there and has this shape.

    Flax traces its initialiser then, only to learn the shape: half the time to trace a net.
    """
    if module.has_variable("params", name):
        value = module.get_variable("params", name)
        if value.shape == tuple(shape):
            return value
    return module.param(name, init, shape)


def shift(style: jax.Array, *, like: jax.Array) -> jax.Array:
    """[B, 1, 1, C]: a shift of the channels of [B, H, W, C], learned by the module that calls.

    It depends on float[B, S], the share of each of S styles.  Added after a normalisation, which
    would remove it, it chooses what passes the next ReLU.
    """
    dense = nn.Dense(
        like.shape[-1], use_bias=False, dtype=like.dtype, kernel_init=nn.initializers.zeros
    )
    return dense(style)[:, None, None]


class Conv(nn.Module):
    """Cross-correlation with a square kernel; `kernel` is k x k x Cin x Cout.

    Attributes:
      padding: rows and columns added on every side; None keeps the size at stride 1 when
        the kernel is odd, and halves an even size at stride 2 for kernels 3 and 4.
      pad_mode: "zero", or "reflect" (without repeating the border pixel).
      dilation: distance between the kernel's taps.
    """

    features: int
    kernel_size: int = 3
    stride: int = 1
    padding: int | None = None
    pad_mode: str = "zero"
    dilation: int = 1
    use_bias: bool = True
    dtype: Any = None
    kernel_init: Callable[..., jax.Array] = conv_init
    bias_init: Callable[..., jax.Array] = nn.initializers.zeros

    @nn.compact
    def __call__(self, x: jax.Array) -> jax.Array:
        shape = (self.kernel_size, self.kernel_size, x.shape[-1], self.features)
        kernel = param(self, "kernel", self.kernel_init, shape)
        bias = param(self, "bias", self.bias_init, (self.features,)) if self.use_bias else None
        x, kernel, bias = dtypes.promote_dtype(x, kernel, bias, dtype=self.dtype)
        padding = self.padding
        if padding is None:
            padding = self.dilation * (self.kernel_size - 1) // 2
        if self.pad_mode == "reflect":
            x, padding = reflect_pad(x, padding), 0
        elif self.pad_mode != "zero":
            raise ValueError(f"pad_mode: expected 'zero' or 'reflect', got {self.pad_mode!r}")
        y = convolution.conv2d(
            x, kernel, stride=self.stride, padding=padding, dilation=self.dilation
        )
        return y if bias is None else y + bias


class DepthwiseConv(nn.Module):
    """A depthwise `Conv` without bias; `kernel` is k x k x 1 x C.

    Zero padding keeps the size at stride 1 when the kernel is odd.
    """

    kernel_size: int = 3
    stride: int = 1
    dtype: Any = None
    kernel_init: Callable[..., jax.Array] = conv_init

    @nn.compact
    def __call__(self, x: jax.Array) -> jax.Array:
        shape = (self.kernel_size, self.kernel_size, 1, x.shape[-1])
        kernel = param(self, "kernel", self.kernel_init, shape)
        x, kernel = dtypes.promote_dtype(x, kernel, dtype=self.dtype)
        padding = (self.kernel_size - 1) // 2
        return convolution.depthwise_conv2d(x, kernel, stride=self.stride, padding=padding)


class ConvTranspose(nn.Module):
    """Adjoint of a strided convolution; `kernel` is k x k x Cout x Cin, unflipped.

    That is torch's ConvTranspose2d weight permuted by (2, 3, 1, 0). The output has
    (H - 1) * stride - 2 * padding + kernel_size + output_padding rows; the defaults double
    the size, as do kernel_size=4, padding=1, output_padding=0.
    """

    features: int
    kernel_size: int = 3
    stride: int = 2
    padding: int = 1
    output_padding: int = 1
    use_bias: bool = True
    dtype: Any = None
    kernel_init: Callable[..., jax.Array] = conv_init
    bias_init: Callable[..., jax.Array] = nn.initializers.zeros

    @nn.compact
    def __call__(self, x: jax.Array) -> jax.Array:
        shape = (self.kernel_size, self.kernel_size, self.features, x.shape[-1])
        kernel = param(self, "kernel", self.kernel_init, shape)
        bias = param(self, "bias", self.bias_init, (self.features,)) if self.use_bias else None
        x, kernel, bias = dtypes.promote_dtype(x, kernel, bias, dtype=self.dtype)
        y = convolution.conv_transpose2d(
            x,
            kernel,
            stride=self.stride,
            padding=self.padding,
            output_padding=self.output_padding,
        )
        return y if bias is None else y + bias


class InstanceNorm(nn.Module):
    """Each channel of each image to zero mean and unit variance over its pixels.

    The statistics are computed in float32 at least, whatever the input's type; the variance
    is the biased one, as in torch's InstanceNorm2d. `affine` adds scale and bias, C each.
    """

    epsilon: float = 1e-5
    affine: bool = True
    dtype: Any = None
    scale_init: Callable[..., jax.Array] = _scale_init

    @nn.compact
    def __call__(self, x: jax.Array) -> jax.Array:
        dtype = self.dtype or x.dtype
        x = x.astype(jnp.promote_types(x.dtype, jnp.float32))
        # In two passes: the mean square less the squared mean loses all digits on an even image,
        # and the rounding of a runtime then decides what the net draws.  The second also finds the
        # error of the mean, since a sum of many equal numbers loses digits too.  No gradient goes
        # through the first: no shift of x changes the result.
        x = x - lax.stop_gradient(jnp.mean(x, axis=(1, 2), keepdims=True))
        mean = jnp.mean(x, axis=(1, 2), keepdims=True)  # B x 1 x 1 x C, nearly 0
        var = jnp.mean(jnp.square(x), axis=(1, 2), keepdims=True) - jnp.square(mean)
        factor = lax.rsqrt(jnp.maximum(var, 0) + self.epsilon)
        offset = -mean * factor
        if self.affine:
            scale = param(self, "scale", self.scale_init, (x.shape[-1],))
            bias = param(self, "bias", nn.initializers.zeros, (x.shape[-1],))
            factor, offset = factor * scale, offset * scale + bias
        return (x * factor + offset).astype(dtype)


class Norm(nn.Module):
    """The normalisation named by `kind`: "instance", "batch" or "none" (identity).

    Parameters (`scale`, `bias`) and, for "batch", the running `mean` and `var` in the
    collection `batch_stats` lie directly under this module, whatever the kind. In training,
    "batch" uses the statistics of the whole batch: of all devices where the step is mapped
    over the axis `types.AXIS`, and of the given array where there is no such axis (initialisation,
    evaluation on one device). Its running variance is the biased one, unlike torch's.
    """

    kind: str = "instance"
    epsilon: float = 1e-5
    dtype: Any = None
    scale_init: Callable[..., jax.Array] = _scale_init

    @nn.compact
    def __call__(self, x: jax.Array, *, train: bool = False) -> jax.Array:
        if self.kind == "none":
            return x
        if self.kind == "instance":
            inner = InstanceNorm(epsilon=self.epsilon, dtype=self.dtype, scale_init=self.scale_init)
        elif self.kind == "batch":
            inner = nn.BatchNorm(
                use_running_average=not train,
                axis_name=types.AXIS if _inside_axis(types.AXIS) else None,
                momentum=0.9,
                epsilon=self.epsilon,
                dtype=self.dtype,
                # Flax traces it whenever the net is applied, only to learn the shape.
                scale_init=self.scale_init if self.is_initializing() else nn.initializers.ones,
            )
        else:
            raise ValueError(f"kind: expected 'instance', 'batch' or 'none', got {self.kind!r}")
        nn.share_scope(self, inner)
        return inner(x)


def batch_norm(name: str, *, epsilon: float = 1e-5) -> Norm:
    """Batch normalisation whose scales start at 1, as in recognisers."""
    return Norm("batch", epsilon=epsilon, scale_init=nn.initializers.ones, name=name)


class PReLU(nn.Module):
    """max(x, 0) + slope min(x, 0) with a learned `slope` for each channel, 0.25 at first."""

    @nn.compact
    def __call__(self, x: jax.Array) -> jax.Array:
        slope = param(self, "slope", nn.initializers.constant(0.25), (x.shape[-1],))
        return jnp.where(x < 0, slope.astype(x.dtype) * x, x)


def _inside_axis(name: str) -> bool:
    """Whether the caller is being traced under a mapped axis of that name."""
    try:
        lax.psum(1, name)  # of a Python number: the axis size, no operation is recorded
    except NameError:
        return False
    return True


@functools.partial(jax.custom_vjp, nondiff_argnums=(1,))
def reflect_pad(x: jax.Array, padding: int) -> jax.Array:
    """Mirrors at the border pixels' centres: B x H x W x C -> B x H+2p x W+2p x C, p < H, W."""
    if padding >= min(x.shape[1:3]):
        raise ValueError(f"padding: expected less than the size {x.shape[1:3]}, got {padding}")
    widths = ((padding, padding), (padding, padding), (0, 0))
    # By image: jax before 0.10 mirrors no array of which an axis, as of any number, has no size.
    return jax.vmap(lambda image: jnp.pad(image, widths, mode="reflect"))(x)


def _reflect_pad_backward(padding: int, _: None, gradient: jax.Array) -> tuple[jax.Array]:
    """Adds each border, mirrored, onto the interior; autodiff's takes 1.5 to 3 times as long."""
    if not padding:
        return (gradient,)
    for axis in (1, 2):
        before, inner, after = jnp.split(gradient, (padding, gradient.shape[axis] - padding), axis)
        low = [(0, 0)] * 4
        low[axis] = (1, inner.shape[axis] - 1 - padding)
        high = [(0, 0)] * 4
        high[axis] = low[axis][::-1]
        gradient = (
            inner + jnp.pad(jnp.flip(before, axis), low) + jnp.pad(jnp.flip(after, axis), high)
        )
    return (gradient,)


reflect_pad.defvjp(lambda x, padding: (reflect_pad(x, padding), None), _reflect_pad_backward)


def max_pool(
    x: jax.Array, *, window: int = 2, stride: int | None = None, padding: int = 0
) -> jax.Array:
    """Maximum over windows: B x H x W x C -> B x h x w x C, h = (H + 2p - window) // stride + 1.

    `stride` defaults to `window`; rows and columns that fill no window are dropped. The
    gradient goes to the first maximum of a window, rows before columns.
    """
    stride = stride or window
    if (window, stride, padding) == (2, 2, 0):
        H, W = x.shape[1:3]
        return _halving_max_pool(x[:, : H // 2 * 2, : W // 2 * 2])
    return nn.max_pool(
        x, (window, window), (stride, stride), ((padding, padding), (padding, padding))
    )


@jax.custom_vjp
def _halving_max_pool(x: jax.Array) -> jax.Array:
    def by_blocks(x: jax.Array) -> jax.Array:
        (a, b), (c, d) = _blocks(x)
        return jnp.maximum(jnp.maximum(a, b), jnp.maximum(c, d))

    # On TPU blocks are another layout, and the whole map is copied into it.
    return lax.platform_dependent(
        x, cpu=by_blocks, default=lambda x: nn.max_pool(x, (2, 2), (2, 2))
    )


def _blocks(x: jax.Array) -> list[list[jax.Array]]:
    """The four pixels of every 2 x 2 block, each B x H/2 x W/2 x C, as [row][column]."""
    B, H, W, C = x.shape
    x = x.reshape(B, H // 2, 2, W // 2, 2, C)
    return [[x[:, :, row, :, column] for column in range(2)] for row in range(2)]


def _halving_max_pool_backward(x: jax.Array, gradient: jax.Array) -> tuple[jax.Array]:
    """A comparison per pixel; autodiff's select-and-scatter takes 20 times as long on CPU."""
    (a, b), (c, d) = _blocks(x)
    top, bottom = jnp.where(b > a, 1, 0), jnp.where(d > c, 3, 2)
    winner = jnp.where(jnp.maximum(c, d) > jnp.maximum(a, b), bottom, top)
    position = jnp.arange(4).reshape(2, 1, 2, 1)
    spread = jnp.where(
        winner[:, :, None, :, None] == position, gradient[:, :, None, :, None], 0
    )  # B x H/2 x 2 x W/2 x 2 x C
    return (spread.reshape(x.shape),)


_halving_max_pool.defvjp(lambda x: (_halving_max_pool(x), x), _halving_max_pool_backward)


def l2_pool(x: jax.Array) -> jax.Array:
    """Root of the smoothed squares at every second pixel: B x H x W x C -> B x h x w x C.

    The window is (1, 2, 1) x (1, 2, 1) / 16 on zero padding, h = ceil(H / 2): the pooling of
    DISTS (Ding et al., arXiv 2004.07728), whose Hanning window of 5 ends in zeros.
    """
    x = jnp.pad(jnp.square(x), ((0, 0), (1, 1), (1, 1), (0, 0)))
    H, W = x.shape[1:3]
    x = (x[:, 0 : H - 2 : 2] + 2 * x[:, 1 : H - 1 : 2] + x[:, 2::2]) / 4
    x = (x[:, :, 0 : W - 2 : 2] + 2 * x[:, :, 1 : W - 1 : 2] + x[:, :, 2::2]) / 4
    return jnp.sqrt(x + 1e-12)


def dropout(x: jax.Array, keys: types.Key, *, rate: float) -> jax.Array:
    """Each value set to 0 with probability `rate`, the others divided by 1 - rate.

    B x H x W x C; `keys` Key[B], one per example, so that no result depends on a neighbour.
    """
    keep = jax.vmap(lambda key: jax.random.bernoulli(key, 1 - rate, x.shape[1:]))(keys)
    return jnp.where(keep, x / (1 - rate), 0)


def upsample(x: jax.Array, *, factor: int = 2) -> jax.Array:
    """Nearest-neighbour enlargement: B x H x W x C -> B x fH x fW x C."""
    return jnp.repeat(jnp.repeat(x, factor, axis=1), factor, axis=2)


def pixel_shuffle(x: jax.Array, *, factor: int = 2) -> jax.Array:
    """Channels to pixels: B x H x W x C*f*f -> B x fH x fW x C, channel order as in torch."""
    B, H, W, channels = x.shape
    C = channels // factor**2
    if C * factor**2 != channels:
        raise ValueError(f"channels: expected a multiple of factor**2={factor**2}, got {channels}")
    x = x.reshape(B, H, W, C, factor, factor).transpose(0, 1, 4, 2, 5, 3)
    return x.reshape(B, H * factor, W * factor, C)
