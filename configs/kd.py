"""KD: two students, one frozen teacher, and each other.

Paper      "Knowledge Distillation for Face Photo-Sketch Synthesis", IEEE TNNLS 33(2), 2022.
           Only the abstract is public: one teacher, two mutual students [paper].  Networks,
           losses, weights and schedule are a reconstruction, tagged field by field below.
Run        python -m fsketch.main --config=configs/kd.py --workdir=runs/kd
           data: embedded (default; procedural faces), cuhk (88/100 pairs), cufs (268/338); the
           last two need --config.data.manual_dir=DIR.
           teacher: our recogniser, trained first, or converted weights, VGG-19 being the likely one
           of the papers [inferred]: --config.teacher.path=vgg19.safetensors.
           ablation ladder: reconstruction (L_rec), mimic (+ L_mim), no_mutual (+ L_tra), no word
           (+ L_mut, KD); it goes on in configs/kd_plus.py.  E.g. configs/kd.py:cuhk,no_mutual.
           variants, not the paper's: structured adds SSIM and FSIM to the loss, textured the
           teacher's Gram matrices besides, stroked the roughness of strokes, too, for students that
           see noise and local contrast; all hand the encoder's maps to the decoder.
           schedule: quick, parts of 128 px on a mirrored canvas (cuhk and cufs only).
           whole: the 8 pairs of 88 (or of 268) that choose the checkpoint are trained on, too,
           and the last is taken: to end a run whose schedule is settled.
           student, parameters for 3 channels in and out: full (64 channels, 9 blocks) 11.38 M,
           medium (32, 9) 2.85 M, small (24, 6) 1.11 M, mini (16, 4) 0.35 M, 2 % more with a
           variant; adapters to the teacher's shapes, not needed after training, come on top.
Cost       embedded: 6.2 minutes on 2 CPU cores, environment, data and teacher included.
           cuhk,small,structured,quick: 33 minutes of one CPU core, 2.2 parts/s, 2.2 GB; full in
           place of small: 0.8 parts/s on two cores, 3.4 GB.  cuhk and cufs without quick: not run
           yet.
Expect     embedded, seed 0, 48 test pairs, protocol plain: to_sketch SSIM 0.669, PSNR 19.97, FSIM
           0.823, Scoot 0.349; to_photo SSIM 0.652, PSNR 15.76, FSIM 0.788, Scoot 0.488.
           cuhk,small,structured,quick, SqueezeNet v1.0, seed 0, 100 test pairs: to_sketch SSIM
           0.644, PSNR 15.30, FSIM 0.747, Scoot 0.481; to_photo SSIM 0.719, PSNR 16.94, FSIM 0.801,
           Scoot 0.608; 1500 steps more (the README's command): 0.653, 15.70, 0.754, 0.483; 0.732,
           17.24, 0.808, 0.602; and 900 on all pairs: 0.656, 15.69, 0.741, 0.478; 0.734, 17.27,
           0.807, 0.603.  full in place of small: 0.648, 15.52, 0.751, 0.484; 0.721, 16.88, 0.805,
           0.604.  The same, 16 parts a step in bfloat16 on a GPU: the README's table, as the
           ladder, three seeds of 160 steps of cuhk,mini,quick.  cuhk and cufs without quick: not
           run yet.
"""

from ml_collections import ConfigDict

from fsketch.configs import base, teacher

# Rung of the ladder -> terms that are left out; without a teacher a variant's texture, too.
RUNGS = {
    "reconstruction": ("mimic", "transform", "mutual", "texture"),
    "mimic": ("transform", "mutual"),
    "no_mutual": ("mutual",),
}
ARGUMENTS = (*base.PAIRS, *RUNGS, *base.STUDENTS, *base.VARIANTS, "cuhk,quick", "cuhk,whole")


def get_config(argument: str = "embedded") -> ConfigDict:
    pairs, rung, size, variant, quick, whole = base.words(
        argument,
        base.PAIRS,
        tuple(RUNGS),
        tuple(base.STUDENTS),
        tuple(base.VARIANTS),
        base.QUICK,
        base.WHOLE,
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
    if whole:
        base.use_whole(config)
    config.lock()
    return config


def tiny() -> ConfigDict:
    """Seconds, for tests."""
    return base.tiny(get_config())
