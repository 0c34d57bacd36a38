"""pix2pix: one translator (U-Net) against a conditional critic.

Paper      Isola et al., "Image-to-Image Translation with Conditional Adversarial Networks", CVPR
           2017: U-Net, 70 x 70 PatchGAN, L1 : adversarial = 100 : 1, non-saturating loss, Adam
           2e-4, batches of one [paper].  No result on faces and sketches is in the paper; the
           schedule of 200 epochs is that of the published code [secondary].
Run        fsketch train --config=configs/pix2pix.py --workdir=runs/pix2pix
           data=, pairs=: as in configs/kd.py; or portraits= (procedural, celeba, fs2k, orl): the
           baseline of configs/ifrp.py, which makes photos of its stylised portraits with its
           batches and steps (--config.portraits.manual_dir=DIR).
           direction=  to_sketch, to_photo (default with portraits=).
           schedule=   default, or quick as in configs/kd.py, with half the width and the paper's
                       rate 2e-4 (KD and KD+ use 1e-3).
           On procedural rate 1e-3, parts, and a critic of half the width, as configs/kd_plus.py
           and cyclegan.py [ours].
           E.g. configs/pix2pix.py:data=cuhk,direction=to_photo.
Cost       data=cuhk,schedule=quick: 2 minutes of one CPU core for 160 steps; at full width, 8 parts
           a step, 336 parts/s on an H200 shared with other trainings.  Others: not run yet.  The
           translator has 54.41 M parameters at 256 px, the critic 2.77 M.
Expect     data=cuhk,schedule=quick at full width on a GPU: configs/experiments/cuhk_gpu.py;
           portraits=fs2k and orl: ifrp_fs2k.py, ifrp_orl.py.  160 steps of 4 at rate 1e-3:
           SSIM 0.618, PSNR 14.94, FSIM 0.700, Scoot 0.450.  Others: not run yet.
"""

from ml_collections import ConfigDict

from fsketch.configs import data, shared, style

KEYS = {
    "data": tuple(data.PAIRS),
    "portraits": ("none", *data.PORTRAITS),
    "direction": ("default", "to_sketch", "to_photo"),
    "schedule": ("default", "quick"),
    "pairs": ("held_out", "whole"),
}
# Number of halvings by the crop of portraits, 64 px or 128 px.
DEPTHS = {64: 6, 128: 7}


def get_config(argument: str = "") -> ConfigDict:
    given = shared.arguments("configs/pix2pix.py", argument, **KEYS)
    config = shared.get_config()
    config.method = "pix2pix"
    config.model = ConfigDict()
    config.model.width = 64  # channels of the first layer (nets/unet.py) [paper]
    config.model.depth = 8  # halvings; crop_px must be a multiple of 2^depth [paper: 256 px]
    # "instance", "batch" or "none" [paper: batch, with batches of one]
    config.model.norm = "instance"
    config.model.dropout_rate = 0.5  # [paper]
    config.model.styles = ()  # as in configs/students.py [ours]
    config.model.dtype = "float32"  # type to compute in; parameters are float32 always
    if given.portraits == "none":
        shared.add_direction(config, given.direction.replace("default", "to_sketch"))
        whole = given.pairs == "whole"
        data.use_pairs(config, given.data, whole=whole, direction=config.direction)
        config.model.styles = data.PAIRS[given.data].styles
        data.use_schedule(config, given)
    else:
        shared.add_direction(config, given.direction.replace("default", "to_photo"))
        data.add_portraits(config, style.get_config())
        data.use_portraits_alone(config, f"configs/pix2pix.py:{argument}", given)
        config.best_metric = f"{config.direction}/ssim"
        config.model.depth = DEPTHS[config.data.crop_px]

    if config.data.name.startswith("procedural"):  # for minutes on two CPU cores [inferred]
        config.model.width, config.model.depth = 32, 5
        config.data.part_px = 96  # can be halved 5 times
    if given.schedule == "quick":
        config.model.width, config.model.depth = 32, 7  # 128 px can be halved 7 times
    shared.add_critic(config)
    config.critic.loss = "non_saturating"  # [paper]
    config.loss_weights = ConfigDict()
    config.loss_weights.reconstruction = 100.0  # [paper]
    config.loss_weights.adversarial = 1.0  # [paper]
    return config.lock()


def tiny() -> ConfigDict:
    """Seconds, for tests."""
    config = shared.shrink(get_config())
    config.model.width, config.model.depth, config.model.norm = 4, 4, "instance"
    shared.shrink_critic(config)
    return config
