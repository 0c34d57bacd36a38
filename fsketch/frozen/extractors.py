"""Metrics and features that need published weights, ready to call.

Each function takes a folder of converted weights, `fsketch convert NAME FILE
weights_dir/NAME.safetensors`, and returns an `Extractor`.  A missing, damaged or wrong file is a
`WeightsError` that says which published file to get and how to convert it.
"""

import pathlib
from collections.abc import Callable, Mapping, Sequence
from typing import Any, NamedTuple

import jax
import numpy as np
from flax import linen as nn

from fsketch.convert import files, published
from fsketch.core import types
from fsketch.metrics import dists as _dists
from fsketch.metrics import lpips as _lpips
from fsketch.nets import alexnet, layers, squeezenet, vgg
from fsketch.nets import inception as _inception

LPIPS_NETS = {  # net -> (its weights, the net)
    "alex": ("alexnet", alexnet.AlexNet()),
    "vgg": ("vgg16", vgg.VGG(depths=vgg.VGG16_DEPTHS)),
    "squeeze": ("squeezenet_v1.1", squeezenet.SqueezeNet("1.1")),
}


class WeightsError(ValueError):
    """Weights that are missing or unusable, and how to come by them."""


class Extractor(NamedTuple):
    """A function of images with its weights.

    function: of the parameters by role and of images.
    weights: name -> SHA-256 of the published file, to be recorded with a score.
    """

    function: Callable[..., jax.Array]
    params: Mapping[str, types.PyTree]
    weights: dict[str, str]

    def __call__(self, *images: Any) -> Any:
        return self.function(self.params, *images)


def lpips(net: str, *, weights_dir: str) -> Extractor:
    """LPIPS v0.1 by "alex", "vgg" or "squeeze": (truth, output) -> float32[B], see `metrics.lpips`.

    Reads the net's weights (alexnet, vgg16, squeezenet_v1.1) and its heads (lpips_alex, ...).
    """
    if net not in LPIPS_NETS:
        raise ValueError(f"lpips: net {net!r}; admitted are {sorted(LPIPS_NETS)}")
    backbone, module = LPIPS_NETS[net]

    def function(params: Any, truth: jax.Array, output: jax.Array) -> jax.Array:
        features = _features(module, params["net"])
        return _lpips.lpips(truth, output, features=features, heads=params["heads"])

    return _extractor(function, weights_dir, net=backbone, heads=f"lpips_{net}")


def dists(*, weights_dir: str) -> Extractor:
    """DISTS: (truth, output) -> float32[B], see `metrics.dists`.  Reads vgg16 and dists."""
    module = vgg.VGG(depths=vgg.VGG16_DEPTHS, pool=layers.l2_pool)

    def function(params: Any, truth: jax.Array, output: jax.Array) -> jax.Array:
        features = _features(module, params["net"])
        return _dists.dists(truth, output, features=features, weights=params["weights"])

    return _extractor(function, weights_dir, net="vgg16", weights="dists")


def _features(module: nn.Module, params: types.PyTree) -> Callable[[jax.Array], types.Taps]:
    return lambda image: module.apply({"params": params}, image)


def inception(*, weights_dir: str, resize: str) -> Extractor:
    """FID's features: a list of images -> float32[N, 2048], see `nets.inception.features`.

    `resize` is a key of `nets.inception.RULES`.  Reads inception_fid.
    """
    if resize not in _inception.RULES:
        raise ValueError(f"resize: {resize!r}; admitted are {sorted(_inception.RULES)}")

    def function(params: Any, images: Sequence[np.ndarray]) -> np.ndarray:
        return _inception.features(params["net"], images, rule=resize)

    params, digests = _load(weights_dir, net="inception_fid")
    return Extractor(function, params, digests)


def _extractor(function: Callable[..., Any], weights_dir: str, **names: str) -> Extractor:
    """`function`, jitted, with the weights `names`, each a key of `published.WEIGHTS`, by role."""
    params, digests = _load(weights_dir, **names)

    @jax.jit
    def precise(params: Any, *images: jax.Array) -> jax.Array:
        # By default GPUs and TPUs multiply float32 with fewer bits than published scores have.
        with jax.default_matmul_precision("highest"):
            return function(params, *images)

    return Extractor(precise, params, digests)


def _load(weights_dir: str, **names: str) -> tuple[dict[str, types.PyTree], dict[str, str]]:
    """Weights by role on the device, and the SHA-256 of each published file by its name."""
    params, digests, problems = {}, {}, []
    for role, name in names.items():
        path = str(pathlib.Path(weights_dir) / f"{name}.safetensors")
        try:
            params[role] = _read(name, path)
            digests[name] = files.source_sha256(path)
        except (OSError, ValueError) as error:
            reason = "missing" if isinstance(error, FileNotFoundError) else error
            problems.append(f"{path}: {reason}; {published.advice(name, path)}")
    if problems:
        raise WeightsError("\n".join(problems))
    return jax.device_put(params), digests


def _read(name: str, path: str) -> types.PyTree:
    """The parameters `name` of a converted file; ValueError if they are others or unusable."""
    net, params = files.read(path)
    if net != name:
        raise ValueError(f"holds {net!r}, not {name!r}")
    published.check(name, params)
    return params
