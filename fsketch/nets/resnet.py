"""The residual translator: down, residual trunk, up, with its six maps exposed.

Source: the generator of github.com/mrzhu-cool/pix2pix-pytorch, by KT's first author [code];
its use as the student of KT and KD is [inferred] from its maps, which have the channels and
resolutions of VGG's first three stages.  With width 64 and 3 channels in and out it has
11.38 M parameters (9 blocks) or 7.84 M (6 blocks).

    layer                                         channels   resolution   tap
    conv 7x7, reflect                             w          H            in
    conv 3x3 / 2                                  2w         H/2          d1
    conv 3x3 / 2                                  4w         H/4          d2
    n residual blocks, reflect, ReLU after add    4w         H/4          bottle
    transposed conv 3x3 / 2                       2w         H/2          u1
    transposed conv 3x3 / 2                       w          H            u2
    conv 7x7, reflect, tanh                       out        H

Every convolution but the last is followed by normalisation and ReLU.  Difference from the
code: instance normalisation by default, since a batch of one gives batch statistics that
differ between training and test [inferred].
"""

from typing import Any

import jax
import jax.numpy as jnp
from flax import linen as nn

from fsketch.core import images, types
from fsketch.nets import layers

DETAIL_PX = 15  # side of the windows of `detail`
NOISE_PX = 256  # side of the tile of noise that predictions repeat
FLAT = 0.02  # deviation of the luma in [-1, 1] that counts as grain: 2 or 3 grey levels
TAPS = ("in", "d1", "d2", "bottle", "u1", "u2")


class ResidualBlock(nn.Module):
    """conv-norm-ReLU-conv-norm, identity added, then ReLU if `relu_after_add`."""

    norm: str = "instance"
    relu_after_add: bool = True
    dtype: Any = None

    @nn.compact
    def __call__(self, x: jax.Array, *, train: bool = False) -> jax.Array:
        def conv_norm(y: jax.Array) -> jax.Array:
            y = layers.Conv(
                x.shape[-1],
                kernel_size=3,
                pad_mode="reflect",
                use_bias=self.norm == "none",
                dtype=self.dtype,
            )(y)
            return layers.Norm(self.norm, dtype=self.dtype)(y, train=train)

        x = x + conv_norm(nn.relu(conv_norm(x)))
        return nn.relu(x) if self.relu_after_add else x


