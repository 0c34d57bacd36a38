"""The ladder of cuhk_ladder.py at 160 steps, three seeds each: 18 short trainings on CUHK.

Run        fsketch train --config=configs/experiments/cuhk_seeds.py --workdir=runs/seeds
           --config.data.manual_dir=DIR; then, for intervals over seeds, `fsketch report seeds
           kd=runs/seeds/kd_0 kd=runs/seeds/kd_1 kd=runs/seeds/kd_2 mimic=runs/seeds/mimic_0 ...`
Cost       not recorded.
Expect     SqueezeNet v1.0, mini, 100 test pairs, mean and 95 % interval over seeds; to_sketch SSIM,
           FSIM, Scoot; to_photo SSIM:
           l1           0.621 +- 0.005   0.701 +- 0.002   0.452 +- 0.007   0.666 +- 0.014
           mimic        0.621 +- 0.006   0.700 +- 0.007   0.451 +- 0.010   0.669 +- 0.013
           transform    0.618 +- 0.002   0.692 +- 0.004   0.448 +- 0.008   0.668 +- 0.012
           kd           0.611 +- 0.003   0.688 +- 0.002   0.441 +- 0.013   0.658 +- 0.006
           l1_critics   0.620 +- 0.000   0.704 +- 0.005   0.453 +- 0.008   0.658 +- 0.016
           kd_plus      0.607 +- 0.005   0.686 +- 0.003   0.440 +- 0.009   0.643 +- 0.018
"""

from ml_collections import ConfigDict

from fsketch.configs import experiments
from fsketch.configs.experiments import cuhk_ladder

SEEDS = (0, 1, 2)
CHANGES = {"num_steps": 160, "optim.learning_rate": 1e-3, "optim.ema_rate": 0.95}


def get_config() -> ConfigDict:
    stages = {}
    for seed in SEEDS:
        for row, config in cuhk_ladder.rows("mini").items():
            stages[f"{row}_{seed}"] = experiments.stage(config, {**CHANGES, "seed": seed})
    return experiments.experiment(stages)
