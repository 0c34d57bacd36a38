"""Every metric by name: its title, which direction is better, and how it is loaded.

Image metrics compare one pair; set metrics compare all outputs with all truths by features of each
image.  Networks come from converted weights, see `metric_nets`.
"""

from collections.abc import Callable
from typing import NamedTuple

import jax
import jax.numpy as jnp
import numpy as np

from fsketch.frozen import metric_nets, registry
from fsketch.metrics import fid, fsim, nlda, retrieval, scoot, ssim, statistics, verification

# [inferred: for test sets of 100 to 1000 images; subsets of half the images keep the interval fair]
KID_NUM_SUBSETS, KID_LARGEST_SUBSET = 100, 1000
IFRP_RANK = 5  # of FRR and FCR [inferred]

# A batch of truths and of outputs, [B, H, W, C] on 0..255 -> float[B].
Score = Callable[[jax.Array, jax.Array], jax.Array]


class Options(NamedTuple):
    """Options of metrics with networks or random subsets."""

    weights_dir: str = ""  # folder of converted weights (fsketch convert)
    embedder: str = ""  # compares identities, see scoring/features.py; "" = SFace
    resize: str = "legacy"  # before Inception: "legacy" (pytorch-fid) or "clean" (clean-fid)
    cache_dir: str = ""  # where Inception's features are kept; "" = nowhere
    seed: int = 0


class Ready(NamedTuple):
    """An image metric ready to call; weights: file -> SHA-256 of its converted weights."""

    name: str
    colour: str
    score: Score
    weights: dict[str, str]


class ImageMetric(NamedTuple):
    """A metric of one pair; colour: "grey" (luma) or "rgb" (a grey image is repeated).

    Either `score` is set, or `load` makes it from a folder of weights.
    """

    title: str
    colour: str
    score: Score | None = None
    load: Callable[[str], metric_nets.MetricNet] | None = None
    unit: str = ""
    higher_is_better: bool = True


class Interval(NamedTuple):
    """A value and its interval; NaN for no interval."""

    value: float
    low: float = float("nan")
    high: float = float("nan")


class Sets(NamedTuple):
    """Features float[N, D] of the truth, of one output, and of the other outputs."""

    truth: np.ndarray
    output: np.ndarray
    others: list[np.ndarray]


class SetMetric(NamedTuple):
    """A metric of two sets.

    features: a key of `features.FEATURES`.  compare: returns one or more named values; raises
    ValueError with the reason if these sets cannot be scored.
    """

    features: str
    compare: Callable[[Sets, Options], dict[str, Interval]]
    higher_is_better: bool = True


def ssim_full(truth: jax.Array, output: jax.Array) -> jax.Array:
    """SSIM as in MATLAB's `ssim`: borders replicated, mean over all pixels; float[B]."""
    rim = ((0, 0), (ssim.RADIUS,) * 2, (ssim.RADIUS,) * 2, (0, 0))
    return ssim.ssim(jnp.pad(truth, rim, "edge"), jnp.pad(output, rim, "edge"))


def _by_net(title: str, net: str) -> ImageMetric:
    def load(weights_dir: str) -> metric_nets.MetricNet:
        return registry.load("metric", weights_dir, net=net)

    return ImageMetric(title, "rgb", load=load, higher_is_better=False)


IMAGE: dict[str, ImageMetric] = {
    "ssim": ImageMetric("SSIM", "grey", jax.jit(ssim.ssim)),
    "ssim_matlab": ImageMetric("SSIM (MATLAB)", "grey", jax.jit(ssim_full)),
    "ms_ssim": ImageMetric("MS-SSIM", "grey", jax.jit(ssim.ms_ssim)),
    "psnr": ImageMetric("PSNR", "grey", jax.jit(ssim.psnr), unit="dB"),
    "psnr_rgb": ImageMetric("PSNR (RGB)", "rgb", jax.jit(ssim.psnr), unit="dB"),
    "fsim": ImageMetric("FSIM", "grey", jax.jit(fsim.fsim)),
    "fsimc": ImageMetric("FSIMc", "rgb", jax.jit(fsim.fsimc)),
    "scoot": ImageMetric("Scoot", "grey", jax.jit(scoot.scoot)),
    "lpips_alex": _by_net("LPIPS (alex)", "lpips_alex"),
    "lpips_vgg": _by_net("LPIPS (vgg)", "lpips_vgg"),
    "lpips_squeeze": _by_net("LPIPS (squeeze)", "lpips_squeeze"),
    "dists": _by_net("DISTS", "dists"),
}


