"""The published weights that can be converted: where they come from and what becomes of them."""

import functools
from collections.abc import Callable
from typing import NamedTuple

import jax
import jax.numpy as jnp
from flax import linen as nn
from flax import traverse_util

from fsketch.convert import tables
from fsketch.nets import alexnet, inception, squeezenet, vgg

Shapes = dict[str, tuple[int, ...]]


class Weights(NamedTuple):
    """One published file.

    file, project: its usual name and who publishes it.  table, unused: see `tables`.
    shapes: of our parameters, by flat name.
    """

    file: str
    project: str
    table: Callable[[], tables.Table]
    shapes: Callable[[], Shapes]
    unused: tuple[str, ...] = ()


def _of_net(net: nn.Module, *, size_px: int = 64) -> Callable[[], Shapes]:
    """Of the net's parameters, or, where it keeps running statistics, of all its variables."""

    def shapes() -> Shapes:
        image = jax.ShapeDtypeStruct((1, size_px, size_px, 3), jnp.float32)
        abstract = jax.eval_shape(net.init, jax.random.key(0), image)
        tree = abstract if "batch_stats" in abstract else abstract["params"]
        flat = traverse_util.flatten_dict(tree, sep="/")
        return {name: leaf.shape for name, leaf in flat.items()}

    return shapes


def _vgg(file: str, depths: tuple[int, ...]) -> Weights:
    return Weights(
        file,
        "torchvision",
        functools.partial(tables.vgg, depths),
        _of_net(vgg.VGG(depths=depths)),
        tables.VGG_UNUSED,
    )


def _lpips(net: str) -> Weights:
    channels = tables.LPIPS_CHANNELS[net]
    return Weights(
        f"{net}.pth",
        "LPIPS (PerceptualSimilarity, folder lpips/weights/v0.1)",
        functools.partial(tables.lpips, net),
        lambda: {tap: (1, 1, 1, width) for tap, width in channels.items()},
    )


WEIGHTS = {
    "squeezenet_v1.0": Weights(
        "squeezenet_v1.0.npz",
        "SqueezeNet (the Caffe weights as arrays conv1/w, conv1/b, ...)",
        tables.squeezenet_v1_0,
        _of_net(squeezenet.SqueezeNet()),
    ),
    "squeezenet_v1.1": Weights(
        "squeezenet1_1-b8a52dc0.pth",
        "torchvision",
        tables.squeezenet_v1_1,
        _of_net(squeezenet.SqueezeNet("1.1")),
    ),
    "alexnet": Weights(
        "alexnet-owt-7be5be79.pth",
        "torchvision",
        tables.alexnet,
        _of_net(alexnet.AlexNet()),
        tables.ALEXNET_UNUSED,
    ),
    "vgg16": _vgg("vgg16-397923af.pth", vgg.VGG16_DEPTHS),
    "vgg19": _vgg("vgg19-dcbb9e9d.pth", vgg.VGG19_DEPTHS),
    "lpips_alex": _lpips("alex"),
    "lpips_vgg": _lpips("vgg"),
    "lpips_squeeze": _lpips("squeeze"),
    "inception_fid": Weights(
        "pt_inception-2015-12-05-6726825d.pth",
        "pytorch-fid (FID's Inception)",
        tables.inception_fid,
        _of_net(inception.Inception(), size_px=inception.SIZE_PX),
        tuple(sorted(tables.inception_fid_unused())),
    ),
    "dists": Weights(
        "weights.pt",
        "DISTS (folder DISTS_pytorch)",
        tables.dists,
        lambda: {name: (1, 1, 1, 3 + 64 + 128 + 256 + 512 + 512) for name in ("alpha", "beta")},
    ),
}


def advice(name: str, out: str) -> str:
    """How to come by the converted weights `name` in the file `out`."""
    weights = WEIGHTS[name]
    return (
        f"get {weights.file} of {weights.project}, then: "
        f"python -m fsketch.convert {name} {weights.file} {out}"
    )
