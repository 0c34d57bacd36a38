"""One student that draws in four hands: CUHK's artist and FS2K's three styles.

Run        after own_photos.py in runs/own:
           fsketch train --config=configs/experiments/styles.py --workdir=runs/styles
           --config.data.manual_dir=DIR --config.teacher.path=squeezenet.safetensors; DIR holds
           cuhk/ and fs2k/ (tfds_builders/styles/README.md).
           KD from the student in runs/own/kd, whose drawing the styles leave unchanged at first,
           then KD+ with strokes, both under the conditions of own photos.
           The scores are those of the split held_out: FS2K's three styles together, and each under
           "by_style" in evaluation.json.  --style=fs2k1 of `fsketch sketch` draws in one of them.
Cost       kd 11 minutes of one CPU core at 3.2 parts/s, strokes 17 at 2.3, other work beside.
Expect     SqueezeNet v1.0, seed 0; to_sketch SSIM, PSNR, FSIM, Scoot on the 105 held-out pairs:
           strokes    0.409 12.85 0.620 0.415; by style: docs/results.md
"""

from ml_collections import ConfigDict

from fsketch.configs import experiments, kd, kd_plus
from fsketch.configs.experiments import own_photos

ARGUMENT = "data=styles,student=small,schedule=quick,conditions=anywhere"


def get_config() -> ConfigDict:
    both = {
        "data.even_background": own_photos.STUDIO_BLUE,
        "data.test": "held_out",
        "num_samples": 24,  # the first eight are CUHK's
        "save_every_steps": 50,
    }
    first = {
        "num_steps": 500,
        "eval_every_steps": 250,
        "best_metric": "",
        "optim.ema_rate": 0.99,
        "optim.decay_from": 0.3,
        "loss_weights.fsim": 2.0,
        **both,
    }
    then = {
        "num_steps": 600,
        "eval_every_steps": 300,
        "best_metric": "",
        "optim.learning_rate": 7e-4,
        "optim.ema_rate": 0.98,
        "optim.decay_from": 0.4,
        **both,
    }
    styled = kd.get_config(f"{ARGUMENT},variant=structured")
    strokes = kd_plus.get_config(f"{ARGUMENT},variant=stroked,stage=staged")
    return experiments.experiment(
        {
            "kd": experiments.stage(styled, first, start_from="runs/own/kd"),
            "strokes": experiments.stage(strokes, then, start_from="kd"),
        }
    )
