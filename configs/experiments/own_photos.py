"""The students that ship: KD, then KD+ with strokes, both under the conditions of own photos.

student=small (default), or mini, which also learns from photos without sketches that the small one
draws (fsketch/unlabelled.py).

Run        fsketch train --config=configs/experiments/own_photos.py --workdir=runs/own
           --config.data.manual_dir=DIR --config.teacher.path=squeezenet.safetensors
           fsketch export --format=zoo --workdir=runs/own/strokes --direction=to_sketch
           --name=sketch-small OUT; likewise to_photo.
           Then mini: --config=configs/experiments/own_photos.py:student=mini --workdir=runs/mini
           --config.unlabelled.folder=PHOTOS; its teacher is the run runs/own/strokes.
Cost       small: kd 35 minutes of one CPU core, strokes 33, other work beside: 1.2 to 3.4 parts/s;
           mini: 24 and 21, and 5 to draw 707 photos twice.
Expect     SqueezeNet v1.0, seed 0, 100 test pairs of CUHK; to_sketch SSIM, PSNR, FSIM, Scoot;
           to_photo, whose truths have other backgrounds:
           small      kd         0.649 15.70 0.742 0.478;  0.716 15.87 0.785 0.594
                      strokes    0.609 15.51 0.738 0.576;  0.684 15.70 0.785 0.611
           mini       kd         0.625 15.36 0.734 0.495
                      strokes    0.601 15.33 0.730 0.556;  0.623 14.05 0.758 0.570
           Outside the studio mini draws better than its teacher (docs/results.md); its photos are
           worse, since the backgrounds of PHOTOS are among its targets.
           docs/lab_record.md lists the looks at the test photos; strokes is its last step.
"""

from ml_collections import ConfigDict

from fsketch.configs import experiments, kd, kd_plus, shared

KEYS = {"student": ("small", "mini")}
STUDIO_BLUE = (128, 210, 234)  # median of the backgrounds of CUHK's photos
TEACHER = "runs/own/strokes"  # of mini; another: --config.stages.kd.unlabelled.teacher=RUN


def get_config(argument: str = "") -> ConfigDict:
    given = shared.arguments("configs/experiments/own_photos.py", argument, **KEYS)
    same = f"data=cuhk,student={given.student},schedule=quick,conditions=anywhere"
    both = {"data.even_background": STUDIO_BLUE}
    if given.student == "mini":
        both["unlabelled.teacher"] = TEACHER
    first = {
        "num_steps": 1500,
        "save_every_steps": 100,
        "eval_every_steps": 300,
        "optim.ema_rate": 0.99,
        "optim.decay_from": 0.5,
        "loss_weights.fsim": 2.0,
    }
    then = {
        "num_steps": 1000,
        "save_every_steps": 50,
        "eval_every_steps": 250,
        "best_metric": "",
        "optim.learning_rate": 7e-4,
        "optim.ema_rate": 0.98,
        "optim.decay_from": 0.4,
    }
    strokes = kd_plus.get_config(f"{same},variant=stroked,stage=staged")
    return experiments.experiment(
        {
            "kd": experiments.stage(kd.get_config(f"{same},variant=structured"), both | first),
            "strokes": experiments.stage(strokes, both | then, start_from="kd"),
        }
    )
