"""Frozen nets: from a specification and weights to a callable, and back.

A specification is a JSON string, so that it can be stored beside the weights: which net,
with which arguments, seen through which taps.  Weights come from a teacher's run or from a
file that `fsketch convert` wrote.
"""

import functools
import json
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from etils import epath
from flax import linen as nn
from flax import traverse_util

from fsketch.convert import files, published
from fsketch.core import checkpoint, images, state, types
from fsketch.frozen import embedders, generators
from fsketch.frozen import taps as teacher
from fsketch.nets import facenet, squeezenet, vgg


class Architecture(NamedTuple):
    """A net that can be a teacher.

    build: its constructor.  adapt: RGB or grey in [-1, 1] -> what its weights want.
    taps: the default ones, the last maps before the net first shrinks, twice, thrice [inferred:
    those of VGG have the shapes of the students' maps].
    """

    build: Callable[..., nn.Module]
    adapt: Callable[[jax.Array], jax.Array]
    taps: tuple[str, str, str]


VGG19_TAPS = ("relu1_2", "relu2_2", "relu3_4")
VGG16_TAPS = ("relu1_2", "relu2_2", "relu3_3")


def _of_rgb(adapt: Callable[[jax.Array], jax.Array]) -> Callable[[jax.Array], jax.Array]:
    return lambda image: adapt(images.to_rgb(image))


_vgg16 = functools.partial(vgg.VGG, depths=vgg.VGG16_DEPTHS)
_imagenet = _of_rgb(images.imagenet_normalised)

ARCHITECTURES: dict[str, Architecture] = {
    "vgg": Architecture(vgg.VGG, images.to_rgb, VGG19_TAPS),  # our own recogniser
    "vgg19": Architecture(vgg.VGG, _imagenet, VGG19_TAPS),
    "vgg16": Architecture(_vgg16, _imagenet, VGG16_TAPS),
    "vgg_face": Architecture(_vgg16, _of_rgb(vgg.adapt_face), VGG16_TAPS),
    # The weights of 1.0 are the authors', for Caffe, those of 1.1 torchvision's.
    "squeezenet_v1.0": Architecture(
        squeezenet.SqueezeNet, _of_rgb(squeezenet.adapt), ("conv1", "fire3", "fire4")
    ),
    "squeezenet_v1.1": Architecture(
        functools.partial(squeezenet.SqueezeNet, "1.1"), _imagenet, ("conv1", "fire3", "fire5")
    ),
} | {
    f"facenet_{people}": Architecture(
        facenet.FaceNetMaps, _of_rgb(facenet.adapt), ("conv2d_2b", "conv2d_4a", "repeat_1_4")
    )
    for people in ("vggface2", "casia")
}


def build(spec: str, variables: types.PyTree) -> state.Frozen:
    """The frozen net of a specification with these variables."""
    fields = json.loads(spec)
    architecture = ARCHITECTURES[fields["net"]]
    wrap = teacher.Maps if "as_they_are" in fields else teacher.Teacher
    net = wrap(architecture.build(**fields["arguments"]), tuple(fields["taps"]))
    domains = tuple(fields.get("domains", ()))  # older specifications have none
    return state.Frozen(variables, net, architecture.adapt, spec, domains)


def rebuild(specs: Mapping[str, str], arrays: Mapping[str, np.ndarray]) -> dict[str, state.Frozen]:
    """Frozen nets by role, from their specifications and flat arrays "role/params/..."."""
    nested = traverse_util.unflatten_dict(dict(arrays), sep="/")
    return {role: _builder(spec)(spec, nested.get(role, {})) for role, spec in specs.items()}


def _builder(spec: str) -> Callable[[str, types.PyTree], state.Frozen | generators.Generator]:
    fields = json.loads(spec)
    if "taps" in fields:
        return build
    is_generator = fields["net"] in ("procedural", *generators.NETS)
    return generators.build if is_generator else embedders.build


def load_teacher(
    path: str, taps: Sequence[str], *, domains: Sequence[str] = ("photo", "sketch")
) -> state.Frozen:
    """The teacher at `path`, a run of method "teacher" or a converted *.safetensors file.

    taps: the names of three of its maps, () for the net's default.  domains: whose images it will
    see.  Its maps are not normalised yet, see `calibrate`.
    """
    spec, params = _read(path, taps)
    spec = json.dumps({**spec, "domains": tuple(domains), "path": path})
    variables = {**_variables(params), "constants": {"rms": np.ones(3, np.float32)}}
    return build(spec, variables)


def load_maps(path: str, taps: Sequence[str]) -> state.Frozen:
    """The net at `path`, as for `load_teacher`: image -> {tap: its map as it is}, any taps.

    () for the net's three default ones.
    """
    spec, params = _read(path, taps)
    return build(json.dumps(_as_they_are(spec, path)), _variables(params))


def _variables(params: Mapping[str, Any]) -> dict[str, Any]:
    """Those of a module around the net; converted nets with batch statistics bring them along."""
    return {kind: {"net": tree} for kind, tree in files.variables(params).items()}


def _as_they_are(spec: Mapping[str, Any], path: str) -> dict[str, Any]:
    return {**spec, "domains": (), "path": path, "as_they_are": True}