def ready(names: tuple[str, ...], options: Options) -> list[Ready]:
    """These image metrics with their weights loaded; raises `metric_nets.WeightsError`."""
    result = []
    for name in names:
        metric = IMAGE[name]
        if metric.score is not None:
            result.append(Ready(name, metric.colour, metric.score, {}))
        else:
            extractor = metric.load(options.weights_dir)
            result.append(Ready(name, metric.colour, extractor, extractor.weights))
    return result


def _nlda(preset: str) -> Callable[[Sets, Options], dict[str, Interval]]:
    def compare(sets: Sets, options: Options) -> dict[str, Interval]:
        result = nlda.nlda(
            sets.truth,
            sets.output,
            protocol=nlda.PRESETS[preset],
            seed=options.seed,
        )

        def spread(mean: float, std: float) -> Interval:
            return Interval(mean, mean - std, mean + std)

        return {
            "nlda_best_dimension": spread(result.best_mean, result.best_std),
            "nlda_mean_curve": Interval(result.curve_max),
            "nlda_all_dimensions": spread(result.full_mean, result.full_std),
        }

    return compare


def _fid(sets: Sets, options: Options) -> dict[str, Interval]:
    return {"fid": Interval(fid.fid(sets.truth, sets.output))}


def _kid(sets: Sets, options: Options) -> dict[str, Interval]:
    """KID over subsets of half the images; the name contains their size."""
    size = min(KID_LARGEST_SUBSET, len(sets.truth) // 2)
    interval = fid.kid(
        sets.truth,
        sets.output,
        key=jax.random.key(options.seed),
        subset_size=size,
        num_subsets=KID_NUM_SUBSETS,
    )
    return {f"kid_of_{size}": Interval(*interval)}


def _rank1(sets: Sets, options: Options) -> dict[str, Interval]:
    identity = np.arange(len(_enough(sets, 1)))
    rate = retrieval.rank_k(sets.output, sets.truth, identity, identity, k=1)
    return {"rank1": Interval(float(rate))}


def _identity(sets: Sets, options: Options) -> dict[str, Interval]:
    cosines = np.asarray(verification.cosine(sets.truth, sets.output))
    return {"identity": Interval(*statistics.bootstrap_mean(cosines, seed=options.seed))}


def _frr(sets: Sets, options: Options) -> dict[str, Interval]:
    identity = np.arange(len(_enough(sets, IFRP_RANK)))
    rate = retrieval.frr(sets.output[None], sets.truth, identity, k=IFRP_RANK)
    return {"frr": Interval(float(rate))}


def _fcr(sets: Sets, options: Options) -> dict[str, Interval]:
    """FCR of this output against the others; the paper's is the mean over styles."""
    if not sets.others:
        raise ValueError("expected two or more outputs, one for each style, got one")
    identity = np.arange(len(_enough(sets, IFRP_RANK)))
    gallery, persons = np.concatenate(sets.others), np.tile(identity, len(sets.others))
    rate = retrieval.rank_k(sets.output, gallery, identity, persons, k=IFRP_RANK)
    return {"fcr": Interval(float(rate))}


def _enough(sets: Sets, rank: int) -> np.ndarray:
    """The truths; ValueError where all of them are within the rank, so that nobody is missed."""
    if len(sets.truth) <= rank:
        raise ValueError(f"expected more than {rank} images at rank {rank}, got {len(sets.truth)}")
    return sets.truth


SET: dict[str, SetMetric] = {
    "nlda_cufs": SetMetric("pixels", _nlda("cufs")),
    "nlda_cufsf": SetMetric("pixels", _nlda("cufsf")),
    "fid": SetMetric("inception", _fid, higher_is_better=False),
    "kid": SetMetric("inception", _kid, higher_is_better=False),
    "rank1": SetMetric("embedding", _rank1),
    "identity": SetMetric("embedding", _identity),
    "frr": SetMetric("embedding", _frr),
    "fcr": SetMetric("embedding", _fcr),
}
