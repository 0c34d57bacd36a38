"""KT: two students, a teacher of photos and a teacher of sketches.

Paper      "Face Photo-Sketch Synthesis via Knowledge Transfer", IJCAI 2019.  Only the abstract was
           read: two teachers, two mutual students [paper].  Networks, losses, weights and
           schedule are a reconstruction, the one of configs/kd.py.
Run        python -m fsketch.main --config=configs/kt.py --workdir=runs/kt
           data, student, variant and schedule: the words of configs/kd.py, e.g.
           configs/kt.py:cuhk,small.
           Teachers: --config.teacher_photo.path=... and --config.teacher_sketch.path=...; both
           may be one file.  Without, both are the default teacher, trained once.
Cost       cuhk,mini,quick: 3 minutes of one CPU core for 160 steps.  cuhk,full,quick, bfloat16, 8
           parts a step: 216 parts/s of an H200 that other trainings shared.  Others: not run yet.
Expect     SqueezeNet v1.0 for both, seed 0, 100 test pairs.  cuhk,full,quick, 1200 such steps:
           to_sketch SSIM 0.644, PSNR 15.65, FSIM 0.714, Scoot 0.465; to_photo SSIM 0.718, FSIM
           0.795; still rising, validation SSIM 0.630, 0.662, 0.668 after 400, 800, 1200.
           cuhk,mini,quick, 160 steps at rate 1e-3: SSIM 0.612, PSNR 14.90, FSIM 0.694, Scoot
           0.441; to_photo SSIM 0.656, FSIM 0.758.  Others: not run yet.
"""

from ml_collections import ConfigDict

from fsketch.configs import base, teacher

ARGUMENTS = (*base.PAIRS, *base.STUDENTS, *base.VARIANTS, "cuhk,quick", "cuhk,whole")


def get_config(argument: str = "embedded") -> ConfigDict:
    pairs, size, variant, quick, whole = base.words(
        argument,
        base.PAIRS,
        tuple(base.STUDENTS),
        tuple(base.VARIANTS),
        base.QUICK,
        base.WHOLE,
    )
    config = base.get_config()
    config.method = "kt"
    base.use_pairs(config, pairs)
    base.add_translator(config)
    base.use_student(config, size)
    for role in ("teacher_photo", "teacher_sketch"):
        base.add_teacher(config, role)
        config[role].config = teacher.get_config("small" if pairs in ("", "embedded") else "full")
    config.best_metric = "to_sketch/ssim"
    base.add_transfer(config, variant)
    if quick:
        base.use_quick(config)
    if whole:
        base.use_whole(config)
    config.lock()
    return config


def tiny() -> ConfigDict:
    """Seconds, for tests."""
    return base.tiny(get_config())
