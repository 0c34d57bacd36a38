"""Pairs -> batches, as a pure function of a position in the data.

Position p of the endless training stream is example permutation(seed, p // N)[p % N]: every
epoch holds each pair once, or each group of pairs equally often (`epoch`), in an order that depends
on (seed, epoch) alone.  So a run resumes exactly from the number of examples it has seen, whatever
the batch size and the number of devices, processes and workers, and whether pairs are decoded in
advance or on demand.
"""

import dataclasses
import functools
import itertools
import math
import os
import re
import sys
from collections.abc import Callable, Iterator, Sequence

import numpy as np
from absl import logging
from ml_collections import ConfigDict

from fsketch.core import images
from fsketch.data import backdrop, lazy, read_ahead, records

KINDS = ("photo", "sketch", "coarse", "person")
DRAWN = "drawn"  # the name of a data set without images, see `drawn`
_DECODED_AT_ONCE = 16  # pairs of one thread, while a set is decoded into memory


@dataclasses.dataclass(frozen=True)
class Canvases:
    """Pairs of one split in memory, centred on square canvases.

    photo uint8[N, S, S, 3], sketch uint8[N, S, S, 1 or 3], box int32[N, 4] = (top, left, height,
    width) of the image on its canvas, id list of N names, identity int32[N]; coarse uint8[N, S, S,
    C], an offline stage's image of the target, if a method has one; person uint8[N, S, S, 1], where
    backgrounds are replaced, 255 the person (`backdrop.person`).  style float32[N, S]: 1 for the
    style of each sketch, for a net of several styles.  num_drawn: the last of the pairs, whose
    sketches a teacher drew (fsketch/unlabelled.py).  A set of faces has no sketches (None), a drawn
    one no photos either; batches then lack them.
    """

    photo: np.ndarray | None
    sketch: np.ndarray | None
    box: np.ndarray
    id: list[str]
    identity: np.ndarray
    coarse: np.ndarray | None = None
    person: np.ndarray | None = None
    style: np.ndarray | None = None
    drawn_in: Sequence[str] = ()
    num_drawn: int = 0

    def __len__(self) -> int:
        return len(self.id)

    @property
    def _arrays(self) -> dict[str, np.ndarray]:
        kinds = {kind: getattr(self, kind) for kind in KINDS}
        return {kind: array for kind, array in kinds.items() if array is not None}

    @property
    def channels(self) -> dict[str, int]:
        """The kinds of images that there are, with their channels."""
        return {kind: array.shape[-1] for kind, array in self._arrays.items()}

    def take(self, places: Sequence[int]) -> "Canvases":
        """The examples at these places, in this order, all of one group."""
        index = np.asarray(places, int)
        arrays = {name: array[index] for name, array in self._arrays.items()}
        return dataclasses.replace(
            self,
            **arrays,
            box=self.box[index],
            id=[self.id[place] for place in places],
            identity=self.identity[index],
            style=None if self.style is None else self.style[index],
            drawn_in=[self.drawn_in[place] for place in places] if self.drawn_in else (),
            num_drawn=0,
        )

    def batch(self, index: np.ndarray) -> dict[str, np.ndarray]:
        """The images, identities and boxes of these examples."""
        arrays = {**self._arrays, "identity": self.identity, "box": self.box}
        return {name: array[index] for name, array in arrays.items()} | _styles(self, index)


