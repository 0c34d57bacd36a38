"""The students that ship: KD under random light, then KD+ with strokes under all conditions.

Run        fsketch train --config=configs/experiments/own_photos.py --workdir=runs/own
           --config.data.manual_dir=DIR --config.teacher.path=squeezenet.safetensors
           fsketch export --format=zoo --workdir=runs/own/strokes --direction=to_sketch
           --name=sketch-small OUT; likewise to_photo.
Cost       kd about 20 minutes of one CPU core, strokes about 20 at 2.6 parts/s; other work beside.
Expect     SqueezeNet v1.0, seed 0, 100 test pairs of CUHK; to_sketch SSIM, PSNR, FSIM, Scoot;
           to_photo:
           kd         0.649 15.46 0.735 0.480;  0.723 17.00 0.801 0.606
           strokes    0.608 15.51 0.740 0.565;  0.673 16.28 0.794 0.599
           These are the only two looks at the test photos; strokes is its last step.
"""

from ml_collections import ConfigDict

from fsketch.configs import experiments, kd, kd_plus

ARGUMENT = "data=cuhk,student=small,schedule=quick"


def get_config() -> ConfigDict:
    light = {"data.brightness": 0.2, "data.contrast": 0.3, "data.saturation": 0.5}
    first = {
        "num_steps": 1200,
        "save_every_steps": 100,
        "eval_every_steps": 200,
        "optim.ema_rate": 0.99,
        "optim.decay_from": 0.5,
        "loss_weights.fsim": 2.0,
        **light,
    }
    then = {
        "num_steps": 800,
        "save_every_steps": 50,
        "eval_every_steps": 200,
        "best_metric": "",
        "optim.learning_rate": 7e-4,
        "optim.ema_rate": 0.98,
        "optim.decay_from": 0.4,
    }
    strokes = kd_plus.get_config(f"{ARGUMENT},variant=stroked,stage=staged,conditions=anywhere")
    return experiments.experiment(
        {
            "kd": experiments.stage(kd.get_config(f"{ARGUMENT},variant=structured"), first),
            "strokes": experiments.stage(strokes, then, start_from="kd"),
        }
    )
