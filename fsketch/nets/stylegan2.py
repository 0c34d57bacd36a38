"""StyleGAN2's generator: a vector of normals becomes a face.

Source: Karras et al., "Analyzing and Improving the Image Quality of StyleGAN", CVPR 2020
(arXiv 1912.04958), section 2 and figure 2d, in the form of NVIDIA's stylegan2-ada-pytorch
(training/networks.py), architecture "skip" [code].  Modules and parameters carry its names; a
kernel keeps the published numbers, its gain is applied when it is used.

    layer, at 256 px                        channels         H x W
    mapping: z / rms(z), fc0 ... fc7        512              -         w
    b4   const, conv1, torgb                512              4 x 4
    b8   conv0 (up), conv1, torgb           512              8 x 8
    b16, b32                                512              16 x 16, 32 x 32
    b64, b128, b256                         256, 128, 64     64 x 64 ... 256 x 256

Channels are min(channel_base / size, channel_max): channel_base 16384 for NVIDIA's FFHQ 256
pickle [inferred: its half-width "paper256"], 24 767 458 parameters; 32768 in config F at all
sizes, 30 034 338 at 256 px.

A convolution multiplies each input channel by a factor of its style s = affine(w), then scales its
kernels to unit length (demodulation; not in torgb):

    y_o = d_o sum_i k_oi * (s_i x_i),   d_o = 1 / sqrt(sum_ikk (s_i k_oi)^2 + 1e-8)

then + strength * noise, + bias, sqrt(2) leaky ReLU(0.2), clipped at `clamp`.  Scaling the maps
instead of the kernels lets a batch share one convolution.  conv0 doubles the size by an adjoint
convolution and the filter (1, 3, 3, 1) x (1, 3, 3, 1) / 16; images double by the same filter.

NVIDIA computes the four largest sizes in float16 on GPUs; here all is float32.
"""

import jax
import jax.numpy as jnp
import numpy as np
from flax import linen as nn

from fsketch.core import types
from fsketch.nets import convolution

NOISES = ("random", "const", "none")
MAPPING_RATE = 0.01  # of learning, in the mapping: its kernels are kept 100 times as large

_normal = nn.initializers.normal(1.0)


class Linear(nn.Module):
    """rate (x K / sqrt(inputs) + b), then, if `acts`, sqrt(2) leaky ReLU(0.2)."""

    features: int
    rate: float = 1.0
    bias: float = 0.0
    acts: bool = False

    @nn.compact
    def __call__(self, x: jax.Array) -> jax.Array:
        init = nn.initializers.normal(1 / self.rate)
        kernel = self.param("kernel", init, (x.shape[-1], self.features))
        bias = self.param("bias", nn.initializers.constant(self.bias), (self.features,))
        y = x @ kernel * (self.rate / np.sqrt(x.shape[-1])) + self.rate * bias
        return _activated(y) if self.acts else y


class Mapping(nn.Module):
    """z float32[B, Z] -> w float32[B, D]; `w_avg`, the mean of w, lies in "constants"."""

    width: int = 512
    depth: int = 8

    @nn.compact
    def __call__(self, z: jax.Array, *, truncation: float = 1.0) -> jax.Array:
        """w_avg + truncation (w - w_avg)."""
        mean = self.variable("constants", "w_avg", jnp.zeros, (self.width,)).value
        x = z * jax.lax.rsqrt(jnp.mean(jnp.square(z), axis=-1, keepdims=True) + 1e-8)
        for i in range(self.depth):
            x = Linear(self.width, rate=MAPPING_RATE, acts=True, name=f"fc{i}")(x)
        return x if truncation == 1.0 else mean + truncation * (x - mean)