@dataclasses.dataclass(frozen=True)
class StoredCanvases:
    """The same pairs, decoded and placed on their canvases at each access; see `place`."""

    pairs: records.Pairs
    canvas_px: int
    fill_photo: int | None
    fill_sketch: int | None
    sketch_channels: int = 1
    image_px: tuple[int, ...] = ()
    coarse: Sequence[np.ndarray] | None = None
    keyed: bool = False
    style: np.ndarray | None = None
    num_drawn: int = 0

    def __len__(self) -> int:
        return len(self.pairs)

    @property
    def drawn_in(self) -> Sequence[str]:
        """The style of each sketch, () where the data set names none."""
        return self.pairs.style

    @property
    def id(self) -> list[str]:
        """The names of all pairs."""
        return self.pairs.id

    @property
    def identity(self) -> np.ndarray:
        """int32[N]: the persons of all pairs."""
        return self.pairs.identity

    @property
    def channels(self) -> dict[str, int]:
        """The kinds of images that there are, with their channels."""
        channels = {"photo": 3, "sketch": self.sketch_channels}
        channels = {kind: channels[kind] for kind in self.pairs.kinds}
        if self.coarse is not None:
            channels["coarse"] = self.coarse[0].shape[-1]
        return channels | ({"person": 1} if self.keyed else {})

    def take(self, places: Sequence[int]) -> "StoredCanvases":
        """The examples at these places, in this order, all of one group."""
        coarse = None
        if self.coarse is not None:
            coarse = lazy.Lazy(places, self.coarse.__getitem__)
        style = None if self.style is None else self.style[np.asarray(places, int)]
        taken = self.pairs.take(places)
        return dataclasses.replace(self, pairs=taken, coarse=coarse, style=style, num_drawn=0)

    def batch(self, index: np.ndarray) -> dict[str, np.ndarray]:
        """The images, identities and boxes of these examples."""
        examples = [self._example(int(place)) for place in index]
        batch = {name: np.stack([example[name] for example in examples]) for name in examples[0]}
        return {**batch, "identity": self.identity[index]} | _styles(self, index)

    def _example(self, place: int) -> dict[str, np.ndarray]:
        """Images on their canvases, and the box."""
        given = dict(self.pairs.images[place])
        if self.coarse is not None:
            given["coarse"] = self.coarse[place]
        if self.keyed:
            given["person"] = backdrop.person(given["photo"])
            if "sketch" in given:
                given["sketch"] = backdrop.on_paper(given["sketch"])
        size, canvas = given["photo"].shape[:2], (self.canvas_px, self.canvas_px)
        id = self.id[place]
        if self.image_px and size != tuple(self.image_px):
            raise ValueError(
                f"{id}: expected data.image_px: {self.image_px} (height, width), got {size}"
            )
        if "sketch" in given and given["sketch"].shape[-1] > self.sketch_channels:
            raise ValueError(
                f"{id}: expected a grey sketch, as data.sketch_channels: {self.sketch_channels}, "
                "got one in colour; set it to 3"
            )
        try:
            box = np.asarray((*images.centre(size, canvas), *size), np.int32)
        except ValueError as error:
            raise ValueError(
                f"{id}: {error}; use a larger data.canvas_px and data.crop_px"
            ) from None
        fills = {"photo": self.fill_photo, "sketch": self.fill_sketch}
        fills["person"] = None if self.fill_photo is None else 0
        if "coarse" in given:
            fills["coarse"] = fills["sketch" if given["coarse"].shape[-1] == 1 else "photo"]
        laid = {kind: images.laid(x, canvas, fill=fills[kind]) for kind, x in given.items()}
        if "sketch" in laid:
            shape = (*canvas, self.sketch_channels)
            laid["sketch"] = np.broadcast_to(laid["sketch"], shape)
        return {**laid, "box": box}

    def decoded(self) -> Canvases:
        """All pairs in memory, decoded directly into place by threads."""
        count, side = len(self), self.canvas_px
        arrays = {
            kind: np.empty((count, side, side, depth), np.uint8)
            for kind, depth in self.channels.items()
        }
        arrays["box"] = np.empty((count, 4), np.int32)
        for batch in evaluation_batches(self, _DECODED_AT_ONCE):
            for name, array in arrays.items():
                array[batch["index"]] = batch[name]
        absent = {kind: None for kind in KINDS if kind not in arrays}
        return Canvases(
            **arrays,
            **absent,
            id=list(self.id),
            identity=self.identity,
            style=self.style,
            drawn_in=self.drawn_in,
            num_drawn=self.num_drawn,
        )


AnyCanvases = Canvases | StoredCanvases


def fills(data: ConfigDict) -> dict[str, int | None]:
    """The margins of photos and sketches in `place`: colours, or None for mirror images."""
    names = ("fill_photo", "fill_sketch")
    return {name: None if data.fill_mirrored else data[name] for name in names}