class Translator(nn.Module):
    """Image of one domain -> image of the other and its taps.

    Attributes:
      features: channels of the output image, 1 (sketch) or 3 (photo).
      width: channels of the first layer; 64 in the author's code [secondary].
      num_blocks: residual blocks; 9 for 256 px in that code [secondary].
      norm: "instance", "batch" or "none".
      up: "transposed", or "nearest" [ours]: doubled, then convolved, which leaves no
        checkerboard; as many parameters, four times the multiply-adds of these two layers.
      skips: whether the convolutions that make u1 and u2 also take the maps d1 and in, as in a
        U-Net [ours]; needs `up` "nearest".
      noise: whether the first convolution also sees white noise [ours]: in an even area nothing
        tells where a stroke begins, and without noise the net draws nothing or repeats itself.
        The noise's kernel starts at zero, so it changes nothing at first.
      detail: whether the first convolution also sees the image's local contrast [ours]: strands of
        dark hair are few grey levels apart.  Its kernel starts at zero as well.
      relu_after_add: whether residual blocks end with ReLU, unusual but the author's choice;
        without it this is the generator of CycleGAN (Zhu et al., ICCV 2017, section 7.2), whose
        padding is the same.
      block: the residual block, with the fields of `ResidualBlock`.
      dtype: type to compute in (None: float32); parameters stay float32.
    """

    features: int
    width: int = 64
    num_blocks: int = 9
    norm: str = "instance"
    up: str = "transposed"
    skips: bool = False
    noise: bool = False
    detail: bool = False
    relu_after_add: bool = True
    block: type[nn.Module] = ResidualBlock
    dtype: Any = None

    @nn.compact
    def __call__(
        self,
        image: jax.Array,
        style: jax.Array | None = None,
        *,
        train: bool = False,
        keys: types.Key | None = None,
    ) -> tuple[jax.Array, types.Taps]:
        """float[B, H, W, C] in [-1, 1], H and W multiples of 4 -> (same size in [-1, 1], taps).

        style: float[B, S], the share of each style to draw in, for a net of several styles [ours]:
          it shifts the channels of every map but those of the blocks.  The shifts start at zero.
        keys: Key[B] that draw the noise; without them it is always the same, and a part of an
          image sees what the whole sees there, from the top left corner.
        """
        height, width_px = image.shape[1:3]
        if height % 4 or width_px % 4:
            raise ValueError(
                f"image: expected height and width divisible by 4, got {height} x {width_px}"
            )
        if self.up not in ("transposed", "nearest"):
            raise ValueError(f"model.up: expected 'transposed' or 'nearest', got {self.up!r}")
        if self.skips and self.up != "nearest":
            raise ValueError(f"model.up: expected 'nearest' with model.skips, got {self.up!r}")
        bias = self.norm == "none"

        def norm_relu(x: jax.Array) -> jax.Array:
            x = layers.Norm(self.norm, dtype=self.dtype)(x, train=train)
            return nn.relu(x if style is None else x + layers.shift(style, like=x))

        def conv(x: jax.Array, features: int, kernel_size: int, **options: Any) -> jax.Array:
            return layers.Conv(features, kernel_size=kernel_size, dtype=self.dtype, **options)(x)

        def down(x: jax.Array, features: int) -> jax.Array:
            return norm_relu(conv(x, features, 3, stride=2, padding=1, use_bias=bias))

        def up(x: jax.Array, features: int, skip: jax.Array) -> jax.Array:
            if self.up == "nearest":
                x = layers.upsample(x)
                x = jnp.concatenate([x, skip], -1) if self.skips else x
                return norm_relu(conv(x, features, 3, use_bias=bias))
            return norm_relu(layers.ConvTranspose(features, use_bias=bias, dtype=self.dtype)(x))

        taps: types.Taps = {}
        w = self.width
        x = conv(image, w, 7, pad_mode="reflect", use_bias=bias)
        added = {}
        if self.noise:
            added["noise"] = _noise(image.shape, keys)
        if self.detail:
            added["detail"] = _detail(image)
        for name, channel in added.items():
            x = x + conv(
                channel, w, 7, pad_mode="reflect", use_bias=False,
                kernel_init=nn.initializers.zeros, name=name,
            )  # fmt: skip
        x = norm_relu(x)
        taps["in"] = x  # B x H x W x w
        x = taps["d1"] = down(x, 2 * w)  # B x H/2 x W/2 x 2w
        x = taps["d2"] = down(x, 4 * w)  # B x H/4 x W/4 x 4w
        for _ in range(self.num_blocks):
            x = self.block(self.norm, self.relu_after_add, dtype=self.dtype)(x, train=train)
        taps["bottle"] = x
        x = taps["u1"] = up(x, 2 * w, taps["d1"])  # B x H/2 x W/2 x 2w
        x = taps["u2"] = up(x, w, taps["in"])  # B x H x W x w
        x = conv(x, self.features, 7, pad_mode="reflect")
        return jnp.tanh(x.astype(jnp.float32)), taps


def noise_tile() -> jax.Array:
    """The noise of predictions, standard normal [NOISE_PX, NOISE_PX], for all nets and images."""
    return jax.random.normal(jax.random.key(0), (NOISE_PX, NOISE_PX, 1))[..., 0]


def _noise(shape: tuple[int, ...], keys: types.Key | None) -> jax.Array:
    """Standard normal [B, H, W, 1] for images [B, H, W, C]; without keys, of `noise_tile`s."""
    height, width = shape[1:3]
    if keys is None:
        tiled = jnp.tile(noise_tile(), (-(-height // NOISE_PX), -(-width // NOISE_PX)))
        return jnp.broadcast_to(tiled[:height, :width, None], (*shape[:3], 1))
    return jax.vmap(lambda key: jax.random.normal(key, (height, width, 1)))(keys)


def _detail(image: jax.Array) -> jax.Array:
    """The luma's deviations from its local mean in local standard deviations, [B, H, W, 1]."""
    luma = images.luma(image.astype(jnp.float32))

    def local(x: jax.Array) -> jax.Array:
        rim = DETAIL_PX // 2
        x = jnp.pad(x, ((0, 0), (rim, rim), (rim, rim), (0, 0)), mode="edge")
        return nn.avg_pool(x, (DETAIL_PX, DETAIL_PX), padding="VALID")

    deviation = luma - local(luma)
    return deviation / jnp.sqrt(local(jnp.square(deviation)) + FLAT**2)
