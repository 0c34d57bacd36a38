"""MTCNN: three small nets that find faces and five points of each.

Source: Zhang et al., arXiv 1604.02878, figure 2; 495 850 parameters.  `Proposal` looks at every
12 x 12 window of an image, `Refinement` at the 24 x 24 crops it proposes, `Output` at 48 x 48.

    Proposal             Refinement           Output
    conv 3x3     10      conv 3x3     28      conv 3x3     32
    pool 2x2 / 2         pool 3x3 / 2         pool 3x3 / 2
    conv 3x3     16      conv 3x3     48      conv 3x3     64
                         pool 3x3 / 2         pool 3x3 / 2
                                              conv 3x3     64
                                              pool 2x2 / 2
    conv 3x3     32      conv 2x2     64      conv 2x2    128
                         dense       128      dense       256
    score 2, box 4       score 2, box 4       score 2, box 4, points 10

All take RGB, (level - 127.5) / 128 of 0..255.  A box is an offset of its four sides (left, top,
right, bottom) in units of the window's width; points are five x, then five y, from the window's
left and top in its width and height: the eye on the left of the picture, the other, nose, and the
corners of the mouth on the left and on the right.
"""

import jax
from flax import linen as nn

from fsketch.nets import layers

STRIDE, WINDOW = 2, 12  # of Proposal, in pixels


def adapt(image: jax.Array) -> jax.Array:
    """uint8 or float 0..255 -> the input of the nets."""
    return (image - 127.5) / 128


class Proposal(nn.Module):
    """Scores every window of an image."""

    @nn.compact
    def __call__(self, x: jax.Array) -> tuple[jax.Array, jax.Array]:
        """float32[B, H, W, 3] -> score 0..1 [B, h, w], box [B, h, w, 4]; window STRIDE * index."""
        x = _convolved(x, 1, 10)
        x = nn.max_pool(x, (2, 2), strides=(2, 2), padding="SAME")
        x = _convolved(_convolved(x, 2, 16), 3, 32)
        score = layers.Conv(2, kernel_size=1, name="score")(x)
        return nn.softmax(score)[..., 1], layers.Conv(4, kernel_size=1, name="box")(x)


class Refinement(nn.Module):
    """Scores crops and corrects their boxes."""

    @nn.compact
    def __call__(self, x: jax.Array) -> tuple[jax.Array, jax.Array]:
        """float32[B, 24, 24, 3] -> score 0..1 [B], box [B, 4]."""
        x = nn.max_pool(_convolved(x, 1, 28), (3, 3), strides=(2, 2), padding="SAME")
        x = nn.max_pool(_convolved(x, 2, 48), (3, 3), strides=(2, 2))
        x = _dense(_convolved(x, 3, 64, kernel_size=2), 4, 128)
        return nn.softmax(nn.Dense(2, name="score")(x))[:, 1], nn.Dense(4, name="box")(x)


class Output(nn.Module):
    """Scores crops, corrects their boxes and finds the points."""

    @nn.compact
    def __call__(self, x: jax.Array) -> tuple[jax.Array, jax.Array, jax.Array]:
        """float32[B, 48, 48, 3] -> score 0..1 [B], box [B, 4], points [B, 10]."""
        x = nn.max_pool(_convolved(x, 1, 32), (3, 3), strides=(2, 2), padding="SAME")
        x = nn.max_pool(_convolved(x, 2, 64), (3, 3), strides=(2, 2))
        x = nn.max_pool(_convolved(x, 3, 64), (2, 2), strides=(2, 2), padding="SAME")
        x = _dense(_convolved(x, 4, 128, kernel_size=2), 5, 256)
        score = nn.softmax(nn.Dense(2, name="score")(x))[:, 1]
        return score, nn.Dense(4, name="box")(x), nn.Dense(10, name="points")(x)


def _convolved(x: jax.Array, number: int, features: int, *, kernel_size: int = 3) -> jax.Array:
    conv = layers.Conv(features, kernel_size=kernel_size, padding=0, name=f"conv{number}")
    return layers.PReLU(name=f"prelu{number}")(conv(x))


def _dense(x: jax.Array, number: int, features: int) -> jax.Array:
    x = nn.Dense(features, name="dense")(x.reshape(len(x), -1))
    return layers.PReLU(name=f"prelu{number}")(x)


# The three by the names that their weights have.
NETS = {
    "proposal": (Proposal(), WINDOW),
    "refinement": (Refinement(), 24),
    "output": (Output(), 48),
}