def place(
    pairs: records.Pairs,
    *,
    canvas_px: int,
    fill_photo: int | None,
    fill_sketch: int | None,
    sketch_channels: int = 1,
    image_px: tuple[int, ...] = (),
    coarse: Sequence[np.ndarray] | None = None,
    memory_mb: float = math.inf,
    keyed: bool = False,
    styles: Sequence[str] = (),
    num_drawn: int = 0,
) -> AnyCanvases:
    """Puts every pair in the middle of a canvas_px square; for the fills see `images.laid`.

    Decodes all pairs now if they take at most memory_mb, otherwise each one on demand.

    sketch_channels: 1, or 3, where grey sketches are repeated.  image_px: the (height, width) that
    every image must have; () = any.  coarse: uint8[H, W, 1 or 3] for each pair, of its size, with
    the margin of what it shows: a sketch with 1 channel, a photo with 3.  keyed: join "person", for
    other backgrounds; black wedges of sketches become paper.  styles: those a net draws in; each
    pair must be drawn in one of them.  num_drawn: as in `Canvases`.

    Raises ValueError naming a pair that is larger than the canvas, not of size image_px, in
    colour with one channel, or in no style of these: here, or at its access.
    """
    if not len(pairs):
        raise ValueError("split: expected pairs, got no pairs")
    stored = StoredCanvases(
        pairs,
        canvas_px,
        fill_photo,
        fill_sketch,
        sketch_channels,
        image_px,
        coarse,
        keyed,
        style=_one_hot(pairs, styles) if styles else None,
        num_drawn=num_drawn,
    )
    size_mb = len(stored) * canvas_px**2 * sum(stored.channels.values()) / 2**20
    if size_mb <= memory_mb:
        return stored.decoded()
    logging.info(
        "%d pairs take %.0f MB, data.memory_mb is %s: they are decoded on demand",
        len(stored),
        size_mb,
        memory_mb,
    )
    return stored


def _one_hot(pairs: records.Pairs, styles: Sequence[str]) -> np.ndarray:
    """float32[N, S]: 1 for the style of each pair."""
    for id, style in itertools.zip_longest(pairs.id, pairs.style, fillvalue=""):
        if style not in styles:
            got = f"{style!r}" if style else "none, since the data set names no styles"
            raise ValueError(f"style of {id}: expected one of {', '.join(styles)}, got {got}")
    return np.asarray([[style == one for one in styles] for style in pairs.style], np.float32)


def _styles(canvases: "AnyCanvases", index: np.ndarray) -> dict[str, np.ndarray]:
    return {} if canvases.style is None else {"style": canvases.style[index]}


def epoch(canvases: AnyCanvases) -> np.ndarray:
    """int[N']: the examples of an epoch; those of smaller groups repeat, so that all are as many.

    The groups are the styles, or the pairs with a sketch and those that a teacher drew.
    """
    if canvases.style is not None:
        groups = [np.flatnonzero(column) for column in canvases.style.T]
    else:
        groups = np.split(np.arange(len(canvases)), [len(canvases) - canvases.num_drawn])
    most = max(map(len, groups))
    return np.concatenate([np.resize(group, most) for group in groups if len(group)])


def drawn(split: str) -> Canvases:
    """Numbered persons whose faces a method draws on the device: no images.

    split: "FIRST:END", or "FIRST:END*VIEWS" for as many examples of each person, person by
    person.  identity is the person's number, and a method that draws takes it, and the
    example's place in the set, for all its randomness but that of training.
    """
    match = re.fullmatch(r"(\d+):(\d+)(?:\*(\d+))?", split)
    if match is None or int(match[1]) >= int(match[2]) or match[3] == "0":
        raise ValueError(f"split of drawn faces: expected '0:256', '256:320*4', ..., got {split!r}")
    first, end, views = (int(number or 1) for number in match.groups())
    identity = np.repeat(np.arange(first, end, dtype=np.int32), views)
    ids = [f"{person}-{i % views}" for i, person in enumerate(identity)]
    return Canvases(None, None, np.zeros((len(ids), 4), np.int32), ids, identity)


