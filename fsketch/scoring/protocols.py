"""Named protocols: which images are compared, in which geometry, by which metrics.

A protocol fixes everything that changes a score (size, padding, grey or colour, 8 bit), so that a
number means the same wherever it is computed: `fsketch score` on folders and the evaluation of a
run both use `ImageScorer`.  Images are uint8 in 0..255; sizes are width x height.
"""

import collections
from concurrent import futures
from typing import NamedTuple

import numpy as np
from PIL import Image

from fsketch.core import images
from fsketch.scoring import measures

BATCH_SIZE = 16  # pairs in one call of a metric
# Parallel calls: FSIM takes its pairs one by one and keeps one core busy.
NUM_WORKERS = 2
_WORKERS = futures.ThreadPoolExecutor(NUM_WORKERS, thread_name_prefix="score")
MOST_DB = 99.0  # PSNR of equal images, since JSON has no infinity


class Protocol(NamedTuple):
    """One convention of the field.

    about: the convention in a sentence, with its source.
    size_px: (width, height) of every image; None: any size, equal within a pair.
    num_pairs: size of the whole test set by data set, where the field fixes it.
    image_metrics, set_metrics: keys of `measures.IMAGE` and `measures.SET`.
    resize_output: outputs are first resized to the truth's size; nothing else is ever resized.
    """

    about: str
    size_px: tuple[int, int] | None
    num_pairs: dict[str, int]
    image_metrics: tuple[str, ...]
    set_metrics: tuple[str, ...] = ()
    resize_output: bool = False


_GREY = (
    "grey (ITU-R BT.601), 8 bit, 0..255, padding removed; SSIM Gaussian 11x11 sigma 1.5, "
    "population covariance, valid pixels (scikit-image); FSIM without chroma; Scoot"
)

PROTOCOLS: dict[str, Protocol] = {
    "plain": Protocol(
        about=f"{_GREY}; any size [ours, after cufs]",
        size_px=None,
        num_pairs={},
        image_metrics=("ssim", "psnr", "fsim", "scoot"),
    ),
    "cufs": Protocol(
        about=f"{_GREY}; 200x250 [code: Face-Sketch-Wild; NLDA: N. Wang's script]",
        size_px=(200, 250),
        num_pairs={"CUFS": 338, "CUHK student": 100, "AR": 43, "XM2VTS": 195},
        image_metrics=("ssim", "psnr", "fsim", "scoot"),
        set_metrics=("nlda_cufs",),
    ),
    "cufsf": Protocol(
        about=f"{_GREY}; 200x250 [code: Face-Sketch-Wild; NLDA: N. Wang's script]",
        size_px=(200, 250),
        num_pairs={"CUFSF": 944},
        image_metrics=("ssim", "psnr", "fsim", "scoot"),
        set_metrics=("nlda_cufsf",),
    ),
    "fs2k": Protocol(
        about="grey (ITU-R BT.601), 8 bit, 0..255; outputs resized to the truth's size (bicubic, "
        "antialiased, as MATLAB's imresize); SSIM as MATLAB's ssim: borders replicated, all "
        "pixels [code: FS2KToolbox]",
        size_px=None,
        num_pairs={"FS2K": 1046},
        image_metrics=("scoot", "ssim_matlab"),
        resize_output=True,
    ),
    "scg-2023": Protocol(
        about="RGB, a grey image repeated, 8 bit, 0..255, 200x250; FSIM with chroma (pyiqa's "
        "default), LPIPS v0.1 on VGG-16, DISTS [code: Face-Sketch-SCG]",
        size_px=(200, 250),
        num_pairs={"CUFS": 338, "CUFSF": 944},
        image_metrics=("fsimc", "lpips_vgg", "dists"),
    ),
    "ifrp": Protocol(
        about="RGB, 8 bit, 0..255, 128x128; PSNR over all channels, SSIM and FSIM on luma "
        "[inferred: the paper only names the metrics]; FRR and FCR at rank 5 [inferred]",
        size_px=(128, 128),
        num_pairs={"CelebA, the paper's test faces": 2000},
        image_metrics=("psnr_rgb", "ssim", "fsim"),
        set_metrics=("frr", "fcr"),
    ),
}


