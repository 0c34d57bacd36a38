"""A style network: paints photos in the style of one image.

Paper      Johnson et al., "Perceptual Losses for Real-Time Style Transfer and Super-Resolution",
           ECCV 2016; IFRP (arXiv 1904.04241) makes its portraits with such networks, retrained for
           each artwork [paper].  Numbers of the release github.com/jcjohnson/fast-neural-style
           are [code]; those of github.com/pytorch/examples, whose VGG-16 has torchvision's weights
           like ours, are [secondary].
Run        fsketch train --config=configs/style.py --workdir=runs/mosaic
           data=       as in configs/kd.py; only the photos are used.
           net=        small (default; width 16, 3 blocks, 0.28 M parameters, any teacher), johnson
                       (width 32, 5 blocks, 1.68 M; needs
                       --config.teacher.path=vgg16.safetensors).
           Style: --config.style.image=waves, any painting of data/synthetic/paintings.py (fsketch
           styles --paint=DIR writes them), or an image file.
           Use: fsketch synthesize --workdir=runs/mosaic --direction=to_sketch IN OUT
Cost       small, 128 px, teacher SqueezeNet v1.0: 0.6 to 3.7 images/s on two CPU cores shared with
           much other work.  johnson: not run yet.
Expect     small, mosaic, 300 steps of 4 on 300 photos of FS2K: portraits clearly in the style;
           means of 50 steps, first and last: style 0.44 and 0.14, content 1.31 and 1.00.  An
           evaluation leaves images and no scores: they would compare with drawn sketches.
"""

from ml_collections import ConfigDict

from fsketch.configs import data, shared, teacher

KEYS = {"data": tuple(data.PAIRS), "net": ("small", "johnson")}


def get_config(argument: str = "") -> ConfigDict:
    given = shared.arguments("configs/style.py", argument, **KEYS)
    config = shared.get_config()
    config.method = "style"
    data.use_pairs(config, given.data, whole=False)
    config.data.validation = config.best_metric = ""  # no metric of ours judges a style
    config.data.sketch_channels = 3
    _add_style(config)
    shared.add_teacher(config, "teacher", teacher.get_config())
    config.optim.learning_rate = 1e-3  # [code]
    config.optim.b1 = 0.9  # [code]
    config.optim.decay_from = 1.0  # constant [code]
    config.batch_size = 4  # [code]
    config.eval_every_steps = config.save_every_steps = 500
    if given.net == "johnson":
        config.teacher.taps = ("relu1_2", "relu2_2", "relu3_3", "relu4_3")  # [code]
        config.style.content_tap = "relu3_3"  # [code]; relu2_2 [secondary]
        config.style.relative = False
        config.loss_weights.style = 1e5  # [secondary: 1e10 to 1e5]
        # [inferred from code: 1e-6 times half the sum of squares, on 0..255 and maps of VGG-16 in
        # Caffe's scale, 57 times ours]
        config.loss_weights.total_variation = 2.0
        config.num_steps = 40000  # [code]
    else:  # chosen by eye [ours]
        config.model.width, config.model.num_blocks = 16, 3
        config.style.size_px = 128
        config.loss_weights.style = 2.0
        config.loss_weights.total_variation = 0.1
        config.num_steps = 1000
    return config.lock()


def _add_style(config: ConfigDict) -> None:
    """Adds a style network and its style image (nets/style.py, methods/style.py)."""
    config.model = ConfigDict()
    config.model.width = 32  # channels of the first layer [paper]
    config.model.num_blocks = 5  # residual blocks [paper]
    config.model.dtype = "float32"  # type to compute in; parameters are float32 always
    config.style = ConfigDict()
    config.style.image = "mosaic"  # a painting of data/synthetic/paintings.py, or an image file
    config.style.size_px = 256  # its longer side [code: the authors' release]
    config.style.seed = 0  # for drawing a painting
    config.style.content_tap = ""  # map of the content term; "" = the second of teacher.taps
    # True: terms are shares of their targets' mean squares, for any teacher [ours]; False: as
    # published.
    config.style.relative = True
    config.loss_weights = ConfigDict()
    config.loss_weights.content = 1.0
    config.loss_weights.style = 1.0
    config.loss_weights.total_variation = 0.0


def tiny() -> ConfigDict:
    """Seconds, for tests."""
    config = shared.shrink(get_config())
    config.model.width, config.model.num_blocks = 4, 1
    config.style.size_px = 32
    shared.shrink_teacher(config.teacher, teacher.tiny())
    return config
