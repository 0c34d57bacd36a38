"""Face embedders: nets by name, and trained ones as frozen nets, from a run or a file alone.

An embedder maps images [B, S, S, 3] in [-1, 1] of one side S to embeddings [B, D], which are
compared by angle.  Its specification, a JSON string, says how to build it again:

    net, arguments   a key of ARCHITECTURES and what its constructor takes
    side_px          S
    frame            what the S x S pixels show:
                     "face", the recognition crop, of which EYES are the eyes;
                     "canvas", an image in its middle, surrounded by grey `fill` (0..255)
    fill             for "canvas"
    path, step       where it was read from
"""

import json
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from etils import epath
from flax import linen as nn
from flax import traverse_util
from PIL import Image

from fsketch.convert import files, published
from fsketch.core import checkpoint, images, state, types
from fsketch.frozen import embedder_nets as nets
from fsketch.nets import tinynet, vgg

# Eyes (x, y) on the recognition crop of 112 x 112 px [code: SynthDistill], and those of the field's
# aligned images of 200 x 250 px.
SIDE_PX, EYES = 112, ((38.2946, 51.6), (73.5318, 51.6))
FRAME_PX, FRAME_EYES = (200, 250), ((75.0, 125.0), (125.0, 125.0))


ARCHITECTURES: dict[str, nets.Embedder] = {
    **nets.EMBEDDERS,
    # Ours, of any side, without published weights.
    "vgg": nets.Embedder(vgg.Embedder, images.to_rgb),
    "tinyfar": nets.Embedder(tinynet.TinyNet, images.to_rgb),
}


class EmbedderError(ValueError):
    """What was given is no embedder, or not for these images."""


def create(net: str, arguments: Mapping[str, Any]) -> nn.Module:
    """The net that `config.model` names, image in [-1, 1] -> embedding [B, D]."""
    if net not in ARCHITECTURES:
        raise ValueError(f"model.net: {net!r}; admitted are {sorted(ARCHITECTURES)}")
    try:
        return ARCHITECTURES[net].build(**arguments)
    except TypeError as error:
        raise ValueError(f"model.arguments of {net}: {error}") from None


def adapt(net: str, image: jax.Array) -> jax.Array:
    """RGB or grey in [-1, 1] -> what the net of this name takes."""
    return ARCHITECTURES[net].adapt(image)


def build(spec: str, variables: types.PyTree) -> state.Frozen:
    """The frozen embedder of a specification with these variables."""
    fields = json.loads(spec)
    net = create(fields["net"], fields["arguments"])
    return state.Frozen(variables, net, ARCHITECTURES[fields["net"]].adapt, spec)


def load(path: str) -> state.Frozen:
    """The embedder at `path`: a workdir of a run that trains one, or a converted *.safetensors.

    Raises EmbedderError for anything else.
    """
    if path.endswith(".safetensors"):
        return _of_file(path)
    if not epath.Path(path).is_dir():
        raise EmbedderError(f"{path}: no such folder")
    arrays, meta = checkpoint.read(path)
    config = meta["config"]
    if config["method"] not in PLAYERS:
        raise EmbedderError(
            f"{path}: a run of method {config['method']!r}; admitted are {sorted(PLAYERS)}"
        )
    role, place, unused = PLAYERS[config["method"]]
    # The averaged parameters, which its validation chose, where it keeps them.
    kind = "ema" if config["optim"]["ema_rate"] > 0 else "params"
    variables = {"params": _below(arrays, f"players/{role}/{kind}/{place}", unused)}
    if stats := _below(arrays, f"players/{role}/stats/batch_stats/{place}", ()):
        variables["batch_stats"] = stats
    model = dict(config["model"])
    if config["method"] == "teacher":
        names = ("widths", "depths", "norm", "embedding_size")
        arguments = {name: model[name] for name in names}
        model = {"net": "vgg", "arguments": arguments, "frame": "canvas"}
    spec = {
        **{name: model[name] for name in ("net", "arguments", "frame")},
        "side_px": config["data"]["crop_px"],
        "fill": config["data"]["fill_photo"],
        "path": path,
        "step": meta["step"],
    }
    return build(json.dumps(spec), variables)


# method -> (its player that is an embedder, where in the player's net it lies, what is not of it)
PLAYERS: dict[str, tuple[str, str, tuple[str, ...]]] = {
    "teacher": ("teacher", "", ("classifier/",)),
    "embedder": ("embedder", "net/", ()),
    "synthdistill": ("student", "", ()),
}


def _below(
    arrays: Mapping[str, np.ndarray], prefix: str, unused: Sequence[str]
) -> dict[str, types.PyTree]:
    """The tree of the arrays whose flat names begin with `prefix`, without the unused ones."""
    flat = {name.removeprefix(prefix): a for name, a in arrays.items() if name.startswith(prefix)}
    used = {name: a for name, a in flat.items() if not name.startswith(tuple(unused))}
    return traverse_util.unflatten_dict(used, sep="/")


