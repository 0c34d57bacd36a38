"""A face recogniser on procedural photos and sketches: the default teacher of KD.

Paper      KD (TNNLS 2022) uses a teacher pretrained on a related task with much data [paper];
           the recogniser, its size and its training are ours [inferred], since ImageNet or
           VGG-Face weights cannot ship.
Run        fsketch train --config=configs/teacher.py --workdir=runs/teacher
           net=small (default; for configs/kd.py) or full (VGG widths 64, 128, 256).
           images=     both (default), photos or sketches: what it learns from, for configs/kt.py.
Cost       small: 4 minutes of one CPU core, one of that to draw faces.  full: not run yet.
Expect     small, seed 0: rank-1 of sketches against other photos, 64 unseen identities x 4 views:
           0.48.  full, images=photos and sketches: not run yet.
"""

from ml_collections import ConfigDict

from fsketch.configs import shared

KINDS = {"both": ("photo", "sketch"), "photos": ("photo",), "sketches": ("sketch",)}  # by images=
KEYS = {"net": ("small", "full"), "images": tuple(KINDS)}


def get_config(argument: str = "") -> ConfigDict:
    given = shared.arguments("configs/teacher.py", argument, **KEYS)
    config = shared.get_config()
    config.method = "teacher"
    config.kinds = KINDS[given.images]  # of the images that it learns from
    config.model = ConfigDict()
    config.model.widths = (16, 32, 128, 128)  # channels of each stage (nets/vgg.py)
    config.model.depths = (2, 2, 4, 2)  # convolutions of each stage
    config.model.norm = "instance"  # "instance" or "none"
    config.model.embedding_size = 128
    config.model.num_identities = 256  # classes: the persons of the training split
    config.num_steps = 400
    config.batch_size = 16
    config.data.name = "procedural_faces/recognition"
    config.data.validation = "validation"
    config.data.canvas_px = 84
    config.data.crop_px = 80
    config.optim.learning_rate = 1e-3
    config.optim.b1 = 0.9
    config.eval_every_steps = 200
    config.save_every_steps = 200
    config.eval_batch_size = 64
    config.best_metric = "rank1"
    if given.net == "full":
        config.model.widths = (64, 128, 256, 256)
        config.num_steps = 3000
        config.eval_every_steps = config.save_every_steps = 500
    return config.lock()


def tiny(argument: str = "") -> ConfigDict:
    """Seconds, for tests."""
    config = shared.shrink(get_config(argument))
    config.model.widths, config.model.depths = (4, 8, 16), (2, 2, 4)
    config.model.embedding_size = 8
    config.best_metric = ""  # no person of procedural_faces/tiny has two pictures
    return config
