"""IDE: a patch model draws a coarse sketch, a GAN refines it.

Paper      Peng et al., "Face photo-sketch synthesis via intra-domain enhancement", Knowledge-Based
           Systems 2022.  Only the abstract is public [paper]; the second stage follows the
           released code (github.com/shenhaiyoualn/idesketch) [code]; the numbers below are meant
           for it and 88 pairs of the CUHK student set.  Other sets are analogous [inferred].
Run        fsketch train --config=configs/ide.py --workdir=runs/ide
           data=       procedural (default; small nets, our weights of the terms), or with
                       --config.data.manual_dir=DIR cuhk, ar, xm2vts, cufs, cufsf (all images
                       200 x 250 px).
           critic=     released (default), or paper (the paper's table).
           pairs=      held_out (default), or whole, as in configs/kd.py.
           E.g. configs/ide.py:data=cuhk,critic=paper.
           The first stage alone: `fsketch prepare` with the same flags writes its images to
           WORKDIR/coarse/images.
           Perceptual net: --config.perceptual.path=vgg19.safetensors [code]; without a path, our
           recogniser is trained once.  All images must have the size data.image_px.
           Another net needs other weights: with SqueezeNet v1.0, the published ones left grey
           paper, loss_weights.perceptual=0.1 and pixel=5 did not; adversarial=0.15 gave strokes.
Cost       more than 8 s of a CPU core a step of one sub-image; a quarter of the size: 2 s a step of
           two.  Refiner 3.07 M parameters, critic 14.50 M, the paper's 38.24 M.
           procedural: 5 minutes of one shared CPU core after the first stage and the teacher.
Expect     procedural, seed 0, 48 test pairs, protocol plain: SSIM 0.701, PSNR 21.23, FSIM 0.790,
           Scoot 0.395; the first stage alone 0.726, 21.51, 0.813, 0.430.  Faces are those of the
           coarse sketch, darker and softer; hair has a fine texture, no strands.
           Both stages, a quarter of the size: configs/experiments/ide_quarter.py; at full size: not
           run yet.  The first alone, data=cuhk,pairs=whole, 88 pairs, 100 test pairs: SSIM 0.626,
           PSNR 15.74, FSIM 0.725, Scoot 0.471; 0.85 s of a CPU core an image, 0.012 s of an H200.
"""

from ml_collections import ConfigDict

from fsketch.configs import data, shared, teacher

KEYS = {
    "data": tuple(name for name in data.PAIRS if name not in ("fs2k", "paired_folder")),
    "critic": ("released", "paper"),
    "pairs": ("held_out", "whole"),
}


def get_config(argument: str = "") -> ConfigDict:
    given = shared.arguments("configs/ide.py", argument, **KEYS)
    config = shared.get_config()
    config.method = "ide"
    data.use_pairs(config, given.data, whole=given.pairs == "whole")
    shared.add_direction(config, "to_sketch")
    add_patches(config)
    _add_nets(config, given.critic)
    # Cut from every side before validation pairs are scored; test pairs are scored whole, by the
    # protocol, so that their numbers compare with others' [code]
    config.validation_border_px = 2
    config.sub_images = ConfigDict()  # the parts of a pair used in a step (methods/ide.py)
    config.sub_images.px = 128  # side in the fine sketch; half of it in the coarse one [code]
    config.sub_images.stride_px = 64  # between parts; one more lies at the far border [code]
    # Mirror in both directions and transpose, each with probability 1/2 [code].
    config.sub_images.turn = True

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
    if given.data == "procedural":
        _make_small(config)
        return config.lock()
    config.perceptual.config = teacher.get_config("net=full")
    config.data.image_px = (250, 200)
    config.data.canvas_px = config.data.crop_px = 256
    config.num_steps = 300_000  # [code]
    config.batch_size = 20  # [code] on one GPU; must be a multiple of the number of devices
    config.eval_every_steps = config.save_every_steps = 3000  # [code]
    return config.lock()