def _of_file(path: str) -> state.Frozen:
    net, tree = files.read(path)
    admitted = sorted(ARCHITECTURES.keys() & published.WEIGHTS.keys())
    if net not in admitted:
        raise EmbedderError(f"{path}: weights of {net!r}; admitted are those of {admitted}")
    try:
        published.check(net, tree)
    except ValueError as error:
        raise EmbedderError(f"{path}: {error}") from None
    side_px = ARCHITECTURES[net].size_px
    spec = {"net": net, "arguments": {}, "side_px": side_px, "frame": "face"}
    return build(json.dumps({**spec, "fill": 0, "path": path, "step": 0}), files.variables(tree))


def check_source(embedder: state.Frozen, path: str, *, field: str) -> None:
    """Raises ValueError if a run asks for another embedder than the one it was started with."""
    if (kept := json.loads(embedder.spec)["path"]) != path:
        raise ValueError(
            f"{field}.path: {path!r}, but this workdir was started with {kept!r} and keeps it; use "
            "another workdir for another embedder"
        )


def check_faces(embedder: state.Frozen, side_px: int, *, field: str) -> None:
    """Raises ValueError unless the embedder takes recognition crops of this side."""
    fields = json.loads(embedder.spec)
    if (fields["frame"], fields["side_px"]) != ("face", side_px):
        raise ValueError(
            f"{field}.path: {fields['path']!r} takes {fields['side_px']} px of the frame "
            f"{fields['frame']!r}; data.crop_px needs {side_px} px of 'face'"
        )


def side_px(embedder: state.Frozen) -> int:
    """The side of the images that the embedder takes."""
    return json.loads(embedder.spec)["side_px"]


def placed(embedder: state.Frozen, pictures: Sequence[np.ndarray]) -> np.ndarray:
    """uint8[N, S, S, 3], what the embedder is to see of pictures uint8[H, W, 1 or 3].

    In the frame "face", a square picture is taken for the recognition crop itself, one of the
    shape 4 : 5 for an aligned image (eyes as in FRAME_EYES), out of which it is cut; both are
    resized with antialiasing.  In the frame "canvas" a picture must fit.  EmbedderError otherwise.
    """
    fields = json.loads(embedder.spec)
    side, place = fields["side_px"], _face if fields["frame"] == "face" else _centred
    result = np.empty((len(pictures), side, side, 3), np.uint8)
    for canvas, picture in zip(result, pictures, strict=True):
        try:
            canvas[...] = place(picture, side, fields["fill"])
        except ValueError as error:
            raise EmbedderError(f"embedder {fields['path']}: {error}") from None
    return result


def _centred(picture: np.ndarray, side: int, fill: int) -> np.ndarray:
    canvas = np.full((side, side, 3), fill, np.uint8)
    height, width = picture.shape[:2]
    top, left = images.centre((height, width), (side, side))
    canvas[top : top + height, left : left + width] = picture
    return canvas


def _face(picture: np.ndarray, side: int, fill: int) -> np.ndarray:
    del fill
    height, width = picture.shape[:2]
    if height == width:
        box = (0.0, 0.0, float(width), float(height))
    elif 5 * width == 4 * height:
        box = tuple(edge * width / FRAME_PX[0] for edge in face_box())
    else:
        raise ValueError(
            f"found a picture of {width} x {height} px; admitted are squares (recognition crops) "
            "and the shape of 200 x 250 px, width x height"
        )
    rgb = Image.fromarray(np.broadcast_to(picture, (height, width, 3)).copy())
    return np.asarray(rgb.resize((side, side), Image.Resampling.BILINEAR, box=box))


def face_box() -> tuple[float, float, float, float]:
    """(left, top, right, bottom) of the recognition crop in aligned images of 200 x 250 px."""
    (x, y), (other, _) = EYES
    scale = (FRAME_EYES[1][0] - FRAME_EYES[0][0]) / (other - x)
    left, top = FRAME_EYES[0][0] - x * scale, FRAME_EYES[0][1] - y * scale
    return left, top, left + SIDE_PX * scale, top + SIDE_PX * scale


def on_pictures(embedder: state.Frozen) -> Callable[[Sequence[np.ndarray]], np.ndarray]:
    """A function: pictures uint8[H, W, 1 or 3] -> embeddings float32[N, D], see `placed`."""

    @jax.jit
    def embed(variables: types.PyTree, batch: jax.Array) -> jax.Array:
        return embedder.replace(variables=variables)(images.from_uint8(batch))

    variables = jax.device_put(embedder.variables)
    return lambda pictures: np.asarray(embed(variables, jnp.asarray(placed(embedder, pictures))))
