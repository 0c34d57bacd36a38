"""A face embedder with margin softmax: teacher of SynthDistill, identity for losses and metrics.

Paper      ArcFace (Deng et al., CVPR 2019): scale 64, margin 0.5 rad, IResNet, batches of 512 at
           112 px; CosFace (Wang et al., CVPR 2018): scale 64, margin 0.35 [paper].  Drawn faces,
           the small net, its scale and schedule are ours [inferred]: no photo of a person can ship.
           ArcFace and CosFace train with SGD [paper]; here Adam at 1e-3 [ours]: it needs no
           schedule of its own to learn drawn faces in 1500 steps.  data=identity_folder also has
           Adam and differs from the papers in that.
Run        fsketch train --config=configs/embedder.py --workdir=runs/embedder
           data=       drawn (default; 1000 persons of data/synthetic, a new view each time),
                       identity_folder (tfds_builders/identity_folder; --config.data.manual_dir=DIR
                       --config.model.num_identities=N); add --config.data.name=tfds_folder if DIR
                       is a data set that some TFDS builder prepared.
           loss=       arcface (default), cosface.
           net=        small (default; VGG form, 1.5 M parameters at 48 px), iresnet18, iresnet50,
                       iresnet100, mobilefacenet (112 px); --config.model.net takes any net of
                       frozen/embedders.py.
           E.g. configs/embedder.py:data=identity_folder,loss=cosface,net=iresnet50.
Cost       drawn, small: 0.25 s a step of 32 on 2 CPU cores, drawing included, so 6 minutes and one
           of compilation the first time [projected from short runs].  Others: not run yet.
Expect     drawn, small, of 700 steps: configs/experiments/embedder.py.  In full: not run yet.
"""

from ml_collections import ConfigDict

from fsketch.configs import data, shared

MARGINS = {"arcface": 0.5, "cosface": 0.35}  # [paper]
KEYS = {
    "data": ("drawn", "identity_folder"),
    "loss": tuple(MARGINS),
    "net": ("small", "iresnet18", "iresnet50", "iresnet100", "mobilefacenet"),
}


def get_config(argument: str = "") -> ConfigDict:
    given = shared.arguments("configs/embedder.py", argument, **KEYS)
    config = shared.get_config()
    config.method = "embedder"
    if given.net == "small":
        shared.add_embedder(
            config, "vgg", widths=(32, 64, 128, 256), depths=(2, 2, 2, 2), embedding_size=128
        )
        side_px = 48
    else:
        shared.add_embedder(config, given.net)
        side_px = 112  # [paper]
    config.model.num_identities = 1000  # persons of the training split
    config.margin = ConfigDict()
    config.margin.kind = given.loss  # a key of fsketch/losses/margin.py KINDS
    config.margin.margin = MARGINS[given.loss]  # radians for arcface
    config.margin.scale = 64.0  # [paper]
    config.optim.learning_rate = 1e-3
    config.optim.b1 = 0.9
    config.best_metric = "accuracy"
    config.eval_batch_size = 64
    if given.data == "identity_folder":
        config.data.name = "identity_folder"
        config.data.validation = "validation"
        config.data.canvas_px = config.data.crop_px = side_px
        config.batch_size = 512  # [paper]
        config.num_steps = 20000
        config.eval_every_steps = config.save_every_steps = 2000
    else:
        shared.add_generator(config)
        data.use_drawn_faces(config, side_px=side_px, persons=1000, validation=64, test=256)
        # Half the margin and a quarter of the scale, for so few steps.
        config.margin.margin /= 2
        config.margin.scale /= 4
        config.batch_size = 32
        config.num_steps = 1500
        config.eval_every_steps = config.save_every_steps = 500
    return config.lock()


def tiny() -> ConfigDict:
    """Seconds, for tests."""
    config = shared.shrink(get_config())
    shared.shrink_embedder(config)
    data.use_drawn_faces(config, side_px=32, persons=8, validation=2, test=2)
    return config
