"""CycleGAN: two translators, each undoing the other, against two critics; no pair is used.

Paper      Zhu et al., "Unpaired Image-to-Image Translation using Cycle-Consistent Adversarial
           Networks", ICCV 2017: nine residual blocks at 256 px, LSGAN, cycle weight 10, identity
           weight half of it, pools of 50 fakes, Adam 2e-4, batches of one, 100 + 100 epochs
           [paper].  No result on faces and sketches is in the paper.
Run        python -m fsketch.main --config=configs/cyclegan.py --workdir=runs/cyclegan
           data: embedded (default), cuhk, cufs (the last two with --config.data.manual_dir=DIR);
           translators: full (default on cuhk and cufs), medium, small, mini, the sizes of
           configs/kd.py; schedule: quick, but at the paper's rate, 2e-4, where KD learns at 1e-3;
           whole; as there.  E.g. configs/cyclegan.py:cuhk,medium.
Cost       cuhk,mini,quick: 6 minutes of one CPU core for 160 steps.  cuhk,full,quick, bfloat16, 8
           parts a step: 133 parts/s of an H200 that other trainings shared.  Others: not run yet.
           Each translator has 11.38 M parameters at full size, each critic 2.77 M.
Expect     cuhk,full,quick, seed 0, 100 test pairs, the best of 400 and 800 such steps by validation
           SSIM, the first: to_sketch SSIM 0.563, PSNR 14.19, FSIM 0.698, Scoot 0.480; to_photo
           SSIM 0.603, FSIM 0.753; after 800 validation Scoot is higher, 0.560 to 0.519, SSIM
           lower, 0.549 to 0.600.  cuhk,mini,quick, 160 steps at rate 1e-3: SSIM 0.563, PSNR 13.78,
           FSIM 0.677, Scoot 0.469; to_photo SSIM 0.582, FSIM 0.738.  Others: not run yet.
"""

from ml_collections import ConfigDict

from fsketch.configs import base

ARGUMENTS = (*base.PAIRS, *base.STUDENTS, "cuhk,quick", "cuhk,whole")


def get_config(argument: str = "embedded") -> ConfigDict:
    pairs, size, quick, whole = base.words(
        argument, base.PAIRS, tuple(base.STUDENTS), base.QUICK, base.WHOLE
    )
    config = base.get_config()
    config.method = "cyclegan"
    base.use_pairs(config, pairs)
    base.add_translator(config)
    base.use_student(config, size)
    base.add_critic(config)
    base.add_pool(config)
    config.best_metric = "to_sketch/ssim"

    config.loss_weights = ConfigDict()  # a term of weight 0 is not computed
    config.loss_weights.adversarial = 1.0  # [paper]
    config.loss_weights.cycle = 10.0  # [paper]
    config.loss_weights.identity = 5.0  # [paper: half the cycle weight, where it is used]
    if pairs in ("", "embedded"):
        config.optim.learning_rate = 2e-4
        config.critic.width = 32
    if quick:
        base.use_quick(config)
    if whole:
        base.use_whole(config)
    config.lock()
    return config


def tiny() -> ConfigDict:
    """Seconds, for tests."""
    return base.tiny(get_config())