def get(name: str) -> Protocol:
    """The protocol of a name; ValueError lists the known names for any other."""
    if name not in PROTOCOLS:
        raise ValueError(f"protocol: expected {', '.join(PROTOCOLS)}, got {name!r}")
    return PROTOCOLS[name]


def size_problem(
    size_px: tuple[int, int], wanted: tuple[int, int] | None
) -> tuple[str, str] | None:
    """(got, expected) of an image whose size differs from `wanted`; None if it fits.

    Sizes are (width, height); wanted: None for any size.
    """
    if wanted is None or size_px == wanted:
        return None
    hint = ""
    if size_px == (256, 256) and wanted == (200, 250):
        hint = " (256x256 is the field's canvas: the image lies at rows 3:253, columns 28:228)"
    return f"{size_px[0]}x{size_px[1]} px", f"{wanted[0]}x{wanted[1]} px, width x height{hint}"


def resized(image: np.ndarray, size_px: tuple[int, int]) -> np.ndarray:
    """uint8[H, W, 1 or 3] resized to (width, height): bicubic, antialiased where it shrinks."""
    flat = image[..., 0] if image.shape[-1] == 1 else image
    scaled = np.asarray(Image.fromarray(flat).resize(size_px, Image.Resampling.BICUBIC))
    return scaled[..., None] if scaled.ndim == 2 else scaled


def coloured(image: np.ndarray, colour: str) -> np.ndarray:
    """uint8[H, W, 1 or 3] as a metric needs it: one channel for "grey", three for "rgb"."""
    if colour == "grey":
        return images.grey_uint8(image)
    return np.broadcast_to(image, (*image.shape[:2], 3))


Pair = tuple[int, np.ndarray, np.ndarray]  # index, truth, output


class ImageScorer:
    """Collects pairs one by one and scores them in batches of equal shape.

    It holds few batches, so memory does not grow with the number of pairs.  Every batch has
    BATCH_SIZE pairs; the last batch of a shape repeats its last pair.
    """

    def __init__(self, metrics: list[measures.Ready]) -> None:
        self.metrics = metrics
        self.waiting: dict[tuple[int, ...], list[Pair]] = {}
        self.running: collections.deque[tuple[list[Pair], futures.Future]] = collections.deque()
        self.rows: list[dict[str, float]] = []

    def add(self, truth: np.ndarray, output: np.ndarray) -> None:
        """Adds the next pair, uint8[H, W, 1 or 3] each, of equal height and width."""
        if truth.shape[:2] != output.shape[:2]:
            raise ValueError(f"output: expected the truth's size {truth.shape}, got {output.shape}")
        queue = self.waiting.setdefault(truth.shape[:2], [])
        queue.append((len(self.rows), truth, output))
        self.rows.append({})
        if len(queue) == BATCH_SIZE:
            self._start(truth.shape[:2])

    def scores(self) -> dict[str, np.ndarray]:
        """Scores float64[N] by metric, in the order of `add`."""
        for shape in list(self.waiting):
            self._start(shape)
        while self.running:
            self._finish()
        return {m.name: np.array([row[m.name] for row in self.rows]) for m in self.metrics}

    def _start(self, shape: tuple[int, ...]) -> None:
        """Starts scoring the waiting pairs of a shape once a worker is free."""
        while len(self.running) >= NUM_WORKERS:
            self._finish()
        pairs = self.waiting.pop(shape)
        self.running.append((pairs, _WORKERS.submit(self._score, pairs)))

    def _finish(self) -> None:
        """Waits for the oldest running batch."""
        pairs, future = self.running.popleft()
        for name, values in future.result().items():
            for (index, _, _), value in zip(pairs, values, strict=False):
                self.rows[index][name] = float(value)

    def _score(self, pairs: list[Pair]) -> dict[str, np.ndarray]:
        """Scores float[BATCH_SIZE] by metric."""
        full = pairs + pairs[-1:] * (BATCH_SIZE - len(pairs))
        batches = {
            colour: [np.stack([coloured(pair[side], colour) for pair in full]) for side in (1, 2)]
            for colour in {metric.colour for metric in self.metrics}
        }
        return {
            metric.name: np.minimum(metric.score(*batches[metric.colour]), MOST_DB)
            for metric in self.metrics
        }
