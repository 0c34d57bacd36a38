"""A face embedder by margin softmax: teacher of SynthDistill, identity for losses and metrics.

Paper      ArcFace (Deng et al., CVPR 2019): scale 64, margin 0.5 rad; CosFace (Wang et al., CVPR
           2018): scale 64, margin 0.35 [paper].  Nets of the papers: iresnet18, iresnet50,
           iresnet100 and others (fsketch/embedders.py).  Training on drawn faces, its size and its
           schedule are ours [inferred], since no photo of a person can ship.
Run        python -m fsketch.main --config=configs/embedder.py --workdir=runs/embedder
           data: drawn (default; 1000 persons of data/procedural.py, a new view each time), folder
           (DIR/PERSON/IMAGE, or DIR/train/PERSON/IMAGE and so on; --config.data.manual_dir=DIR);
           a prepared TFDS set: folder --config.data.name=tfds_folder.
           loss: arcface (default), cosface.
           net, after its name in fsketch/embedders.py: small (default), iresnet18, ...
Cost       not run yet.
Expect     not run yet.
"""

from ml_collections import ConfigDict

from configs import base

DATA = ("drawn", "folder")
LOSSES = {"arcface": 0.5, "cosface": 0.35}  # and their margins [paper]
NETS = ("small", "iresnet18", "iresnet50", "iresnet100", "mobilefacenet", "facenet")
ARGUMENTS = (*DATA, *LOSSES)


def get_config(argument: str = "drawn") -> ConfigDict:
    data, loss = base.words(argument, DATA, tuple(LOSSES))
    config = base.get_config()
    config.method = "embedder"
    base.add_embedder(
        config, "vgg", widths=(32, 64, 128, 128), depths=(2, 2, 2, 2), embedding_size=128
    )
    config.model.num_identities = 1000  # persons of the training split
    config.margin = ConfigDict()
    config.margin.kind = loss or "arcface"
    config.margin.margin = LOSSES[config.margin.kind]
    config.margin.scale = 64.0  # [paper]
    config.optim.learning_rate = 1e-3
    config.optim.b1 = 0.9
    config.best_metric = "accuracy"
    if data == "folder":
        config.data.name = "identity_folder"
        config.data.validation = "validation"
        config.data.canvas_px = config.data.crop_px = 112  # [paper]
        config.batch_size = 512  # [paper]
    else:
        base.add_generator(config)
        base.use_drawn_faces(config, side_px=48, persons=1000, held_out=64)
        config.margin.scale, config.margin.margin = 16.0, config.margin.margin / 2
        config.batch_size = 32
    config.num_steps = 1500
    config.eval_every_steps = config.save_every_steps = 500
    config.eval_batch_size = 64
    config.lock()
    return config


def tiny() -> ConfigDict:
    """Seconds, for tests."""
    return base.tiny(get_config())