class Layer(nn.Module):
    """A styled 3x3 convolution with noise, bias and activation; `doubles` the size first."""

    features: int
    size_px: int
    doubles: bool
    clamp: float | None

    @nn.compact
    def __call__(
        self, x: jax.Array, w: jax.Array, *, noise: str, keys: types.Key | None
    ) -> jax.Array:
        style = Linear(x.shape[-1], bias=1.0, name="affine")(w)  # B x Cin
        kernel = self.param("kernel", _normal, (3, 3, x.shape[-1], self.features))
        power = jnp.sum(jnp.square(kernel), axis=(0, 1))  # Cin x C
        lengths = jax.lax.rsqrt(jnp.square(style) @ power + 1e-8)  # B x C
        x = x * style[:, None, None]
        if self.doubles:
            x = convolution.conv_transpose2d(x, kernel.swapaxes(2, 3), stride=2, padding=0)
            x = _smooth(x)  # B x 2H+1 x 2W+1 -> B x 2H x 2W
        else:
            x = convolution.conv2d(x, kernel, padding=1)
        x = x * lengths[:, None, None]
        shape = (self.size_px, self.size_px)
        fixed = self.variable("constants", "noise_const", self._draw, shape).value
        strength = self.param("noise_strength", nn.initializers.zeros, ())
        if noise == "random":
            drawn = jax.vmap(lambda key: jax.random.normal(key, shape, x.dtype))(keys)
            x = x + strength * drawn[..., None]
        elif noise == "const":
            x = x + strength * fixed[..., None]
        x = x + self.param("bias", nn.initializers.zeros, (self.features,))
        return _clipped(_activated(x), self.clamp)

    def _draw(self, shape: tuple[int, int]) -> jax.Array:
        return jax.random.normal(self.make_rng("params"), shape)


class ToRGB(nn.Module):
    """A styled 1x1 convolution to colours, without demodulation."""

    clamp: float | None

    @nn.compact
    def __call__(self, x: jax.Array, w: jax.Array) -> jax.Array:
        style = Linear(x.shape[-1], bias=1.0, name="affine")(w) / np.sqrt(x.shape[-1])
        kernel = self.param("kernel", _normal, (1, 1, x.shape[-1], 3))
        # A product for each pixel; the style goes to the small side, the kernel.
        y = jnp.einsum("bhwi,bi,io->bhwo", x, style, kernel[0, 0])
        return _clipped(y + self.param("bias", nn.initializers.zeros, (3,)), self.clamp)


class Block(nn.Module):
    """The layers of one size; adds its colours to the doubled image of the sizes before."""

    features: int
    size_px: int
    clamp: float | None

    @nn.compact
    def __call__(
        self,
        x: jax.Array | None,
        image: jax.Array | None,
        ws: list[jax.Array],
        *,
        noise: str,
        keys: list[types.Key | None],
    ) -> tuple[jax.Array, jax.Array]:
        def layer(x: jax.Array, name: str, at: int) -> jax.Array:
            net = Layer(self.features, self.size_px, name == "conv0", self.clamp, name=name)
            return net(x, ws[at], noise=noise, keys=keys[at])

        if x is None:
            const = self.param("const", _normal, (self.size_px, self.size_px, self.features))
            x = jnp.broadcast_to(const, (ws[0].shape[0], *const.shape))
            x = layer(x, "conv1", 0)
        else:
            x = layer(layer(x, "conv0", 0), "conv1", 1)
        colours = ToRGB(self.clamp, name="torgb")(x, ws[-1])
        return x, colours if image is None else double(image) + colours


