"""What distillation buys with few pairs: 11, 22 and 44 of CUHK, four ways, three seeds each.

CUHK's 88 training pairs are shuffled once.  The first 11, 22 or 44 train, the last 44 are scored;
the test pairs are not touched.  Stages are ROW_PAIRS_SEED:

           l1         a mini student of the pairs alone
           kd         the same by KD, with all terms and VGG-16 as its teacher
           small      a small student of the pairs alone, three times larger
           drawn      l1, and as many pairs that `small` drew: of all photos in the first half, so
                      that with 11 pairs 33 photos have no sketch but the drawn one

Run        fsketch convert vgg16_hed hed.h5 vgg16_hed.safetensors (docs/weights.md); then
           fsketch train --config=configs/experiments/cuhk_pairs.py --workdir=runs/pairs
           --config.data.manual_dir=DIR --config.teacher.path=vgg16_hed.safetensors
           fsketch report seeds --plot=pairs.png l1@11=runs/pairs/l1_11_0
           l1@11=runs/pairs/l1_11_1 ... drawn@44=runs/pairs/drawn_44_2
Cost       minutes of one shared CPU core: l1 2, kd 6, small 4, drawn 3 with drawing.
Expect     SSIM, FSIM, Scoot of 44 sketches, and SSIM of photos; means of the seeds that were run:
           l1_11, small_11, drawn_11: three seeds; kd_11, l1_44, small_44, drawn_44: seed 0 alone;
           kd_44 and l1_22, kd_22, small_22, drawn_22: not run yet.  docs/results.md, "Fewer pairs".
"""

import numpy as np
from ml_collections import ConfigDict

from fsketch.configs import experiments, kd

PAIRS = (11, 44, 22)
SEEDS = (0, 1, 2)
ROWS = {  # student, ablation
    "l1": ("mini", "reconstruction"),
    "kd": ("mini", "none"),
    "small": ("small", "reconstruction"),
    "drawn": ("mini", "reconstruction"),
}
CHANGES = {"data.validation": "", "best_metric": "", "num_steps": 500, "save_every_steps": 100}


def split(places: np.ndarray) -> str:
    """These pairs, in the order of the list."""
    return "+".join(f"train[{place}:{place + 1}]" for place in sorted(places.tolist()))


def get_config() -> ConfigDict:
    places, stages = np.random.default_rng(0).permutation(88), {}
    for seed in SEEDS:
        for pairs in PAIRS:
            for row, (student, ablation) in ROWS.items():
                argument = f"data=cuhk,student={student},ablation={ablation},schedule=quick"
                changes = {
                    **CHANGES,
                    "seed": seed,
                    "data.train": split(places[:pairs]),
                    "data.test": split(places[44:]),
                }
                if row == "drawn":
                    changes["unlabelled.split"] = split(places[:44])
                    changes["unlabelled.teacher"] = f"small_{pairs}_{seed}"
                stage = experiments.stage(kd.get_config(argument), changes)
                stages[f"{row}_{pairs}_{seed}"] = stage
    return experiments.experiment(stages, teacher="vgg16_hed.safetensors")
