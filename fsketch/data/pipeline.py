"""Pairs in memory -> batches, as a pure function of a position in the data.

Position p of the endless training stream is example permutation(seed, p // N)[p % N]: every
epoch holds each pair once, in an order that depends on (seed, epoch) alone.  Nothing is
buffered, so a run resumes exactly from the number of examples it has seen, whatever the batch
size or the number of processes.
"""

import re
from collections.abc import Iterator, Sequence
from typing import NamedTuple

import numpy as np
from ml_collections import ConfigDict

from fsketch.core import images
from fsketch.data import sources

DRAWN = "drawn"  # the name of a data set without images, see `drawn`


class Canvases(NamedTuple):
    """Pairs of one split, centred on square canvases.

    photo uint8[N, S, S, 3], sketch uint8[N, S, S, 1 or 3], box int32[N, 4] = (top, left, height,
    width) of the image on its canvas, id list of N names, identity int32[N]; coarse uint8[N, S, S,
    C], an offline stage's image of what is wanted, where a method has one.  A set of faces has no
    sketches (None), a drawn one no photos either; batches then lack them.
    """

    photo: np.ndarray | None
    sketch: np.ndarray | None
    box: np.ndarray
    id: list[str]
    identity: np.ndarray
    coarse: np.ndarray | None = None

    def __len__(self) -> int:
        return len(self.id)

    @property
    def images(self) -> dict[str, np.ndarray]:
        """The images that there are, by kind."""
        kinds = {"photo": self.photo, "sketch": self.sketch, "coarse": self.coarse}
        return {kind: array for kind, array in kinds.items() if array is not None}

    def first(self, count: int) -> "Canvases":
        """The first examples."""
        return Canvases(*(None if field is None else field[:count] for field in self))

    def batch(self, index: np.ndarray) -> dict[str, np.ndarray]:
        """The images and the identities of these examples."""
        arrays = {**self.images, "identity": self.identity}
        return {name: array[index] for name, array in arrays.items()}


def fills(data: ConfigDict) -> dict[str, int | None]:
    """What `place` lays around photos and sketches: colours, or None for their mirror images."""
    names = ("fill_photo", "fill_sketch")
    return {name: None if data.fill_mirrored else data[name] for name in names}


def place(
    pairs: sources.Pairs,
    *,
    canvas_px: int,
    fill_photo: int | None,
    fill_sketch: int | None,
    sketch_channels: int = 1,
    coarse: Sequence[np.ndarray] | None = None,
) -> Canvases:
    """Puts every pair in the middle of a canvas_px square; for the fills see `images.laid`.

    sketch_channels: 1, or 3, where grey sketches are repeated.  coarse: uint8[H, W, 1 or 3] for
    each pair, of its size, laid on the fill of what it shows: a sketch with 1 channel, a photo
    with 3.  Raises ValueError naming the first pair that is larger than the canvas, or in colour
    where one channel is wanted.
    """
    count, canvas = len(pairs.id), (canvas_px, canvas_px)
    if not count:
        raise ValueError("the split holds no pairs")
    photo = np.empty((count, *canvas, 3), np.uint8)
    sketch = None
    if pairs.sketch is not None:
        sketch = np.empty((count, *canvas, sketch_channels), np.uint8)
    box = np.zeros((count, 4), np.int32)
    rough = None
    if coarse is not None:
        depth = coarse[0].shape[-1]
        fill_coarse = fill_sketch if depth == 1 else fill_photo
        rough = np.empty((count, *canvas, depth), np.uint8)
    for i in range(count):
        size = pairs.photo[i].shape[:2]
        if sketch is not None and pairs.sketch[i].shape[-1] > sketch_channels:
            raise ValueError(
                f"{pairs.id[i]}: its sketch is in colour; data.sketch_channels: "
                f"{sketch_channels}, set it to 3"
            )
        try:
            box[i] = *images.centre(size, canvas), *size
        except ValueError as error:
            raise ValueError(
                f"{pairs.id[i]}: {error}; use a larger data.canvas_px and data.crop_px"
            ) from None
        photo[i] = images.laid(pairs.photo[i], canvas, fill=fill_photo)
        if sketch is not None:
            sketch[i] = images.laid(pairs.sketch[i], canvas, fill=fill_sketch)
        if rough is not None:
            rough[i] = images.laid(coarse[i], canvas, fill=fill_coarse)
    identity = np.asarray(pairs.identity, np.int32)
    return Canvases(photo, sketch, box, list(pairs.id), identity, rough)


def drawn(split: str) -> Canvases:
    """Persons by number, of whom a method draws faces on the device: no images.

    split: "FIRST:END", or "FIRST:END*VIEWS" for as many examples of each person, one person's
    after the other's.  identity is the person's number, and a method that draws takes it, and the
    example's place in the set, for all its randomness but that of training.
    """
    match = re.fullmatch(r"(\d+):(\d+)(?:\*(\d+))?", split)
    if match is None or int(match[1]) >= int(match[2]) or match[3] == "0":
        raise ValueError(f"split {split!r} of drawn faces; admitted are '0:256', '256:320*4', ...")
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
        permutation = np.random.default_rng((seed, int(epoch))).permutation(num_examples)
        here = epochs == epoch
        indices[here] = permutation[stream[here] % num_examples]
    return indices


def training_batch(
    canvases: Canvases,
    position: int,
    *,
    batch_size: int,
    seed: int,
    process: int = 0,
    num_processes: int = 1,
) -> dict[str, np.ndarray]:
    """This process's part of the global batch at `position` (examples seen so far).

    photo, sketch and coarse uint8 as far as there are, identity int32; batch_size is global and
    must divide by num_processes.
    """
    if batch_size % num_processes:
        raise ValueError(f"batch_size {batch_size} does not divide over {num_processes} processes")
    indices = order(position, batch_size, num_examples=len(canvases), seed=seed)
    mine = indices.reshape(num_processes, -1)[process]
    return canvases.batch(mine)


def evaluation_batches(canvases: Canvases, batch_size: int) -> Iterator[dict[str, np.ndarray]]:
    """All pairs once, in order, in batches of batch_size.

    The last batch is filled up with its last pair; mask bool[B] is False there.  index
    int32[B] is the pair's place in `canvases`.
    """
    for start in range(0, len(canvases), batch_size):
        stream = np.arange(start, start + batch_size)
        index = np.minimum(stream, len(canvases) - 1)
        yield {
            **canvases.batch(index),
            "index": index.astype(np.int32),
            "mask": stream < len(canvases),
        }
