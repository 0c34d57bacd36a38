"""KD: two students, one frozen teacher, and each other.

Paper      "Knowledge Distillation for Face Photo-Sketch Synthesis", IEEE TNNLS 33(2), 2022.
           Only the abstract is public: one teacher, two mutual students [paper].  Networks,
           losses, weights and schedule are a reconstruction, tagged field by field below.
Run        python -m fsketch.main --config=configs/kd.py --workdir=runs/kd
           data: embedded (default; procedural faces), cuhk (88/100 pairs), cufs (268/338); the
           last two need --config.data.manual_dir=DIR.
           teacher: our recogniser, trained first, or converted weights, VGG-19 being the likely one
           of the papers [inferred]: --config.teacher.path=vgg19.safetensors.  A step costs 1.4
           times as much with it as with its maps in memory (cuhk,small on CPU; fsketch/recall.py):
           --config.data.canvas_px=256 --config.cache_mb=9500, without random crops.
           ablation ladder: reconstruction (L_rec), mimic (+ L_mim), no_mutual (+ L_tra), no word
           (+ L_mut, KD); it goes on in configs/kd_plus.py.  E.g. configs/kd.py:cuhk,no_mutual.
           variant: structured adds SSIM and FSIM to the loss, which is not the paper's.
           student, parameters for 3 channels in and out: full (64 channels, 9 blocks) 11.38 M,
           medium (32, 9) 2.85 M, small (24, 6) 1.11 M, mini (16, 4) 0.35 M; adapters to the
           teacher's shapes, not needed after training, come on top.
Cost       embedded: 6.2 minutes on 2 CPU cores, environment, data and teacher included.
           cuhk and cufs at the sizes below: not run yet.  cuhk,small, 800 steps of 4 (the README's
           command): about 40 minutes on 2 CPU cores, 1.6 images/s, 3 GB.
Expect     embedded, seed 0, 48 test pairs, protocol plain: to_sketch SSIM 0.668, PSNR 19.95, FSIM
           0.821, Scoot 0.351; to_photo SSIM 0.654, PSNR 15.79, FSIM 0.789, Scoot 0.487.
           cuhk,small as above, white canvas, seed 0, 100 test pairs: to_sketch SSIM 0.635,
           PSNR 15.67; to_photo SSIM 0.672, PSNR 16.23.  cuhk,small,structured, 700 steps of 4 (the
           README's command), seed 0: to_sketch SSIM 0.643, PSNR 14.98, FSIM 0.741, Scoot 0.482;
           to_photo SSIM 0.713, PSNR 15.84, FSIM 0.788, Scoot 0.601.  Full width, cufs, and the
           lower rungs of the ladder: not run yet.
"""

from ml_collections import ConfigDict

from configs import base, teacher

# Rung of the ladder -> terms that are left out.
RUNGS = {
    "reconstruction": ("mimic", "transform", "mutual"),
    "mimic": ("transform", "mutual"),
    "no_mutual": ("mutual",),
}
ARGUMENTS = (*base.PAIRS, *RUNGS, *base.STUDENTS, *base.VARIANTS, "cuhk,quick")


def get_config(argument: str = "embedded") -> ConfigDict:
    pairs, rung, size, variant, quick = base.words(
        argument, base.PAIRS, tuple(RUNGS), tuple(base.STUDENTS), tuple(base.VARIANTS), base.QUICK
    )
    config = base.get_config()
    config.method = "kd"
    base.use_pairs(config, pairs)
    base.add_translator(config)
    base.use_student(config, size)
    base.add_teacher(config, "teacher")
    config.teacher.config = teacher.get_config("small" if pairs in ("", "embedded") else "full")
    config.best_metric = "to_sketch/ssim"
    base.add_transfer(config, variant)
    for term in RUNGS[rung] if rung else ():
        config.loss_weights[term] = 0.0
    if quick:
        base.use_quick(config)
    config.lock()
    return config


def tiny() -> ConfigDict:
    """Seconds, for tests."""
    return base.tiny(get_config())
