"""pix2pix: one translator (U-Net) against a conditional critic.

Paper      Isola et al., "Image-to-Image Translation with Conditional Adversarial Networks", CVPR
           2017: U-Net, 70 x 70 PatchGAN, L1 : adversarial = 100 : 1, non-saturating loss, Adam
           2e-4, batches of one [paper].  No result on faces and sketches is in the paper; the
           schedule of 200 epochs is that of the published code [secondary].
Run        python -m fsketch.main --config=configs/pix2pix.py --workdir=runs/pix2pix
           data: embedded (default), cuhk, cufs (the last two with --config.data.manual_dir=DIR),
           or celeba, fs2k, orl: the stylised portraits of configs/ifrp.py, made into photos with
           its batches and steps, of which it is the baseline (--config.portraits.manual_dir=DIR).
           direction: to_sketch (default), to_photo; schedule: quick, as in configs/kd.py, with
           half the width and at the paper's rate, 2e-4, where KD and KD+ learn at 1e-3; whole, as
           there.  E.g. configs/pix2pix.py:cuhk,to_photo.
Cost       cuhk,quick: 2 minutes of one CPU core for 160 steps; at full width, 8 parts a step, 336
           parts/s of an H200 that other trainings shared.  Others: not run yet.  The translator
           has 54.41 M parameters at 256 px, the critic 2.77 M.
Expect     cuhk,quick at full width, seed 0, 100 test pairs, the best of 800, 1600 and 2400 such
           steps by validation SSIM, the first: SSIM 0.626, PSNR 15.48, FSIM 0.717, Scoot 0.483.
           Validation SSIM then falls, 0.644, 0.643, 0.631, while Scoot rises, 0.525, 0.567, 0.603.
           160 steps of 4 at rate 1e-3: SSIM 0.618, PSNR 14.94, FSIM 0.700, Scoot 0.450.  fs2k at
           width 32, 600 steps: the README's table.  Others: not run yet.
"""

from ml_collections import ConfigDict

from fsketch.configs import base, style

PORTRAITS = base.PORTRAITS[1:]  # embedded means pairs here
DIRECTIONS = ("to_sketch", "to_photo")
ARGUMENTS = (*base.PAIRS, *PORTRAITS, *DIRECTIONS, "cuhk,quick", "cuhk,whole")


def get_config(argument: str = "embedded") -> ConfigDict:
    data, direction, quick, whole = base.words(
        argument, (*base.PAIRS, *PORTRAITS), DIRECTIONS, base.QUICK, base.WHOLE
    )
    config = base.get_config()
    config.method = "pix2pix"
    base.add_unet(config)
    if data in PORTRAITS:
        base.add_portraits(config, style.get_config())
        base.use_portraits(config, data)
        config.model.depth = 7  # for 128 px
        direction = direction or "to_photo"
    else:
        base.use_pairs(config, data)
    base.add_critic(config)
    base.add_direction(config)
    config.direction = direction or "to_sketch"
    config.best_metric = f"{config.direction}/ssim"
    config.critic.loss = "non_saturating"  # [paper]

    config.loss_weights = ConfigDict()
    config.loss_weights.reconstruction = 100.0  # [paper]
    config.loss_weights.adversarial = 1.0  # [paper]
    if data in ("", "embedded"):  # a small one for minutes on two CPU cores [inferred]
        config.data.canvas_px, config.data.crop_px = 104, 96
        config.model.width, config.model.depth = 32, 5
        config.critic.width = 32
        config.optim.learning_rate = 2e-4
    if quick:
        base.use_quick(config)
    if whole:
        base.use_whole(config)
    config.lock()
    return config


def tiny() -> ConfigDict:
    """Seconds, for tests."""
    return base.tiny(get_config())
