"""Coarse images of an offline stage: files joined with their pairs by id.

    FOLDER/index.npz        the model that made them (patches/model.py)
    FOLDER/images/ID.png    each with a key in its text: 16 hex digits of everything it depends on

The key covers the model, the image and its identity, whose pairs are left out; so a file of another
configuration or other data is detected and refused.
"""

import functools
import hashlib
import io
from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
from etils import epath
from ml_collections import ConfigDict
from PIL import Image, PngImagePlugin

from fsketch.core import image_files, images, writers
from fsketch.data import lazy, records
from fsketch.patches import model

DIRECTIONS = images.DIRECTIONS  # (given, made): kinds of images of `records.Pairs`
_KEY = "fsketch key"


class StaleError(ValueError):
    """Results of another configuration or other data are in the place of new ones."""


class Source(NamedTuple):
    """The folder of coarse images, their source, and the digest of the model."""

    folder: epath.Path
    given: str
    digest: str

    def path(self, id: str) -> epath.Path:
        return self.folder / "images" / f"{id}.png"


def folder(config: ConfigDict, workdir: str | epath.Path) -> epath.Path:
    """patches.path, or WORKDIR/coarse."""
    return epath.Path(config.patches.path or epath.Path(workdir) / "coarse")


def settings(patches: ConfigDict) -> model.Settings:
    """The model's part of the section `patches`."""
    fields = patches.to_dict()
    del fields["path"]
    return model.Settings(**fields)


def source(config: ConfigDict, workdir: str | epath.Path) -> Source | None:
    """The coarse images of a run; None for a method without them.

    Raises FileNotFoundError without a model, StaleError if its settings differ.
    """
    if "patches" not in config:
        return None
    place = folder(config, workdir)
    path = place / "index.npz"
    if not path.exists():
        raise FileNotFoundError(
            f"{path}: expected a patch model, got none; `fsketch prepare` makes it"
        )
    index = model.load(path)
    check_settings(index, settings(config.patches), path)
    given, wanted = DIRECTIONS[config.direction]
    depth = index.wanted.shape[-1]
    if depth != {"photo": 3, "sketch": 1}[wanted]:
        raise StaleError(
            f"{path}: expected direction {config.direction}, got the other; {_advice(place)}"
        )
    return Source(place, given, index.digest())


def check_settings(index: model.Index, wanted: model.Settings, path: epath.Path) -> None:
    """Raises StaleError with each field in which an index differs, except memory_mb."""
    differences = [
        f"patches.{name}: expected {new!r}, got {old!r}"
        for name, old, new in zip(wanted._fields, index.settings, wanted, strict=True)
        if old != new and name != "memory_mb"
    ]
    if differences:
        raise StaleError(f"{path}: {'; '.join(differences)}.  {_advice(path.parent)}")


def check_index(stored: model.Index, fresh: model.Index, path: epath.Path) -> None:
    """Raises StaleError if a stored index differs from one fitted now."""
    check_settings(stored, fresh.settings, path)
    if stored.digest() != fresh.digest():
        raise StaleError(
            f"{path}: expected these {len(fresh.id)} training pairs and this direction, got "
            f"{len(stored.id)} other pairs or the other direction.  {_advice(path.parent)}"
        )


def _advice(place: epath.Path) -> str:
    return f"Delete {place}, or set patches.path to another folder."


def key(digest: str, image: np.ndarray, identity: int) -> str:
    """The key of a coarse image of uint8[H, W, C], 16 hex digits."""
    content = hashlib.sha256(f"{digest} {image.shape} {int(identity)} ".encode())
    content.update(np.ascontiguousarray(image))
    return content.hexdigest()[:16]


class Request(NamedTuple):
    """A coarse image to be made from uint8[H, W, C] without pairs of this identity."""

    id: str
    image: np.ndarray
    identity: int
    key: str


def request(pairs: records.Pairs, source: Source, place: int) -> Request:
    """The request of the pair at `place`."""
    image, identity = pairs.images[place][source.given], int(pairs.identity[place])
    return Request(pairs.id[place], image, identity, key(source.digest, image, identity))


def write(source: Source, request: Request, image: np.ndarray) -> None:
    """The image made, uint8[H, W, 1 or 3], with its key as a PNG file, whole or not at all."""
    about = PngImagePlugin.PngInfo()
    about.add_text(_KEY, request.key)
    buffer = io.BytesIO()
    pixels = image[..., 0] if image.shape[-1] == 1 else image
    Image.fromarray(pixels).save(buffer, format="PNG", pnginfo=about)
    path = source.path(request.id)
    path.parent.mkdir(parents=True, exist_ok=True)
    writers.write_whole(path, buffer.getvalue())


def is_done(source: Source, request: Request) -> bool:
    """Whether the image exists; StaleError if its key differs."""
    path = source.path(request.id)
    if not path.exists():
        return False
    with image_files.open_image(path, formats=("PNG",)) as image:
        found = image.info.get(_KEY)
    if found != request.key:
        raise StaleError(
            f"{path}: expected key {request.key}, got {found}: made from another image, another "
            f"identity or other training pairs, or by no patch model.  {_advice(source.folder)}"
        )
    return True


def read(pairs: records.Pairs, source: Source) -> Sequence[np.ndarray]:
    """The coarse images of pairs, uint8[H, W, 1 or 3] each, decoded and checked at each access.

    Raises FileNotFoundError with the first id without one; access to a stale one: StaleError.
    """
    if missing := [id for id in pairs.id if not source.path(id).exists()]:
        raise FileNotFoundError(
            f"{source.folder}: expected coarse images of {len(pairs)} pairs, got "
            f"{len(pairs) - len(missing)}; {missing[0]} is missing; `fsketch prepare` makes them"
        )
    return lazy.Lazy(range(len(pairs)), functools.partial(_read, pairs, source))


def _read(pairs: records.Pairs, source: Source, place: int) -> np.ndarray:
    is_done(source, request(pairs, source, place))
    with image_files.open_image(source.path(pairs.id[place]), formats=("PNG",)) as image:
        pixels = np.asarray(image)
    return pixels[..., None] if pixels.ndim == 2 else pixels
