"""Six methods at full size for a few minutes of one GPU, on CUHK.

Run        fsketch train --config=configs/experiments/cuhk_gpu.py --workdir=runs/gpu
           --config.data.manual_dir=DIR
Cost       the rows below took five minutes, all at once on one H200: KD and KD+ were stopped at
           about 700 (full), 1000 (small) and 600 steps (KD+) of the steps set here.
Expect     SqueezeNet v1.0, seed 0, 100 test pairs, best checkpoint; to_sketch SSIM, PSNR, FSIM,
           Scoot:
           kd_full    0.639 15.01 0.742 0.466 (step 400)
           kd_small   0.649 15.58 0.757 0.483 (step 800)
           kd_plus    0.608 14.62 0.720 0.508 (step 400)
           kt         0.644 15.65 0.714 0.465 (step 1200); to_photo SSIM 0.718, FSIM 0.795
           pix2pix    0.626 15.48 0.717 0.483 (step 800)
           cyclegan   0.563 14.19 0.698 0.480 (step 400); to_photo SSIM 0.603, FSIM 0.753
           Validation SSIM was still rising for kt (0.630, 0.662, 0.668 after 400, 800, 1200 steps),
           KD and KD+; for pix2pix it fell (0.644, 0.643, 0.631 after 800, 1600, 2400) while Scoot
           rose (0.525, 0.567, 0.603); for cyclegan it fell from 0.600 to 0.549 after 800.
"""

from ml_collections import ConfigDict

from fsketch.configs import cyclegan, experiments, kd, kd_plus, kt, pix2pix

QUICK = "data=cuhk,schedule=quick"


def _row(config: ConfigDict, batch_size: int, num_steps: int) -> ConfigDict:
    changes = {"batch_size": batch_size, "num_steps": num_steps, "eval_every_steps": 400}
    return experiments.stage(config, {**changes, "model.dtype": "bfloat16"})


def get_config() -> ConfigDict:
    structured, textured = (f"{QUICK},variant={v}" for v in ("structured", "textured"))
    float32 = {"model.dtype": "float32", "model.width": 64, "critic.width": 64}
    unet = _row(pix2pix.get_config(QUICK), 8, 2400)
    return experiments.experiment(
        {
            "kd_full": _row(kd.get_config(f"{structured},student=full"), 16, 800),
            "kd_small": _row(kd.get_config(f"{structured},student=small"), 16, 1200),
            "kd_plus": _row(kd_plus.get_config(f"{textured},student=full"), 16, 800),
            "kt": _row(kt.get_config(f"{QUICK},student=full"), 8, 1200),
            "pix2pix": experiments.stage(unet, {**float32, "eval_every_steps": 800}),
            "cyclegan": _row(cyclegan.get_config(f"{QUICK},net=full"), 8, 800),
        }
    )
