"""Frozen face embedders: from converted weights to a callable, and back from a specification."""

import json

from fsketch import state, types
from fsketch.convert import files, published
from fsketch.nets import embedders


def build(spec: str, variables: types.PyTree) -> state.Frozen:
    """The embedder of a specification, JSON with "net", with these variables."""
    embedder = embedders.EMBEDDERS[json.loads(spec)["net"]]
    return state.Frozen(variables, embedder.build(), embedder.adapt, spec)


def load(path: str) -> state.Frozen:
    """The embedder of converted weights *.safetensors: aligned faces in [-1, 1] -> [B, D].

    Its faces have `nets.embedders.EMBEDDERS[net].size_px` rows and columns.
    """
    net, variables = files.read(path)
    if net not in embedders.EMBEDDERS:
        admitted = sorted(embedders.EMBEDDERS)
        raise ValueError(f"embedder {path}: net {net!r}; admitted are {admitted}")
    try:
        published.check(net, variables)
    except ValueError as error:
        raise ValueError(f"embedder {path}: {error}") from None
    return build(json.dumps({"net": net, "path": path}), variables)
