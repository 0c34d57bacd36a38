"""Pairs that a TFDS builder prepared as array_record: known by id, decoded on reading."""

import dataclasses
import functools
import operator
from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

import numpy as np
import tensorflow_datasets as tfds

from fsketch.core import image_files
from fsketch.data import lazy

CHUNK = 1024  # records in memory at a time while all are listed


@dataclasses.dataclass(frozen=True)
class Pairs:
    """Pairs of one split, in the builder's order; only ids and identities are in memory.

    images: the images of each pair by kind, decoded at each access: photo uint8[H, W, 3], sketch
    uint8[H, W, 1], or uint8[H, W, 3] for stylised portraits; a set of faces alone has no sketches.
    """

    images: Sequence[Mapping[str, np.ndarray]]
    kinds: tuple[str, ...]  # ("photo",) or ("photo", "sketch")
    id: list[str]
    identity: np.ndarray  # int32[N]
    style: Sequence[str] = ()  # in which each sketch is drawn; () = the set names no styles

    def __len__(self) -> int:
        return len(self.id)

    @property
    def photo(self) -> Sequence[np.ndarray]:
        """The photos alone."""
        return lazy.Lazy(self.images, operator.itemgetter("photo"))

    @property
    def sketch(self) -> Sequence[np.ndarray]:
        """The sketches alone."""
        return lazy.Lazy(self.images, operator.itemgetter("sketch"))

    def take(self, places: Sequence[int]) -> "Pairs":
        """The pairs at these places, in this order."""
        return Pairs(
            lazy.Lazy(places, self.images.__getitem__),
            self.kinds,
            [self.id[place] for place in places],
            self.identity[np.asarray(places, int)],
            [self.style[place] for place in places] if self.style else (),
        )


def joined(first: Pairs, then: Pairs) -> Pairs:
    """The pairs of two sets, one after the other, without styles; a person of both counts as two.

    Raises ValueError for sets of different kinds of images.
    """
    if first.kinds != then.kinds:
        raise ValueError(f"pairs: expected images of {first.kinds} in both, got {then.kinds}")
    places = [(part, place) for part in (first, then) for place in range(len(part))]
    persons = first.identity.max(initial=-1) + 1 + then.identity
    return Pairs(
        lazy.Lazy(places, _images),
        first.kinds,
        [*first.id, *then.id],
        np.concatenate([first.identity, persons]).astype(np.int32),
    )


def _images(place: tuple[Pairs, int]) -> Mapping[str, np.ndarray]:
    pairs, index = place
    return pairs.images[index]


class Columns(NamedTuple):
    """The known values of all examples of a split."""

    images: lazy.Lazy  # as in `Pairs`
    values: dict[str, list[Any]]  # of other features, by name


def open_split(
    builder: Any, split: str, *, images: Mapping[str, str], values: Sequence[str]
) -> Columns:
    """Opens a split and reads the values now: 50 us per example plus reading the files.

    images: {kind: the feature that holds its images}.  values: names of other features.
    ValueError: there is no such split, or nothing in it.
    """
    if not builder.info.splits[split].num_examples:
        raise ValueError(f"{builder.data_dir} {split}: expected examples, got none")
    # TFDS would choose its decoder by the installed packages.
    skip = dict.fromkeys(images.values(), tfds.decode.SkipDecoding())
    source = builder.as_data_source(split, decoders=skip)
    columns = {name: [] for name in values}
    for start in range(0, len(source), CHUNK):
        for example in source.__getitems__(range(start, min(start + CHUNK, len(source)))):
            for name, column in columns.items():
                column.append(example[name])
    return Columns(lazy.Lazy(source, functools.partial(_decoded, images)), columns)


def _decoded(features: Mapping[str, str], example: Mapping[str, Any]) -> dict[str, np.ndarray]:
    """The images of an example by kind."""
    images = {}
    for kind, feature in features.items():
        with image_files.open_image(example[feature]) as image:
            pixels = np.asarray(image.convert("RGB") if kind == "photo" else image)
        images[kind] = pixels if pixels.ndim == 3 else pixels[..., None]
    return images
