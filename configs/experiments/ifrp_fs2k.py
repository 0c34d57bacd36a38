"""IFRP beside pix2pix on FS2K's photo1 faces, at half width on a CPU.

Run        fsketch train --config=configs/experiments/ifrp_fs2k.py --workdir=runs/ifrp
           --config.portraits.manual_dir=DIR; then `fsketch evaluate --workdir=runs/ifrp/ifrp
           --split=test_unseen`, or test_sketches.
Cost       ifrp 1.3 s a step on one CPU core, an hour in all; others: not recorded.
Expect     our recogniser, 495 faces to train, 71 to validate, 141 to test, ten style networks of
           500 steps with SqueezeNet v1.0; SSIM and FSIM of seen styles, unseen ones, drawn
           sketches, FRR (by pixels) of the same, FCR:
           ifrp         0.493 0.732   0.391 0.692   0.295 0.602   95.0 78.5 21.3 %   89.8 %
           pix2pix      0.363 0.696   0.357 0.696   0.325 0.677   39.0 33.6 12.8 %   65.7 %
           pixel_only   0.421 0.676
           PSNR of ifrp 16.3, 11.6, 6.3; its validation scores were still rising.  pix2pix is step
           300 of 600.  Its half width is recorded for the translator; the critic's is [inferred].
           FS2K had 46 steps an epoch at that time.
"""

from ml_collections import ConfigDict

from fsketch.configs import experiments, ifrp, pix2pix

HALF = {"model.width": 16, "critic.width": 16}
HALF_UNET = {"model.width": 32, "critic.width": 32}
STYLES = {"portraits.network.num_steps": 500}
EPOCHS = {"optim.steps_per_epoch": 46}


def get_config() -> ConfigDict:
    baseline = {**HALF_UNET, **STYLES, "num_steps": 600, "eval_every_steps": 300}
    pixels = ifrp.get_config("portraits=fs2k,ablation=pixel_only")
    return experiments.experiment(
        {
            "ifrp": experiments.stage(
                ifrp.get_config("portraits=fs2k"), {**HALF, **STYLES, **EPOCHS, "num_steps": 2760}
            ),
            "pix2pix": experiments.stage(pix2pix.get_config("portraits=fs2k"), baseline),
            "pixel_only": experiments.stage(pixels, {**HALF, **STYLES, **EPOCHS, "num_steps": 300}),
        }
    )