def cut(image: np.ndarray, box: np.ndarray) -> np.ndarray:
    """The image [S, S, C] without its padding: [height, width, C]."""
    top, left, height, width = box
    return image[top : top + height, left : left + width]


def order(position: int, count: int, *, num_examples: int, seed: int) -> np.ndarray:
    """Indices int64[count] of the examples at stream positions position .. position + count."""
    stream = np.arange(position, position + count)
    epochs = stream // num_examples
    indices = np.empty(count, np.int64)
    for epoch in np.unique(epochs):
        here = epochs == epoch
        indices[here] = _permutation(num_examples, seed, int(epoch))[stream[here] % num_examples]
    return indices


# grain's own shuffle is as repeatable, but takes 33 ms per epoch even for a few examples.
@functools.lru_cache(maxsize=2)
def _permutation(num_examples: int, seed: int, epoch: int) -> np.ndarray:
    return np.random.default_rng((seed, epoch)).permutation(num_examples)


def training_batch(
    canvases: AnyCanvases,
    position: int,
    *,
    batch_size: int,
    seed: int,
    process: int = 0,
    num_processes: int = 1,
) -> dict[str, np.ndarray]:
    """This process's part of the global batch at `position` (examples seen so far).

    photo, sketch and coarse uint8, as far as present, identity int32; batch_size is global and
    must divide by num_processes.
    """
    if batch_size % num_processes:
        raise ValueError(
            f"batch_size: expected a multiple of {num_processes} processes, got {batch_size}"
        )
    examples = epoch(canvases)
    indices = examples[order(position, batch_size, num_examples=len(examples), seed=seed)]
    mine = indices.reshape(num_processes, -1)[process]
    return for_method(canvases.batch(mine))


def training_batches(
    canvases: AnyCanvases,
    position: int,
    *,
    batch_size: int,
    seed: int,
    process: int,
    num_processes: int,
    num_workers: int,
) -> Iterator[dict[str, np.ndarray]]:
    """The endless stream of `training_batch` from `position` on, read ahead; close it at the end.

    num_workers: processes that decode instead of threads; pairs in memory need none.
    """
    make = functools.partial(
        training_batch,
        canvases,
        batch_size=batch_size,
        seed=seed,
        process=process,
        num_processes=num_processes,
    )
    return _read(canvases, range(position, sys.maxsize, batch_size), make, num_workers=num_workers)


def evaluation_batches(canvases: AnyCanvases, batch_size: int) -> Iterator[dict[str, np.ndarray]]:
    """All pairs once, in order, in batches of batch_size.

    The last batch is padded with its last pair; mask bool[B] is False there.  index
    int32[B] is the pair's place in `canvases`, box int32[B, 4] as in `Canvases`.
    """
    make = functools.partial(_evaluation_batch, canvases, batch_size)
    return _read(canvases, range(0, len(canvases), batch_size), make)


def _evaluation_batch(canvases: AnyCanvases, batch_size: int, start: int) -> dict[str, np.ndarray]:
    stream = np.arange(start, start + batch_size)
    index = np.minimum(stream, len(canvases) - 1)
    return {
        **canvases.batch(index),
        "index": index.astype(np.int32),
        "mask": stream < len(canvases),
    }


def for_method(batch: dict[str, np.ndarray]) -> dict[str, np.ndarray]:
    """The entries of a batch that a method takes."""
    return {name: array for name, array in batch.items() if name not in ("box", "mask")}


def _read(
    canvases: AnyCanvases,
    starts: range,
    make: Callable[[int], dict[str, np.ndarray]],
    *,
    num_workers: int = 0,
) -> Iterator[dict[str, np.ndarray]]:
    """make(start) in order; all cores decode ahead."""
    batches, is_stored = lazy.Lazy(starts, make), isinstance(canvases, StoredCanvases)
    return read_ahead.read_ahead(
        batches,
        num_threads=os.cpu_count() if is_stored else 1,
        num_workers=num_workers if is_stored else 0,
    )
