"""IDE: a patch model draws a coarse sketch, a GAN refines it.

Paper      Peng et al., "Face photo-sketch synthesis via intra-domain enhancement", Knowledge-Based
           Systems 2022.  Only the abstract is public [paper]; the second stage is that of the
           released code (github.com/shenhaiyoualn/idesketch) [code], for which the numbers below
           are meant: 88 pairs of the CUHK student set.  Other sets are analogous [inferred].
Run        python -m fsketch.main --config=configs/ide.py --workdir=runs/ide
           data: embedded (default; procedural faces, small nets), cuhk, cufs (the last two with
           --config.data.manual_dir=DIR).  critic: paper_critic takes the table of the paper instead
           of the released one.  E.g. configs/ide.py:cuhk,paper_critic.
           Perceptual net: --config.perceptual.path=vgg19.safetensors [code]; without, our
           recogniser is trained once.  All images must be of data.image_px.
           With another one set the weights anew: the published ones left SqueezeNet v1.0's sketches
           on grey paper, loss_weights.perceptual=0.1 and pixel=5 did not, with adversarial=0.15
           for strokes.
Cost       more than 8 s of a CPU core a step of one sub-image; a quarter of the size: 2 s a step of
           two.  Refiner 3.07 M parameters, critic 14.50 M, the paper's 38.24 M.
Expect     both stages: a quarter of the size, SqueezeNet v1.0, 1725 steps of two, the README's
           table: SSIM 0.604, FSIM 0.728; at full size not run yet.  The first alone, 88 pairs, 100
           test pairs of CUHK: SSIM 0.626, PSNR 15.74, FSIM 0.725, Scoot 0.471; 0.85 s of a CPU core
           an image, 0.012 s of an H200.
"""

from ml_collections import ConfigDict

from fsketch.configs import base, teacher

CRITICS = ("paper_critic",)
ARGUMENTS = (*base.PAIRS, *CRITICS)


def get_config(argument: str = "embedded") -> ConfigDict:
    pairs, critic = base.words(argument, base.PAIRS, CRITICS)
    config = base.get_config()
    config.method = "ide"
    base.use_pairs(config, pairs)
    base.add_direction(config)
    base.add_patches(config)
    base.add_refiner(config)
    base.add_image_critic(config)
    base.add_sub_images(config)
    base.add_perceptual(config)
    config.best_metric = "to_sketch/ssim"
    if critic:
        config.critic.form = "paper"

    config.loss_weights = ConfigDict()
    config.loss_weights.pixel = 1e-2  # [code]
    config.loss_weights.perceptual = 1.0  # [code]
    config.loss_weights.adversarial = 5e-3  # [code]

    # Images stay whole, and a step turns its sub-images itself.
    config.data.flip = False
    config.optim.learning_rate = 1e-4  # [code]
    config.optim.b1 = 0.9  # [code]
    config.optim.decay_from = 1.0
    config.optim.halve_at = (50_000, 100_000, 200_000, 300_000)  # [code]
    if pairs in ("", "embedded"):
        _shrink(config)
        return config.lock()
    config.perceptual.config = teacher.get_config("full")
    config.data.image_px = (250, 200)
    config.data.canvas_px = config.data.crop_px = 256
    config.num_steps = 300_000  # [code]
    config.batch_size = 20  # [code] on one GPU; a multiple of the number of devices is needed
    config.eval_every_steps = config.save_every_steps = 3000  # [code]
    return config.lock()


def _shrink(config: ConfigDict) -> None:
    """Sizes for minutes on two CPU cores [inferred]."""
    config.perceptual.config = teacher.get_config("small")
    config.data.image_px = (80, 64)
    config.data.canvas_px = config.data.crop_px = 80
    config.sub_images.px, config.sub_images.stride_px = 64, 16
    config.model.width, config.model.num_blocks = 16, 2
    config.critic.width, config.critic.num_layers = 16, 4
    config.optim.learning_rate = 5e-4
    config.optim.halve_at = (500, 750)
    config.batch_size = 8
    config.num_steps = 1000


def tiny() -> ConfigDict:
    """Seconds, for tests."""
    config = base.tiny(get_config())
    config.data.image_px = (30, 24)
    config.data.canvas_px = config.data.crop_px = 32
    config.sub_images.px, config.sub_images.stride_px = 24, 4
    config.model.pool_px = 3
    return config
