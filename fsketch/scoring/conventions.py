"""Other conventions seen in the field, and how far each one moves a score.

Leaving padding in raises SSIM by more than most papers claim as progress.  Each convention here is
one departure from a protocol; a `Tally` scores the same images again under each of them.
"""

import io
from collections.abc import Callable
from typing import NamedTuple

import jax
import numpy as np
from PIL import Image

from fsketch.core import image_files
from fsketch.metrics import fsim, ssim
from fsketch.scoring import measures, protocols

CANVAS_PX = 256
JPEG_QUALITY = 75
Pair = tuple[np.ndarray, np.ndarray]  # truth, output: uint8[H, W, 1 or 3]


class Convention(NamedTuple):
    """One departure: other images, or other functions for some metrics.

    replace: metric -> (colour, function) used instead; the other metrics are then not affected.
    """

    title: str
    change: Callable[[np.ndarray, np.ndarray], Pair] = lambda truth, output: (truth, output)
    replace: dict[str, tuple[str, measures.Score]] = {}  # noqa: RUF012, never changed


def padded(image: np.ndarray, fill: int) -> np.ndarray:
    """The image centred on a 256 x 256 canvas; a larger side keeps its size."""
    height, width = image.shape[:2]
    rows, columns = max(CANVAS_PX, height) - height, max(CANVAS_PX, width) - width
    pad = ((rows // 2, rows - rows // 2), (columns // 2, columns - columns // 2), (0, 0))
    return np.pad(image, pad, constant_values=fill)


def jpeg(image: np.ndarray) -> np.ndarray:
    """The image after a JPEG of quality 75."""
    file = io.BytesIO()
    flat = image[..., 0] if image.shape[-1] == 1 else image
    Image.fromarray(flat).save(file, "JPEG", quality=JPEG_QUALITY)
    with image_files.open_image(file.getvalue(), formats=("JPEG",)) as image:
        decoded = np.asarray(image)
    return decoded[..., None] if decoded.ndim == 2 else decoded


def stretched(image: np.ndarray) -> np.ndarray:
    """The image with its darkest value at 0 and its brightest at 255."""
    low, high = int(image.min()), int(image.max())
    return np.rint((image.astype(np.float64) - low) * 255 / max(high - low, 1)).astype(np.uint8)


def _square(image: np.ndarray) -> np.ndarray:
    return protocols.resized(image, (CANVAS_PX, CANVAS_PX))


def _there_and_back(image: np.ndarray) -> np.ndarray:
    return protocols.resized(_square(image), (image.shape[1], image.shape[0]))


def _of_unit_range(score: measures.Score) -> measures.Score:
    return jax.jit(lambda truth, output: score(truth / 255.0, output / 255.0))


CONVENTIONS: tuple[Convention, ...] = (
    Convention("black padding to 256x256 left in", lambda t, o: (padded(t, 0), padded(o, 0))),
    Convention("white padding to 256x256 left in", lambda t, o: (padded(t, 255), padded(o, 255))),
    Convention("both resized to 256x256", lambda t, o: (_square(t), _square(o))),
    Convention("output resized to 256x256 and back", lambda t, o: (t, _there_and_back(o))),
    Convention(f"output as JPEG, quality {JPEG_QUALITY}", lambda t, o: (t, jpeg(o))),
    Convention("output stretched to 0..255", lambda t, o: (t, stretched(o))),
    Convention(
        "values in [0, 1], constants of 0..255",
        replace={
            "ssim": ("grey", _of_unit_range(ssim.ssim)),
            "ssim_matlab": ("grey", _of_unit_range(measures.ssim_full)),
            "fsim": ("grey", _of_unit_range(fsim.fsim)),
            "fsimc": ("rgb", _of_unit_range(fsim.fsimc)),
        },
    ),
    Convention(
        "SSIM of an 8x8 uniform window", replace={"ssim": ("grey", jax.jit(ssim.ssim_uniform))}
    ),
    Convention(
        "SSIM as MATLAB: borders replicated, all pixels",
        replace={"ssim": ("grey", jax.jit(measures.ssim_full))},
    ),
    Convention("FSIM with chroma (FSIMc)", replace={"fsim": ("rgb", jax.jit(fsim.fsimc))}),
)


class Tally:
    """Scores every pair under a protocol's metrics and under each convention."""

    def __init__(self, metrics: list[measures.Ready]) -> None:
        self.metrics = metrics
        self.plain = protocols.ImageScorer(metrics)
        self.others = [
            protocols.ImageScorer(_concerned(metrics, convention)) for convention in CONVENTIONS
        ]

    def add(self, truth: np.ndarray, output: np.ndarray) -> None:
        """Adds the next pair, as the protocol compares it."""
        self.plain.add(truth, output)
        for convention, scorer in zip(CONVENTIONS, self.others, strict=True):
            if scorer.metrics:
                scorer.add(*convention.change(truth, output))

    def shifts(self) -> dict[str, dict[str, float]]:
        """Convention -> metric -> mean score under it, minus the mean under the protocol."""
        plain = {name: values.mean() for name, values in self.plain.scores().items()}
        result = {}
        for convention, scorer in zip(CONVENTIONS, self.others, strict=True):
            if scorer.metrics:
                result[convention.title] = {
                    name: float(values.mean() - plain[name])
                    for name, values in scorer.scores().items()
                }
        return result


def _concerned(metrics: list[measures.Ready], convention: Convention) -> list[measures.Ready]:
    """The metrics that a convention affects: those it replaces, or all if it changes the images."""
    if not convention.replace:
        return metrics
    result = []
    for metric in metrics:
        if metric.name in convention.replace:
            colour, score = convention.replace[metric.name]
            result.append(metric._replace(colour=colour, score=score))
    return result
