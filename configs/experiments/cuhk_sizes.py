"""The loss of a lighter student: KD with SSIM and FSIM terms at three sizes on CUHK.

Run        fsketch train --config=configs/experiments/cuhk_sizes.py --workdir=runs/sizes
           --config.data.manual_dir=DIR; cuhk_sizes.py:steps=100 for the short ones.
Cost       minutes of `quick` on a shared machine, as below; student full takes 3.4 GB.
Expect     SqueezeNet v1.0, seed 0, 100 test pairs; to_sketch SSIM, PSNR, FSIM, Scoot; to_photo
           SSIM, FSIM; minutes:
           full    11.57 M   0.648 15.52 0.751 0.484   0.721 0.805   47 of one core, 61 of two
           small    1.13 M   0.644 15.30 0.747 0.481   0.719 0.801   33 of one core
           mini     0.36 M   0.645 15.48 0.748 0.478   0.719 0.803   18 of one core
           steps=100; SSIM, FSIM, Scoot; a photo on two busy cores, median of 7 calls:
           full              0.625 0.716 0.458   920 ms
           small             0.627 0.711 0.451   130 ms
           mini              0.626 0.712 0.451    53 ms
"""

from ml_collections import ConfigDict

from fsketch.configs import experiments, kd, shared

KEYS = {"steps": ("1000", "100")}


def get_config(argument: str = "") -> ConfigDict:
    given = shared.arguments("configs/experiments/cuhk_sizes.py", argument, **KEYS)
    stages = {}
    for size in ("full", "small", "mini"):
        config = kd.get_config(f"data=cuhk,student={size},variant=structured,schedule=quick")
        stages[size] = experiments.stage(config, {"num_steps": int(given.steps)})
    return experiments.experiment(stages)
