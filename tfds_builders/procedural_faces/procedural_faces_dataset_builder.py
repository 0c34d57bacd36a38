"""Drawn faces and their line sketches: data that anybody may have, made on the spot.

    config       width x height   train        validation, test
    small            128 x 160    400 x 1      48 x 1, 48 x 1
    full             200 x 250    400 x 1      50 x 1, 100 x 1
    recognition       64 x 80     256 x 16     64 x 4, 64 x 4     (identities x views)
    tiny              24 x 30     8 x 1        4 x 1, 4 x 1       (for tests)

An identity is drawn from a key of (seed, split, index), so a split's persons are
the same in every config and never those of another split of any config.

`fsketch.data.synthetic.procedural` draws.  Whoever changes what it draws raises VERSION here;
`fsketch.data.sources` makes such data anew in any case, by the content of `SOURCES`.
"""

import dataclasses
import itertools
import zlib
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import jax
import numpy as np
import tensorflow_datasets as tfds
from etils import epath

from fsketch import data
from fsketch.core import images
from fsketch.data import checks
from fsketch.data.synthetic import procedural
from fsketch.tfds_builders import base

SEED = 2025
SPLITS = ("train", "validation", "test")
BATCH = 16  # images drawn by one call

# All that decides on the images: modules of fsketch.data, and this one.
SOURCES = (
    "synthetic/drawing",
    "synthetic/face_shape",
    "synthetic/face_traits",
    "synthetic/pencil",
    "synthetic/procedural",
)


@dataclasses.dataclass
class FacesConfig(tfds.core.BuilderConfig):
    """Image size, and (identities, views of each) for every split."""

    width_px: int = 128
    height_px: int = 160
    train: tuple[int, int] = (400, 1)
    validation: tuple[int, int] = (48, 1)
    test: tuple[int, int] = (48, 1)


class Builder(base.FacesBuilder):
    """Identities in the order of their index, the views of one together (not shuffled)."""

    pkg_dir_path = epath.Path(__file__).parent  # where README.md and CITATIONS.bib lie
    VERSION = tfds.core.Version("2.0.0")
    BUILDER_CONFIGS = [  # noqa: RUF012, the form TFDS reads
        FacesConfig(name="small", description="128 x 160 px; 400, 48, 48 pairs."),
        FacesConfig(
            name="full",
            description="200 x 250 px; 400, 50, 100 pairs.",
            width_px=200,
            height_px=250,
            validation=(50, 1),
            test=(100, 1),
        ),
        FacesConfig(
            name="recognition",
            description="64 x 80 px; 256 persons x 16 views, 64 x 4, 64 x 4.",
            width_px=64,
            height_px=80,
            train=(256, 16),
            validation=(64, 4),
            test=(64, 4),
        ),
        FacesConfig(
            name="tiny",
            description="24 x 30 px; 8, 4, 4 pairs, for tests.",
            width_px=24,
            height_px=30,
            train=(8, 1),
            validation=(4, 1),
            test=(4, 1),
        ),
    ]

    @classmethod
    def source_files(cls) -> list[Path]:
        """The files whose content decides on the images."""
        folder = Path(data.__path__[0])
        return [*(folder / f"{name}.py" for name in SOURCES), Path(__file__)]

    def _split_generators(
        self, dl_manager: tfds.download.DownloadManager
    ) -> dict[str, Iterator[tuple[int, dict[str, Any]]]]:
        del dl_manager  # nothing is downloaded
        return {split: self._generate_examples(split) for split in SPLITS}

    def _generate_examples(self, split: str) -> Iterator[tuple[int, dict[str, Any]]]:
        """`identity` counts over train, validation and test of this config."""
        config = self.builder_config
        num_identities, num_views = getattr(config, split)
        offset = sum(getattr(config, name)[0] for name in SPLITS[: SPLITS.index(split)])
        wanted = list(itertools.product(range(num_identities), range(num_views)))
        faces = draw(wanted, split, height_px=config.height_px, width_px=config.width_px)
        for key, ((index, view), (photo, sketch)) in enumerate(zip(wanted, faces, strict=True)):
            yield (
                key,
                {
                    "photo": checks.encode(photo),
                    "sketch": checks.encode(sketch[..., 0]),
                    "id": f"{split}-{index:04d}-{view:02d}",
                    "identity": offset + index,
                },
            )


def draw(
    wanted: list[tuple[int, int]], split: str, *, height_px: int, width_px: int
) -> Iterator[tuple[np.ndarray, np.ndarray]]:
    """Draws (identity index, view index) pairs of a split, in order.

    On the CPU, whatever the accelerator, so that all hosts draw the same.

    Yields:
      (photo, sketch): uint8[H, W, 3], uint8[H, W, 1].
    """

    @jax.jit
    @jax.vmap
    def sample(pair: jax.Array) -> tuple[jax.Array, jax.Array]:
        person = person_key(split, pair[0])
        # Stream 0 holds the person, streams 1, 2, ... the views.
        return (
            procedural.sample_identity(jax.random.fold_in(person, 0)),
            procedural.sample_view(jax.random.fold_in(person, 1 + pair[1])),
        )

    with jax.default_device(jax.local_devices(backend="cpu")[0]):
        for start in range(0, len(wanted), BATCH):
            batch = wanted[start : start + BATCH]
            padded = batch + batch[-1:] * (BATCH - len(batch))  # one shape, compiled once
            identities, views = sample(np.asarray(padded, np.int32))
            face = procedural.render_batch(
                identities, views, height_px=height_px, width_px=width_px
            )
            photos, sketches = images.to_uint8(face.photo), images.to_uint8(face.sketch)
            yield from zip(photos[: len(batch)], sketches[: len(batch)], strict=True)


def person_key(split: str, index: Any) -> Any:
    """The typed key of a person, by an implementation that no global setting changes."""
    root = jax.random.key(SEED, impl="threefry2x32")
    return jax.random.fold_in(jax.random.fold_in(root, zlib.crc32(split.encode())), index)
