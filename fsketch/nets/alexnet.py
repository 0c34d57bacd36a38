"""AlexNet's convolutions, in the version of torchvision's published weights.

Source: Krizhevsky, arXiv 1404.5997 ("one weird trick", one tower, no local normalisation), with
the widths of torchvision; 2 469 696 parameters.

    layer               channels   resolution at 224 x 224
    conv1 11x11 / 4     64         55      (map after ReLU: "relu1")
    pool 3x3 / 2        64         27
    conv2 5x5           192        27      relu2
    pool 3x3 / 2        192        13
    conv3 3x3           384        13      relu3
    conv4 3x3           256        13      relu4
    conv5 3x3           256        13      relu5
"""

import jax
from flax import linen as nn

from fsketch.core import types
from fsketch.nets import layers

CONVOLUTIONS = (  # channels, kernel, stride, padding
    (64, 11, 4, 2),
    (192, 5, 1, 2),
    (384, 3, 1, 1),
    (256, 3, 1, 1),
    (256, 3, 1, 1),
)
POOL_BEFORE = (2, 3)


class AlexNet(nn.Module):
    """Returns the maps relu1 ... relu5."""

    @nn.compact
    def __call__(self, image: jax.Array) -> types.Taps:
        """float32[B, H, W, 3], normalised as the weights expect."""
        taps: types.Taps = {}
        x = image
        for number, (channels, kernel, stride, padding) in enumerate(CONVOLUTIONS, 1):
            if number in POOL_BEFORE:
                x = layers.max_pool(x, window=3, stride=2)
            x = layers.Conv(
                channels, kernel_size=kernel, stride=stride, padding=padding, name=f"conv{number}"
            )(x)
            x = taps[f"relu{number}"] = nn.relu(x)
        return taps
