"""Finds the faces of a photo and five points of each, with MTCNN.

The photo is looked at on a canvas of CANVASES[0] pixels, a larger one again on CANVASES[1] unless
a face fills much of it.  Two nets narrow down where faces are; the third finds the points and looks
at every face again, upright (`second_look`).  Where nothing is found, the photo is turned by a
quarter three times.  Faces below about 24 pixels of the larger canvas are not found.
"""

import functools
import hashlib
import math
import pathlib
from typing import Any, NamedTuple

import jax
import numpy as np
from PIL import Image

from fsketch.convert import files
from fsketch.faces import boxes, crops, pyramid, second_look
from fsketch.nets import mtcnn

WEIGHTS = pathlib.Path(__file__).parent / "weights" / "mtcnn.safetensors"
SHA256 = "9d21fbf28742874afb67602d5b4aa4b47e8fcc240f474ed7a77c1c43192f612a"

CANVASES = (512, 1024)
LARGE = 0.25  # a face's side as a share of the canvas: no need to look closer
THRESHOLDS = (0.6, 0.7, 0.7)  # scores that the three nets must give
BATCHES = (64, 16)  # crops in a call of the second and the third net
PROPOSALS = 4 * BATCHES[0]  # that the second net sees at most
# The net's eyes are so much farther apart and lower than those by which CUFS is aligned, in their
# distances: the mean over the 188 photos of CUHK's student set (tests/slow/front_door.py).
WIDER, LOWER = 0.019, 0.017

TINY_PX = 25  # between the eyes: half the frame's distance
ASIDE = 0.36  # the nose's distance from the middle between the eyes, in distances of the eyes
CUT = 0.1  # share of a box beyond the photo


class Face(NamedTuple):
    """A face in an image.

    score: 0..1.  box: float[4], x0, y0, x1, y1 in pixels.  points: float[5, 2], (x, y) of the eye
    that is on the left of the picture when the face is upright, the other eye, the nose, and the
    mouth's corner on the left and on the right.  notes: what a drawing will suffer from, in plain
    words.
    """

    score: float
    box: np.ndarray
    points: np.ndarray
    notes: tuple[str, ...] = ()

    @property
    def eyes(self) -> np.ndarray:
        """float[2, 2]."""
        return self.points[:2]

    @property
    def roll(self) -> float:
        """Degrees by which the face is turned clockwise in the picture, -180..180."""
        return math.degrees(math.atan2(*(self.points[1] - self.points[0])[::-1]))


@functools.cache
def load() -> "Detector":
    """The detector with the package's weights; ValueError if their file is not the package's."""
    digest = hashlib.sha256(WEIGHTS.read_bytes()).hexdigest()
    if digest != SHA256:
        raise ValueError(
            f"{WEIGHTS}: expected the SHA-256 {SHA256}, got {digest} (a changed file); install "
            "the package again"
        )
    _, params = files.read(str(WEIGHTS))
    return Detector(params)


