"""Recognition by null-space LDA, the identity score of the face-sketch papers.

Source: Nannan Wang's MATLAB scripts of 2016, of which several public copies exist [code], after
Wang and Tang, "Random sampling for subspace face recognition", IJCV 2006.  A few persons train a
subspace in which the drawn and the synthesised sketch of a person coincide; in it the drawn
sketch of each other person searches for the synthesised one.  One split is

    1. the persons are permuted; the first `num_train` train, the rest test;
    2. PCA of the 2 num_train training images, raw grey pixels, to `pca_dims` dimensions at most:
       eigenvalues below 1e-10 of the largest are dropped, so that 300 of 300 images leave 299;
    3. there Sw = sum_i sum_{x in i} (x - m_i)(x - m_i)^T and Sb = sum_i 2 (m_i - m)(m_i - m)^T
       over persons i; null space of Sw, tolerance of MATLAB's `null`;
    4. eigenvectors of Sb projected on it, by falling eigenvalue: directions 1 ... D; none is
       only rounding error, since Sw + Sb has full rank after step 2;
    5. for each d, the share of test probes whose nearest gallery image (Euclidean, in the first d
       directions; ties go to the first in the split's order) is their own: the rank-1 curve.

For photos made of sketches the sides stay: the real photo is the probe, the synthesised photos are
the gallery [inferred: the same script, photos in place of sketches].  An investigator would search
real photos for a synthesised one; `rank1` of `fsketch score` asks that.  Here the sides follow the
script, since only its own numbers compare with those of papers.

The scripts draw their splits without a seed.  Here split i is defined as
`numpy.random.default_rng((seed, i)).permutation(N)`, the first `num_train` of it train.

Computed in numpy, float64, on the host: the tolerance of the null space is 1e-14 of the largest
singular value, float32 ends at 1e-7, and not every device has float64.  Pixels enter only through
inner products (2N x 2N, exact for 8-bit images); everything else uses their coordinates.

Rounding decides nothing.  Two persons with the same output are a tie, which each BLAS kernel would
break in its own way; so all gallery images within `TIE` of the nearest count as equal.
On its scale rounding moves distances by less than 1e-14, and the nearest of real sketches differ by
1e-6 and more.  Sw's null space is that of its square root: the tolerance is 1e-7 there, rounding
1e-15.
"""

from typing import NamedTuple

import numpy as np

PCA_RATIO = 1e-10  # of the scripts' PCA, on eigenvalues
TIE = 1e-9  # Euclidean, of the longest test image's distance from the training images' mean
NUM_SPLITS = 20
BLOCK_PX = 4096  # pixels held in float64 at once


class Protocol(NamedTuple):
    """The sizes of one data set's protocol."""

    name: str
    num_pairs: int
    num_train: int
    pca_dims: int


# [code]; the test pairs of each set, 188 and 644 of which are probes of a split.
PRESETS = {
    "cufs": Protocol("cufs", num_pairs=338, num_train=150, pca_dims=300),
    "cufsf": Protocol("cufsf", num_pairs=944, num_train=300, pca_dims=600),
}


class Recognition(NamedTuple):
    """Rank-1 rates in [0, 1]; standard deviations are over splits, population (ddof 0).

    Both `best_mean` and `curve_max` are published as "NLDA" and choose a dimension on test data;
    best_mean >= curve_max >= full_mean, up to rounding.
    """

    best_mean: float  # mean over splits of the best dimension of each (the scripts' ACC)
    best_std: float
    curve_max: float  # maximum of the averaged curve
    full_mean: float  # all directions of each split
    full_std: float
    curve: np.ndarray  # float64[D], averaged over splits


def nlda(
    real: np.ndarray,
    fake: np.ndarray,
    *,
    protocol: Protocol,
    seed: int = 0,
) -> Recognition:
    """Rank-1 recognition of persons between real and synthesised images.

    real, fake: uint8 or float[N, P], grey pixels, any common scale; row i of both is person i.
    protocol: `PRESETS[...]`, or a `Protocol` of your own for another N.

    A split with fewer directions than others (images that equal each other) keeps its last rate
    in the averaged curve.  ValueError: N or the numbers do not fit the protocol, an entry is not
    finite, or a split's Sw has no null space, as when all outputs are one image.
    """
    real, fake = np.asarray(real), np.asarray(fake)
    _check(real, fake, protocol)
    gram = _gram(real, fake)
    curves = []
    for i in range(NUM_SPLITS):
        order = np.random.default_rng((seed, i)).permutation(protocol.num_pairs)
        curves.append(_curve(gram, order, protocol))
    length = max(map(len, curves))
    rates = np.stack([np.pad(c, (0, length - len(c)), mode="edge") for c in curves])
    curve, best = rates.mean(0), rates.max(1)
    return Recognition(
        best_mean=float(best.mean()),
        best_std=float(best.std()),
        curve_max=float(curve.max()),
        full_mean=float(curve[-1]),
        full_std=float(rates[:, -1].std()),
        curve=curve,
    )


