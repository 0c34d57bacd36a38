"""Tables that map published arrays to our parameters.

A table maps our flat name to (their key, axes): axes is the transposition, None for none.
Next to a table are the keys of the file that we do not use, if any.
"""

from collections.abc import Collection, Mapping, Sequence

import numpy as np

OIHW_TO_HWIO = (2, 3, 1, 0)
NCHW_TO_NHWC = (0, 2, 3, 1)

TORCH = (".weight", ".bias")  # how the keys of a layer end
CAFFE = ("/0", "/1")  # in `caffe_weights`

Table = dict[str, tuple[str, tuple[int, ...] | None]]


def squeezenet_v1_0() -> Table:
    """The npz whose keys are "conv1/w", "fire2/conv1x1_1/w" (OIHW), ..., and their "/b"."""
    fires = [f"fire{number}/conv" for number in range(2, 10)]
    return _squeezenet(("conv1", "conv_final"), fires, ("1x1_1", "1x1_2", "3x3_2"), ("/w", "/b"))


def squeezenet_v1_0_caffe() -> Table:
    """The authors' squeezenet_v1.0.caffemodel."""
    fires = [f"fire{number}/" for number in range(2, 10)]
    return _squeezenet(("conv1", "conv10"), fires, ("squeeze1x1", "expand1x1", "expand3x3"), CAFFE)


def squeezenet_v1_1() -> Table:
    """torchvision's squeezenet1_1."""
    fires = [f"features.{position}." for position in (3, 4, 6, 7, 9, 10, 11, 12)]
    ends = ("features.0", "classifier.1")
    return _squeezenet(ends, fires, ("squeeze", "expand1x1", "expand3x3"), TORCH)


def _squeezenet(
    convs: Sequence[str], fires: Sequence[str], parts: Sequence[str], ends: tuple[str, str]
) -> Table:
    """Names of the first and the last convolution, of each fire module, and of its parts."""
    layers = dict(zip(("conv1", "conv10"), convs, strict=True))
    for number, fire in enumerate(fires, 2):
        for ours, theirs in zip(("squeeze", "expand1", "expand3"), parts, strict=True):
            layers[f"fire{number}/{ours}"] = fire + theirs
    return _convolutions(layers, ends)


def alexnet() -> Table:
    """torchvision's alexnet; its classifier is unused."""
    positions = (0, 3, 6, 8, 10)
    layers = {f"conv{number}": f"features.{at}" for number, at in enumerate(positions, 1)}
    return _convolutions(layers, TORCH)


ALEXNET_UNUSED = tuple(f"classifier.{i}.{kind}" for i in (1, 4, 6) for kind in ("weight", "bias"))


def vgg(depths: Sequence[int]) -> Table:
    """torchvision's vgg16 and vgg19, of depths[i] convolutions in stage i; no classifier."""
    layers, position = {}, 0
    for stage, depth in enumerate(depths, 1):
        for layer in range(1, depth + 1):
            layers[f"conv{stage}_{layer}"] = f"features.{position}"
            position += 2  # the ReLU behind it
        position += 1  # the pooling
    return _convolutions(layers, TORCH)


# By torchvision's names and by timm's, whose convolutions have torchvision's names.
_VGG_CLASSIFIERS = ("classifier.0", "classifier.3", "classifier.6")
_VGG_CLASSIFIERS += ("pre_logits.fc1", "pre_logits.fc2", "head.fc")
VGG_UNUSED = tuple(f"{layer}{end}" for layer in _VGG_CLASSIFIERS for end in TORCH)


def vgg_face(depths: Sequence[int], ends: tuple[str, str]) -> Table:
    """VGG-Face, whose layers all ports name conv1_1, ..., fc8; no classifier."""
    layers = [
        f"conv{stage}_{layer}"
        for stage, depth in enumerate(depths, 1)
        for layer in range(1, depth + 1)
    ]
    return _convolutions({name: name for name in layers}, ends)


def vgg_face_unused(ends: tuple[str, str]) -> tuple[str, ...]:
    """Its classifier."""
    return tuple(f"{layer}{end}" for layer in ("fc6", "fc7", "fc8") for end in ends)


def vgg_hed(depths: Sequence[int]) -> Table:
    """Keras' file of the edge detector HED on VGG-16, whose kernels are as ours."""
    table: Table = {}
    for stage, depth in enumerate(depths, 1):
        for layer in range(depth):
            theirs = f"block{stage}/layers/conv2d{f'_{layer}' if layer else ''}/vars"
            for number, leaf in enumerate(("kernel", "bias")):
                table[f"conv{stage}_{layer + 1}/{leaf}"] = (f"{theirs}/{number}", None)
    return table


# Its maps of edges, one a stage, and their mean.
VGG_HED_UNUSED = tuple(
    f"{layer}/vars/{i}" for layer in (*(f"dsn{n}" for n in range(1, 6)), "fuse") for i in (0, 1)
)

