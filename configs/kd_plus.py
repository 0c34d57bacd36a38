"""KD+: KD with a critic for each student; the upper rungs of KD's ladder.

Paper      "Knowledge Distillation for Face Photo-Sketch Synthesis", IEEE TNNLS 33(2), 2022.
           The abstract: KD+ adds GAN training to KD and gives more realistic texture with less
           noise [paper].  Critics and their weight are those of the author's pix2pix
           [secondary; use inferred]; that all terms of KD stay is [paper, interpretation].
Run        python -m fsketch.main --config=configs/kd_plus.py --workdir=runs/kd_plus
           data, student, variant and schedule: the words of configs/kd.py; stroked is the one for
           pencil strokes.
           ladder: no word (KD + L_adv, KD+), no_teacher (L_rec + L_adv, a plain cGAN).
           staged: 100 epochs at half the rate, going on from a KD run, the stabler way with few
           pairs [inferred]: from runs/kd, or --config.start_from=DIR.
           E.g. configs/kd_plus.py:cuhk,small,no_teacher.
Cost       cuhk,small,stroked,quick,staged: 37 minutes of one CPU core for 900 steps, other work
           beside, 1.6 parts/s; with textured 1.8.  Each critic has 2.77 M parameters, 0.70 M with
           quick.  Others: not run yet.
Expect     cuhk,small,stroked,quick,staged, three runs in a row (the README's commands) from 2500
           steps of configs/kd.py:cuhk,small,structured,quick, seed 0, 100 test pairs: to_sketch
           SSIM 0.618, PSNR 15.43, FSIM 0.746, Scoot 0.576; to_photo 0.692, 16.76, 0.805, 0.608.
           With textured, 600 steps: 0.624, 15.37, 0.742, 0.566; 0.687, 16.71, 0.800, 0.605.
           cuhk,mini,quick and cuhk,full,textured,quick on a GPU: the README's tables.  Others: not
           run yet.
"""

from ml_collections import ConfigDict

from fsketch.configs import base, kd

RUNGS = ("no_teacher",)
STAGES = ("staged",)
ARGUMENTS = (
    *base.PAIRS,
    *RUNGS,
    *base.STUDENTS,
    *STAGES,
    *base.VARIANTS,
    "cuhk,quick",
    "cuhk,whole",
)


def get_config(argument: str = "embedded") -> ConfigDict:
    pairs, rung, size, stage, variant, quick, whole = base.words(
        argument,
        base.PAIRS,
        RUNGS,
        tuple(base.STUDENTS),
        STAGES,
        tuple(base.VARIANTS),
        base.QUICK,
        base.WHOLE,
    )
    config = kd.get_config(",".join((pairs, size, variant, quick, whole)))
    config.unlock()
    config.method = "kd_plus"
    base.add_critic(config)
    if quick:
        config.critic.width, config.critic.norm = 32, "batch"
    # L1 : adversarial = 10 : 1 [secondary: the author's pix2pix; use inferred]
    config.loss_weights.adversarial = 1.0
    if variant in ("textured", "stroked"):
        config.loss_weights.adversarial = 3.0  # [ours]
    if rung == "no_teacher":
        for term in kd.RUNGS["reconstruction"]:
            config.loss_weights[term] = 0.0
    if stage == "staged":
        config.start_from = "runs/kd"
        config.num_steps //= 2
        config.optim.learning_rate /= 2
    config.lock()
    return config


def tiny() -> ConfigDict:
    """Seconds, for tests."""
    return base.tiny(get_config())
