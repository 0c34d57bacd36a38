"""Brings pictures of any size to a frozen embedder's input: its face crop, or its canvas."""

import json
from collections.abc import Callable, Sequence

import jax
import jax.numpy as jnp
import numpy as np
from PIL import Image

from fsketch.core import images, state, types
from fsketch.faces import align, template

# Eyes (x, y) on the recognition crop of 112 x 112 px [code: SynthDistill].
SIDE_PX, EYES = 112, ((38.2946, 51.6), (73.5318, 51.6))


def on_pictures(embedder: state.Frozen) -> Callable[[Sequence[np.ndarray]], np.ndarray]:
    """A function from pictures uint8[H, W, 1 or 3] to embeddings float32[N, D]; see `placed`."""

    @jax.jit
    def embed(variables: types.PyTree, batch: jax.Array) -> jax.Array:
        return embedder.replace(variables=variables)(images.from_uint8(batch))

    variables = jax.device_put(embedder.variables)
    return lambda pictures: np.asarray(embed(variables, jnp.asarray(placed(embedder, pictures))))


class OnFaces:
    """As `on_pictures`, for pictures in which the face is found first: of any size, not aligned.

    The largest face is brought to the template of five points (`faces.template`); a picture in
    which none is found is taken as `placed` does.
    """

    def __init__(self, embedder: state.Frozen) -> None:
        self._embed = on_pictures(embedder)
        self._side_px = json.loads(embedder.spec)["side_px"]
        self._num_seen = self._num_missed = 0

    def __call__(self, pictures: Sequence[np.ndarray]) -> np.ndarray:
        """float32[N, D] of uint8[H, W, 1 or 3]."""
        return self._embed([self._cropped(picture) for picture in pictures])

    def notes(self) -> list[str]:
        """In how many pictures no face was found, if there are any."""
        if not self._num_missed:
            return []
        return [
            f"identity: no face found in {self._num_missed} of {self._num_seen} pictures: cut by "
            "the place of an aligned image's eyes"
        ]

    def _cropped(self, picture: np.ndarray) -> np.ndarray:
        rgb = np.broadcast_to(picture, (*picture.shape[:2], 3))
        face = template.found(rgb, side_px=self._side_px)
        self._num_seen += 1
        self._num_missed += face is None
        return picture if face is None else face


def placed(embedder: state.Frozen, pictures: Sequence[np.ndarray]) -> np.ndarray:
    """The embedder's input uint8[N, S, S, 3] for pictures uint8[H, W, 1 or 3].

    In the frame "face", a square picture is the recognition crop itself; a picture of shape 4 : 5
    is an aligned image (eyes as in `align.EYES`), from which the crop is cut; both are resized with
    antialiasing.  In the frame "canvas", a picture must fit.  ValueError otherwise.
    """
    fields = json.loads(embedder.spec)
    side, place = fields["side_px"], _face if fields["frame"] == "face" else _centred
    result = np.empty((len(pictures), side, side, 3), np.uint8)
    for canvas, picture in zip(result, pictures, strict=True):
        try:
            canvas[...] = place(picture, side, fields["fill"])
        except ValueError as error:
            raise ValueError(f"embedder {fields['path']}: {error}") from None
    return result


def _centred(picture: np.ndarray, side: int, fill: int) -> np.ndarray:
    return images.laid(picture, (side, side), fill=fill)


def _face(picture: np.ndarray, side: int, fill: int) -> np.ndarray:
    del fill
    height, width = picture.shape[:2]
    if height == width:
        box = (0.0, 0.0, float(width), float(height))
    elif 5 * width == 4 * height:
        box = tuple(edge * width / align.FRAME[1] for edge in face_box())
    else:
        raise ValueError(
            "expected a square (recognition crop) or the shape of 200 x 250 px (width x height), "
            f"got {width} x {height} px"
        )
    rgb = Image.fromarray(np.broadcast_to(picture, (height, width, 3)).copy())
    return np.asarray(rgb.resize((side, side), Image.Resampling.BILINEAR, box=box))


def face_box() -> tuple[float, float, float, float]:
    """(left, top, right, bottom) of the recognition crop in aligned images of 200 x 250 px."""
    (x, y), (other, _) = EYES
    (frame_x, frame_y), (frame_other, _) = align.EYES
    scale = (frame_other - frame_x) / (other - x)
    left, top = frame_x - x * scale, frame_y - y * scale
    return left, top, left + SIDE_PX * scale, top + SIDE_PX * scale
