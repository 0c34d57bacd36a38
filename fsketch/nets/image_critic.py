"""Critics of IDE: one verdict for a whole image of fixed size.

Source: the released code of IDE (form "released", 14.50 M parameters for 3 x 128 x 128 px [code]),
and the table of its paper (form "paper", 38.24 M [secondary: a picture of the table]), which is the
critic of SRGAN (Ledig et al., CVPR 2017).

    released                channels  resolution   paper                   channels  resolution
    conv 3x3                64        128          conv 3x3                64        128
    conv 4x4 / 2            64        64           conv 3x3 / 2            64        64
    conv 3x3, conv 4x4 / 2  128       32           conv 3x3, conv 3x3 / 2  128       32
    conv 3x3, conv 4x4 / 2  256       16           conv 3x3, conv 3x3 / 2  256       16
    conv 3x3, conv 4x4 / 2  512       8            conv 3x3, conv 3x3 / 2  512       8
    conv 3x3, conv 4x4 / 2  512       4
    dense 100, dense 1                             dense 1024, dense 1

Padding is 1.  All convolutions but the first have no bias and are followed by batch normalisation;
LeakyReLU 0.2 follows each and the first dense layer.  The sigmoid at the paper's end lies in the
loss, which takes plain verdicts.  For the paper's form, bias and slope are those of the
released one [inferred].

Kernels and biases begin as torch's, U(-1, 1) / sqrt(fan-in) [code].  Differences from the code:
norms begin at N(1, 0.02), not 1, as everywhere here; pixels are flattened with channels last.
"""

from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
from flax import linen as nn

from fsketch.nets import layers


class Form(NamedTuple):
    """The differences between the two tables."""

    num_layers: int  # of stride 2
    kernel_px: int  # of those
    hidden: int  # width of the first dense layer


FORMS = {"released": Form(5, 4, 100), "paper": Form(4, 3, 1024)}


class ImageCritic(nn.Module):
    """Image -> verdict.

    Attributes:
      form: a key of FORMS.
      width: channels of the first layer.
      num_layers: layers of stride 2; 0 means the form's.
      dtype: type to compute in (None: float32); parameters stay float32.
    """

    form: str = "released"
    width: int = 64
    num_layers: int = 0
    dtype: Any = None

    @nn.compact
    def __call__(self, image: jax.Array, *, train: bool = False) -> jax.Array:
        """float[B, H, W, C] in [-1, 1] -> float32[B, 1]; within, the range is [0, 1] [code]."""
        if self.form not in FORMS:
            raise ValueError(f"critic.form: expected one of {sorted(FORMS)}, got {self.form!r}")
        num_layers, kernel_px, hidden = FORMS[self.form]
        num_layers = self.num_layers or num_layers
        if any(side % 2**num_layers for side in image.shape[1:3]):
            raise ValueError(
                f"image: expected, for {num_layers} layers, sides that are multiples of "
                f"{2**num_layers} px, got {image.shape[2]} x {image.shape[1]}"
            )
        x = (image + 1.0) / 2.0
        for layer in range(num_layers):
            features = self.width * min(2**layer, 8)
            for size, stride in ((3, 1), (kernel_px, 2)):
                first = layer == 0 and stride == 1
                x = layers.Conv(
                    features,
                    size,
                    stride,
                    padding=1,
                    use_bias=first,
                    dtype=self.dtype,
                    kernel_init=layers.torch_init,
                    bias_init=_torch_bias(size**2 * x.shape[-1]),
                )(x)
                x = layers.Norm("none" if first else "batch", dtype=self.dtype)(x, train=train)
                x = nn.leaky_relu(x, 0.2)
        x = x.reshape(len(x), -1)  # B x (h w C)
        x = nn.leaky_relu(self._dense(x, hidden), 0.2)
        return self._dense(x, 1).astype(jnp.float32)

    def _dense(self, x: jax.Array, features: int) -> jax.Array:
        return nn.Dense(
            features,
            dtype=self.dtype,
            kernel_init=layers.torch_init,
            bias_init=_torch_bias(x.shape[-1]),
        )(x)


def _torch_bias(fan_in: int) -> nn.initializers.Initializer:
    """U(-1, 1) / sqrt(fan-in)."""
    limit = fan_in**-0.5
    return lambda key, shape, dtype=jnp.float32: jax.random.uniform(
        key, shape, dtype, -limit, limit
    )
