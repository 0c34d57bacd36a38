"""KD: two students, one frozen teacher, and each other.

Paper      "Knowledge Distillation for Face Photo-Sketch Synthesis", IEEE TNNLS 33(2), 2022.
           Only the abstract is public: one teacher, two mutual students [paper].  Networks,
           losses, weights and schedule are a reconstruction, tagged field by field below.
Run        python -m fsketch.main --config=configs/kd.py --workdir=runs/kd
           arguments: embedded (default; procedural faces), cuhk (88/100 pairs), cufs (268/338);
           the last two need --config.data.manual_dir=DIR.
Cost       embedded: 5.5 minutes on 2 CPU cores, environment, data and teacher included, 1.5 GB.
           cuhk and cufs at the sizes below: not run yet.  cuhk at width 24, 6 blocks, 800 steps of
           4 (the README's command): about 40 minutes on 2 CPU cores, 1.6 images/s, 3 GB.
Expect     embedded, seed 0, 48 test pairs, protocol cufs: to_sketch SSIM 0.667, PSNR 19.96;
           to_photo SSIM 0.653, PSNR 15.76.
           cuhk at width 24 as above, white canvas, seed 0, 100 test pairs: to_sketch SSIM 0.635,
           PSNR 15.67; to_photo SSIM 0.672, PSNR 16.23.  Full width, cufs: not run yet.
"""

from ml_collections import ConfigDict

from configs import base, teacher

ARGUMENTS = ("embedded", "cuhk", "cufs")


def get_config(argument: str = "embedded") -> ConfigDict:
    if argument not in ARGUMENTS:
        raise ValueError(f"configs/kd.py:{argument}: the arguments are {ARGUMENTS}")
    config = base.get_config()
    config.method = "kd"
    base.add_translator(config)
    base.add_teacher(config)
    config.best_metric = "to_sketch/ssim"

    config.loss_weights = ConfigDict()
    # [secondary: L1 weight of the author's pix2pix; use inferred]
    config.loss_weights.reconstruction = 10.0
    config.loss_weights.mimic = 1.0  # [inferred] on teacher maps of unit mean square
    config.loss_weights.transform = 1.0  # [inferred]
    config.loss_weights.mutual = 1.0  # [inferred]

    if argument == "embedded":
        _embedded(config)
    else:
        _cufs(config, "cufs/cuhk" if argument == "cuhk" else "cufs/all")
    config.lock()
    return config


def _embedded(config: ConfigDict) -> None:
    """64 x 80 px procedural faces; sizes chosen for minutes on two CPU cores [inferred]."""
    config.data.name = "procedural_faces/small"
    config.data.validation = "validation"
    config.data.canvas_px = 88
    config.data.crop_px = 80
    config.model.width = 16
    config.model.num_blocks = 4
    config.optim.learning_rate = 1e-3
    config.batch_size = 4
    config.num_steps = 1000
    config.eval_every_steps = config.save_every_steps = 250
    config.eval_batch_size = 16
    config.teacher.config = teacher.get_config("small")


def _cufs(config: ConfigDict, name: str) -> None:
    """200 x 250 px pairs on a 286 canvas, 256 crops [secondary: SC_Lmser, SCA-GAN]."""
    config.data.name = name
    config.protocol = "cufs"
    # Eight training pairs choose the best checkpoint (of both students, by the sketches); the
    # test pairs never do.  Of all three sets where there are three.
    config.data.train = "train[8:]"
    config.data.validation = "train[:8]"
    if name == "cufs/all":
        config.data.train = "train[3:88]+train[90:168]+train[171:]"
        config.data.validation = "train[:3]+train[88:90]+train[168:171]"
    config.batch_size = 1  # [secondary: the author's pix2pix]
    pairs = 80 if name == "cufs/cuhk" else 260
    config.num_steps = 200 * pairs  # 200 epochs, 100 constant and 100 falling [secondary]
    config.eval_every_steps = config.save_every_steps = 10 * pairs
    config.teacher.config = teacher.get_config("full")


def tiny() -> ConfigDict:
    """Seconds, for tests."""
    return base.tiny(get_config())