def load_perceptual(path: str, tap: str) -> state.Frozen:
    """The net at `path`, as for `load_teacher`, seen by one of its maps: image -> {tap: map}.

    tap: the map's name; "" for the last before the net's last ReLU: conv5_4 of VGG-19 [code: IDE];
    fire9 of SqueezeNet, which has joined its halves after theirs; repeat_3_4 of FaceNet, after its.
    """
    if tap:
        return load_maps(path, (tap,))
    spec, params = _read(path, ())
    spec = json.dumps(_as_they_are(spec, path) | {"taps": [_deepest(spec)]})
    return build(spec, _variables(params))


def _deepest(spec: Mapping[str, Any]) -> str:
    if spec["net"].startswith("squeezenet"):
        return "fire9"
    if spec["net"].startswith("facenet"):
        return "repeat_3_4"
    depths = ARCHITECTURES[spec["net"]].build(**spec["arguments"]).depths
    return f"conv{len(depths)}_{depths[-1]}"


def source_of(spec: str) -> str:
    """The path that the net of a specification was read from."""
    return json.loads(spec)["path"]


def check_source(frozen: state.Frozen, path: str, taps: Sequence[str], *, field: str) -> None:
    """Raises ValueError if a run asks for another teacher than the one it was started with."""
    spec = json.loads(frozen.spec)
    taps = list(taps) or list(ARCHITECTURES[spec["net"]].taps)
    _compare(spec, {"path": path, "taps": taps}, field)


def check_perceptual(frozen: state.Frozen, path: str, tap: str, *, field: str) -> None:
    """`check_source` for a net of `load_perceptual`."""
    spec = json.loads(frozen.spec)
    _compare(spec, {"path": path, "taps": [tap or _deepest(spec)]}, field)


def _compare(spec: Mapping[str, Any], asked: Mapping[str, Any], field: str) -> None:
    for name, value in asked.items():
        if value != spec[name]:
            raise ValueError(
                f"{field}.{name}: {value!r}, but this workdir was started with {spec[name]!r} and "
                "keeps it; use another workdir for another teacher"
            )


def calibrate(frozen: state.Frozen, batches: Iterable[types.Batch]) -> state.Frozen:
    """The teacher with each tap divided by its root mean square over images of its domains.

    Each batch is a photo and a sketch, float32[1, S, S, C] in [-1, 1], on their canvas.
    """

    @jax.jit
    def mean_squares(variables: types.PyTree, batch: types.Batch) -> jax.Array:
        look = frozen.replace(variables=variables)
        maps = [look(batch[domain]) for domain in frozen.domains]
        return jnp.stack(
            [sum(jnp.square(m[name]).mean() for m in maps) / len(maps) for name in teacher.NAMES]
        )

    means = [mean_squares(frozen.variables, batch) for batch in batches]
    if not means:
        raise ValueError("a teacher is calibrated on training pairs, none was given")
    rms = np.sqrt(np.mean(np.stack(means), axis=0)) * frozen.variables["constants"]["rms"]
    if not (np.isfinite(rms).all() and (rms > 0).all()):
        raise ValueError(
            f"teacher: root mean squares of the taps are {rms}, its weights are unusable"
        )
    variables = {**frozen.variables, "constants": {"rms": rms.astype(np.float32)}}
    return frozen.replace(variables=variables)


def map_shapes(frozen: state.Frozen, image: jax.Array) -> dict[str, tuple[int, int, int]]:
    """(height, width, channels) of each of the teacher's maps of such an image."""
    return {name: m.shape[1:] for name, m in jax.eval_shape(frozen, image).items()}


def _read(path: str, taps: Sequence[str]) -> tuple[dict[str, Any], Mapping[str, Any]]:
    """(the beginning of a specification, parameters)."""
    if path.endswith(".safetensors"):
        net, params = _of_file(path)
        arguments: dict[str, Any] = {}
    else:
        net, arguments, params = _of_run(path)
    taps = tuple(taps) or ARCHITECTURES[net].taps
    return {"net": net, "arguments": arguments, "taps": taps}, params


def _of_file(path: str) -> tuple[str, Mapping[str, Any]]:
    """(net, parameters) of converted weights."""
    net, params = files.read(path)
    admitted = sorted(ARCHITECTURES.keys() & published.WEIGHTS.keys())
    if net not in admitted:
        raise ValueError(f"teacher {path}: net {net!r}; admitted are {admitted}")
    try:
        published.check(net, params)
    except ValueError as error:
        raise ValueError(f"teacher {path}: {error}") from None
    return net, params


def _of_run(path: str) -> tuple[str, dict[str, Any], Mapping[str, Any]]:
    """(net, arguments, parameters) of the recogniser trained in a workdir."""
    if not epath.Path(path).is_dir():
        raise FileNotFoundError(
            f"teacher {path}: neither a workdir of configs/teacher.py nor a *.safetensors file"
        )
    arrays, meta = checkpoint.read(path)
    if meta["config"]["method"] != "teacher":
        raise ValueError(
            f"teacher {path}: a run of method {meta['config']['method']!r}, not 'teacher'"
        )
    # The averaged parameters, which its validation chose, where it keeps them.
    averaged = meta["config"]["optim"]["ema_rate"] > 0
    prefix = f"players/teacher/{'ema' if averaged else 'params'}/vgg/"
    params = {
        tuple(name.removeprefix(prefix).split("/")): array
        for name, array in arrays.items()
        if name.startswith(prefix)
    }
    model = meta["config"]["model"]
    arguments = {name: model[name] for name in ("widths", "depths", "norm")}
    return "vgg", arguments, traverse_util.unflatten_dict(params)
