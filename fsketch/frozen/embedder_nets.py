"""Face embedders by the name of their published weights: net, input range and size."""

import functools
from collections.abc import Callable
from typing import NamedTuple

import jax
from flax import linen as nn

from fsketch.core import images
from fsketch.nets import facenet, iresnet, mobilefacenet, tinynet


class Embedder(NamedTuple):
    """How a net and its images must be for the weights of a name.

    build: the net.  adapt: RGB or grey in [-1, 1] -> what the weights want.
    size_px: height and width of the aligned faces that the weights were trained on.
    """

    build: Callable[[], nn.Module]
    adapt: Callable[[jax.Array], jax.Array]
    size_px: int = 112


def _iresnet(depth: int, epsilon: float = iresnet.EPSILON) -> Callable[[], nn.Module]:
    return functools.partial(iresnet.IResNet, iresnet.DEPTHS[depth], epsilon=epsilon)


def _of_rgb(adapt: Callable[[jax.Array], jax.Array]) -> Callable[[jax.Array], jax.Array]:
    return lambda image: adapt(images.to_rgb(image))


EMBEDDERS: dict[str, Embedder] = {
    "iresnet18": Embedder(_iresnet(18), images.to_rgb),
    "iresnet50": Embedder(_iresnet(50), images.to_rgb),
    "iresnet100": Embedder(_iresnet(100), images.to_rgb),
    # The teacher of SynthDistill.
    "iresnet100_mxnet": Embedder(
        _iresnet(100, iresnet.EPSILON_MXNET), _of_rgb(iresnet.adapt_mxnet)
    ),
    "facenet_vggface2": Embedder(
        facenet.InceptionResNetV1, _of_rgb(facenet.adapt), facenet.SIZE_PX
    ),
    "facenet_casia": Embedder(facenet.InceptionResNetV1, _of_rgb(facenet.adapt), facenet.SIZE_PX),
    "mobilefacenet": Embedder(mobilefacenet.MobileFaceNet, images.to_rgb),
    "mbf": Embedder(functools.partial(mobilefacenet.MobileFaceNet, 2), images.to_rgb),
} | {
    # The students of SynthDistill, and what they start from: timm's ImageNet features.
    name: embedder
    for variant in tinynet.VARIANTS
    for name, embedder in {
        f"tinyfar_{variant}": Embedder(functools.partial(tinynet.TinyNet, variant), images.to_rgb),
        f"tinynet_{variant}": Embedder(
            functools.partial(tinynet.TinyNet, variant, None), _of_rgb(images.imagenet_normalised)
        ),
    }.items()
}
