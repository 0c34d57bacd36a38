"""KD+ with the teacher's texture: KD as in cuhk_kd.py, then critics.

Run        fsketch train --config=configs/experiments/cuhk_textured.py --workdir=runs/cuhk
           --config.data.manual_dir=DIR
Cost       textured: 31 minutes of one CPU core, 1.8 parts/s, on a shared machine; plus kd and
           kd_on.
Expect     SqueezeNet v1.0, seed 0, 100 test pairs: to_sketch SSIM 0.624, PSNR 15.37, FSIM 0.742,
           Scoot 0.566; to_photo 0.687, 16.71, 0.800, 0.605.
"""

from ml_collections import ConfigDict

from fsketch.configs import experiments, kd_plus
from fsketch.configs.experiments import cuhk_kd

ARGUMENT = "data=cuhk,student=small,variant=textured,schedule=quick,stage=staged"
CHANGES = {
    "num_steps": 600,
    "eval_every_steps": 75,
    "best_metric": "to_sketch/scoot",
    "optim.learning_rate": 7e-4,
    "optim.ema_rate": 0.97,
}


def get_config() -> ConfigDict:
    textured = experiments.stage(kd_plus.get_config(ARGUMENT), CHANGES, start_from="kd_on")
    return experiments.experiment(cuhk_kd.stages() | {"textured": textured})
