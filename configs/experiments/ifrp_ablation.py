"""IFRP without some losses or transformers, 600 steps each at full width on FS2K's photo1 faces.

Run        fsketch train --config=configs/experiments/ifrp_ablation.py --workdir=runs/ifrp_ablation
           --config.portraits.manual_dir=DIR; then `fsketch evaluate --workdir=RUN --split=SPLIT`.
Cost       all four at once in two minutes of an H200, after ten style networks of 500 steps in two
           minutes and 3249 portraits in half a minute.
Expect     our recogniser, seed 0; SSIM and FSIM of seen styles, unseen ones, drawn sketches, FRR
           (by pixels) of the first two:
           ifrp          0.369 0.689   0.282 0.681   0.187 0.647   48.7 31.5 %
           no_identity   0.373 0.683   0.284 0.678   0.187 0.647   48.7 29.7 %
           no_stn        0.350 0.690   0.291 0.685   0.222 0.669   41.8 28.1 %
           pixel_only    0.344 0.575   0.344 0.575   0.344 0.575    3.5  3.5 %
           Too short for a ranking.  FS2K had 46 steps an epoch at that time.
"""

from ml_collections import ConfigDict

from fsketch.configs import experiments, ifrp
from fsketch.configs.experiments import ifrp_fs2k

ROWS = {
    "ifrp": "",
    "no_identity": ",ablation=no_identity",
    "no_stn": ",transformers=no",
    "pixel_only": ",ablation=pixel_only",
}


def get_config() -> ConfigDict:
    changes = {"num_steps": 600, "eval_every_steps": 600, **ifrp_fs2k.STYLES, **ifrp_fs2k.EPOCHS}
    stages = {
        name: experiments.stage(ifrp.get_config(f"portraits=fs2k{words}"), changes)
        for name, words in ROWS.items()
    }
    return experiments.experiment(stages)
