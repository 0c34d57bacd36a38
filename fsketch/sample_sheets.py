"""Sheets of a run: what it makes of a few pairs, row by row, to be looked at."""

from collections.abc import Mapping, Sequence

import numpy as np
from ml_collections import ConfigDict

from fsketch import evaluate
from fsketch.core import images, mapping, sheets
from fsketch.data import pipeline
from fsketch.data.synthetic import paintings
from fsketch.metrics import retrieval

# Rows of a sample sheet: images of the pairs, and images that were made, by kind.
LABELS = {"photo": "photo", "sketch": "sketch", "coarse": "coarse image"}
MADE = {"sketch": "sketch made from the photo", "photo": "photo made from the sketch"}
NEIGHBOURS = {
    "embedding_photo": "nearest of {} others",
    "embedding_teacher": "nearest of {} others for the teacher",
    "embedding_student": "nearest of {} others for the student",
}
NUM_COMPARED = 64  # faces among which a sheet shows the nearest


def sample_sheet(
    predict: mapping.Predict,
    canvases: pipeline.AnyCanvases,
    *,
    num_samples: int,
    batch_size: int,
    above: Mapping[str, Sequence[np.ndarray]],
) -> np.ndarray | None:
    """A contact sheet of the pairs `shown`, by labelled row; None if nothing is to be seen.

    Rows: those `above`, e.g. the style image; then photos, sketches and coarse images, as far as
    the pairs have them; then what was made.  Of embeddings: faces, and the nearest other one of
    NUM_COMPARED for each net.
    """
    if not num_samples:
        return None
    first = canvases.take(shown(canvases.identity, num_samples))
    rows = {label: [] for label in (*LABELS.values(), *MADE.values())}
    for example, outputs in evaluate.predictions(predict, first, batch_size=batch_size):
        box = example["box"]
        for kind in first.channels:
            rows[LABELS[kind]].append(pipeline.cut(example[kind], box))
        for kind in MADE.keys() & outputs.keys():
            rows[MADE[kind]].append(images.to_uint8(pipeline.cut(outputs[kind], box)))
    if not any(rows[label] for label in MADE.values()):
        rows = _neighbours(predict, canvases, num_samples=num_samples, batch_size=batch_size)
    rows = {label: row for label, row in rows.items() if row}
    return sheets.sheet({**above, **rows}) if rows else None


def shown(identity: np.ndarray, num_samples: int) -> np.ndarray:
    """The places of pairs for a sheet: the first, or drawn ones if these show a person twice.

    Drawn: one pair of each person in an order that is always the same, so that other views and
    styles come in, too; then second pairs, if there are too few persons.  identity: int[N].
    """
    first = np.arange(min(num_samples, len(identity)))
    if len(np.unique(identity[first])) == len(first):
        return first
    order = np.random.default_rng(0).permutation(len(identity))
    _, places = np.unique(identity[order], return_index=True)
    is_again = np.ones(len(order), bool)
    is_again[places] = False
    return np.sort(order[np.argsort(is_again, kind="stable")][:num_samples])


def _neighbours(
    predict: mapping.Predict, canvases: pipeline.AnyCanvases, *, num_samples: int, batch_size: int
) -> dict[str, list[np.ndarray]]:
    """Rows of faces and of those whose embeddings are nearest to theirs; {} without either."""
    # All pictures of as many persons as there is room for.
    places = np.argsort(canvases.identity, kind="stable")[:NUM_COMPARED]
    gallery = canvases.take(np.sort(places))
    faces: list[np.ndarray] = []
    embeddings: dict[str, list[np.ndarray]] = {}
    for example, outputs in evaluate.predictions(predict, gallery, batch_size=batch_size):
        if "face" in outputs:  # drawn on the device
            faces.append(images.to_uint8(outputs["face"]))
        elif "photo" in example:
            faces.append(pipeline.cut(example["photo"], example["box"]))
        for name in NEIGHBOURS.keys() & outputs.keys():
            embeddings.setdefault(NEIGHBOURS[name], []).append(outputs[name])
    if not embeddings or len(faces) < 2:
        return {}
    places = shown(np.asarray(gallery.identity), num_samples)
    rows = {"face": [faces[i] for i in places]}
    for label, values in sorted(embeddings.items()):
        nearest = np.asarray(retrieval.nearest_other(np.stack(values)))[places]
        rows[label.format(len(faces) - 1)] = [faces[i] for i in nearest]
    return rows


def style_row(config: ConfigDict) -> dict[str, list[np.ndarray]]:
    """A row for `sample_sheet`: the image that a style network learns from; none for others."""
    if "style" not in config:
        return {}
    size_px, seed = config.data.crop_px, config.style.seed
    return {"style": [paintings.load(config.style.image, size_px=size_px, seed=seed)]}
