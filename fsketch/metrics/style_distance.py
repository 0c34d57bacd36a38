"""The distance between two styles: the log-Euclidean distance of Gram matrices.

IFRP, arXiv 1904.04241, trains on the three styles whose Gram matrices of VGG maps are the
farthest from the mean Gram matrix of real faces [paper].  With F float64[H W, C] a map's pixels,

    G = F^T F / (H W C),    d(A, B) = || log(A + r I) - log(B + r I) ||_Fro,

log the matrix logarithm, by the eigenvalues of a symmetric matrix (Arsigny et al., SIAM J. Matrix
Anal. Appl. 29(1), 2007).  A Gram matrix of fewer pixels than channels, or with channels that are
always 0, is singular: the ridge r > 0 makes it positive definite.  Which maps the paper used and
how it regularised is unknown [inferred here: the mean of d over the given maps; r is RIDGE times
the mean eigenvalue of the faces' mean Gram matrix, one r for all styles].

Computed in numpy, float64, on the host: logarithms of small eigenvalues are what is compared.
"""

from collections.abc import Mapping, Sequence

import numpy as np

RIDGE = 1e-4  # of the mean eigenvalue [inferred]

Grams = Mapping[str, np.ndarray]  # by tap, each float64[C, C]


def gram(features: np.ndarray) -> np.ndarray:
    """The mean Gram matrix of maps [B, H, W, C] over the batch, float64[C, C]."""
    features = np.asarray(features, np.float64)
    if features.ndim != 4 or not features.size:
        raise ValueError(f"gram: expected maps [B, H, W, C], got {features.shape}")
    pixels = features.reshape(-1, features.shape[-1])  # every image has as many
    return pixels.T @ pixels / pixels.size


def log_euclidean(one: np.ndarray, other: np.ndarray, *, ridge: float) -> float:
    """d of two symmetric matrices [C, C] without negative eigenvalues; ridge as r above, > 0."""
    one, other = np.asarray(one, np.float64), np.asarray(other, np.float64)
    if one.ndim != 2 or one.shape[0] != one.shape[1] or one.shape != other.shape:
        raise ValueError(f"expected two matrices [C, C], got {one.shape} and {other.shape}")
    if not ridge > 0:
        raise ValueError(f"ridge: expected above 0, got {ridge}")
    return float(np.linalg.norm(_log(one, ridge) - _log(other, ridge)))


def distance(style: Grams, faces: Grams) -> float:
    """Mean of d over taps, between a style image's Gram matrices and the faces' mean ones."""
    if style.keys() != faces.keys() or not faces:
        raise ValueError(f"taps: expected {sorted(faces)}, as of the faces, got {sorted(style)}")
    return float(
        np.mean(
            [
                log_euclidean(
                    style[tap], faces[tap], ridge=RIDGE * np.trace(faces[tap]) / len(faces[tap])
                )
                for tap in faces
            ]
        )
    )


def ranked(styles: Mapping[str, Grams], faces: Grams) -> list[tuple[str, float]]:
    """(style, distance from the faces), the farthest first; equals by name."""
    distances = {name: distance(grams, faces) for name, grams in styles.items()}
    return sorted(distances.items(), key=lambda item: (-item[1], item[0]))


def most_distinct(styles: Mapping[str, Grams], faces: Grams, *, k: int) -> list[str]:
    """The k styles to train on: those farthest from real faces [paper: k = 3]."""
    if not 1 <= k <= len(styles):
        raise ValueError(f"k: expected 1 to {len(styles)} (the styles), got {k}")
    return [name for name, _ in ranked(styles, faces)[:k]]


def mean_gram(batches: Sequence[np.ndarray]) -> np.ndarray:
    """The mean Gram matrix of all images in batches of maps [B, H, W, C]; sizes may differ."""
    total = sum(len(maps) for maps in batches)
    if not total:
        raise ValueError("mean_gram: expected images, got no image")
    return sum(len(maps) / total * gram(maps) for maps in batches)


def _log(matrix: np.ndarray, ridge: float) -> np.ndarray:
    if not np.isfinite(matrix).all() or not np.allclose(matrix, matrix.T):
        raise ValueError("Gram matrix: expected a finite symmetric one, got another")
    values, vectors = np.linalg.eigh(matrix)
    if values[0] < -1e-9 * max(abs(values[-1]), 1e-300):
        raise ValueError(f"Gram matrix: expected no negative eigenvalue, got {values[0]:.3g}")
    return (vectors * np.log(np.maximum(values, 0) + ridge)) @ vectors.T
