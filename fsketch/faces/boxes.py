"""Geometry of boxes float[N, 4]: x0, y0, x1, y1, in pixels; pixel i reaches from i to i + 1."""

import numpy as np


def squares(boxes: np.ndarray) -> np.ndarray:
    """The squares around the same centres whose sides are the boxes' longer ones."""
    centres = (boxes[:, :2] + boxes[:, 2:]) / 2
    half = (boxes[:, 2:] - boxes[:, :2]).max(1, keepdims=True) / 2
    return np.concatenate([centres - half, centres + half], axis=1)


def moved(boxes: np.ndarray, offsets: np.ndarray) -> np.ndarray:
    """The boxes with each side moved by its offset [N, 4] times the box's width."""
    return boxes + offsets * (boxes[:, 2:3] - boxes[:, :1])


def overlaps(box: np.ndarray, others: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """The common area of a box [4] and each of `others`, as a share of their union and of the
    smaller of the two; 0 where nothing is common."""
    common = np.minimum(box[2:], others[:, 2:]) - np.maximum(box[:2], others[:, :2])
    common = np.prod(np.maximum(common, 0), axis=1)
    areas = np.prod(others[:, 2:] - others[:, :2], axis=1)
    own = np.prod(box[2:] - box[:2])
    tiny = np.finfo(np.float64).tiny
    union = np.maximum(areas + own - common, tiny)
    return common / union, common / np.maximum(np.minimum(areas, own), tiny)


def suppressed(
    boxes: np.ndarray, scores: np.ndarray, threshold: float, *, of_smaller: bool = False
) -> np.ndarray:
    """Indices of the boxes to keep, best score first.

    Goes without every box whose overlap with a better one that is kept exceeds `threshold`, as a
    share of the union or, if `of_smaller`, of the smaller box.
    """
    order, kept = np.argsort(-scores, kind="stable"), []
    while len(order):
        first, order = order[0], order[1:]
        kept.append(first)
        order = order[overlaps(boxes[first], boxes[order])[int(of_smaller)] <= threshold]
    return np.array(kept, int)
