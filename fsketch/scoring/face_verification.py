"""How well an embedder tells persons apart: a table over sets of face pairs, and baselines.

The protocol is InsightFace's, see `metrics.verification`: embeddings of a face and its mirror image
are summed, normalised to length 1 and compared by squared Euclidean distance; ten folds, each
judged by the threshold that is best on the other nine.

An embedder is any function from uint8[N, 112, 112, 3] to float[N, D]; `embedder` makes baselines
(`FLOORS`) and the embedders of runs by name.
"""

import json
from collections.abc import Callable, Iterable, Mapping
from typing import Any, NamedTuple

import numpy as np
from PIL import Image

from fsketch.core import images
from fsketch.data.verification import face_sets
from fsketch.frozen import registry
from fsketch.metrics import verification
from fsketch.scoring import face_crops, features, measures

Embed = Callable[[np.ndarray], np.ndarray]
BATCH_SIZE, PAIRS_AT_ONCE = 64, 500
FAR = 1e-3  # of TAR@FAR, as InsightFace reports it
PCA_DIMS, PCA_FACES = 128, 2000  # [inferred]


class Fitted(NamedTuple):
    """An embedder that is fitted on faces uint8[M, 112, 112, 3] of persons it does not judge.

    For each fold it is fitted on the persons of the other folds or, where a set does not name
    persons, on all faces that do not occur in the fold.
    """

    fit: Callable[[np.ndarray], Embed]


class Row(NamedTuple):
    """One set's scores; shares in [0, 1].

    tar: None where a fold lacks pairs of one kind, so that it is undefined.
    """

    name: str
    num_pairs: int
    num_faces: int
    num_folds: int
    accuracy: verification.Accuracy
    auc: float
    eer: float
    tar: verification.AcceptRate | None
    source: str
    digest: str
    notes: tuple[str, ...]


def verification_table(
    embed: Embed | Fitted,
    sets: Iterable[face_sets.PairSet],
    *,
    flip: bool = True,
    far: float = FAR,
    batch_size: int = BATCH_SIZE,
) -> list[Row]:
    """A row for each set of `face_sets.load_all`.

    Args:
      embed: the embedder; called with `batch_size` faces, the last of which may be blank.
      sets: the sets; an iterator holds one at a time in memory.
      flip: add the embedding of the mirror image, as the published numbers do.
      far: the false accept rate of TAR@FAR.
      batch_size: faces a call.

    Raises:
      ValueError: an embedding is not finite, is zero, or is not of shape [N, D].
    """
    rows = []
    for pairs in sets:
        distance = distances(embed, pairs, flip=flip, batch_size=batch_size)
        folds = np.array_split(pairs.is_same, pairs.num_folds)
        has_both = all(0 < fold.sum() < len(fold) for fold in folds)
        arguments = {"num_folds": pairs.num_folds}
        rows.append(
            Row(
                name=pairs.name,
                num_pairs=len(pairs.is_same),
                num_faces=len(pairs.faces),
                num_folds=pairs.num_folds,
                accuracy=verification.accuracy(distance, pairs.is_same, **arguments),
                auc=verification.auc(distance, pairs.is_same),
                eer=verification.eer(distance, pairs.is_same),
                tar=verification.tar_at_far(distance, pairs.is_same, far=far, **arguments)
                if has_both
                else None,
                source=pairs.source,
                digest=pairs.digest(),
                notes=pairs.notes,
            )
        )
    return rows


def distances(
    embed: Embed | Fitted, pairs: face_sets.PairSet, *, flip: bool, batch_size: int = BATCH_SIZE
) -> np.ndarray:
    """Squared distances of the pairs, float64[N] in [0, 4]."""
    if not isinstance(embed, Fitted):
        embedding = embeddings(embed, pairs.faces, flip=flip, batch_size=batch_size)
        return _squared_distance(embedding, pairs.first, pairs.second)
    folds = []
    for fold in np.array_split(np.arange(len(pairs.is_same)), pairs.num_folds):
        ends = [pairs.first[fold], pairs.second[fold]]
        label = np.arange(len(pairs.faces)) if pairs.person is None else pairs.person
        used = np.unique(ends)
        others = pairs.faces[~np.isin(label, label[used])]
        if not len(others):
            raise ValueError(
                f"{pairs.name}: expected persons outside each fold to fit on, got a fold of all"
            )
        fitted = embeddings(embed.fit(others), pairs.faces[used], flip=flip, batch_size=batch_size)
        folds.append(_squared_distance(fitted, *(np.searchsorted(used, end) for end in ends)))
    return np.concatenate(folds)


