"""An embedder with a direction for each person, which margin softmax trains it against."""

import jax
from flax import linen as nn

from fsketch.core import types


class Classified(nn.Module):
    """`net` and one direction per person, with which losses/margin.py compares embeddings.

    Attributes:
      net: image [B, H, W, 3] -> embedding [B, D]; takes `train` and `keys`.
      num_identities: persons N.
    """

    net: nn.Module
    num_identities: int

    @nn.compact
    def __call__(
        self, image: jax.Array, *, train: bool = False, keys: types.Key | None = None
    ) -> tuple[jax.Array, jax.Array]:
        """(embeddings [B, D], directions [N, D]); only the angles of directions matter."""
        embedding = self.net(image, train=train, keys=keys)
        shape = (self.num_identities, embedding.shape[-1])
        # Of about unit length, so that Adam turns them as it does a layer's kernels; insightface
        # has N(0, 0.01) beside SGD [code].
        init = nn.initializers.normal(shape[1] ** -0.5)
        return embedding, self.param("directions", init, shape)
