"""SqueezeNet v1.0 and v1.1: small ImageNet classifiers.

Source: Iandola et al., arXiv 1602.07360, table 1; 1 248 424 parameters.  Pooling rounds up,
as in Caffe, where the published weights come from.  v1.1 (the authors' repository; 1 235 496
parameters) has 64 channels 3x3 / 2 in conv1 and pools before fire2, fire4 and fire6.

    v1.0             channels   resolution at 256 x 256
    conv1 7x7 / 2    96         125     (map after ReLU: "conv1")
    pool 3x3 / 2     96         62
    fire2, fire3     128        62
    fire4            256        62
    pool             256        31
    fire5            256        31
    fire6, fire7     384        31
    fire8            512        31
    pool             512        15
    fire9            512        15
    conv10 1x1       1000       15      then the mean over pixels
"""

import jax
import jax.numpy as jnp
from flax import linen as nn

from fsketch.core import types
from fsketch.nets import layers

FIRES = {  # name -> (squeeze, expand 1x1, expand 3x3)
    "fire2": (16, 64, 64),
    "fire3": (16, 64, 64),
    "fire4": (32, 128, 128),
    "fire5": (32, 128, 128),
    "fire6": (48, 192, 192),
    "fire7": (48, 192, 192),
    "fire8": (64, 256, 256),
    "fire9": (64, 256, 256),
}
FIRST_CONVOLUTION = {"1.0": (96, 7), "1.1": (64, 3)}  # version -> (channels, kernel)
POOL_BEFORE = {"1.0": ("fire2", "fire5", "fire9"), "1.1": ("fire2", "fire4", "fire6")}
CAFFE_MEAN_BGR = (104.0, 117.0, 123.0)


def adapt(image: jax.Array) -> jax.Array:
    """[-1, 1] RGB -> Caffe's input: BGR, 0..255, mean subtracted."""
    return (image[..., ::-1] + 1.0) * 127.5 - jnp.asarray(CAFFE_MEAN_BGR)


class Fire(nn.Module):
    """1x1 squeeze, then 1x1 and 3x3 expansions side by side; ReLU after each."""

    squeeze: int
    expand1: int
    expand3: int

    @nn.compact
    def __call__(self, x: jax.Array) -> jax.Array:
        x = nn.relu(layers.Conv(self.squeeze, kernel_size=1, name="squeeze")(x))
        one = layers.Conv(self.expand1, kernel_size=1, name="expand1")(x)
        three = layers.Conv(self.expand3, kernel_size=3, padding=1, name="expand3")(x)
        return nn.relu(jnp.concatenate([one, three], axis=-1))


class SqueezeNet(nn.Module):
    """Returns the maps conv1, fire2 ... fire9 after their ReLU, and "logits" [B, 1000]."""

    version: str = "1.0"

    @nn.compact
    def __call__(self, image: jax.Array) -> types.Taps:
        """float32[B, H, W, 3]; `adapt` gives what the published weights of v1.0 expect."""
        taps: types.Taps = {}
        channels, kernel = FIRST_CONVOLUTION[self.version]
        x = layers.Conv(channels, kernel_size=kernel, stride=2, padding=0, name="conv1")(image)
        x = taps["conv1"] = nn.relu(x)
        for name, widths in FIRES.items():
            if name in POOL_BEFORE[self.version]:
                x = _pool_ceil(x)
            x = taps[name] = Fire(*widths, name=name)(x)
        x = nn.relu(layers.Conv(1000, kernel_size=1, name="conv10")(x))
        taps["logits"] = x.mean((1, 2))
        return taps


def _pool_ceil(x: jax.Array) -> jax.Array:
    """3x3 max pooling with stride 2 that keeps an incomplete last window (Caffe's ceil mode)."""
    pad = [(0, -(size - 3) % 2) for size in x.shape[1:3]]
    return nn.max_pool(x, (3, 3), strides=(2, 2), padding=pad)
