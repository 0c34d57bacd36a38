"""Photos without sketches as training pairs: a trained run draws the sketches.

So a larger net, trained on the pairs that there are, teaches a smaller one on more photos.  Only
the learner's photos are augmented, as in Xie et al., "Self-training with Noisy Student", CVPR 2020;
the sketches are pseudo-labels: Lee, ICML 2013 workshop on representation learning [use ours].

    FOLDER/photos/ID.png     the photo, in the frame of the pairs
    FOLDER/sketches/ID.png   the teacher's; the file says who drew it

FOLDER is WORKDIR/unlabelled, or `unlabelled.pairs`, which may be of any origin.  An epoch has as
many pairs of it as other ones (data/pipeline.py `epoch`).
"""

import functools
import hashlib
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import NamedTuple

import jax
import numpy as np
from etils import epath
from jax.experimental import multihost_utils
from ml_collections import ConfigDict

from fsketch import image_jobs, translator
from fsketch.core import errors, names, pictures, progress, writers
from fsketch.data import records, sources
from fsketch.faces import align, detector
from fsketch.stages import folders


def check(config: ConfigDict) -> None:
    """Raises ValueError or DataError, naming the field, for photos or fields that cannot work.

    Whether the teacher exists is not checked here: a stage before may train it.
    """
    section = config.unlabelled
    asked = [name for name in ("pairs", "folder", "split") if section[name]]
    if len(asked) > 1:
        raise ValueError(f"unlabelled: expected one of pairs, folder and split, got {asked}")
    if bool(section.folder or section.split) != bool(section.teacher):
        raise ValueError(
            "unlabelled.teacher: expected a run together with unlabelled.folder or .split, got "
            f"{section.teacher!r} with {asked or 'none of them'}"
        )
    if asked and config.model.styles:
        raise ValueError("unlabelled: expected a net of one style, got model.styles")
    if section.split:
        try:
            _split(config)
        except ValueError as error:
            raise ValueError(f"unlabelled.split: {section.split!r}: {error}") from error
    if section.folder:
        _files(section.folder)


def draw(config: ConfigDict, workdir: epath.Path) -> ConfigDict:
    """Draws the sketches that are missing; the configuration with its folder as unlabelled.pairs.

    Photos of `unlabelled.folder` are taken as they are at 200 x 250 px; of others the largest face
    is taken, and those without a face are named and left out.  `unlabelled.split` is a split of the
    data set, whose own sketches are not used.

    Raises ValueError where what is there is of another teacher or of other photos.
    """
    section = config.unlabelled
    if not section.teacher:
        return config
    place = epath.Path(workdir) / "unlabelled"
    with folders.turn(place):
        if jax.process_index() == 0:
            _draw(config, Path(place))
        if jax.process_count() > 1:
            multihost_utils.sync_global_devices("unlabelled photos are drawn")
    config = config.copy_and_resolve_references()
    with config.unlocked():
        config.unlabelled.pairs = str(place)
    return config


class _Photo(NamedTuple):
    """A photo to draw: its content as hex digits, and what reads it; None where no face is seen."""

    id: str
    digest: str
    read: Callable[[], np.ndarray | None]


def _draw(config: ConfigDict, place: Path) -> None:
    """Makes the missing files; ValueError for those of another teacher or of other photos."""
    teacher = translator.load_translator(config.unlabelled.teacher, "to_sketch")
    photos = list(_photos(config))
    for kind in ("photos", "sketches"):
        (place / kind).mkdir(parents=True, exist_ok=True)
    wanted = {f"{photo.id}.png" for photo in photos}
    if others := sorted({path.name for path in (place / "sketches").iterdir()} - wanted):
        raise ValueError(f"{place}: expected sketches of these photos, got {others[0]}; delete it")
    faceless = []
    for photo in progress.track(photos, "drawing photos without sketches", len(photos)):
        path = place / "sketches" / f"{photo.id}.png"
        about = f"{teacher.origin}, of {photo.digest}"
        if path.exists():
            if (found := writers.about(path)) != about:
                raise ValueError(f"{path}: expected {about}, got {found or 'none'}; delete {place}")
            continue
        pixels = photo.read()
        if pixels is None:
            faceless.append(photo.id)
            continue
        writers.write_png(epath.Path(place / "photos" / path.name), pixels)
        writers.write_png(epath.Path(path), teacher(pixels), about=about)
    if faceless:
        progress.say(
            f"unlabelled.folder: {len(faceless)} of {len(photos)} photos show no face and are left "
            f"out: {', '.join(faceless)}"
        )


def _photos(config: ConfigDict) -> Iterator[_Photo]:
    if config.unlabelled.folder:
        for id, path in _files(config.unlabelled.folder).items():
            digest = hashlib.sha256(path.read_bytes()).hexdigest()[:16]
            yield _Photo(id, digest, functools.partial(_face, path))
        return
    pairs = _split(config)
    for id, pixels in zip(pairs.id, pairs.photo, strict=True):
        digest = hashlib.sha256(pixels.tobytes()).hexdigest()[:16]
        yield _Photo(id, digest, functools.partial(np.array, pixels))


def _face(path: Path) -> np.ndarray | None:
    """The photo of a file in the frame of the pairs."""
    try:
        pixels = pictures.read(path).pixels
    except pictures.PictureError as error:
        raise ValueError(f"unlabelled.folder: {path}: {error}") from error
    if pixels.shape[:2] == align.FRAME:
        return pixels
    faces = detector.load().find(pixels)
    return align.aligned(pixels, faces[0].eyes) if faces else None


def _split(config: ConfigDict) -> records.Pairs:
    data, split = config.data, config.unlabelled.split
    return sources.load(data.name, split, data_dir=data.data_dir, manual_dir=data.manual_dir)


def _files(folder: str) -> dict[str, Path]:
    """The images below a folder by id; an id is the path with "-" for "/", no suffix.

    Raises DataError if there are none, for two of one id, and for an id that is no plain name.
    """
    root = Path(folder).expanduser()
    if not root.is_dir():
        raise errors.refusal("unlabelled.folder", got=folder, expected="a folder of photos")
    paths, _, _ = image_jobs.below(root, recursive=True)
    if not paths:
        raise errors.refusal("unlabelled.folder", got=f"no image in {folder}", expected="photos")
    files: dict[str, Path] = {}
    for path in paths:
        id = "-".join(path.relative_to(root).with_suffix("").parts)
        names.check(id, "unlabelled.folder")
        if id in files:
            got = f"{path} beside {files[id]}"
            raise errors.refusal("unlabelled.folder", got=got, expected="different names")
        files[id] = path
    return files
