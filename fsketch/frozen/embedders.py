"""Face embedders as frozen nets, from a run or a file alone.

An embedder maps images [B, S, S, 3] in [-1, 1] of one side S to embeddings [B, D], which are
compared by angle.  Its specification (frozen/registry.py) says how to build it again:

    net, arguments   of `architectures`, and what the constructor takes
    side_px          S
    frame            what the S x S pixels show:
                     "face", the recognition crop (scoring/face_crops.py);
                     "canvas", an image in its middle, with grey `fill` (0..255) around
    fill             for "canvas"
    path, step       its source
"""

import json
from collections.abc import Mapping
from typing import Any

import jax
from flax import linen as nn
from ml_collections import ConfigDict

from fsketch.core import state, types
from fsketch.frozen import architectures, sources


def create(net: str, arguments: Mapping[str, Any]) -> nn.Module:
    """The net that `config.model` names, image in [-1, 1] -> embedding [B, D]."""
    if net not in architectures.names("embedder"):
        raise ValueError(
            f"model.net: expected one of {architectures.names('embedder')}, got {net!r}"
        )
    try:
        return architectures.ARCHITECTURES[net].embedder(**arguments)
    except TypeError as error:
        raise ValueError(f"model.arguments of {net}: {error}") from None


def export(config: ConfigDict, player: str, *, prefix: str = "") -> dict[str, sources.Export]:
    """The embedder `config.model` that a run trains and others can load; see `sources.Export`."""
    model, data = config.model, config.data
    fields = {"net": model.net, "arguments": model.arguments.to_dict(), "frame": model.frame}
    placing = {"side_px": data.crop_px, "fill": data.fill_photo}
    return {"embedder": sources.Export(player, fields | placing, prefix)}


def build(spec: str, variables: types.PyTree) -> state.Frozen:
    """The embedder of a specification with these variables."""
    fields = json.loads(spec)
    net = create(fields["net"], fields["arguments"])
    return state.Frozen(variables, net, architectures.ARCHITECTURES[fields["net"]].adapt, spec)


def load(path: str) -> state.Frozen:
    """The embedder at `path`, of a run or a file, see `sources.read`."""
    source = sources.read(path, "embedder")
    size_px = architectures.ARCHITECTURES[source.fields["net"]].size_px
    published = {"kind": "embedder", "side_px": size_px, "frame": "face", "fill": 0}
    return build(json.dumps(published | source.fields), source.variables)


def of_faces(embedder: state.Frozen, photo: jax.Array) -> jax.Array:
    """Embeddings [B, D] of recognition crops [B, S, S, 3] of any side, which are resized to its."""
    side = json.loads(embedder.spec)["side_px"]
    return embedder(jax.image.resize(photo, (len(photo), side, side, 3), "bilinear"))


def check_faces(embedder: state.Frozen, *, field: str) -> None:
    """Raises ValueError unless the embedder takes recognition crops."""
    fields = json.loads(embedder.spec)
    if fields["frame"] != "face":
        raise ValueError(
            f"{field}.path: expected an embedder of 'face', "
            f"got {fields['path']!r} of {fields['frame']!r}"
        )
