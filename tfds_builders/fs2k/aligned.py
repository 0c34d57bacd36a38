"""FS2K's pairs in the frame of CUFS: photo and sketch moved alike, by the eyes of the photo."""

import io
from collections.abc import Sequence
from pathlib import Path

import numpy as np

from fsketch.core import image_files, progress
from fsketch.data import checks
from fsketch.faces import align, detector

ASIDE = "turned aside"  # a note of the detector: such a face would be blown up


def find(rows: Sequence[checks.Row], report: checks.Report) -> dict[str, np.ndarray]:
    """{id: float[2, 2], the eyes of the largest face of its photo}; notes the photos left out."""
    net, eyes = detector.load(), {}
    for row in progress.track(rows, "finding faces", len(rows)):
        faces = net.find(_pixels(row.photo))
        if not faces:
            report.note("photos are left out: no face is found", places=[row.id])
        elif ASIDE in faces[0].notes:
            report.note(f"photos are left out: the face is {ASIDE}", places=[row.id])
        else:
            eyes[row.id] = faces[0].eyes
    report.fact("geometry", f"{len(eyes)} of {len(rows)} pairs can be aligned")
    return eyes


def images(row: checks.Row, eyes: np.ndarray) -> dict[str, io.BytesIO]:
    """Photo and sketch of 200 x 250 px as PNG; beyond its edge the sketch is paper."""
    photo, sketch = _pixels(row.photo), _pixels(row.sketch)
    moved = align.on_paper(align.aligned(sketch, eyes), eyes, photo.shape[:2])
    return {
        "photo": checks.encode(align.aligned(photo, eyes)),
        "sketch": checks.encode(moved[..., 0]),
    }


def point(xy: tuple[int, int], eyes: np.ndarray) -> tuple[int, int]:
    """A point (x, y) of the photo in the frame; (-1, -1) if there is none, or it is outside."""
    x, y = np.floor(align.placed(np.add(xy, 0.5), eyes)).astype(int).tolist()
    height, width = align.FRAME
    return (x, y) if min(xy) >= 0 and 0 <= x < width and 0 <= y < height else (-1, -1)


def _pixels(path: Path) -> np.ndarray:
    """uint8[H, W, 3], transparent pixels on white."""
    with image_files.open_image(checks.png(path, mode="RGB", background=255).getvalue()) as image:
        return np.asarray(image)