def _squared_distance(embedding: np.ndarray, first: np.ndarray, second: np.ndarray) -> np.ndarray:
    """Computed in parts, since plain pixels in float64 would take gigabytes."""
    parts = np.array_split(np.stack([first, second]), -(-len(first) // PAIRS_AT_ONCE), axis=1)
    return np.concatenate([
        verification.squared_distance(embedding[a], embedding[b]) for a, b in parts
    ])  # fmt: skip


def embeddings(embed: Embed, faces: np.ndarray, *, flip: bool, batch_size: int) -> np.ndarray:
    """float[N, D] of uint8[N, 112, 112, 3]; with `flip`, image and mirror image summed."""
    done = []
    for start in range(0, len(faces), batch_size):
        part = faces[start : start + batch_size]
        batch = np.zeros((batch_size, *faces.shape[1:]), np.uint8)  # one shape, one program
        batch[: len(part)] = part
        embedding = np.asarray(embed(batch))
        if flip:
            embedding = embedding + np.asarray(embed(np.ascontiguousarray(batch[:, :, ::-1])))
        if embedding.ndim != 2 or len(embedding) != batch_size:
            raise ValueError(
                f"embeddings of {batch_size} faces: expected shape [{batch_size}, D], "
                f"got {embedding.shape}"
            )
        lengths = np.linalg.norm(embedding[: len(part)].astype(np.float64), axis=1)
        if len(bad := np.flatnonzero(~(np.isfinite(lengths) & (lengths > 0)))):
            raise ValueError(
                f"face {start + bad[0]}: expected a finite embedding that is not zero, got length "
                f"{lengths[bad[0]]}"
            )
        done.append(embedding[: len(part)])
    return np.concatenate(done)


def pca(*, whiten: bool = False) -> Fitted:
    """The first `PCA_DIMS` eigenfaces (Turk and Pentland, 1991) of the grey pixels.

    Fitted on at most `PCA_FACES` evenly spaced faces.  whiten: coordinates have variance 1.
    """

    def fit(faces: np.ndarray) -> Embed:
        count = min(len(faces), PCA_FACES)
        chosen = faces[np.linspace(0, len(faces) - 1, count).round().astype(int)]
        pixels = _grey(chosen)  # M x 12544
        mean = pixels.mean(0)
        centred = pixels - mean
        # Eigenvectors of the M x M inner products give those of the 12544 x 12544 covariance.
        values, vectors = np.linalg.eigh(centred @ centred.T)
        kept = [i for i in np.argsort(-values)[:PCA_DIMS] if values[i] > 1e-10 * values.max()]
        if not kept:
            raise ValueError(f"PCA of {count} faces: expected faces that differ, got equal ones")
        axes = centred.T @ vectors[:, kept] / np.sqrt(values[kept])  # 12544 x D, of length 1
        scale = np.sqrt(values[kept] / count) if whiten else 1.0
        return lambda faces: (_grey(faces) - mean) @ axes / scale

    return Fitted(fit)


def _grey(faces: np.ndarray) -> np.ndarray:
    """float64[N, 12544], luma."""
    return images.grey_uint8(faces).reshape(len(faces), -1).astype(np.float64)


def _listed(name: str) -> Embed:
    """The embedder that `features.embedding` makes of a name, for arrays of faces."""
    extract = features.embedding(measures.Options(embedder=name)).extract
    return lambda faces: extract(list(faces))


FLOORS: dict[str, Callable[[], Embed | Fitted]] = {
    "pixels": lambda: _listed(features.PIXELS),
    "pca": pca,
    "pca_whitened": lambda: pca(whiten=True),
    "hog": lambda: _listed(features.HOG),
}


def embedder(name: str) -> Embed | Fitted:
    """The embedder of a name: a key of `FLOORS`, or the path of a run or of converted weights.

    A net sees the face resized to fill its canvas.  Raises FileNotFoundError for a missing path,
    ValueError for a file or run that is no embedder, WeightsError if HOG lacks scikit-image.
    """
    if name in FLOORS:
        return FLOORS[name]()
    net = registry.load("embedder", name)
    side_px, embed = json.loads(net.spec)["side_px"], face_crops.on_pictures(net)

    def resized(faces: np.ndarray) -> np.ndarray:
        bilinear = Image.Resampling.BILINEAR
        size = (side_px, side_px)
        return embed(np.stack([Image.fromarray(face).resize(size, bilinear) for face in faces]))

    return resized


def text(tables: Mapping[str, list[Row]], *, flip: bool, far: float) -> str:
    """The tables of several embedders, by name, for a terminal."""
    mirror = "with" if flip else "without"
    lines = [
        f"squared distance of unit embeddings, {mirror} the mirror image's added; each fold is "
        "judged by the best threshold of the others",
        "accuracy: mean and standard deviation over folds",
        "",
    ]
    heads = ["set", "pairs", "accuracy %", "s.d.", "AUC", "EER %", f"TAR % at FAR {far:g}"]
    rows = [["embedder", *heads]]
    for name, table in tables.items():
        for row in table:
            rows.append([
                name,
                row.name,
                str(row.num_pairs),
                f"{100 * row.accuracy.mean:.2f}",
                f"{100 * row.accuracy.std:.2f}",
                f"{row.auc:.4f}",
                f"{100 * row.eer:.2f}",
                f"{100 * row.tar.mean:.2f}" if row.tar else "-",
            ])  # fmt: skip
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    for row in rows:
        left = (cell.ljust(width) for cell, width in zip(row[:2], widths, strict=False))
        right = (cell.rjust(width) for cell, width in zip(row[2:], widths[2:], strict=True))
        lines.append("  ".join((*left, *right)))
    notes = (
        f"note: {row.name} (from {row.source}): {note}"
        for table in tables.values()
        for row in table
        for note in row.notes
    )
    return "\n".join((*lines, *dict.fromkeys(notes)))


def as_dict(tables: Mapping[str, list[Row]], *, flip: bool, far: float) -> dict[str, Any]:
    """The tables of several embedders for JSON, with every choice they depend on."""
    return {
        "protocol": "10-fold verification, InsightFace",
        "flip": flip,
        "far": far,
        "embedders": {
            name: {row.name: _row_as_dict(row) for row in table} for name, table in tables.items()
        },
    }


def _row_as_dict(row: Row) -> dict[str, Any]:
    return {
        "source": row.source,
        "digest": row.digest,
        "num_pairs": row.num_pairs,
        "num_faces": row.num_faces,
        "num_folds": row.num_folds,
        "accuracy": row.accuracy.mean,
        "accuracy_std": row.accuracy.std,
        "accuracy_of_folds": row.accuracy.folds.tolist(),
        "thresholds": row.accuracy.thresholds.tolist(),
        "auc": row.auc,
        "eer": row.eer,
        "tar_at_far": row.tar and row.tar._asdict(),
        "notes": list(row.notes),
    }
