"""Does dynamic re-sampling matter?  SynthDistill on drawn faces, three ways, three seeds each.

Run        fsketch train --config=configs/experiments/synthdistill_sampling.py
           --workdir=runs/sampling; then `fsketch report seeds static=runs/sampling/static_0 ...`
Cost       0.4 s a step of 2 x 32 faces on 2 CPU cores.
Expect     300 steps, cosine to the teacher, 95 % interval over seeds: static 0.664 +- 0.035,
           dynamic 0.676 +- 0.011, no_resampling 0.691 +- 0.029; accuracies within 0.001: sampling
           makes no difference here.
"""

from collections.abc import Mapping, Sequence
from typing import Any

from ml_collections import ConfigDict

from fsketch.configs import experiments, synthdistill

SEEDS = (0, 1, 2)
ABLATIONS = {"static": "static", "dynamic": "none", "no_resampling": "no_resampling"}  # by row
CHANGES = {"num_steps": 300, "optim.halve_at": (240, 480), "embedder.config.num_steps": 700}


def rows(faces: str, order: Sequence[str], changes: Mapping[str, Any]) -> dict[str, ConfigDict]:
    """The stages ROW_SEED, all rows of a seed in this order; faces: of configs/synthdistill.py."""
    stages = {}
    for seed in SEEDS:
        for row in order:
            config = synthdistill.get_config(f"faces={faces},ablation={ABLATIONS[row]}")
            stages[f"{row}_{seed}"] = experiments.stage(config, {**changes, "seed": seed})
    return stages


def get_config() -> ConfigDict:
    return experiments.experiment(rows("procedural", tuple(ABLATIONS), CHANGES))
