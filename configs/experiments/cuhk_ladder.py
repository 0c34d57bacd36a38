"""The effect of each term of KD: seven full trainings with `quick` on CUHK, at two sizes.

Run        fsketch train --config=configs/experiments/cuhk_ladder.py:student=mini
           --workdir=runs/ladder_mini --config.data.manual_dir=DIR; student=small likewise.
Cost       minutes of one CPU core for each row, as below, on a shared machine.
Expect     SqueezeNet v1.0, seed 0, 100 test pairs, 1000 steps of 4 parts; to_sketch SSIM, PSNR,
           FSIM, Scoot; to_photo SSIM (and FSIM); minutes; the best step, if it is not the last:
           mini
           l1           0.641 15.57 0.715 0.466   0.704          7
           mimic        0.640 15.56 0.713 0.462   0.709         11
           transform    0.638 15.50 0.714 0.464   0.703         10
           kd           0.636 15.47 0.710 0.459   0.696         10
           kt           0.635 15.50 0.710 0.458   0.699         10
           l1_critics   0.640 15.43 0.713 0.473   0.682         14   750
           kd_plus      0.633 15.25 0.706 0.471   0.684         26   750
           small
           l1           0.643 15.60 0.716 0.465   0.710 0.790   17
           mimic        0.642 15.58 0.716 0.465   0.713 0.792
           transform    0.640 15.60 0.715 0.467   0.710 0.794   20
           kd           0.636 15.44 0.710 0.462   0.703 0.785   20
           kt           0.638 15.48 0.710 0.463   0.703 0.788   21
           l1_critics   0.637 15.40 0.716 0.471   0.702 0.793   22   875
           kd_plus      0.634 15.31 0.712 0.481   0.679 0.783   25
           In the last 125 steps validation SSIM still gained 0.001 without mutual transfer, 0.003
           to 0.006 with it, KD+ 0.013 (mini); 0.001 to 0.003, 0.006, 0.010 (small).
"""

from ml_collections import ConfigDict

from fsketch.configs import experiments, kd, kd_plus, kt, shared

KEYS = {"student": ("mini", "small")}


def rows(student: str) -> dict[str, ConfigDict]:
    """The ladder without KT; `transform` is KD without mutual transfer."""
    same = f"data=cuhk,student={student},schedule=quick"
    return {
        "l1": kd.get_config(f"{same},ablation=reconstruction"),
        "mimic": kd.get_config(f"{same},ablation=mimic"),
        "transform": kd.get_config(f"{same},ablation=no_mutual"),
        "kd": kd.get_config(same),
        "l1_critics": kd_plus.get_config(f"{same},ablation=no_teacher"),
        "kd_plus": kd_plus.get_config(same),
    }


def get_config(argument: str = "") -> ConfigDict:
    given = shared.arguments("configs/experiments/cuhk_ladder.py", argument, **KEYS)
    two = kt.get_config(f"data=cuhk,student={given.student},schedule=quick")
    return experiments.experiment(rows(given.student) | {"kt": two})