def _gram(probe: np.ndarray, gallery: np.ndarray) -> np.ndarray:
    """Inner products of all images, the probes first: float64[2N, 2N]."""
    gram = np.zeros((2 * len(probe), 2 * len(probe)))
    for start in range(0, probe.shape[1], BLOCK_PX):
        block = np.concatenate([x[:, start : start + BLOCK_PX] for x in (probe, gallery)])
        block = block.astype(np.float64)
        gram += block @ block.T
    return gram


def _curve(gram: np.ndarray, order: np.ndarray, protocol: Protocol) -> np.ndarray:
    """The rank-1 rate of one split for 1 ... D directions, float64[D]."""
    num_pairs = len(order)
    train, test = order[: protocol.num_train], order[protocol.num_train :]
    rows = np.concatenate([train, num_pairs + train])
    # (x_r - mean) . (x - mean) for training images r and all images x.
    kernel = gram[rows] - gram[rows].mean(0)
    kernel -= kernel[:, rows].mean(1, keepdims=True)  # 2n x 2N

    values, vectors = np.linalg.eigh(kernel[:, rows])
    values, vectors = values[::-1], vectors[:, ::-1]
    kept = min(int((values > PCA_RATIO * max(values[0], 0.0)).sum()), protocol.pca_dims)
    pca = (vectors[:, :kept] / np.sqrt(values[:kept])).T  # r x 2n, acts on the kernel's columns

    # Two images a person: each lies half their difference from the person's mean.
    first, second = kernel[:, train], kernel[:, num_pairs + train]
    within = pca @ (first - second) / np.sqrt(2)  # Sw = within within^T
    means = pca @ (first + second) / 2
    between = np.sqrt(2) * (means - means.mean(1, keepdims=True))

    vectors, lengths, _ = np.linalg.svd(within)
    scatter = np.square(lengths)  # singular values of Sw
    rank = int((scatter > kept * np.spacing(scatter.max(initial=0.0))).sum())
    if rank == kept:
        raise ValueError(
            f"NLDA {protocol.name}: the scatter within {len(train)} persons fills all {kept} "
            "dimensions of the PCA and has no null space; are all outputs one image?"
        )
    null = vectors[:, rank:]
    vectors, _, _ = np.linalg.svd(null.T @ between)
    directions = (null @ vectors).T @ pca  # D x 2n

    probe, gallery = directions @ kernel[:, test], directions @ kernel[:, num_pairs + test]
    squares = np.square(np.concatenate([probe, gallery], 1))
    slack = TIE * np.sqrt(squares.cumsum(0).max(1))  # D
    distance, step = np.zeros((2, len(test), len(test)))
    rates = np.empty(len(directions))
    for d in range(len(directions)):
        np.subtract.outer(probe[d], gallery[d], out=step)
        distance += np.square(step, out=step)
        equal = distance <= np.square(np.sqrt(distance.min(1, keepdims=True)) + slack[d])
        rates[d] = (equal.argmax(1) == np.arange(len(test))).mean()
    return rates


def _check(real: np.ndarray, fake: np.ndarray, protocol: Protocol) -> None:
    name, num_pairs, num_train, pca_dims = protocol
    if real.ndim != 2 or real.shape != fake.shape:
        raise ValueError(f"NLDA {name}: expected two [N, P], got {real.shape} and {fake.shape}")
    if len(real) != num_pairs:
        raise ValueError(f"NLDA {name}: expected {num_pairs} test pairs, got {len(real)}")
    if not 2 <= num_train < num_pairs:
        raise ValueError(f"num_train: expected 2 to {num_pairs - 1}, got {num_train}")
    if pca_dims < 1:
        raise ValueError(f"pca_dims: expected at least 1, got {pca_dims}")
    for side, images in (("real", real), ("fake", fake)):
        if not np.isfinite(images).all():
            row = int(np.flatnonzero(~np.isfinite(images).all(1))[0])
            raise ValueError(f"NLDA {name}: {side} image {row} is not finite")
