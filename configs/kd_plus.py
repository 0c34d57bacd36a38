"""KD+: KD with a critic for each student; the last steps of KD's ladder.

Paper      "Knowledge Distillation for Face Photo-Sketch Synthesis", IEEE TNNLS 33(2), 2022.
           The abstract: KD+ adds GAN training to KD and gives more realistic texture with less
           noise [paper].  Critics and their weight are those of the author's pix2pix
           [secondary; use inferred]; all terms of KD stay [paper, interpretation].
Run        fsketch train --config=configs/kd_plus.py --workdir=runs/kd_plus
           data=, student=, variant=, schedule=, pairs=, conditions=: as in configs/kd.py; use
           variant=stroked for pencil strokes.
           ablation=   none (default; KD + L_adv, KD+), no_teacher (L_rec + L_adv, a plain cGAN).
           stage=      joint (default), or staged: 100 epochs at half the rate from a KD run, which
                       is more stable with few pairs [inferred]: from runs/kd, or
                       --config.start_from=DIR.
           E.g. configs/kd_plus.py:data=cuhk,student=small,ablation=no_teacher.
Cost       data=cuhk,student=small,variant=stroked,schedule=quick,stage=staged: 37 minutes of one
           CPU core for 900 steps, other work beside, 1.6 parts/s; with textured 1.8.  Each critic
           has 2.77 M parameters, 0.70 M with quick and on procedural.  Others: not run yet.
Expect     configs/experiments/cuhk_strokes.py, cuhk_light.py, cuhk_textured.py, cuhk_ladder.py,
           cuhk_seeds.py, cuhk_gpu.py.  Others: not run yet.
"""

from ml_collections import ConfigDict

from fsketch.configs import kd, shared, students, teacher

KEYS = {**students.KEYS, "ablation": ("none", "no_teacher"), "stage": ("joint", "staged")}


def get_config(argument: str = "") -> ConfigDict:
    given = shared.arguments("configs/kd_plus.py", argument, **KEYS)
    config = students.get_config(given)
    config.method = "kd_plus"
    kd.add_teacher(config, given.data)
    shared.add_critic(config)
    # L1 : adversarial = 10 : 1 [secondary: the author's pix2pix; use inferred]
    config.loss_weights.adversarial = 1.0
    if given.variant in ("textured", "stroked"):
        config.loss_weights.adversarial = 3.0  # [ours]
    if given.ablation == "no_teacher":
        for term in kd.ABLATIONS["reconstruction"]:
            config.loss_weights[term] = 0.0
    if given.stage == "staged":
        config.start_from = "runs/kd"
        config.num_steps //= 2
        config.optim.learning_rate /= 2
    return config.lock()


def tiny(argument: str = "") -> ConfigDict:
    """Seconds, for tests."""
    config = shared.shrink(get_config(argument or "variant=none"))
    students.shrink(config)
    shared.shrink_critic(config)
    shared.shrink_teacher(config.teacher, teacher.tiny())
    return config
