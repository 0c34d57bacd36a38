"""Photos to the crop on which face recognisers are trained, by five points.

The template is ArcFace's, of 112 x 112 pixels [code: insightface], SFace's too [code: OpenCV's
face_recognize.cpp]: where the eyes, the nose and the corners of the mouth lie.  The similarity that
brings a face's points there with the least squared error is also the one of both codes.
"""

import numpy as np

from fsketch.faces import align, detector

SIDE_PX = 112
POINTS = (  # (x, y), in the order of `detector.Face.points`
    (38.2946, 51.6963),
    (73.5318, 51.5014),
    (56.0252, 71.7366),
    (41.5493, 92.3655),
    (70.7299, 92.2041),
)


def aligned(image: np.ndarray, points: np.ndarray, *, side_px: int = SIDE_PX) -> np.ndarray:
    """uint8[side_px, side_px, 3]: the face of a photo uint8[H, W, 3] in the template.

    points: float[5, 2], of `detector.Face`.  Beyond the photo: see `align.aligned`.  ValueError for
    other images, and for points all in one place.
    """
    return align.cut(image, to_photo(points, side_px=side_px), (side_px, side_px))


def found(image: np.ndarray, *, side_px: int = SIDE_PX) -> np.ndarray | None:
    """`aligned` of the largest face that the detector finds in a photo, or None."""
    faces = detector.load().find(image)
    return aligned(image, faces[0].points, side_px=side_px) if faces else None


def to_photo(points: np.ndarray, *, side_px: int = SIDE_PX) -> align.Similarity:
    """From the template's pixels to the photo with these points, float[5, 2]."""
    if np.shape(points) != (5, 2) or not np.isfinite(points).all() or np.ptp(points) == 0:
        raise ValueError(f"points: expected five (x, y), not all in one place, got {points}")
    # A template's number names a pixel's centre, a photo's point is half a pixel further.
    template = (np.array(POINTS) + 0.5) @ (1, 1j) * side_px / SIDE_PX
    seen = np.asarray(points, np.float64) @ (1, 1j)
    spread, moved = template - template.mean(), seen - seen.mean()
    step = complex(np.vdot(spread, moved) / np.vdot(spread, spread))
    return align.Similarity(complex(seen.mean() - step * template.mean()), step)
