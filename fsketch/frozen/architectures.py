"""The one table of architectures, by the name of their weights.

A form says what a net returns: "maps", all its feature maps by name; "embedder", an embedding;
"generator", an image.  The forms of one name share its weights.
"""

import functools
from collections.abc import Callable
from typing import NamedTuple

import jax
from flax import linen as nn

from fsketch.core import images
from fsketch.nets import (
    alexnet,
    dcgan,
    facenet,
    iresnet,
    mobilefacenet,
    sface,
    squeezenet,
    stylegan2,
    tinynet,
    vgg,
)

Build = Callable[..., nn.Module]


class Architecture(NamedTuple):
    """The nets of one name.

    maps, embedder, generator: constructors, None for a form that the net does not have.
    adapt: RGB or grey in [-1, 1] -> what the weights expect.
    taps: a teacher's default maps, the last ones before the net's first three reductions
    [inferred: those of VGG have the shapes of the students' maps]; () = cannot be a teacher.
    deepest: net -> the last map before its last ReLU.
    size_px: side of the aligned faces that an embedder's weights were trained on.
    """

    adapt: Callable[[jax.Array], jax.Array] = images.to_rgb
    maps: Build | None = None
    embedder: Build | None = None
    generator: Build | None = None
    taps: tuple[str, ...] = ()
    deepest: Callable[[nn.Module], str] | None = None
    size_px: int = 112


def names(form: str) -> list[str]:
    """The names of the nets of a form, sorted; of "maps" those that can be teachers."""
    return sorted(
        name
        for name, net in ARCHITECTURES.items()
        if getattr(net, form) and (net.taps or form != "maps")
    )


def _of_rgb(adapt: Callable[[jax.Array], jax.Array]) -> Callable[[jax.Array], jax.Array]:
    return lambda image: adapt(images.to_rgb(image))


_imagenet = _of_rgb(images.imagenet_normalised)
_face = _of_rgb(images.face_normalised)


def _vgg(
    depths: tuple[int, ...],
    adapt: Callable[[jax.Array], jax.Array] = _imagenet,
    embedder: Build | None = None,
) -> Architecture:
    """Taps relu1_2, relu2_2 and relu3_4 of VGG-19, relu3_3 of VGG-16; deepest conv5_4, conv5_3."""
    return Architecture(
        adapt,
        maps=functools.partial(vgg.VGG, depths=depths),
        embedder=embedder,
        taps=("relu1_2", "relu2_2", f"relu3_{depths[2]}"),
        deepest=lambda net: f"conv{len(net.depths)}_{net.depths[-1]}",
    )


def _squeezenet(version: str, adapt: Callable[[jax.Array], jax.Array], third: str) -> Architecture:
    return Architecture(
        adapt,
        maps=functools.partial(squeezenet.SqueezeNet, version),
        taps=("conv1", "fire3", third),
        deepest=lambda net: "fire9",  # which joins its halves after their ReLUs
    )


def _iresnet(depth: int, epsilon: float = iresnet.EPSILON) -> Build:
    return functools.partial(iresnet.IResNet, iresnet.DEPTHS[depth], epsilon=epsilon)


ARCHITECTURES: dict[str, Architecture] = {
    # Ours, of any side, without published weights.
    "vgg": _vgg(vgg.VGG19_DEPTHS, images.to_rgb, vgg.Embedder),
    "tinyfar": Architecture(embedder=tinynet.TinyNet),
    "vgg19": _vgg(vgg.VGG19_DEPTHS),
    "vgg16": _vgg(vgg.VGG16_DEPTHS),
    "vgg_face": _vgg(vgg.VGG16_DEPTHS, _of_rgb(vgg.adapt_face)),
    "vgg16_hed": _vgg(vgg.VGG16_DEPTHS, _of_rgb(vgg.adapt_hed)),
    "alexnet": Architecture(_imagenet, maps=alexnet.AlexNet),
    # The weights of 1.0 are the authors', for Caffe, those of 1.1 torchvision's.
    "squeezenet_v1.0": _squeezenet("1.0", _of_rgb(squeezenet.adapt), "fire4"),
    "squeezenet_v1.1": _squeezenet("1.1", _imagenet, "fire5"),
    "iresnet18": Architecture(embedder=_iresnet(18)),
    "iresnet50": Architecture(embedder=_iresnet(50)),
    "iresnet100": Architecture(embedder=_iresnet(100)),
    # The teacher of SynthDistill; insightface's own weights, by torch, take [-1, 1] itself [code].
    "iresnet100_mxnet": Architecture(_face, embedder=_iresnet(100, iresnet.EPSILON_MXNET)),
    "mobilefacenet": Architecture(embedder=mobilefacenet.MobileFaceNet),
    "mbf": Architecture(embedder=functools.partial(mobilefacenet.MobileFaceNet, 2)),
    # Its map conv4 lies at a quarter of its layers, where IFRP's identity term looks.
    "sface": Architecture(
        _face,  # [code: its ONNX graph]
        maps=sface.SFaceMaps,
        embedder=sface.SFace,
        taps=("conv2", "conv4", "conv6"),
        deepest=lambda net: "conv14",  # after its PReLU
    ),
    "dcgan_digiface": Architecture(generator=dcgan.Generator),
    "stylegan2_ffhq256": Architecture(
        generator=functools.partial(stylegan2.Generator, channel_base=16384)
    ),
    "stylegan2_256": Architecture(
        generator=functools.partial(stylegan2.Generator, channel_base=32768)
    ),
}
for _people in ("vggface2", "casia"):
    ARCHITECTURES[f"facenet_{_people}"] = Architecture(
        _face,  # facenet-pytorch's fixed standardisation [code]
        maps=facenet.FaceNetMaps,
        embedder=facenet.InceptionResNetV1,
        taps=("conv2d_2b", "conv2d_4a", "repeat_1_4"),
        deepest=lambda net: "repeat_3_4",  # after its ReLU
        size_px=facenet.SIZE_PX,
    )
for _variant in tinynet.VARIANTS:
    # The students of SynthDistill, and what they start from: timm's ImageNet features.
    ARCHITECTURES[f"tinyfar_{_variant}"] = Architecture(
        embedder=functools.partial(tinynet.TinyNet, _variant)
    )
    ARCHITECTURES[f"tinynet_{_variant}"] = Architecture(
        _imagenet, embedder=functools.partial(tinynet.TinyNet, _variant, None)
    )
