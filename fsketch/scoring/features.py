"""Features of single images, for set metrics: pixels, HOG, Inception features, embeddings.

An extractor takes a list of images uint8[H, W, 1 or 3] and returns an array [N, D].
"""

import json
from collections.abc import Callable
from typing import NamedTuple

import numpy as np

from fsketch.convert import files
from fsketch.core import images
from fsketch.frozen import metric_nets, registry, sources
from fsketch.scoring import cache, face_crops, measures

PIXELS, HOG, DEFAULT = "pixels", "hog", "sface"


class Features(NamedTuple):
    """An extractor; weights: name -> SHA-256 of the files it was made from.

    notes: what is to be told of the images so far.
    """

    extract: Callable[[list[np.ndarray]], np.ndarray]
    weights: dict[str, str]
    notes: Callable[[], list[str]] = list


def pixels(options: measures.Options) -> Features:
    """Unchanged grey pixels, uint8[N, H * W], for NLDA."""
    del options

    def extract(batch: list[np.ndarray]) -> np.ndarray:
        _need_one_size(batch, PIXELS)
        return np.stack([images.grey_uint8(image).reshape(-1) for image in batch])

    return Features(extract, {})


def _need_one_size(batch: list[np.ndarray], what: str) -> None:
    """Raises ValueError for images of several sizes, whose vectors would differ in length."""
    sizes = {image.shape[:2] for image in batch}
    if len(sizes) > 1:
        raise ValueError(f"{what}: expected images of one size, got {sorted(sizes)} (H, W)")


def embedding(options: measures.Options) -> Features:
    """By `options.embedder`: "pixels" (grey, mean removed), "hog", a source; "" = SFace."""
    if options.embedder == PIXELS:
        plain = pixels(options).extract

        def extract(batch: list[np.ndarray]) -> np.ndarray:
            vectors = plain(batch).astype(np.float32)
            return vectors - vectors.mean(1, keepdims=True)

        return Features(extract, {})
    if options.embedder == HOG:
        return Features(_hog(), {})
    return _recogniser(options.embedder or DEFAULT)


def _hog() -> Callable[[list[np.ndarray]], np.ndarray]:
    """Histograms of oriented gradients of the grey image (Dalal and Triggs, CVPR 2005).

    9 orientations in cells of 16 x 16 px, blocks of 2 x 2 cells, L2-Hys: scikit-image's.
    """
    try:
        from skimage import feature
    except ImportError as error:
        raise metric_nets.WeightsError(
            f"embedder {HOG!r} needs scikit-image: pip install 'fsketch[hog]'"
        ) from error

    def extract(batch: list[np.ndarray]) -> np.ndarray:
        _need_one_size(batch, HOG)
        return np.stack([
            feature.hog(
                images.grey_uint8(image)[..., 0],
                orientations=9,
                pixels_per_cell=(16, 16),
                cells_per_block=(2, 2),
                block_norm="L2-Hys",
            )
            for image in batch
        ]).astype(np.float32)  # fmt: skip

    return extract


def _recogniser(path: str) -> Features:
    """Embeddings of a run that trained an embedder, or of converted weights.

    Those were trained on faces in the template, so that a face is found and aligned first; a run
    sees an aligned image's crop.
    """
    try:
        place, embedder = sources.located(path), registry.load("embedder", path)
    except (FileNotFoundError, ValueError) as error:
        raise metric_nets.WeightsError(
            f"--embedder: {error}; {PIXELS!r} and {HOG!r} are floors, not recognisers"
        ) from None
    if place.endswith(".safetensors"):
        extract = face_crops.OnFaces(embedder)
        digest = files.source_sha256(place)
        return Features(extract, {"embedder": f"{digest} of {path}"}, extract.notes)
    step = json.loads(embedder.spec)["step"]
    return Features(face_crops.on_pictures(embedder), {"embedder": f"step {step} of {path}"})


def inception(options: measures.Options) -> Features:
    """The 2048 features of FID's Inception, after resizing by `options.resize`."""
    extractor = registry.load(
        "metric", options.weights_dir, net="inception_fid", resize=options.resize
    )
    if not options.cache_dir:
        return Features(extractor, extractor.weights)

    def extract(batch: list[np.ndarray]) -> np.ndarray:
        parts = {**extractor.weights, "resize": options.resize}
        return cache.cached(extractor, batch, cache_dir=options.cache_dir, key_parts=parts)

    return Features(extract, extractor.weights)


FEATURES: dict[str, Callable[[measures.Options], Features]] = {
    "pixels": pixels,
    "embedding": embedding,
    "inception": inception,
}
