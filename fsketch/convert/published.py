"""The published weights that can be converted: where they come from and what becomes of them."""

import functools
from collections.abc import Callable, Mapping
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from flax import linen as nn
from flax import traverse_util

from fsketch.convert import tables
from fsketch.nets import alexnet, inception, squeezenet, vgg

Shapes = dict[str, tuple[int, ...]]


class Other(NamedTuple):
    """Another file of the same weights, whose arrays have other names.

    bgr: the kernel of ours, flat name, whose input channels are to be reversed: that of a net that
    takes RGB where the file's takes BGR; "" = none.
    """

    file: str
    project: str
    table: Callable[[], tables.Table]
    unused: tuple[str, ...] = ()
    bgr: str = ""


class Weights(NamedTuple):
    """One published file.

    file, project: its usual name and who publishes it.  table, unused: see `tables`.
    shapes: of our parameters, by flat name.  others: other files that hold the same.
    """

    file: str
    project: str
    table: Callable[[], tables.Table]
    shapes: Callable[[], Shapes]
    unused: tuple[str, ...] = ()
    others: tuple[Other, ...] = ()


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
        others=(Other("squeezenet_v1.0.caffemodel", "SqueezeNet", tables.squeezenet_v1_0_caffe),),
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
    # Of the published forms of VGG-Face the torch port takes RGB, Caffe's file BGR [code].
    "vgg_face": Weights(
        "vgg_face_dag.pth",
        "VGG-Face (the torch port of the MatConvNet weights)",
        functools.partial(tables.vgg_face, vgg.VGG16_DEPTHS, tables.TORCH),
        _of_net(vgg.VGG(depths=vgg.VGG16_DEPTHS)),
        tables.vgg_face_unused(tables.TORCH),
        others=(
            Other(
                "VGG_FACE.caffemodel",
                "VGG-Face (vgg_face_caffe)",
                functools.partial(tables.vgg_face, vgg.VGG16_DEPTHS, tables.CAFFE),
                tables.vgg_face_unused(tables.CAFFE),
                bgr="conv1_1/kernel",
            ),
        ),
    ),
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


def convert(name: str, arrays: Mapping[str, np.ndarray]) -> dict[str, np.ndarray]:
    """Our flat parameters from the arrays of a file of the weights `name`, see `tables.apply`.

    Of the files that it may be, it is taken for the one that shares most keys with it.
    """
    weights = WEIGHTS[name]
    main = Other(weights.file, weights.project, weights.table, weights.unused)
    source = max(
        (main, *weights.others),
        key=lambda source: sum(key in arrays for key, _ in source.table().values()),
    )
    params = tables.apply(source.table(), arrays, weights.shapes(), unused=source.unused)
    if source.bgr:
        params[source.bgr] = params[source.bgr][:, :, ::-1]
    return params


def check(name: str, params: Mapping[str, Any]) -> None:
    """Raises ValueError unless these are usable parameters of the weights `name`."""
    flat = traverse_util.flatten_dict(params, sep="/")
    if {key: array.shape for key, array in flat.items()} != WEIGHTS[name].shapes():
        raise ValueError("its arrays are not those of the net")
    bad = [key for key, array in flat.items() if not np.isfinite(array).all()]
    if bad:
        raise ValueError(f"not finite: {', '.join(bad)}")


def advice(name: str, out: str) -> str:
    """How to come by the converted weights `name` in the file `out`."""
    weights = WEIGHTS[name]
    return (
        f"get {weights.file} of {weights.project}, then: "
        f"python -m fsketch.convert {name} {weights.file} {out}"
    )