# Maps that LPIPS compares, in the order of its heads lin0, lin1, ..., and their channels.
LPIPS_CHANNELS = {
    "alex": {"relu1": 64, "relu2": 192, "relu3": 384, "relu4": 256, "relu5": 256},
    "vgg": {"relu1_2": 64, "relu2_2": 128, "relu3_3": 256, "relu4_3": 512, "relu5_3": 512},
    "squeeze": {
        "conv1": 64, "fire3": 128, "fire5": 256, "fire6": 384, "fire7": 384, "fire8": 512,
        "fire9": 512,
    },
}  # fmt: skip


def lpips(net: str) -> Table:
    """The linear heads of LPIPS v0.1 for a key of LPIPS_CHANNELS, each 1 x 1 x 1 x C."""
    return {
        tap: (f"lin{number}.model.1.weight", NCHW_TO_NHWC)
        for number, tap in enumerate(LPIPS_CHANNELS[net])
    }


def dists() -> Table:
    """The weights alpha and beta of DISTS, each 1 x 1 x 1 x 1475."""
    return {name: (name, NCHW_TO_NHWC) for name in ("alpha", "beta")}


def inception_fid() -> Table:
    """The state dict of pytorch-fid's pt_inception-2015-12-05 -> variables of `nets.inception`."""
    table: Table = {}
    for layer in _inception_layers():
        ours = layer.replace(".", "/")
        table[f"params/{ours}/conv/kernel"] = (f"{layer}.conv.weight", OIHW_TO_HWIO)
        table[f"params/{ours}/bn/scale"] = (f"{layer}.bn.weight", None)
        table[f"params/{ours}/bn/bias"] = (f"{layer}.bn.bias", None)
        table[f"batch_stats/{ours}/bn/mean"] = (f"{layer}.bn.running_mean", None)
        table[f"batch_stats/{ours}/bn/var"] = (f"{layer}.bn.running_var", None)
    return table


def inception_fid_unused() -> frozenset[str]:
    """Unused keys of that file: the 1008 logits and counters of training."""
    counters = (f"{layer}.bn.num_batches_tracked" for layer in _inception_layers())
    return frozenset(("fc.weight", "fc.bias", *counters))


def _inception_layers() -> list[str]:
    """The 94 convolutions by their published names."""

    def numbered(name: str, last: int) -> list[str]:
        return [f"{name}_{i}" for i in range(1, last + 1)]

    ends = ["branch1x1", "branch_pool"]
    double = numbered("branch3x3dbl", 3)
    a = [*ends, *numbered("branch5x5", 2), *double]
    b = ["branch3x3", *double]
    c = [*ends, *numbered("branch7x7", 3), *numbered("branch7x7dbl", 5)]
    d = [*numbered("branch3x3", 2), *numbered("branch7x7x3", 4)]
    e = [*ends, "branch3x3_1", "branch3x3_2a", "branch3x3_2b"]
    e += [*double[:2], "branch3x3dbl_3a", "branch3x3dbl_3b"]
    blocks = {"5b": a, "5c": a, "5d": a, "6a": b, "6b": c, "6c": c, "6d": c, "6e": c}
    blocks |= {"7a": d, "7b": e, "7c": e}
    stem = [f"Conv2d_{name}" for name in ("1a_3x3", "2a_3x3", "2b_3x3", "3b_1x1", "4a_3x3")]
    return stem + [f"Mixed_{block}.{branch}" for block, names in blocks.items() for branch in names]


def apply(
    table: Table,
    arrays: Mapping[str, np.ndarray],
    shapes: Mapping[str, tuple[int, ...]],
    *,
    unused: Collection[str] = (),
) -> dict[str, np.ndarray]:
    """Our flat parameters from theirs.

    Every key of `arrays` must be used once or be one of `unused`, which may be absent; every name
    of `shapes` filled, every shape right and every number real and finite; ValueError lists all
    violations.
    """
    used = [key for key, _ in table.values()]
    known = {*used, *unused}
    problems = [f"missing in the file: {key}" for key in used if key not in arrays]
    problems += [f"unknown in the file: {key}" for key in arrays if key not in known]
    problems += [f"not filled: {name}" for name in shapes if name not in table]
    result = {}
    for name, (key, axes) in table.items():
        if key not in arrays:
            continue
        if np.iscomplexobj(arrays[key]):
            problems.append(f"not real: {key}")
            continue
        array = np.asarray(arrays[key], np.float32)
        array = array.transpose(axes) if axes and array.ndim == len(axes) else array
        if array.shape != shapes.get(name):
            problems.append(
                f"shape: {name}: expected {shapes.get(name)}, got {array.shape} from {key}"
            )
        elif not np.isfinite(array).all():
            problems.append(f"not finite: {key}")
        result[name] = array
    if problems:
        raise ValueError("\n".join(problems))
    return result


def _convolutions(layers: Mapping[str, str], ends: tuple[str, str]) -> Table:
    """The table of convolutions with bias: our layer -> their layer, whose keys end so."""
    weight, bias = ends
    table: Table = {}
    for ours, theirs in layers.items():
        table[f"{ours}/kernel"] = (f"{theirs}{weight}", OIHW_TO_HWIO)
        table[f"{ours}/bias"] = (f"{theirs}{bias}", None)
    return table
