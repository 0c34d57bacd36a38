"""Coarse images: IDE's first stage fits a patch model to the training pairs and draws all images.

`fsketch/data/coarse.py` stores these images and joins them with their pairs.
"""

from collections.abc import Callable, Sequence

import jax
import numpy as np
from absl import logging
from etils import epath
from jax.experimental import multihost_utils
from ml_collections import ConfigDict

from fsketch.core import images, parallel, progress
from fsketch.data import coarse, sources
from fsketch.patches import model
from fsketch.stages import folders


def coarse_images(config: ConfigDict, workdir: epath.Path) -> ConfigDict:
    """Fits the patch model to the training pairs and makes the coarse image of every pair.

    They are stored in `patches.path` or WORKDIR/coarse (data/coarse.py).  Each image is made from
    pairs of other identities, so a training pair never serves its own image.  Existing images are
    kept, so the same call continues after an interruption; images of other settings raise
    `coarse.StaleError`.  Processes and devices share the work; each image is computed alone, so it
    depends on neither.

    All pairs are held in memory: the model compares each image with all training pairs.
    """
    place = coarse.folder(config, workdir)
    with folders.turn(place):
        splits = {
            split: sources.load(
                config.data.name,
                split,
                data_dir=config.data.data_dir,
                manual_dir=config.data.manual_dir,
            )
            for split in (config.data.train, config.data.validation, config.data.test)
            if split
        }
        given, wanted = coarse.DIRECTIONS[config.direction]
        pairs = splits[config.data.train]
        index = model.fit(
            getattr(pairs, given),
            getattr(pairs, wanted),
            pairs.id,
            pairs.identity,
            coarse.settings(config.patches),
        )
        path = place / "index.npz"
        if path.exists():
            coarse.check_index(model.load(path), index, path)
        elif jax.process_index() == 0:
            path.parent.mkdir(parents=True, exist_ok=True)
            model.save(path, index)
        source = coarse.Source(place, given, index.digest())
        requests = [
            coarse.request(part, source, place)
            for part in splits.values()
            for place in range(len(part))
        ]
        if jax.process_count() > 1:  # meet before their shares take unequal times
            multihost_utils.sync_global_devices("coarse images begin")
        # Splits may overlap.
        _make(index, source, list({(r.id, r.key): r for r in requests}.values()))
        if jax.process_count() > 1:
            multihost_utils.sync_global_devices("coarse images made")
    return config


def first_stage(
    workdir: str | epath.Path, config: ConfigDict
) -> Callable[[np.ndarray], np.ndarray]:
    """The fitted patch model for new images: uint8[B, H, W, C] -> uint8[B, H, W, C'].

    Test pairs come out bit for bit as they were prepared.  Raises ValueError for images whose size
    is not that of the training images, and the errors of `coarse.source`.
    """
    source = coarse.source(config, workdir)
    index = model.load(source.folder / "index.npz")
    translate = _translator(index)

    def draw(batch: np.ndarray) -> np.ndarray:
        _check_size(index, "an image", batch.shape[1:3])
        return translate(batch, np.stack([index.allowed(None)] * len(batch)))

    return draw


def _make(index: model.Index, source: coarse.Source, requests: Sequence[coarse.Request]) -> None:
    """Computes and writes the missing images of this process's share, one image a device."""
    for request in requests:
        _check_size(index, request.id, request.image.shape[:2])
    share = requests[jax.process_index() :: jax.process_count()]
    left = [request for request in share if not coarse.is_done(source, request)]
    there = len(share) - len(left)
    progress.say(f"coarse images in {source.folder}: {there} of {len(share)} are there")
    if not left:
        return
    translate = _translator(index)
    devices = jax.local_device_count()
    with progress.Bar("coarse images", len(left)) as bar:
        for first in range(0, len(left), devices):
            group = left[first : first + devices]
            made = translate(
                np.stack([request.image for request in group]),
                np.stack([index.allowed(request.identity) for request in group]),
            )
            for request, image in zip(group, made, strict=True):
                coarse.write(source, request, image)
                bar.step()


def _translator(index: model.Index) -> Callable[[np.ndarray, np.ndarray], np.ndarray]:
    """A function (uint8[B, H, W, C], admitted bool[B, N]) -> uint8[B, H, W, C'], one by one.

    It warns of images whose solver stopped before it reached its tolerance.
    """
    devices, settings = jax.local_device_count(), index.settings

    def one_device(
        fitted: model.Fitted, image: jax.Array, admitted: jax.Array
    ) -> tuple[jax.Array, jax.Array]:
        made = model.translate(fitted, images.from_uint8(image[0]), admitted[0], settings)
        return made.image[None], (made.solution.gap / made.solution.energies[-1])[None]

    program = parallel.here(one_device, model.ready(index))

    def translate(batch: np.ndarray, admitted: np.ndarray) -> np.ndarray:
        made, gaps = [], []
        for first in range(0, len(batch), devices):
            # The last group is filled up with its last image.
            place = np.minimum(np.arange(first, first + devices), len(batch) - 1)
            parts = parallel.split({"image": batch[place], "admitted": admitted[place]})
            some, gap = parallel.join(program(parts["image"], parts["admitted"]))
            made.append(some)
            gaps.append(gap)
        gap = np.concatenate(gaps)[: len(batch)]
        # The solver that chooses one candidate a patch has no gap: infinite.
        if (missed := np.isfinite(gap) & (gap > settings.tolerance)).any():
            logging.warning(
                "%d of %d coarse images: stopped at patches.max_iterations %d, with a gap of up to "
                "%.2g of the energy; patches.tolerance is %g",
                missed.sum(),
                len(batch),
                settings.max_iterations,
                gap[missed].max(),
                settings.tolerance,
            )
        return images.to_uint8(np.concatenate(made)[: len(batch)])

    return translate


def _check_size(index: model.Index, name: str, size: tuple[int, int]) -> None:
    height, width = index.given.shape[1:3]
    if size != (height, width):
        raise ValueError(
            f"{name}: expected {width} x {height} px (width x height), as the training images of "
            f"the patch model, got {size[1]} x {size[0]} px"
        )
