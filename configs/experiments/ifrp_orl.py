"""IFRP beside pix2pix on ORL's 400 faces, split by person, at half width.

Run        fsketch train --config=configs/experiments/ifrp_orl.py --workdir=runs/ifrp_orl
           --config.portraits.manual_dir=DIR; then `fsketch evaluate --workdir=runs/ifrp_orl/ifrp
           --split=test_unseen`.
Cost       not recorded.
Expect     300 steps; the style networks of FS2K (--config.portraits.networks=DIR; without it, they
           are trained on ORL first: not run yet); SSIM, FSIM, PSNR of seen and unseen styles:
           ifrp      0.477 0.728 17.8   0.437 0.722 15.5
           pix2pix   0.406 0.728 16.7   0.393 0.726 16.3 (step 150)
           The width of pix2pix's critic is [inferred].
"""

from ml_collections import ConfigDict

from fsketch.configs import experiments, ifrp, pix2pix
from fsketch.configs.experiments import ifrp_fs2k


def get_config() -> ConfigDict:
    same = {"num_steps": 300, "eval_every_steps": 150, **ifrp_fs2k.STYLES}
    ours, baseline = (method.get_config("portraits=orl") for method in (ifrp, pix2pix))
    return experiments.experiment(
        {
            "ifrp": experiments.stage(ours, {**same, **ifrp_fs2k.HALF}),
            "pix2pix": experiments.stage(baseline, {**same, **ifrp_fs2k.HALF_UNET}),
        }
    )
