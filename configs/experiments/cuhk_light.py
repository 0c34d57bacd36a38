"""KD+ with random light: cuhk_strokes.py, then five stages; the last starts from a mean of three.

Run        fsketch train --config=configs/experiments/cuhk_light.py --workdir=runs/cuhk
           --config.data.manual_dir=DIR
Cost       lit 16 minutes of one CPU core, lit_rough 19, lit_end 20; fine_on, fine_end: not
           recorded; plus the stages of cuhk_strokes.py.
Expect     SqueezeNet v1.0, seed 0; SSIM, FSIM, Scoot of sketches on 8 validation pairs and on the
           100 test pairs:
           fine_on                         0.617 0.746 0.576
           fine_end    0.639 0.771 0.675   0.616 0.746 0.576
           lit         0.638 0.770 0.674
           lit_rough   0.638 0.769 0.678
           lit_end     0.642 0.769 0.682   0.621 0.744 0.569, PSNR 15.39
           These test scores are the fourth to sixth look at the test photos; lit and lit_rough were
           not scored on them.  A seventh look: the mean of the three alone, 0.618 0.746 0.574.
"""

from ml_collections import ConfigDict

from fsketch.configs import experiments
from fsketch.configs.experiments import cuhk_strokes

FINE_ON = {"ssim": 12.0, "fsim": 8.0, "roughness": 90.0, "adversarial": 2.0}
FINE_END = {"ssim": 18.0, "fsim": 9.0, "roughness": 80.0, "adversarial": 2.0}
LIT = {"ssim": 18.0, "fsim": 9.0, "roughness": 90.0, "adversarial": 2.0}
LIT_ROUGH = {"ssim": 18.0, "fsim": 9.0, "roughness": 140.0, "adversarial": 3.0}
LIT_END = {"ssim": 20.0, "fsim": 10.0, "roughness": 150.0, "adversarial": 3.0}


def _lit(config: ConfigDict, brightness: float, saturation: float) -> ConfigDict:
    light = {"brightness": brightness, "contrast": 0.3, "saturation": saturation}
    return experiments.stage(config, {f"data.{name}": x for name, x in light.items()})


def get_config() -> ConfigDict:
    stroked, three = cuhk_strokes.stroked, "fine_end,lit,lit_rough"
    rough = stroked("lit", 400, 7e-4, 0.0, 0.99, **LIT_ROUGH)
    later = {
        "fine_on": stroked("fine", 900, 7e-4, 0.3, 0.99, **FINE_ON),
        "fine_end": stroked("fine_on", 360, 5e-4, 0.0, 0.98, **FINE_END),
        "lit": _lit(stroked("fine_end", 360, 5e-4, 0.0, 0.98, **LIT), 0.2, 0.5),
        "lit_rough": _lit(rough, 0.15, 0.4),
        "lit_end": _lit(stroked(three, 480, 7e-4, 0.5, 0.995, **LIT_END), 0.15, 0.4),
    }
    return experiments.experiment(cuhk_strokes.stages() | later)