class Synthesis(nn.Module):
    """w -> image; see `Generator`."""

    size_px: int = 256
    channel_base: int = 16384
    channel_max: int = 512
    clamp: float | None = 256.0

    @property
    def num_ws(self) -> int:
        """The number of layers that take their own w: 14 at 256 px."""
        return 2 * int(np.log2(self.size_px)) - 2

    @nn.compact
    def __call__(
        self, w: jax.Array, *, noise: str = "random", keys: types.Key | None = None
    ) -> jax.Array:
        """float32[B, D], or one for each layer [B, num_ws, D] -> float32[B, S, S, 3]."""
        size = self.size_px
        if size < 4 or size & (size - 1):
            raise ValueError(f"size_px: expected a power of 2 from 4 on, got {size}")
        if noise not in NOISES:
            raise ValueError(f"noise: expected one of {NOISES}, got {noise!r}")
        if noise == "random" and keys is None:
            raise ValueError("keys: expected one per image for noise 'random', got none")
        if w.ndim == 2:
            w = jnp.broadcast_to(w[:, None], (w.shape[0], self.num_ws, w.shape[1]))
        if w.shape[1] != self.num_ws:
            raise ValueError(
                f"w: expected one or {self.num_ws} per image at {size} px, got {w.shape}"
            )
        ws = list(jnp.moveaxis(w, 1, 0))
        layer_keys: list[types.Key | None] = [None] * self.num_ws
        if noise == "random":
            layer_keys = [
                jax.vmap(jax.random.fold_in, (0, None))(keys, i) for i in range(self.num_ws)
            ]
        x = image = None
        at = 0
        for side in (2**i for i in range(2, int(np.log2(size)) + 1)):
            features = min(self.channel_base // side, self.channel_max)
            block = Block(features, side, self.clamp, name=f"b{side}")
            convolutions = 1 if x is None else 2
            # torgb shares its w with the next block's first layer.
            mine = slice(at, at + convolutions + 1)
            x, image = block(x, image, ws[mine], noise=noise, keys=layer_keys[mine])
            at += convolutions
        return image


class Generator(nn.Module):
    """Mapping and synthesis.

    Attributes:
      size_px: of the image, a power of 2.
      channel_base, channel_max: see above.
      clamp: of each layer's output, None for none [code: 256, for float16's sake].
      width, depth: of the mapping; z has as many numbers as w.
    """

    size_px: int = 256
    channel_base: int = 16384
    channel_max: int = 512
    clamp: float | None = 256.0
    width: int = 512
    depth: int = 8

    def setup(self) -> None:
        self.mapping = Mapping(self.width, self.depth)
        self.synthesis = Synthesis(self.size_px, self.channel_base, self.channel_max, self.clamp)

    def __call__(
        self, z: jax.Array, *, noise: str = "const", keys: types.Key | None = None
    ) -> jax.Array:
        """z float32[B, width], standard normal -> float32[B, S, S, 3], about [-1, 1]."""
        return self.image(self.latents(z), noise=noise, keys=keys)

    def latents(self, z: jax.Array, *, truncation: float = 1.0) -> jax.Array:
        """z -> w, float32[B, width]; truncation below 1 draws it towards the mean of w."""
        return self.mapping(z, truncation=truncation)

    def image(
        self, w: jax.Array, *, noise: str = "random", keys: types.Key | None = None
    ) -> jax.Array:
        """w, float32[B, width] or one for each layer -> image, about [-1, 1], not clipped.

        noise: "random" with keys Key[B], "const" (the weights' own) or "none".
        """
        return self.synthesis(w, noise=noise, keys=keys)


def _activated(x: jax.Array) -> jax.Array:
    return np.sqrt(2.0).astype(np.float32) * jnp.where(x < 0, 0.2 * x, x)


def _clipped(x: jax.Array, limit: float | None) -> jax.Array:
    return x if limit is None else jnp.clip(x, -limit, limit)


def _smooth(x: jax.Array) -> jax.Array:
    """The filter (1, 3, 3, 1) / 4 along both axes, after a border of one zero.

    B x H x W x C -> B x H-1 x W-1 x C.  Shifted sums: on CPU a grouped convolution is slower.
    """
    for axis in (1, 2):
        pad = [(0, 0)] * 4
        pad[axis] = (1, 1)
        n = x.shape[axis] - 1
        padded = jnp.pad(x, pad)
        a, b, c, d = (jax.lax.slice_in_dim(padded, i, i + n, axis=axis) for i in range(4))
        x = 0.25 * (a + d) + 0.75 * (b + c)
    return x


def double(image: jax.Array) -> jax.Array:
    """Twice the size by the filter (1, 3, 3, 1): B x H x W x C -> B x 2H x 2W x C.

    Pixels 2i and 2i + 1 are (x[i-1] + 3 x[i]) / 4 and (3 x[i] + x[i+1]) / 4, zero outside.
    """
    for axis in (1, 2):
        pad = [(0, 0)] * 4
        pad[axis] = (1, 1)
        n = image.shape[axis]
        padded = jnp.pad(image, pad)
        before, here, after = (jax.lax.slice_in_dim(padded, i, i + n, axis=axis) for i in range(3))
        both = jnp.stack([before + 3 * here, 3 * here + after], axis=axis + 1) / 4
        shape = list(image.shape)
        shape[axis] *= 2
        image = both.reshape(shape)
    return image
