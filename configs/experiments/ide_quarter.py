"""IDE, both stages, the second at a quarter of its size on one CPU core: four stages on CUHK.

Run        fsketch train --config=configs/experiments/ide_quarter.py --workdir=runs/ide_quarter
           --config.data.manual_dir=DIR
Cost       2 s of one CPU core a step of two sub-images.
Expect     SqueezeNet v1.0 as the perceptual net, seed 0, 80 training and 100 test pairs; SSIM,
           PSNR, FSIM, Scoot:
           (the first stage alone                                   0.625 15.72 0.725 0.472)
           (the same, halved and doubled bicubically                0.631 15.76 0.715 0.455)
           pixel       negligible adversarial term                  0.619 15.68 0.722 0.479
           strokes     that term weighted thirty times as much      0.604 15.71 0.728 0.494
           Scores of published and tenth and evaluation intervals are not recorded; `strokes` was
           chosen by validation FSIM.
"""

from ml_collections import ConfigDict

from fsketch.configs import experiments, ide

QUARTER = {
    "model.width": 32,
    "model.num_blocks": 4,
    "critic.width": 32,
    "batch_size": 2,
    "optim.learning_rate": 4e-4,
    "eval_every_steps": 100,  # [ours]
    "save_every_steps": 100,  # [ours]
}


def _stage(start_from: str, num_steps: int, **weights: float) -> ConfigDict:
    changes = {**QUARTER, "num_steps": num_steps}
    changes |= {f"loss_weights.{term}": weight for term, weight in weights.items()}
    return experiments.stage(ide.get_config("data=cuhk"), changes, start_from=start_from)


def get_config() -> ConfigDict:
    strokes = _stage("pixel", 600, perceptual=0.1, pixel=5.0, adversarial=0.15)
    return experiments.experiment(
        {
            "published": _stage("", 400),  # weights meant for VGG-19 leave the paper grey
            "tenth": _stage("published", 525, perceptual=0.1, pixel=0.1),
            "pixel": _stage("tenth", 200, perceptual=0.1, pixel=5.0),
            "strokes": experiments.stage(strokes, {"best_metric": "to_sketch/fsim"}),
        }
    )
