"""Faces of any photo as sketches, and of any sketch as photos: one model behind three methods.

    studio = fsketch.load("NAME")        a model of the zoo, or a run's workdir
    sketch = studio.sketch(image)        uint8[250, 200, 1], the largest face in the frame of CUFS

An image is an array uint8[H, W], [H, W, 1] or [H, W, 3], or a PIL image of any kind, whose EXIF
orientation and colour profile are applied.  `fsketch sketch` and `fsketch photo` do the same.
"""

import functools
import os
from collections.abc import Callable
from typing import Any, NamedTuple

import numpy as np

from fsketch import translator
from fsketch.core import pictures
from fsketch.faces import align, detector
from fsketch.zoo import cards, nets


class NoFaceError(ValueError):
    """No face was found in an image."""


class Portrait(NamedTuple):
    """A face, translated.

    made: uint8[250, 200, 1 or 3], in the frame of `align`.
    eyes: float[2, 2], (x, y) of the eyes in the image.
    notes: what it may suffer from, as of `detector.Face`.
    """

    made: np.ndarray
    eyes: np.ndarray
    notes: tuple[str, ...]


class Studio:
    """Translates faces in images, with a translator for each direction."""

    def __init__(self, load: Callable[[str, str], translator.Translator], *, style: str) -> None:
        """load: (direction, style) -> a translator; called when the two are first asked for.

        style: what "" stands for, where a method is asked for no style.
        """
        self._load, self._style = functools.cache(load), style

    def translator(self, direction: str, style: str = "") -> translator.Translator:
        """The translator of a direction and a style; ValueError if the model lacks one of them."""
        return self._load(direction, style or self._style)

    def faces(self, image: Any) -> list[detector.Face]:
        """The faces of an image, the largest first."""
        return detector.load().find(pictures.of(image))

    def sketch(self, image: Any, *, style: str = "") -> np.ndarray:
        """A sketch of the largest face: uint8[250, 200, C]; NoFaceError if there is none.

        style: one of the model's, where it has several; "": that of `load`.
        """
        return self.portraits(pictures.of(image), "to_sketch", most=1, style=style)[0].made

    def photo(self, image: Any) -> np.ndarray:
        """A photo of the largest face of a sketch: uint8[250, 200, 3]; NoFaceError."""
        return self.portraits(pictures.of(image), "to_photo", most=1)[0].made

    def portraits(
        self,
        image: np.ndarray,
        direction: str,
        *,
        most: int | None = None,
        strict: bool = False,
        style: str = "",
    ) -> list[Portrait]:
        """The faces of an image uint8[H, W, 3], the largest first, translated.

        Args:
          direction: "to_sketch" or "to_photo".
          most: faces to take; None = all.
          strict: leave out faces that have notes.
          style: as in `sketch`.

        Raises:
          NoFaceError: there is none, or none that strict admits.
        """
        faces = detector.load().find(image)
        if not faces:
            raise NoFaceError("no face found")
        kept = [face for face in faces if not (strict and face.notes)][:most]
        if not kept:
            notes = sorted({note for face in faces for note in face.notes})
            raise NoFaceError(f"no face found but those that --strict skips: {', '.join(notes)}")
        translate = self.translator(direction, style)
        portraits = []
        for face in kept:
            made = translate(align.aligned(image, face.eyes))
            if direction == "to_sketch":
                made = align.on_paper(made, face.eyes, image.shape[:2])
            portraits.append(Portrait(made, face.eyes, face.notes))
        return portraits

    def aligned(self, image: np.ndarray, direction: str) -> Portrait:
        """An image uint8[250, 200, 3] that is in the frame already."""
        return Portrait(self.translator(direction)(image), np.array(align.EYES), ())


def load(model: str | os.PathLike = "", /, *, zoo: str = "", style: str = "") -> Studio:
    """The studio of a model of the zoo, of a run's workdir, or of the default models.

    Args:
      model: a name, a workdir, or "": the first model of each direction.
      zoo: a folder of more models; "" = none.
      style: one of the model's, where it has several; "": the first.

    Raises:
      ValueError: no such model; from a method, if the model does not translate in its direction,
        or has no such style.
    """
    if model and os.path.isdir(os.path.join(model, "checkpoints")):
        return of_run(model, style=style)
    card = cards.find(os.fspath(model), zoo=zoo) if model else None

    def translate(direction: str, style: str) -> translator.Translator:
        found = card or cards.default(direction, zoo=zoo)
        if found.direction != direction:
            raise ValueError(f"model: expected one of direction {direction}, got {found.name}")
        return nets.load(found, style=style)

    return Studio(translate, style=style)


def of_run(workdir: str | os.PathLike, *, style: str = "") -> Studio:
    """The studio of a run's best checkpoint; style: as in `load`."""

    def translate(direction: str, style: str) -> translator.Translator:
        return translator.load_translator(workdir, direction, style=style)

    return Studio(translate, style=style)