def add_patches(config: ConfigDict) -> None:
    """The patch model that makes `coarse` images (fsketch/patches); needs `add_direction`."""
    config.patches = ConfigDict()
    # Folder of its results, e.g. of another run; "" = WORKDIR/coarse.
    config.patches.path = ""
    # Compare patches by these (patches/representations.py); several are weighted at each node.
    config.patches.representations = ("grey",)  # [inferred: grey or CIELAB]
    config.patches.patch_px = 10  # [secondary: a public MRF on CUHK]
    config.patches.step_px = 5  # between patches [secondary: the same]
    config.patches.radius_px = 5  # largest distance of a candidate from its node [inferred]
    config.patches.num_candidates = 10  # of a node [inferred]
    # At most one candidate from each training image.  [ours: of 11 CUHK training photos, each left
    # out, 0.716 SSIM, 0.771 FSIM, 0.55 Scoot with it; 0.697, 0.771, 0.60 without, sharper]
    config.patches.is_distinct = True
    # Weight of neighbour disagreement against patch difference: (s_D / s_S)^2
    # [inferred: (0.5 / 1)^2]
    config.patches.overlap_weight = 0.25
    # "weights" mixes the candidates [secondary]; "choice" selects one, as a Markov random field.
    config.patches.solver = "weights"
    # Of the solver; 12 CUHK photos needed 57 to 117 to reach `tolerance`
    config.patches.max_iterations = 200
    config.patches.tolerance = 5e-3  # weights: stop this close to the least energy, as a share
    config.patches.damping = 0.5  # choice: share of the old messages in the new
    config.patches.num_alternations = 5  # for several representations' weights [secondary: MrFSPS]
    config.patches.spread = 1.0  # larger values make these weights more equal [inferred]
    config.patches.stitch = "average"  # or "cut": along the smallest errors [inferred]
    config.patches.memory_mb = 256  # for a chunk of the search


def _add_nets(config: ConfigDict, critic: str) -> None:
    """The second stage (nets/mla.py, which lists the released code's quirks; image_critic.py)."""
    config.model = ConfigDict()
    config.model.width = 64  # channels everywhere, a multiple of 4 [code]
    config.model.num_blocks = 8  # aggregation modules [code: it requests 16 and ignores that]
    config.model.head_px = 3  # kernel of the first layer [code; the paper's figure: 5]
    config.model.pool_px = 7  # window of the pooling in attention blocks [code]
    config.model.relu_gate = True  # ReLU before the sigmoid of the channel gate [code]
    config.model.scaled_init = False  # the intended initialisation, not the effective one [code]
    config.model.dtype = "float32"  # type to compute in; parameters are float32 always
    config.critic = ConfigDict()  # judges whole sub-images
    # "released" [code] or "paper" [secondary: a picture of the paper's table]
    config.critic.form = critic
    config.critic.width = 64  # channels of the first layer [code, secondary]
    config.critic.num_layers = 0  # of stride 2; 0 = 5 (released) or 4 (paper) [code, secondary]
    # Cross-entropy [code]; or another loss of shared.add_critic
    config.critic.loss = "non_saturating"
    config.perceptual = ConfigDict()  # a frozen net that compares two images by a map
    # As teacher.path: converted weights of vgg19 [code] or another net, or a run of
    # configs/teacher.py; "" = train the recogniser of `config` in this section first.
    config.perceptual.path = ""
    config.perceptual.tap = ""  # name of the map; "" = the last before a ReLU, conv5_4 [code]
    config.perceptual.config = ConfigDict()  # a whole configuration of method "teacher"


def _make_small(config: ConfigDict) -> None:
    """Sets sizes for minutes on two CPU cores [inferred]."""
    config.perceptual.config = teacher.get_config()
    config.data.train = "train[:88]"  # as many as the CUHK student set; more make the search longer
    config.data.image_px = (160, 128)
    config.data.canvas_px = config.data.crop_px = 160
    config.patches.max_iterations = 300  # 100 leave gaps of up to 0.009 on drawn faces
    config.sub_images.px, config.sub_images.stride_px = 64, 16
    config.model.width, config.model.num_blocks = 16, 2
    # The effective initialisation lays a grid of 2 px over the first sketches, and an average of
    # the parameters keeps it.
    config.model.scaled_init = True
    config.optim.ema_rate = 0.0
    config.critic.width, config.critic.num_layers = 16, 4
    config.optim.learning_rate = 5e-4
    config.optim.halve_at = (300, 450)
    config.batch_size = 8
    config.num_steps = 600
    config.eval_every_steps = config.save_every_steps = 150
    # The published weights are meant for VGG-19.  Our recogniser's last map lies behind three max
    # pools and does not see single pixels: its term then grows noise that convolutions repeat as a
    # grid of dots, and a pixel term of 1e-2 does not hold it [ours].
    config.loss_weights.pixel = 5.0
    config.loss_weights.perceptual = 0.1
    config.loss_weights.adversarial = 0.15
    # Cross-entropy lets this critic be sure of itself: its gradient draws a grid that fools it
    # (docs/methods/ide.md) [ours].
    config.critic.loss = "lsgan"


def tiny() -> ConfigDict:
    """Seconds, for tests."""
    config = shared.shrink(get_config())
    config.data.train, config.data.image_px = "train", (30, 24)
    config.data.canvas_px = config.data.crop_px = 32
    config.sub_images.px, config.sub_images.stride_px = 24, 4
    config.model.width, config.model.num_blocks, config.model.pool_px = 4, 1, 3
    config.model.scaled_init = False
    shared.shrink_critic(config)
    config.patches.patch_px, config.patches.step_px, config.patches.radius_px = 8, 4, 1
    config.patches.num_candidates, config.patches.max_iterations = 2, 10
    config.perceptual.config = teacher.tiny()
    return config
