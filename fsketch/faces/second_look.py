"""A second look at what may be a face: which way up it is, whether it is one, and where exactly.

The net is shown each square in several views: turned by quarters, larger and smaller, mirrored.  A
face is one in all of them, many a pattern is not; and the mean of their points is more exact than
the first.
"""

from collections.abc import Callable, Sequence
from typing import NamedTuple

import numpy as np
from PIL import Image

from fsketch.faces import crops

SIZE_PX = 48  # of a view
TURN_SCALES = (0.9, 1.1)  # of the square, in each of the four turns
SCALES = (0.9, 1.0, 1.1)  # of the square, in the turn that was found
ROUNDS = 2  # the first with the turn that is found, the next with what the one before finds
# Points of a mirrored view in the order of the face: eyes, nose, corners of the mouth.
_MIRRORED = (1, 0, 2, 4, 3)

# uint8[N, 48, 48, 3] -> score [N], box [N, 4], points [N, 10] of `nets.mtcnn.Output`.
Net = Callable[[np.ndarray], Sequence[np.ndarray]]


class Sight(NamedTuple):
    """A face as seen in a view, or in the mean of views; in pixels of the photo, x + iy.

    logit: of the score.  points: complex[5].  size: float[2], width and height of the upright box.
    """

    logit: float
    points: np.ndarray
    centre: complex
    size: np.ndarray

    @property
    def score(self) -> float:
        """0..1."""
        return float(1 / (1 + np.exp(-self.logit)))

    @property
    def upward(self) -> complex:
        """The direction from the first eye to the second, of length 1."""
        eyes = self.points[1] - self.points[0]
        return complex(eyes / max(abs(eyes), 1e-9))

    @property
    def box(self) -> np.ndarray:
        """float[4]: around the ellipse in the face's box."""
        turn = np.array(
            [[self.upward.real, self.upward.imag], [self.upward.imag, self.upward.real]]
        )
        half = np.hypot(*(turn * self.size).T) / 2
        centre = np.array([self.centre.real, self.centre.imag])
        return np.concatenate([centre - half, centre + half])


def look(net: Net, photo: Image.Image, squares: np.ndarray) -> list[Sight]:
    """One sight for each upright square float[N, 4] of the photo, N > 0."""
    centres = (squares[:, :2] + squares[:, 2:]) @ (0.5, 0.5j)
    sides = squares[:, 2] - squares[:, 0]
    turned = [
        _views(centre, side * 1j**quarters, TURN_SCALES)
        for centre, side in zip(centres, sides, strict=True)
        for quarters in range(4)
    ]
    seen = [_mean(views) for views in _seen(net, photo, turned)]
    sights = [max(seen[i : i + 4], key=lambda sight: sight.logit) for i in range(0, len(seen), 4)]
    for _ in range(ROUNDS):
        scaled = [_views(sight.centre, max(sight.size) * sight.upward, SCALES) for sight in sights]
        sights = [_mean(views) for views in _seen(net, photo, scaled)]
    return sights


def _views(centre: complex, side: complex, scales: Sequence[float]) -> list[crops.View]:
    """Each scale, mirrored as well."""
    return [crops.View(centre, scale * side, m) for scale in scales for m in (False, True)]


def _seen(net: Net, photo: Image.Image, groups: list[list[crops.View]]) -> list[list[Sight]]:
    """What the net sees in each view; views of a group have one centre."""
    images = np.concatenate([crops.views(photo, group, SIZE_PX) for group in groups])
    outputs = zip(*net(images), strict=True)
    return [[_sight(view, *next(outputs)) for view in group] for group in groups]


def _sight(view: crops.View, score: float, box: np.ndarray, points: np.ndarray) -> Sight:
    logit = np.log(np.maximum(score, 1e-7) / np.maximum(1 - score, 1e-7))
    placed = view.placed(points[:5] + 1j * points[5:])
    low, high = box[:2], box[2:] + 1
    centre = view.placed((low + high) @ (0.5, 0.5j))
    if view.is_mirrored:
        placed = placed[list(_MIRRORED)]
    return Sight(float(logit), placed, complex(centre), (high - low) * abs(view.side))


def _mean(sights: list[Sight]) -> Sight:
    return Sight(*(np.mean(values, axis=0) for values in zip(*sights, strict=True)))
