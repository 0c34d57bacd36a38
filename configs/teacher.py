"""A face recogniser on procedural photos and sketches: the default teacher of KD.

Paper      KD (TNNLS 2022) wants a teacher pretrained on much data of a related task [paper];
           the recogniser, its size and its training are ours [inferred], since ImageNet or
           VGG-Face weights cannot ship.
Run        python -m fsketch.main --config=configs/teacher.py --workdir=runs/teacher
           arguments: small (default; for configs/kd.py), full (VGG widths 64, 128, 256).
Cost       small: 2 minutes on 2 CPU cores, half a minute of it drawing faces.  full: not run yet.
Expect     small, seed 0: rank-1 of sketches against other photos, 64 unseen identities x 4 views:
           0.54.  full: not run yet.
"""

from ml_collections import ConfigDict

from fsketch.configs import base

ARGUMENTS = ("small", "full")


def get_config(argument: str = "small") -> ConfigDict:
    if argument not in ARGUMENTS:
        raise ValueError(f"configs/teacher.py:{argument}: the arguments are {ARGUMENTS}")
    config = base.get_config()
    config.method = "teacher"
    base.add_recogniser(config)
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
    if argument == "full":
        config.model.widths = (64, 128, 256, 256)
        config.num_steps = 3000
        config.eval_every_steps = config.save_every_steps = 500
    config.lock()
    return config


def tiny() -> ConfigDict:
    """Seconds, for tests."""
    return base.tiny(get_config())
