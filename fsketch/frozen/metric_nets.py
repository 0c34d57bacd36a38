"""Metrics and features that need published weights, ready to call.

Weights lie in a folder, converted by `fsketch convert NAME FILE
weights_dir/NAME.safetensors`.  A missing, damaged or wrong file raises `WeightsError`, which says
which published file to get and how to convert it.
"""

import json
import pathlib
from collections.abc import Callable, Mapping, Sequence
from typing import Any, NamedTuple

import jax
import numpy as np
from flax import linen as nn

from fsketch.convert import files, published
from fsketch.core import types
from fsketch.frozen import architectures
from fsketch.metrics import dists, lpips
from fsketch.nets import inception, layers

# metric -> the weights it needs, by role
WEIGHTS: dict[str, dict[str, str]] = {
    "lpips_alex": {"net": "alexnet", "heads": "lpips_alex"},
    "lpips_vgg": {"net": "vgg16", "heads": "lpips_vgg"},
    "lpips_squeeze": {"net": "squeezenet_v1.1", "heads": "lpips_squeeze"},
    "dists": {"net": "vgg16", "weights": "dists"},
    "inception_fid": {"net": "inception_fid"},
}


class WeightsError(ValueError):
    """Missing or unusable weights, and how to get them."""


class MetricNet(NamedTuple):
    """A function of images with its weights.

    function: of the parameters by role and of images.
    weights: name -> SHA-256 of the published file, to be recorded with a score.
    """

    function: Callable[..., Any]
    params: Mapping[str, types.PyTree]
    weights: dict[str, str]
    spec: str

    def __call__(self, *images: Any) -> Any:
        return self.function(self.params, *images)


def load(path: str, *, net: str, resize: str = "") -> MetricNet:
    """The metric `net`, a key of WEIGHTS, with the weights in the folder `path`.

    lpips_*, dists: (truth, output) -> float32[B], see `metrics.lpips`, `metrics.dists`.
    inception_fid: a list of images -> float32[N, 2048], see `nets.inception.features`; `resize` is
    a key of `nets.inception.RULES`.
    """
    if net not in WEIGHTS:
        raise ValueError(f"metric net: expected one of {sorted(WEIGHTS)}, got {net!r}")
    params, digests, problems = {}, {}, []
    for role, name in WEIGHTS[net].items():
        file = str(pathlib.Path(path) / f"{name}.safetensors")
        try:
            params[role] = _read(name, file)
            digests[name] = files.source_sha256(file)
        except (OSError, ValueError) as error:
            reason = "missing" if isinstance(error, FileNotFoundError) else error
            problems.append(f"{file}: {reason}; {published.advice(name, file)}")
    if problems:
        raise WeightsError("\n".join(problems))
    spec = {"kind": "metric", "net": net, "resize": resize, "path": path, "weights": digests}
    return build(json.dumps(spec), jax.device_put(params))


def _read(name: str, path: str) -> types.PyTree:
    """The parameters `name` of a converted file; ValueError if of another net or unusable."""
    net, params = files.read(path)
    if net != name:
        raise ValueError(f"expected {name!r} in it, got {net!r}")
    published.check(name, params)
    return params


def build(spec: str, variables: types.PyTree) -> MetricNet:
    """The metric of a specification with these parameters by role."""
    fields = json.loads(spec)
    net = fields["net"]
    if net == "inception_fid":
        function = _inception(fields["resize"])
    else:
        function = _precise(_dists if net == "dists" else _lpips(WEIGHTS[net]["net"]))
    return MetricNet(function, variables, fields["weights"], spec)


def _lpips(net: str) -> Callable[..., jax.Array]:
    module = architectures.ARCHITECTURES[net].maps()

    def function(params: Any, truth: jax.Array, output: jax.Array) -> jax.Array:
        features = _features(module, params["net"])
        return lpips.lpips(truth, output, features=features, heads=params["heads"])

    return function


def _dists(params: Any, truth: jax.Array, output: jax.Array) -> jax.Array:
    module = architectures.ARCHITECTURES["vgg16"].maps(pool=layers.l2_pool)
    features = _features(module, params["net"])
    return dists.dists(truth, output, features=features, weights=params["weights"])


def _features(module: nn.Module, params: types.PyTree) -> Callable[[jax.Array], types.Taps]:
    return lambda image: module.apply({"params": params}, image)


def _inception(rule: str) -> Callable[..., np.ndarray]:
    if rule not in inception.RULES:
        raise ValueError(f"resize: expected one of {sorted(inception.RULES)}, got {rule!r}")

    def function(params: Any, images: Sequence[np.ndarray]) -> np.ndarray:
        return inception.features(params["net"], images, rule=rule)

    return function


def _precise(function: Callable[..., jax.Array]) -> Callable[..., jax.Array]:
    @jax.jit
    def precise(params: Any, *images: jax.Array) -> jax.Array:
        # By default GPUs and TPUs multiply float32 with fewer bits than published scores use.
        with jax.default_matmul_precision("highest"):
            return function(params, *images)

    return precise