class Detector:
    """The three nets with their weights."""

    def __init__(self, params: Any) -> None:
        def net(name: str):
            module, _ = mtcnn.NETS[name]
            variables = {"params": jax.tree.map(lambda a: a.astype(np.float32), params[name])}
            return jax.jit(lambda image: module.apply(variables, mtcnn.adapt(image)))

        self._propose, refine, output = map(net, mtcnn.NETS)
        self._refine = functools.partial(_batched, refine, BATCHES[0])
        self._output = functools.partial(_batched, output, BATCHES[1])

    def find(self, image: np.ndarray) -> list[Face]:
        """The faces of uint8[H, W, 3], the largest first; [] if there are none.

        ValueError for other arrays and for an image without pixels.
        """
        if image.dtype != np.uint8 or image.shape[2:] != (3,) or not image.size:
            raise ValueError(
                f"image: expected uint8[H, W, 3], got {image.dtype}{list(image.shape)}"
            )
        photo = Image.fromarray(np.ascontiguousarray(image))
        faces = self._look(photo)
        if not faces:
            for quarters in (1, 3, 2):
                turned = photo.transpose(Image.Transpose.ROTATE_90 + quarters - 1)
                others = [_unturned(face, quarters, photo.size) for face in self._look(turned)]
                faces = max(faces, others, key=_best)
        faces = [face._replace(notes=_notes(face, photo.size)) for face in faces]
        return sorted(faces, key=lambda face: -np.ptp(face.box[::2]) * np.ptp(face.box[1::2]))

    def _look(self, photo: Image.Image) -> list[Face]:
        """The faces that are not far from upright."""
        small, large = CANVASES
        faces = self._look_on(photo, small)
        scale = small / max(photo.size)
        widest = max((np.ptp(face.box[::2]) for face in faces), default=0)
        if scale < 1 and widest * scale < LARGE * small:
            faces = max(faces, self._look_on(photo, large), key=len)
        return faces

    def _look_on(self, photo: Image.Image, size: int) -> list[Face]:
        canvas, scale = pyramid.reduced(photo, size)
        found = self._proposals(canvas)
        if not len(found):
            return []
        scores, offsets = self._refine(crops.cut(canvas, found, 24))
        found, _ = _kept(found, scores, offsets, THRESHOLDS[1])
        if not len(found):
            return []
        found = boxes.squares(found) / scale
        scores, offsets, _ = self._output(crops.cut(photo, found, second_look.SIZE_PX))
        found, _ = _kept(found, scores, offsets, THRESHOLDS[2])
        if not len(found):
            return []
        sights = second_look.look(self._output, photo, boxes.squares(found))
        places = np.array([sight.box for sight in sights])
        scores = np.array([sight.score for sight in sights])
        kept = boxes.suppressed(places, scores, 0.7, of_smaller=True)
        return [_face(sights[i]) for i in kept if scores[i] > THRESHOLDS[2]]

    def _proposals(self, canvas: Image.Image) -> np.ndarray:
        """Squares float[N, 4] in pixels of the canvas, N <= PROPOSALS."""
        maps = [np.asarray(m)[0] for m in self._propose(pyramid.mosaic(canvas))]
        found = []
        for tile in pyramid.layout(canvas.width)[0]:
            scores, places = pyramid.windows(canvas.width, tile, *maps, THRESHOLDS[0])
            kept = boxes.suppressed(places, scores, 0.5)
            found.append((scores[kept], places[kept]))
        scores, places = map(np.concatenate, zip(*found, strict=True))
        return boxes.squares(places[boxes.suppressed(places, scores, 0.7)[:PROPOSALS]])


def _batched(net: Any, batch: int, images: np.ndarray) -> list[np.ndarray]:
    """The net's outputs for uint8[N, n, n, 3], N > 0, in calls of one size."""
    padded = np.zeros((-len(images) % batch, *images.shape[1:]), np.uint8)
    parts = np.concatenate([images, padded]).reshape(-1, batch, *images.shape[1:])
    outputs = [net(part) for part in parts]
    return [np.concatenate(o)[: len(images)].astype(np.float64) for o in zip(*outputs, strict=True)]


def _kept(
    found: np.ndarray, scores: np.ndarray, offsets: np.ndarray, threshold: float
) -> tuple[np.ndarray, np.ndarray]:
    """(boxes, scores) above the threshold, corrected by their offsets, without doubles."""
    good = scores > threshold
    found, scores = boxes.moved(found, offsets)[good], scores[good]
    kept = boxes.suppressed(found, scores, 0.7)
    return found[kept], scores[kept]


def _face(sight: second_look.Sight) -> Face:
    points = sight.points.copy()
    between = points[1] - points[0]
    points[:2] += between * (WIDER / 2 * np.array([1, -1]) - LOWER * 1j)
    return Face(sight.score, sight.box, np.stack([points.real, points.imag], axis=1))


def _best(faces: list[Face]) -> float:
    return max((face.score for face in faces), default=0.0)


def _unturned(face: Face, quarters: int, size: tuple[int, int]) -> Face:
    """The face in the photo of this (width, height), found in the photo turned by `quarters`
    against the clock."""
    width, height = size

    def place(xy: np.ndarray) -> np.ndarray:
        x, y = xy[:, 0], xy[:, 1]
        turned = {1: (width - y, x), 2: (width - x, height - y), 3: (y, height - x)}
        return np.stack(turned[quarters], axis=1)

    corners = place(face.box.reshape(2, 2))
    box = np.concatenate([corners.min(0), corners.max(0)])
    return face._replace(box=box, points=place(face.points))


def _notes(face: Face, size: tuple[int, int]) -> tuple[str, ...]:
    """What is wrong with a face in a photo of this (width, height)."""
    notes = []
    eyes = face.points[1] - face.points[0]
    distance = math.hypot(*eyes)
    nose = (face.points[2] - face.eyes.mean(0)) @ eyes / distance**2
    if abs(nose) > ASIDE:
        notes.append("turned aside")
    if distance < TINY_PX:
        notes.append(f"tiny ({distance:.0f} px between the eyes)")
    inside = np.clip(face.box, 0, [*size, *size])
    if np.prod(inside[2:] - inside[:2]) < (1 - CUT) * np.prod(face.box[2:] - face.box[:2]):
        notes.append("cut by the frame")
    return tuple(notes)
