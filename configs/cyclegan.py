"""CycleGAN: two translators that invert each other, against two critics, without pairs.

Paper      Zhu et al., "Unpaired Image-to-Image Translation using Cycle-Consistent Adversarial
           Networks", ICCV 2017: nine residual blocks at 256 px, LSGAN, cycle weight 10, identity
           weight half of it, pools of 50 fakes, Adam 2e-4, batches of one, 100 + 100 epochs
           [paper].  No result on faces and sketches is in the paper.
Run        fsketch train --config=configs/cyclegan.py --workdir=runs/cyclegan
           data=, pairs=: as in configs/kd.py; or portraits= (procedural, celeba, fs2k, orl): a row
           of IFRP's comparison, on the portraits, batches and steps of configs/ifrp.py
           (--config.portraits.manual_dir=DIR).  It also learns to paint photos, in no particular
           style, so only to_photo/... of its scores says something there.
           net=        translators, as the students of configs/kd.py: full (default except on
                       procedural), medium, small, mini, separable.
           schedule=   default, or quick as in configs/kd.py, at the paper's rate 2e-4 (KD uses
                       1e-3).
           On procedural rate 1e-3, parts, and critics of half the width, as configs/kd_plus.py
           and pix2pix.py [ours].
           E.g. configs/cyclegan.py:data=cuhk,net=medium.
Cost       data=cuhk,net=mini,schedule=quick: 6 minutes of one CPU core for 160 steps.
           data=cuhk,net=full,schedule=quick, bfloat16, 8 parts a step: 133 parts/s on an H200
           shared with other trainings.  Others: not run yet.  Each translator has 11.38 M
           parameters at full size, each critic 2.77 M.
Expect     data=cuhk,net=full,schedule=quick on a GPU: configs/experiments/cuhk_gpu.py.
           data=cuhk,net=mini,schedule=quick, 160 steps at rate 1e-3: SSIM 0.563, PSNR 13.78, FSIM
           0.677, Scoot 0.469; to_photo SSIM 0.582, FSIM 0.738.  Others: not run yet.
"""

from ml_collections import ConfigDict

from fsketch.configs import data, shared, students, style

KEYS = {
    "data": tuple(data.PAIRS),
    "portraits": ("none", *data.PORTRAITS),
    "net": ("default", *students.STUDENTS),
    "schedule": ("default", "quick"),
    "pairs": ("held_out", "whole"),
}


def get_config(argument: str = "") -> ConfigDict:
    given = shared.arguments("configs/cyclegan.py", argument, **KEYS)
    config = shared.get_config()
    config.method = "cyclegan"
    if given.portraits == "none":
        data.use_pairs(config, given.data, whole=given.pairs == "whole")
    else:
        data.add_portraits(config, style.get_config())
        data.use_portraits_alone(config, f"configs/cyclegan.py:{argument}", given)
    students.add_translator(config, given.net)
    if given.portraits == "none":
        data.use_schedule(config, given)
    shared.add_critic(config)
    config.pool_size = 50  # earlier fakes to keep for each critic, 0 = none [paper]

    config.loss_weights = ConfigDict()  # a term of weight 0 is not computed
    config.loss_weights.adversarial = 1.0  # [paper]
    config.loss_weights.cycle = 10.0  # [paper]
    config.loss_weights.identity = 5.0  # [paper: half the cycle weight, where it is used]
    return config.lock()


def tiny() -> ConfigDict:
    """Seconds, for tests."""
    config = shared.shrink(get_config())
    students.shrink(config)
    shared.shrink_critic(config)
    return config
