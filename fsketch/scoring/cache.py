"""A cache on disk for the features of image sets, so that each set is computed once.

    CACHE_DIR/features-HASH.npz     features float32[N, D], and HASH again inside

HASH covers everything the features depend on: the parts that the caller names (weights, net, resize
rule) and the pixels of every image in order.  Other images, order, rule or weights give another
file, so no file is ever out of date.  Processes that need the same features compute them once.
"""

import hashlib
import io
import json
from collections.abc import Callable, Mapping, Sequence

import numpy as np
from etils import epath

from fsketch.core import arrays, locks, writers

VERSION = 1  # raise it when the same inputs give other features


def cached(
    extract: Callable[[Sequence[np.ndarray]], np.ndarray],
    images: Sequence[np.ndarray],
    *,
    cache_dir: str | epath.Path,
    key_parts: Mapping[str, str],
) -> np.ndarray:
    """extract(images), float32[N, D]: read from the cache, or computed and stored there.

    images: arrays [H, W, C] of one or several sizes; key_parts: everything else `extract` depends
    on, e.g. {"net": "inception_fid", "weights": SHA-256 of the file, "rule": "clean"}.

    Raises ValueError for a damaged file and keeps the file: it may be the sign of a bad disk.
    """
    name = cache_name(images, key_parts=key_parts)
    path = epath.Path(cache_dir) / f"{name}.npz"
    if not path.exists():
        path.parent.mkdir(parents=True, exist_ok=True)
        with locks.turn(path.with_name(f".{path.name}.lock"), f"making {path.name}"):
            if not path.exists():
                _write(path, np.asarray(extract(images), np.float32), num_images=len(images))
    return _read(path, name=name, num_images=len(images))


def cache_name(images: Sequence[np.ndarray], *, key_parts: Mapping[str, str]) -> str:
    """The file name without suffix, for these images in this order and these parts."""
    digest = hashlib.sha256(json.dumps([VERSION, dict(key_parts)], sort_keys=True).encode())
    for image in images:
        digest.update(f"{image.dtype} {image.shape} ".encode())
        digest.update(np.ascontiguousarray(image).tobytes())
    return f"features-{digest.hexdigest()}"


def _write(path: epath.Path, features: np.ndarray, *, num_images: int) -> None:
    if features.ndim != 2 or len(features) != num_images or not np.isfinite(features).all():
        raise ValueError(f"extract: expected finite [{num_images}, D], got {features.shape}")
    buffer = io.BytesIO()
    np.savez(buffer, features=features, name=path.stem)
    writers.write_whole(path, buffer.getvalue())


def _read(path: epath.Path, *, name: str, num_images: int) -> np.ndarray:
    """The features in a file that `cached` wrote; zip's checksum detects damage."""
    try:
        archive = arrays.read_npz(path.read_bytes())
        features, found = archive["features"], str(archive["name"])
    except (OSError, ValueError, KeyError) as error:
        raise ValueError(f"{path}: damaged ({error}); delete it to compute it again") from error
    if found != name or features.shape[:1] != (num_images,):
        raise ValueError(
            f"{path}: expected {name} ({num_images}, D), got {found} {features.shape}; "
            "delete it to compute it again"
        )
    return features
